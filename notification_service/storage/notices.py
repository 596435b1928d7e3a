"""Table `notice`: what people are shown in the app."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import orjson

from chassis.database import Row, Session
from chassis.ids import uuid7
from notification_service.domain import KINDS, Draft

# One fact is shown to one person once, however often it arrives; not where they want none of its
# kind. Who has more unread than can be counted is told so, not how many.
MOST_COUNTED = 1000
_ADD = """
INSERT INTO notice (id, person_id, fact, kind, facts)
SELECT id, person_id, fact, kind, facts
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS new (
           id uuid, person_id uuid, fact text, kind text, facts jsonb)
 WHERE NOT EXISTS (SELECT FROM preference
                    WHERE addressee = new.person_id::text AND preference.kind = new.kind
                      AND channel = 'APP' AND NOT is_wanted)
 ORDER BY person_id, fact
    ON CONFLICT (person_id, fact) DO NOTHING
"""
_NEWEST = """
SELECT id, kind, facts, created_at, read_at FROM notice
 WHERE person_id = :person AND id < :before AND (read_at IS NULL OR NOT :unread)
 ORDER BY id DESC LIMIT :limit
"""
_LAST = UUID(int=2**128 - 1)
_UNREAD = """
SELECT count(*) FROM (
    SELECT FROM notice WHERE person_id = :person AND read_at IS NULL LIMIT :most) AS unread
"""
_READ = """
UPDATE notice SET read_at = coalesce(read_at, clock_timestamp())
 WHERE id = :id AND person_id = :person
RETURNING id, kind, facts, created_at, read_at
"""
_READ_ALL = """
UPDATE notice SET read_at = clock_timestamp() WHERE person_id = :person AND read_at IS NULL
"""
_FORGET_OLD = """
DELETE FROM notice WHERE id IN (
    SELECT id FROM notice WHERE created_at < clock_timestamp() - make_interval(days => :days)
     ORDER BY created_at LIMIT :batch)
"""


def add(session: Session, drafts: Sequence[Draft]) -> Collection[UUID]:
    """Shows news to people who have an account; gives whom."""
    shown = [draft for draft in drafts if draft.person_id and KINDS[draft.kind].in_app]
    if shown:
        rows = [
            {
                "id": uuid7(),
                "person_id": draft.person_id,
                "fact": draft.fact,
                "kind": draft.kind,
                "facts": draft.facts,
            }
            for draft in shown
        ]
        session.defer(_ADD, rows=orjson.dumps(rows).decode())
    return {draft.person_id for draft in shown if draft.person_id}


async def newest(
    session: Session, person: UUID, *, unread: bool, before: UUID | None, limit: int
) -> Sequence[Row]:
    """A person's notices, newest first; `before` is where the page before ended."""
    return await session.all(
        _NEWEST, person=person, unread=unread, before=before or _LAST, limit=limit
    )


async def unread(session: Session, person: UUID) -> int:
    """How many a person has not read; counted up to MOST_COUNTED."""
    return int(await session.scalar(_UNREAD, person=person, most=MOST_COUNTED))


async def read(session: Session, person: UUID, id: UUID) -> Row | None:
    """Marks a notice as read, if it is the person's; it stays read since the first time."""
    return await session.first(_READ, person=person, id=id)


async def read_all(session: Session, person: UUID) -> None:
    """Marks all that a person has as read."""
    await session.execute(_READ_ALL, person=person)


async def forget_old(session: Session, batch: int, *, days: int) -> int:
    """Deletes up to `batch` notices that are older than so many days: how many."""
    return (await session.execute(_FORGET_OLD, batch=batch, days=days)).rowcount
