"""Table `announcement`: what all who go to an event are told, and how far that has come."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from uuid import UUID

import orjson

from chassis.database import Session
from chassis.ids import uuid7
from notification_service.domain import Announcement

_ADD = """
INSERT INTO announcement (id, fact, kind, event_id, facts)
VALUES (:id, :fact, :kind, :event_id, CAST(:facts AS jsonb))
    ON CONFLICT (fact) DO NOTHING
"""
# Leased as mails are: whoever dies with it leaves it to another, who goes on where it stands.
_LEASE = """
UPDATE announcement SET due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
 WHERE id = (SELECT id FROM announcement
              WHERE done_at IS NULL AND due_at <= clock_timestamp()
              ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, fact, kind, event_id, facts, after
"""
# Of two that tell the same slice one goes on; the other's mails are there already.
_ADVANCE = """
UPDATE announcement SET after = :next, told = told + :told, due_at = clock_timestamp(),
       done_at = CASE WHEN CAST(:done AS boolean) THEN clock_timestamp() END
 WHERE id = :id AND after IS NOT DISTINCT FROM CAST(:after AS uuid) AND done_at IS NULL
"""
_FORGET_OLD = """
DELETE FROM announcement WHERE done_at < clock_timestamp() - make_interval(days => :days)
"""
# Counts under the row's lock: of simultaneous messages no more than the limit come through.
_COUNT_MESSAGE = """
INSERT INTO message_day AS counted (event_id, day, messages)
VALUES (:event_id, CAST(clock_timestamp() AS date), 1)
    ON CONFLICT (event_id, day) DO UPDATE SET messages = counted.messages + 1
 WHERE counted.messages < :limit
"""
_SPACE_LEFT = """
SELECT greatest(0, :limit - coalesce(max(messages), 0)) FROM message_day
 WHERE event_id = :event_id AND day = CAST(clock_timestamp() AS date)
"""


@dataclass(frozen=True, slots=True)
class Leased:
    """An announcement that is being told."""

    id: UUID
    announcement: Announcement
    after: UUID | None  # the last booking that was told


def add(session: Session, announcement: Announcement) -> None:
    """Has all who go told, once."""
    fields = asdict(announcement)
    fields["facts"] = orjson.dumps(announcement.facts).decode()
    session.defer(_ADD, id=uuid7(), **fields)


async def lease(session: Session, *, lease_seconds: float) -> Leased | None:
    """Takes an announcement that is not told to the end; None: there is none."""
    row = await session.first(_LEASE, lease_seconds=lease_seconds)
    if row is None:
        return None
    return Leased(row.id, Announcement(row.fact, row.kind, row.event_id, row.facts), row.after)


async def advance(
    session: Session, leased: Leased, *, last: UUID | None, told: int, done: bool
) -> bool:
    """Notes how far it has come; False where another was faster."""
    changed = await session.execute(
        _ADVANCE, id=leased.id, after=leased.after, next=last, told=told, done=done
    )
    return changed.rowcount == 1


async def forget_old(session: Session, *, days: int) -> None:
    """Deletes what was told to the end so many days ago."""
    await session.execute(_FORGET_OLD, days=days)


async def count_message(session: Session, event_id: UUID, limit: int) -> bool:
    """Counts a message to those who go; False: today's are used up."""
    return (await session.execute(_COUNT_MESSAGE, event_id=event_id, limit=limit)).rowcount == 1


async def messages_left(session: Session, event_id: UUID, limit: int) -> int:
    """How many messages may still be sent today."""
    return int(await session.scalar(_SPACE_LEFT, event_id=event_id, limit=limit))
