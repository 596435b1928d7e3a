"""Table `review`, and what its ratings add up to in `event`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from catalog_service.reviews import Review, ReviewDraft
from chassis.database import Row, Session
from chassis.ids import uuid7

# One review at a time of an event: the sum and the count stay those of the reviews there are.
_LOCK = """
SELECT starts_at <= clock_timestamp() AS has_begun,
       EXISTS (SELECT 1 FROM attendance
                WHERE attendance.event_id = event.id AND customer_id = :person
                  AND attendance.status = 'CONFIRMED') AS attends
  FROM event WHERE id = :event_id AND status <> 'DRAFT' FOR NO KEY UPDATE
"""
_RATING = "SELECT rating FROM review WHERE event_id = :event_id AND customer_id = :person"
_WRITE = """
INSERT INTO review (id, event_id, customer_id, author, rating, text)
VALUES (:id, :event_id, :person, :author, :rating, :text)
    ON CONFLICT (event_id, customer_id) DO UPDATE
       SET author = excluded.author, rating = excluded.rating, text = excluded.text,
           updated_at = clock_timestamp()
RETURNING *
"""
_COUNT = """
UPDATE event SET rating_sum = rating_sum + :more, rating_count = rating_count + :many
 WHERE id = :event_id
"""
_LIST = """
SELECT * FROM review WHERE event_id = :event_id AND id < :before ORDER BY id DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides whether somebody may review an event."""

    has_begun: bool
    attends: bool


async def lock_event(session: Session, event_id: UUID, person: UUID) -> Standing | None:
    """Lets nobody else review the event; None where there is none, or a draft."""
    row = await session.first(_LOCK, event_id=event_id, person=person)
    return Standing(row.has_begun, row.attends) if row else None


async def write(
    session: Session, event_id: UUID, person: UUID, draft: ReviewDraft
) -> tuple[Review, bool]:
    """Stores the person's one review; False where it took the place of one before.

    Comes after `lock_event`.
    """
    before: int | None = await session.scalar(_RATING, event_id=event_id, person=person)
    session.defer(
        _COUNT,
        event_id=event_id,
        more=draft.rating - (before or 0),
        many=0 if before else 1,
    )
    row = await session.one(
        _WRITE,
        id=uuid7(),
        event_id=event_id,
        person=person,
        author=draft.author,
        rating=draft.rating,
        text=draft.text,
    )
    return _review(row), before is None


async def list_reviews(
    session: Session, event_id: UUID, before: UUID, limit: int
) -> Sequence[Review]:
    """Reviews older than `before`, newest first."""
    rows = await session.all(_LIST, event_id=event_id, before=before, limit=limit)
    return [_review(row) for row in rows]


def _review(row: Row) -> Review:
    draft = ReviewDraft(row.author, row.rating, row.text)
    return Review(row.id, row.event_id, draft, row.created_at, row.updated_at)
