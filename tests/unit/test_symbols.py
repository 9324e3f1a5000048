import io
import re
from itertools import product
from typing import Any

import pytest
import zxingcpp
from govcode_node.domain.codes import (
    Carrier,
    CodeContent,
    CodeProfile,
    ErrorLevel,
    SealAlgorithm,
    SymbolDataTooLongError,
    Symbology,
    SymbologyUnsupportedError,
    SymbolScaleError,
)
from govcode_node.symbols import QUIET_ZONE, render_png, render_svg, render_terminal, symbol_version
from kit.code_samples import code_content, code_text
from PIL import Image

HOST_OF_21 = "zwm.code.hubei.gov.cn"
MAC = code_content(code_id=bytes(range(0xA0, 0xB0)))
SIGNED = code_content(profile=CodeProfile.SIGNED, algorithm=SealAlgorithm.SM2_SM3, code_id=bytes(range(0xA0, 0xB0)))
SIZES = [
    (MAC, Carrier.SCREEN, 4),
    (MAC, Carrier.PRINTED, 5),
    (MAC, Carrier.GUIDE, 5),
    (SIGNED, Carrier.SCREEN, 7),
    (SIGNED, Carrier.PRINTED, 7),
    (SIGNED, Carrier.GUIDE, 8),
]

Matrix = list[list[bool]]


def picture(matrix: Matrix, scale: int = 4) -> Image.Image:
    image = Image.new("L", (len(matrix[0]), len(matrix)), 255)
    image.putdata([0 if dark else 255 for row in matrix for dark in row])
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def read(image: Image.Image) -> tuple[str, str, str]:
    """Text, version and level as an independent reader sees them."""
    (found,) = zxingcpp.read_barcodes(image)
    extra: Any = found.extra
    return found.text, str(extra["Version"]), str(extra["ECLevel"])


def matrix_of_svg(svg: str) -> Matrix:
    """The modules of the drawing: the library writes one stroke of height 1 for each run of dark modules."""
    (path,) = re.findall(r'stroke="[^"]*" d="([^"]*)"', svg)
    side = int(re.findall(r"M0 0h(\d+)", svg)[0])
    matrix = [[False] * side for _ in range(side)]
    x, y = 0, 0
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", path):
        values = [float(number) for number in re.findall(r"-?\d*\.?\d+", numbers)]
        if command == "M":
            x, y = int(values[0]), int(values[1] - 0.5)
        elif command == "m":
            x, y = x + int(values[0]), y + int(values[1])
        else:
            for _ in range(int(values[0])):
                matrix[y][x] = True
                x += 1
    return matrix


def matrix_of_terminal(text: str) -> Matrix:
    halves = {" ": (False, False), "▀": (True, False), "▄": (False, True), "█": (True, True)}
    matrix: Matrix = []
    for line in text.splitlines():
        cells = [halves[cell] for cell in re.sub(r"\x1b\[[0-9;]*m", "", line)]
        matrix += [[upper for upper, _ in cells], [lower for _, lower in cells]]
    return matrix


@pytest.mark.parametrize(("content", "carrier", "version"), SIZES)
@pytest.mark.req("7.2-08")
def test_png_is_read_back_at_the_promised_version_and_level(
    content: CodeContent, carrier: Carrier, version: int
) -> None:
    text = code_text(content, carrier, HOST_OF_21)
    assert read(Image.open(io.BytesIO(render_png(text)))) == (text, str(version), "M")
    assert symbol_version(text) == version


def test_longer_guide_host_makes_a_larger_symbol() -> None:
    assert symbol_version(code_text(MAC, Carrier.GUIDE, f"{'x' * 60}.cn")) > 5


@pytest.mark.parametrize(("content", "carrier", "version"), SIZES)
@pytest.mark.req("7.2-08")
def test_svg_and_terminal_drawings_are_read_back_too(content: CodeContent, carrier: Carrier, version: int) -> None:
    text = code_text(content, carrier, HOST_OF_21)
    assert read(picture(matrix_of_svg(render_svg(text).decode()))) == (text, str(version), "M")
    assert read(picture(matrix_of_terminal(render_terminal(text)))) == (text, str(version), "M")


@pytest.mark.parametrize(("level", "scale"), list(product(ErrorLevel, (1, 3))))
@pytest.mark.req("7.2-08")
def test_level_is_the_one_asked_for_and_not_a_better_one(level: ErrorLevel, scale: int) -> None:
    text = code_text(MAC)
    image = Image.open(io.BytesIO(render_png(text, error_level=level, scale=scale))).convert("L")
    assert image.width == (17 + 4 * symbol_version(text, level) + 2 * QUIET_ZONE) * scale
    assert read(image.resize((image.width * 4, image.height * 4), Image.Resampling.NEAREST))[2] == level.value


def test_terminal_drawing_names_both_colours_on_every_line_and_keeps_its_quiet_zone() -> None:
    lines = render_terminal(code_text(MAC)).splitlines()
    assert all(line.startswith("\x1b[38;5;16;48;5;231m") and line.endswith("\x1b[0m") for line in lines)
    matrix = matrix_of_terminal("\n".join(lines))
    border = [row[:QUIET_ZONE] + row[-QUIET_ZONE:] for row in matrix] + matrix[:QUIET_ZONE] + matrix[-QUIET_ZONE:]
    assert not any(any(row) for row in border)


@pytest.mark.parametrize("symbology", [Symbology.GRID_MATRIX, Symbology.HAN_XIN])
@pytest.mark.req("7.2-08")
def test_symbology_that_cannot_be_drawn_is_refused_by_name(symbology: Symbology) -> None:
    for render in (render_png, render_svg, render_terminal):
        with pytest.raises(SymbologyUnsupportedError) as refusal:
            render("ZWM1.A", symbology=symbology)
        assert refusal.value.symbology is symbology


def test_text_too_long_for_a_symbol_is_refused() -> None:
    for render in (render_png, render_svg, render_terminal):
        with pytest.raises(SymbolDataTooLongError) as refusal:
            render("A" * 4000, error_level=ErrorLevel.H)
        assert (refusal.value.length, refusal.value.error_level) == (4000, ErrorLevel.H)
    with pytest.raises(SymbolDataTooLongError):
        symbol_version("A" * 5000)


@pytest.mark.parametrize("scale", [-1, 0, 33])
def test_scale_out_of_range_is_refused(scale: int) -> None:
    for render in (render_png, render_svg):
        with pytest.raises(SymbolScaleError) as refusal:
            render("ZWM1.A", scale=scale)
        assert refusal.value.scale == scale
