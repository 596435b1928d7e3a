"""Pictures of events. One is claimed, its files are stored, then it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from catalog_service.domain import EventNotFoundError, Image, Person
from catalog_service.images import ImageNotFoundError, TooManyImagesError
from catalog_service.storage import images
from chassis.database import Session

_BATCH = 100


async def check_owner(session: Session, person: Person, event_id: UUID) -> None:
    """Lets the person pass who may change the event's pictures: its organizer, or an admin.

    Raises:
        EventNotFoundError: it is another's, or there is none.
    """
    if not await images.owns_event(session, event_id, person):
        raise EventNotFoundError


async def claim_place(session: Session, event_id: UUID, image: Image) -> None:
    """Takes the place of a picture whose files are about to be stored.

    Raises:
        EventNotFoundError: it was deleted meanwhile.
        TooManyImagesError: the gallery is full.
    """
    if not await images.lock_event(session, event_id):
        raise EventNotFoundError
    if not await images.claim(session, event_id, image):
        raise TooManyImagesError


async def show(session: Session, event_id: UUID, image: Image) -> None:
    """Shows a picture whose files are stored; a banner takes the place of the one before.

    Raises:
        EventNotFoundError: it was deleted meanwhile.
    """
    await images.lock_event(session, event_id)
    if not await images.keep(session, event_id, image):
        raise EventNotFoundError


async def abandon(session: Session, image_id: UUID) -> None:
    """Gives up a picture whose files could not be stored."""
    await images.abandon(session, image_id)


async def delete_image(session: Session, person: Person, event_id: UUID, image_id: UUID) -> None:
    """Shows a picture of the person's own event (an admin's: any) no more.

    Raises:
        EventNotFoundError, ImageNotFoundError
    """
    await check_owner(session, person, event_id)
    if not await images.drop(session, event_id, image_id):
        raise ImageNotFoundError


async def get_image(session: Session, viewer: Person | None, image_id: UUID) -> Image:
    """A picture that is shown.

    Raises:
        ImageNotFoundError: there is none the viewer may know of: a draft's are its organizer's and
            admins' alone.
    """
    image = await images.find_image(session, image_id, viewer)
    if image is None:
        raise ImageNotFoundError
    return image


async def list_dropped(session: Session) -> Sequence[Image]:
    """Some of the pictures whose files are to be deleted, those of processes that died too."""
    await images.give_up_claims(session)
    return await images.dropped(session, _BATCH)


async def forget(session: Session, gone: Sequence[Image]) -> None:
    """Forgets pictures whose files are deleted."""
    await images.forget(session, [image.id for image in gone])
