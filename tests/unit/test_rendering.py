"""What comes in as a picture and what goes out of it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image, ImageCms

from catalog_service.rendering import (
    HugeImageError,
    RefusedImageError,
    Rendering,
    render,
    rendered,
)

SECONDS = 30.0


def picture(
    kind: str = "PNG", size: tuple[int, int] = (400, 200), mode: str = "RGB", **options: object
) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 100 if mode in {"L", "I;16"} else "red").save(file, kind, **options)
    return file.getvalue()


def widest(rendering: Rendering) -> Image.Image:
    return Image.open(io.BytesIO(rendering.files[rendering.width]))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_bomb(width: int, height: int) -> bytes:
    """A few bytes that claim to be that large a picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def webp_bomb(side: int) -> bytes:
    """The same, as the header of an extended WebP says it."""
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4)
    body += (side - 1).to_bytes(3, "little") * 2
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_of_each_kind_goes_out_as_webp(kind: str) -> None:
    rendering = render(picture(kind), seconds=SECONDS)
    image = widest(rendering)
    assert (image.format, image.size, rendering.height) == ("WEBP", (400, 200), 200)
    red, green, blue = image.convert("RGB").getpixel((200, 100))
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize(
    ("size", "widths", "height"),
    [
        ((2400, 1200), [320, 960, 1600], 800),
        ((1600, 10), [320, 960, 1600], 10),
        ((1000, 500), [320, 960, 1000], 500),
        ((320, 100), [320], 100),
        ((7, 9), [7], 9),
        ((1000, 4000), [320, 500], 2000),  # nothing is taller than 2,000
    ],
)
def test_it_is_kept_in_three_widths_and_never_made_wider(
    size: tuple[int, int], widths: list[int], height: int
) -> None:
    rendering = rendered(picture(size=size))
    assert (list(rendering.files), rendering.height) == (widths, height)
    for width, content in rendering.files.items():
        assert Image.open(io.BytesIO(content)).width == width


def test_what_a_camera_wrote_is_gone_and_the_picture_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright: to be turned by 90 degrees
    exif[0x010E] = "a secret place"
    exif.get_ifd(0x8825)[2] = (27.0, 42.0, 0.0)  # GPS latitude
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    sent = picture("JPEG", (400, 200), exif=exif, icc_profile=profile, comment=b"hidden")
    image = widest(rendered(sent))
    assert image.size == (200, 400)
    assert not image.getexif()
    assert {"exif", "icc_profile", "xmp", "comment"}.isdisjoint(image.info)


def test_what_hides_behind_or_inside_a_picture_does_not_come_out() -> None:
    hidden = b"PK\x03\x04 <script>alert(1)</script>"
    sent = picture()
    with_text = sent[:33] + chunk(b"tEXt", b"Comment\x00" + hidden) + sent[33:]
    for polyglot in (sent + hidden, with_text):
        for content in rendered(polyglot).files.values():
            assert b"script" not in content
            assert b"PK\x03\x04" not in content


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_every_mode_of_png_becomes_plain_colour(mode: str) -> None:
    assert widest(rendered(picture(mode=mode))).mode in {"RGB", "RGBA"}


def test_sixteen_bits_of_grey_stay_grey() -> None:
    file = io.BytesIO()
    Image.new("I;16", (20, 20), 0x8000).save(file, "PNG")
    red = widest(rendered(file.getvalue())).convert("RGB").getpixel((10, 10))[0]
    assert 120 <= red <= 136


def test_ink_colours_become_light() -> None:
    file = io.BytesIO()
    Image.new("CMYK", (40, 40), (0, 255, 255, 0)).save(file, "JPEG")
    assert widest(rendered(file.getvalue())).mode == "RGB"


def test_what_is_clear_stays_clear() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(file, "PNG")
    assert widest(rendered(file.getvalue())).convert("RGBA").getpixel((20, 20))[3] == 0


def test_a_broken_colour_profile_is_as_good_as_none() -> None:
    assert rendered(picture("JPEG", icc_profile=b"not a profile")).width == 400


def moving(kind: str) -> bytes:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green")]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    return file.getvalue()


REFUSED: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"hello",
    "html": lambda: b"<html><script>alert(1)</script></html>",
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "gif": lambda: picture("GIF"),
    "bmp": lambda: picture("BMP"),
    "tiff": lambda: picture("TIFF"),
    "pdf": lambda: b"%PDF-1.7",
    "a beginning alone": lambda: b"\x89PNG\r\n\x1a\n",
    "a JPEG's alone": lambda: b"\xff\xd8\xff\xe0",
    "another RIFF": lambda: b"RIFF\x00\x00\x00\x00WAVEfmt ",
    "cut off PNG": lambda: picture()[:-100],
    "cut off JPEG": lambda: picture("JPEG", (800, 800))[:2000],
    "cut off WebP": lambda: picture("WEBP")[:60],
    "moving PNG": lambda: moving("PNG"),
    "moving WebP": lambda: moving("WEBP"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_whole_still_picture_is_refused(name: str) -> None:
    with pytest.raises(RefusedImageError):
        rendered(REFUSED[name]())


@pytest.mark.parametrize(
    "bomb",
    [png_bomb(5001, 5000), png_bomb(60_000, 60_000), png_bomb(2**31 - 1, 2**31 - 1)],
    ids=len,
)
def test_a_bomb_is_refused_by_its_header(bomb: bytes) -> None:
    with pytest.raises(HugeImageError):
        rendered(bomb)


def test_the_program_says_why_it_refuses() -> None:
    with pytest.raises(HugeImageError, match="25 million"):
        render(webp_bomb(16_000), seconds=SECONDS)
    with pytest.raises(RefusedImageError, match="no PNG, JPEG or WebP"):
        render(b"GIF89a", seconds=SECONDS)


def test_who_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError):
        render(picture(), seconds=0.0)
