"""Drawing symbols, as a port."""

from enum import StrEnum
from typing import Protocol

from govcode_node.domain.codes import ErrorLevel, Symbology


class ImageFormat(StrEnum):
    """The form of a drawn symbol."""

    PNG = "PNG"
    SVG = "SVG"
    TERMINAL = "TERMINAL"

    @property
    def media_type(self) -> str:
        """Its media type."""
        return {"PNG": "image/png", "SVG": "image/svg+xml", "TERMINAL": "text/plain; charset=utf-8"}[self.value]


class SymbolDrawer(Protocol):
    """It draws symbols."""

    def draw(
        self,
        text: str,
        *,
        symbology: Symbology,
        error_level: ErrorLevel,
        image_format: ImageFormat,
        scale: int,
    ) -> tuple[bytes, int]:
        """It draws a text and returns the image and the version of the symbol.

        Raises:
            SymbologyUnsupportedError: It does not draw that symbology.
            SymbolDataTooLongError: The text does not fit at that level.
            SymbolScaleError: The scale is out of range.
        """
        ...
