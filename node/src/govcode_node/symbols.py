"""Drawing of code symbols (码图): the one place that knows the QR library.

The text is drawn as it is, at exactly the level asked for: the library's habit of raising the level when there is room
is off, so that size and level are those promised to readers (B16, 7.2-08). Grid Matrix and Han Xin are part of the
vocabulary, but no maintained library draws them; asking for one is answered with an error that names it.
"""

import io
from typing import Final

import segno

from govcode_node.domain.codes import (
    ErrorLevel,
    SymbolDataTooLongError,
    Symbology,
    SymbologyUnsupportedError,
    SymbolScaleError,
)
from govcode_node.ports.symbols import ImageFormat

QUIET_ZONE: Final = 4
"""Modules of white around a QR symbol, as GB/T 18284 wants."""

MAX_SCALE: Final = 32
"""Largest module in pixels; keeps one request from asking for a picture of hundreds of megapixels."""

# Colours are named outright, black on white, so that the symbol reads on a dark terminal as on a light one.
_BLACK_ON_WHITE: Final = "\x1b[38;5;16;48;5;231m"
_RESET: Final = "\x1b[0m"
_HALF_BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def render_png(
    text: str,
    *,
    error_level: ErrorLevel = ErrorLevel.M,
    scale: int = 4,
    symbology: Symbology = Symbology.QR,
) -> bytes:
    """It draws the text as a PNG.

    Args:
        text: A code text; upper case keeps the symbol in alphanumeric mode and small.
        error_level: Error correction.
        scale: Pixels per module, 1 to `MAX_SCALE`.
        symbology: QR is the only one that can be drawn.

    Raises:
        SymbologyUnsupportedError: Another symbology was asked for.
        SymbolDataTooLongError: The text does not fit.
        SymbolScaleError: The scale is out of range.
    """
    return _render(text, "png", error_level=error_level, scale=scale, symbology=symbology)


def render_svg(
    text: str,
    *,
    error_level: ErrorLevel = ErrorLevel.M,
    scale: int = 4,
    symbology: Symbology = Symbology.QR,
) -> bytes:
    """It draws the text as an SVG document in UTF-8; arguments and errors are those of `render_png`."""
    return _render(text, "svg", error_level=error_level, scale=scale, symbology=symbology)


def render_terminal(text: str, *, error_level: ErrorLevel = ErrorLevel.M, symbology: Symbology = Symbology.QR) -> str:
    """It draws the text with half blocks, two modules in one character, for a terminal of 256 colours.

    Raises:
        SymbologyUnsupportedError: Another symbology was asked for.
        SymbolDataTooLongError: The text does not fit.
    """
    symbol = _make(text, error_level, symbology)
    rows = [tuple(bool(module) for module in row) for row in symbol.matrix_iter(border=QUIET_ZONE)]
    if len(rows) % 2:
        rows.append((False,) * len(rows[0]))
    lines = (
        "".join(_HALF_BLOCKS[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[0::2], rows[1::2], strict=True)
    )
    return "".join(f"{_BLACK_ON_WHITE}{line}{_RESET}\n" for line in lines)


def symbol_version(text: str, level: ErrorLevel = ErrorLevel.M) -> int:
    """It tells the QR version, 1 to 40, that the text takes at a level.

    Raises:
        SymbolDataTooLongError: The text does not fit.
    """
    return int(_make(text, level, Symbology.QR).version)


def _render(text: str, kind: str, *, error_level: ErrorLevel, scale: int, symbology: Symbology) -> bytes:
    if not 1 <= scale <= MAX_SCALE:
        raise SymbolScaleError(scale, limit=MAX_SCALE)
    buffer = io.BytesIO()
    _make(text, error_level, symbology).save(
        buffer, kind=kind, scale=scale, border=QUIET_ZONE, dark="black", light="white"
    )
    return buffer.getvalue()


def _make(text: str, error_level: ErrorLevel, symbology: Symbology) -> segno.QRCode:
    if symbology is not Symbology.QR:
        raise SymbologyUnsupportedError(symbology)
    try:
        return segno.make_qr(text, error=error_level.value, boost_error=False)
    except segno.DataOverflowError:
        raise SymbolDataTooLongError(len(text), error_level) from None


class SegnoDrawer:
    """The drawer of symbols that the steps ask for (`ports.symbols.SymbolDrawer`)."""

    def draw(
        self,
        text: str,
        *,
        symbology: Symbology,
        error_level: ErrorLevel,
        image_format: ImageFormat,
        scale: int,
    ) -> tuple[bytes, int]:
        """It draws a text and returns the image and the version of the symbol; errors are those of `render_png`."""
        match image_format:
            case ImageFormat.PNG:
                image = render_png(text, error_level=error_level, scale=scale, symbology=symbology)
            case ImageFormat.SVG:
                image = render_svg(text, error_level=error_level, scale=scale, symbology=symbology)
            case ImageFormat.TERMINAL:
                image = render_terminal(text, error_level=error_level, symbology=symbology).encode()
        return image, symbol_version(text, error_level)
