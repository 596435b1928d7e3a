"""QR codes (ISO/IEC 18004), with error correction M."""

from __future__ import annotations

import io
import re

import zxingcpp
from PIL import Image

_QUIET = 4  # modules of white around the code (ISO/IEC 18004, 5.3.8)
_PIXELS = 6  # of a module in a picture
_DARK = re.compile(rb"\0+")


def qr_png(text: str) -> bytes:
    """A QR code as a PNG, six pixels a module."""
    drawn = Image.fromarray(_code(text).to_image(scale=_PIXELS)).convert("1")
    picture = io.BytesIO()
    drawn.save(picture, "png")
    return picture.getvalue()


def qr_svg(text: str) -> bytes:
    """The same as an SVG, dark on white, as large as whoever shows it likes.

    A line for each run of dark modules, drawn at half the height of its row.
    """
    modules = Image.fromarray(_code(text).to_image(add_quiet_zones=False))
    columns, rows = modules.size
    side = columns + 2 * _QUIET
    dark = modules.tobytes()
    lines = "".join(
        f"M{run.start() + _QUIET} {row + _QUIET}.5h{run.end() - run.start()}"
        for row in range(rows)
        for run in _DARK.finditer(dark[row * columns : (row + 1) * columns])
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">'
        f'<path fill="#fff" d="M0 0h{side}v{side}h-{side}z"/>'
        f'<path stroke="#000" d="{lines}"/></svg>'
    ).encode()


def _code(text: str) -> zxingcpp.Barcode:
    return zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
