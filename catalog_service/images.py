"""Pictures of events: what there is of each, and why one is refused."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from catalog_service.domain import CatalogError, Image

ROLES = ("BANNER", "GALLERY")
MAX_GALLERY = 5


class InvalidImageError(CatalogError):
    """This is no picture that can be kept."""

    reason = "INVALID_IMAGE"


class ImageTooLargeError(CatalogError):
    """It has too many bytes or pixels."""

    reason = "IMAGE_TOO_LARGE"


class TooManyImagesError(CatalogError):
    """The event's gallery is full."""

    kind = "STATE"
    reason = "TOO_MANY_IMAGES"

    def __init__(self) -> None:
        super().__init__(f"A gallery has at most {MAX_GALLERY} pictures.")


class ImageNotFoundError(CatalogError):
    """No such picture, or it is another event's."""

    kind = "NOT_FOUND"
    reason = "IMAGE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such picture.")


def file_of(id: UUID, width: int) -> str:
    """The name of a picture's file."""
    return f"{id}.{width}.webp"


def files_of(image: Image) -> Sequence[str]:
    """The names of all of a picture's files."""
    return [file_of(image.id, width) for width in image.widths]


def check_role(role: str) -> None:
    """Holds a picture's role to those there are.

    Raises:
        InvalidImageError: there is no such role.
    """
    if role not in ROLES:
        raise InvalidImageError(
            "A picture is a BANNER or in the GALLERY.", role="must be one of BANNER, GALLERY"
        )
