"""Banners for the demo's events, drawn here."""

from __future__ import annotations

import io
from random import Random

from PIL import Image, ImageDraw, ImageFont

_SIZE = (1600, 900)  # as the pages show pictures
_MARGIN = 90


def poster(title: str, place: str) -> bytes:
    """A PNG: two colours that the title chooses, circles, the title, the place."""
    chance = Random(title)  # noqa: S311 - a drawing, not a secret
    dark, light = (
        tuple(chance.randint(*bounds) for _ in range(3)) for bounds in ((10, 90), (120, 220))
    )
    ramp = Image.linear_gradient("L").rotate(90).resize(_SIZE)
    image = Image.composite(Image.new("RGB", _SIZE, light), Image.new("RGB", _SIZE, dark), ramp)
    draw = ImageDraw.Draw(image, "RGBA")
    for _ in range(5):
        x, y, radius = chance.randint(600, 1600), chance.randint(0, 900), chance.randint(60, 260)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 255, 255, 28))
    size = 96.0
    while draw.textlength(title, ImageFont.load_default(size)) > _SIZE[0] - 2 * _MARGIN:
        size -= 4
    draw.text((_MARGIN, 380), title, "white", ImageFont.load_default(size))
    draw.text((_MARGIN, 520), place, (255, 255, 255, 200), ImageFont.load_default(40))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
