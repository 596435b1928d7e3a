"""Table `image`: from the first claim on a place to the last file deleted."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from catalog_service.domain import Image, Person
from catalog_service.images import MAX_GALLERY
from chassis.database import Row, Session

_OWNS = "SELECT 1 FROM event WHERE id = :event_id AND (organizer_id = :person OR :is_admin)"
# One at a time changes what pictures an event has.
_LOCK = "SELECT 1 FROM event WHERE id = :event_id FOR NO KEY UPDATE"
# Under the event's lock, so that the lowest free slot stays free; behind it stands a unique index.
_CLAIM = """
INSERT INTO image (id, event_id, role, slot, widths, width, height)
SELECT :id, :event_id, :role, place.slot, :widths, :width, :height
  FROM (SELECT CASE WHEN :role = 'BANNER' THEN 0 ELSE (
                   SELECT min(slot) FROM generate_series(1, :most) AS slot
                    WHERE NOT EXISTS (SELECT 1 FROM image
                                       WHERE event_id = :event_id AND role = 'GALLERY'
                                         AND image.slot = slot.slot)
               ) END) AS place (slot)
 WHERE place.slot IS NOT NULL
"""
# Both under the event's lock: nobody sees the event without a banner, or with two.
_DROP_BANNER = """
UPDATE image SET state = 'DELETED', slot = NULL
 WHERE event_id = :event_id AND role = 'BANNER' AND state = 'STORED'
"""
# A draft that was deleted meanwhile took its pictures along.
_KEEP = "UPDATE image SET state = 'STORED' WHERE id = :id AND state = 'PENDING'"
_DROP = """
UPDATE image SET state = 'DELETED', slot = NULL
 WHERE id = :id AND event_id = :event_id AND state = 'STORED'
"""
_ABANDON = """
UPDATE image SET state = 'DELETED', slot = NULL WHERE id = :id AND state = 'PENDING'
"""
# A draft's pictures are seen by whom its draft is seen by.
_FIND = """
SELECT image.* FROM image JOIN event ON event.id = image.event_id
 WHERE image.id = :id AND image.state = 'STORED'
   AND (event.status <> 'DRAFT' OR event.organizer_id = CAST(:viewer AS uuid) OR :is_admin)
"""
# No call lasts ten minutes: what is PENDING then was left by a process that died.
_GIVE_UP = """
UPDATE image SET state = 'DELETED', slot = NULL
 WHERE state = 'PENDING' AND created_at < clock_timestamp() - interval '10 minutes'
"""
_DROPPED = "SELECT * FROM image WHERE state = 'DELETED' ORDER BY created_at LIMIT :limit"
_FORGET = "DELETE FROM image WHERE id = ANY(:ids) AND state = 'DELETED'"


async def owns_event(session: Session, event_id: UUID, person: Person) -> bool:
    """Whether there is such an event, and it is the person's (an admin's: any)."""
    return bool(
        await session.scalar(_OWNS, event_id=event_id, person=person.id, is_admin=person.is_admin)
    )


async def lock_event(session: Session, event_id: UUID) -> bool:
    """Lets nobody else change what pictures the event has; False where there is none."""
    return bool(await session.scalar(_LOCK, event_id=event_id))


async def claim(session: Session, event_id: UUID, image: Image) -> bool:
    """Takes a place for a picture that is being stored; False where the gallery is full.

    Comes after `lock_event`.
    """
    result = await session.execute(
        _CLAIM,
        id=image.id,
        event_id=event_id,
        role=image.role,
        widths=list(image.widths),
        width=image.width,
        height=image.height,
        most=MAX_GALLERY,
    )
    return result.rowcount == 1


async def keep(session: Session, event_id: UUID, image: Image) -> bool:
    """Shows a picture whose files are stored, a banner instead of the one before; False where its
    claim is gone.

    Comes after `lock_event`.
    """
    if image.role == "BANNER":
        session.defer(_DROP_BANNER, event_id=event_id)
    return (await session.execute(_KEEP, id=image.id)).rowcount == 1


async def abandon(session: Session, id: UUID) -> None:
    """Gives up a claim; the files that are there already are deleted with it."""
    await session.execute(_ABANDON, id=id)


async def drop(session: Session, event_id: UUID, id: UUID) -> bool:
    """Shows a picture no more; False where the event has none such."""
    return (await session.execute(_DROP, event_id=event_id, id=id)).rowcount == 1


async def find_image(session: Session, id: UUID, viewer: Person | None) -> Image | None:
    """A picture that is shown, to the viewer (None: nobody in particular)."""
    row = await session.first(
        _FIND,
        id=id,
        viewer=viewer.id if viewer else None,
        is_admin=viewer is not None and viewer.is_admin,
    )
    return _image(row) if row else None


async def give_up_claims(session: Session) -> None:
    """Gives up the claims that nobody pursues any more."""
    await session.execute(_GIVE_UP)


async def dropped(session: Session, limit: int) -> Sequence[Image]:
    """Pictures whose files are to be deleted."""
    return [_image(row) for row in await session.all(_DROPPED, limit=limit)]


async def forget(session: Session, ids: Sequence[UUID]) -> None:
    """Forgets pictures whose files are deleted."""
    await session.execute(_FORGET, ids=list(ids))


def _image(row: Row) -> Image:
    return Image(row.id, row.role, row.widths, row.width, row.height)
