"""QR codes, read again."""

from __future__ import annotations

import io
from xml.etree import ElementTree as ET

import pytest
import zxingcpp
from PIL import Image

from presentation.qr import qr_png, qr_svg

# As short as none, as long as a ticket's, and the longest that a ticket's token may be.
TEXTS = ["-", "A" * 62 + "." + "b" * 86, "x" * 300]


def picture_of(drawing: bytes) -> Image.Image:
    """The drawing's dark runs as pixels, eight to a module."""
    root = ET.fromstring(drawing)
    side = int(root.attrib["viewBox"].split()[2])
    picture = Image.new("L", (side, side), 255)
    for run in root[1].attrib["d"].split("M")[1:]:
        at, _, length = run.partition("h")
        left, middle = map(float, at.split())
        for column in range(int(length)):
            picture.putpixel((int(left) + column, int(middle)), 0)
    return picture.resize((side * 8, side * 8), Image.Resampling.NEAREST)


@pytest.mark.parametrize("text", TEXTS, ids=len)
def test_a_picture_and_a_drawing_are_read_as_what_was_written(text: str) -> None:
    for picture in (Image.open(io.BytesIO(qr_png(text))), picture_of(qr_svg(text))):
        [code] = zxingcpp.read_barcodes(picture.convert("L"))
        assert (code.text, code.ec_level) == (text, "M")


@pytest.mark.parametrize("text", TEXTS, ids=len)
def test_four_modules_around_a_code_stay_white(text: str) -> None:
    for picture, module in (
        (Image.open(io.BytesIO(qr_png(text))), 6),
        (picture_of(qr_svg(text)), 8),
    ):
        dark = picture.convert("L").point(lambda level: 255 - level).getbbox()
        width, height = picture.size
        assert dark == (4 * module, 4 * module, width - 4 * module, height - 4 * module)
