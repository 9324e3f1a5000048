"""Reading a code text without judging it (解码), and drawing its symbol (码图)."""

from dataclasses import dataclass

from govcode_node.domain.code_text import normalise
from govcode_node.domain.codecs import CodecSet
from govcode_node.domain.codes import ErrorLevel, ParsedCode, Symbology
from govcode_node.ports.symbols import ImageFormat, SymbolDrawer


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnSymbol:
    """A symbol.

    Attributes:
        image: The image, or UTF-8 text for a terminal.
        media_type: Its media type.
        symbol_version: Version and level, for example `4-M`.
    """

    image: bytes
    media_type: str
    symbol_version: str


class CodeTexts:
    """It reads and draws code texts."""

    def __init__(self, *, codecs: CodecSet, drawer: SymbolDrawer) -> None:
        """It works with the node's codecs and a drawer."""
        self._codecs = codecs
        self._drawer = drawer

    def decode(self, code_text: str) -> ParsedCode:
        """It reads the fields of a text as a scanner gives it.

        Raises:
            MalformedCodeError: The text is no code.
            UnsupportedVersionError: It is of a version that this node does not read.
        """
        return self._codecs.parse(normalise(code_text))

    def draw(
        self,
        code_text: str,
        *,
        symbology: Symbology,
        error_level: ErrorLevel,
        image_format: ImageFormat,
        scale: int,
    ) -> DrawnSymbol:
        """It draws a well-formed text.

        Raises:
            MalformedCodeError, UnsupportedVersionError: The text is no code that this node reads.
            SymbologyUnsupportedError, SymbolDataTooLongError, SymbolScaleError: It cannot be drawn so.
        """
        self._codecs.parse(code_text)
        image, version = self._drawer.draw(
            code_text, symbology=symbology, error_level=error_level, image_format=image_format, scale=scale
        )
        return DrawnSymbol(
            image=image, media_type=image_format.media_type, symbol_version=f"{version}-{error_level.value}"
        )
