"""A picture as it was sent, made into the pictures that are kept.

Whatever comes in is decoded and encoded anew: what was hidden in it (a place, a script, an archive
behind the picture) is not in what goes out. Decoders are where hostile files do their harm, so
this runs as a program of its own (`python -m catalog_service.rendering`), one for each picture: it
has none of the service's secrets, little memory and little time, and takes nothing with it when it
dies. `render` starts it.
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image, ImageCms, ImageOps

MAX_BYTES = 5 * 1024 * 1024
# Of a full-frame camera. A decoder takes up to three times 100 MB for so many.
MAX_PIXELS = 25_000_000
# Of a card in a list, of a page, of a whole screen. A picture is never made wider than it came.
WIDTHS = (320, 960, 1600)
# Nothing is shown taller, and WebP ends at 16,383.
_MAX_HEIGHT = 2000
# The first that keeps a file small enough to travel as one message; noise may need the last.
_QUALITIES = (80, 50, 20)
_MAX_FILE_BYTES = 3 * 1024 * 1024
_MAX_MEMORY_BYTES = 768 * 1024**2
_CPU_SECONDS = 10

_KINDS: Sequence[tuple[str, bytes, bytes]] = (  # format, how it begins, what stands at byte 8
    ("PNG", b"\x89PNG\r\n\x1a\n", b""),
    ("JPEG", b"\xff\xd8\xff", b""),
    ("WEBP", b"RIFF", b"WEBP"),
)

# Pillow refuses twice as many as it is told here, and for WebP does so before it allocates.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2


class RefusedImageError(Exception):
    """This can't be kept as a picture."""


class HugeImageError(RefusedImageError):
    """It has more pixels than are decoded."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """A picture in every width it is kept in, as WebP."""

    files: Mapping[int, bytes]  # by width, ascending
    height: int  # of the widest

    @property
    def width(self) -> int:
        """Of the widest."""
        return max(self.files)


def rendered(data: bytes) -> Rendering:
    """Decodes, turns upright, takes to sRGB, scales and encodes. For the program below.

    Raises:
        HugeImageError: it has more than MAX_PIXELS; said before a pixel is decoded.
        RefusedImageError: it is no PNG, JPEG or WebP, or a broken or moving one.
    """
    kind = _kind(data)
    try:
        return _encoded(_upright(data, kind))
    except Image.DecompressionBombError:
        raise _huge() from None
    except RefusedImageError:
        raise
    except Exception as error:  # a decoder's complaint has many types
        raise RefusedImageError(f"This {kind} can't be decoded.") from error


def _kind(data: bytes) -> str:
    """What the bytes say they are; names and headers may say anything."""
    for kind, beginning, at_eight in _KINDS:
        if data.startswith(beginning) and data[8:].startswith(at_eight):
            return kind
    raise RefusedImageError("This is no PNG, JPEG or WebP.")


def _huge() -> HugeImageError:
    return HugeImageError(f"A picture has at most {MAX_PIXELS // 1_000_000} million pixels.")


def _upright(data: bytes, kind: str) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        if image.width * image.height > MAX_PIXELS:
            raise _huge()
        # A telephone's JPEG may have another frame behind it (MPO), which nobody sees.
        if kind != "JPEG" and getattr(image, "is_animated", False):
            raise RefusedImageError("This picture moves; only still ones are kept.")
        # A JPEG is decoded at an eighth, a quarter or a half where that is large enough.
        image.draft(None, (2 * WIDTHS[-1], 2 * _MAX_HEIGHT))
        ImageOps.exif_transpose(image, in_place=True)
        return _in_srgb(image)


def _in_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    is_clear = image.has_transparency_data
    if image.mode.startswith("I"):
        # Pillow cuts 16 bits off at 255 where they should be scaled.
        image = image.point(lambda value: value / 256).convert("L")
    if profile and image.mode in {"RGB", "CMYK", "L"}:
        # A broken profile is as good as none.
        with suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
            if converted is not None:
                return converted
    mode = "RGBA" if is_clear else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _encoded(image: Image.Image) -> Rendering:
    scale = min(1.0, WIDTHS[-1] / image.width, _MAX_HEIGHT / image.height)
    width, height = (max(1, round(side * scale)) for side in image.size)
    files: dict[int, bytes] = {}
    # The widest first: the narrower ones are made of it.
    for target in (width, *reversed([known for known in WIDTHS if known < width])):
        size = (target, max(1, round(height * target / width)))
        if size != image.size:
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        image.info.clear()  # EXIF, XMP, profiles, comments
        files[target] = _webp(image)
    return Rendering(dict(sorted(files.items())), height)


def _webp(image: Image.Image) -> bytes:
    for quality in _QUALITIES:
        file = io.BytesIO()
        image.save(file, "WEBP", quality=quality, alpha_quality=quality, method=4)
        if file.tell() <= _MAX_FILE_BYTES:
            return file.getvalue()
    raise RefusedImageError("This picture is nothing but noise.")


# --- the program, and its start ------------------------------------------------------------------


def render(data: bytes, *, seconds: float) -> Rendering:
    """`rendered`, by the program; waits for it, so call it in a thread.

    Not by the event loop: uvloop forks with the locks of every other thread (gRPC's, obstore's) in
    whatever state they are, and waits for a child that may wait for one of them.

    Raises:
        HugeImageError, RefusedImageError: as `rendered`; also where it died of the picture.
        TimeoutError: it took longer.
    """
    try:
        program = subprocess.run(  # noqa: S603 - this program, and nothing of the picture's
            [sys.executable, "-I", "-m", __name__],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    return _read(program.stdout)


def _read(answer: bytes) -> Rendering:
    head, _, body = answer.partition(b"\n")
    try:
        said = json.loads(head)
    except ValueError:
        raise RefusedImageError("This picture can't be decoded.") from None
    if refusal := said.get("refusal"):
        raise (HugeImageError if said["huge"] else RefusedImageError)(refusal)
    files: dict[int, bytes] = {}
    at = 0
    for width, size in said["files"]:
        files[width] = body[at : at + size]
        at += size
    return Rendering(files, said["height"])


def main() -> None:
    """Reads a picture, writes one line of JSON and the files it announces."""
    _bound()
    try:
        rendering = rendered(sys.stdin.buffer.read(MAX_BYTES))
    except RefusedImageError as error:
        refusal = {"refusal": str(error), "huge": isinstance(error, HugeImageError)}
        sys.stdout.write(json.dumps(refusal))
        return
    files = [(width, len(file)) for width, file in rendering.files.items()]
    sys.stdout.write(json.dumps({"files": files, "height": rendering.height}) + "\n")
    sys.stdout.flush()
    sys.stdout.buffer.writelines(rendering.files.values())


def _bound() -> None:
    limits = {resource.RLIMIT_AS: _MAX_MEMORY_BYTES, resource.RLIMIT_CPU: _CPU_SECONDS}
    for limit, most in limits.items():
        with suppress(ValueError, OSError):  # macOS bounds no address space
            resource.setrlimit(limit, (most, most))


if __name__ == "__main__":
    main()
