"""QR codes (ISO/IEC 18004), with error correction M."""

from __future__ import annotations

import io

import segno


def qr_png(text: str) -> bytes:
    """A QR code as a PNG, six pixels a module."""
    picture = io.BytesIO()
    segno.make_qr(text, error="m").save(picture, kind="png", scale=6, border=4)
    return picture.getvalue()


def qr_svg(text: str) -> bytes:
    """The same as an SVG, dark on white, as large as whoever shows it likes."""
    picture = io.BytesIO()
    code = segno.make_qr(text, error="m")
    code.save(picture, kind="svg", scale=1, border=4, light="white", omitsize=True, nl=False)
    return picture.getvalue()
