"""Table `event`: the events on sale, and when those who go are reminded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from chassis.database import Session
from notification_service.domain import Event

# An older version that arrives late never overwrites a newer one.
_SAVE = """
INSERT INTO event (event_id, organizer_id, title, place, starts_at, timezone, version, remind_at)
VALUES (:id, :organizer_id, :title, :place, :starts_at, :timezone, :version, :remind_at)
    ON CONFLICT (event_id) DO UPDATE
   SET organizer_id = excluded.organizer_id, title = excluded.title, place = excluded.place,
       starts_at = excluded.starts_at, timezone = excluded.timezone, version = excluded.version,
       remind_at = excluded.remind_at
 WHERE event.version < excluded.version
RETURNING xmax = 0 AS is_new  -- nobody had it before: the row was not updated
"""
_ORGANIZER_OF = "SELECT organizer_id FROM event WHERE event_id = :event_id"
_CALL_OFF = "UPDATE event SET remind_at = NULL WHERE event_id = :event_id"
# What is due is taken by emptying the time: of two loops one reminds. Later than the start is late.
_TAKE_DUE = """
UPDATE event SET remind_at = NULL
 WHERE event_id IN (SELECT event_id FROM event WHERE remind_at <= clock_timestamp()
                     ORDER BY remind_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING event_id AS id, organizer_id, title, place, starts_at, timezone, version,
          starts_at > clock_timestamp() AS is_ahead
"""


async def save(session: Session, event: Event, remind_at: datetime) -> bool | None:
    """Remembers an event; True: it was not known, None: something as new or newer is known."""
    is_new: bool | None = await session.scalar(_SAVE, **asdict(event), remind_at=remind_at)
    return is_new


async def organizer_of(session: Session, event_id: UUID) -> UUID | None:
    """Whose event it is; None: it is not known."""
    organizer_id: UUID | None = await session.scalar(_ORGANIZER_OF, event_id=event_id)
    return organizer_id


def call_off(session: Session, event_id: UUID) -> None:
    """Has nobody reminded of the event any more."""
    session.defer(_CALL_OFF, event_id=event_id)


async def take_due(session: Session, limit: int) -> tuple[Sequence[Event], int]:
    """Events whose people are to be reminded now, each given once; and how many were due."""
    rows = await session.all(_TAKE_DUE, limit=limit)
    ahead = [Event(*tuple(row)[:-1]) for row in rows if row.is_ahead]
    return ahead, len(rows)
