"""Sagas and their timelines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from booking_service.domain import Instrument
from booking_service.saga import Entry, Saga
from chassis import records
from chassis.database import Row, Session
from chassis.records import flat

# Beyond so many lines a timeline keeps only what moved the saga, not what was repeated or ignored.
_CHATTER_ENTRIES = 400
_TIMELINE_ENTRIES = 500

COLUMNS = """
       saga.state, saga.amount, saga.pay_by, saga.deadline_at, saga.version, saga.step,
       saga.attempt, saga.resends, saga.ending, saga.reason, saga.event_off, saga.paid_late,
       saga.percent AS refund_percent, saga.refunds, saga.action_url, saga.payment_status,
       saga.refused_because, saga.captured, saga.refunded, saga.method, saga.token
"""
# The sagas are locked. Were one changed all the same, two lines of its timeline would have the same
# number, which the timeline's key forbids: the transaction fails.
_SAVE = """
UPDATE saga
   SET state = new.state, deadline_at = new.deadline_at, version = new.version, step = new.step,
       attempt = new.attempt, resends = new.resends, ending = new.ending, reason = new.reason,
       event_off = new.event_off, paid_late = new.paid_late, percent = new.percent,
       refunds = new.refunds, captured = new.captured, refunded = new.refunded,
       action_url = new.action_url, payment_status = new.payment_status,
       refused_because = new.refused_because, method = coalesce(new.method, saga.method),
       updated_at = new.updated_at,
       entered_at = CASE WHEN saga.state = new.state THEN saga.entered_at ELSE new.updated_at END,
       token = CASE WHEN new.state = 'SECURING' THEN saga.token ELSE '' END
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS new (
           booking_id uuid, state text, deadline_at timestamptz, version integer,
           step integer, attempt smallint, resends integer, ending text, reason text,
           event_off boolean, paid_late boolean, percent smallint, refunds integer,
           captured bigint, refunded bigint, action_url text, payment_status text,
           refused_because text, method text, updated_at timestamptz)
 WHERE saga.booking_id = new.booking_id
   AND saga.booking_id = ANY(CAST(:ids AS uuid[]))  -- or a plan may read all there ever were
"""
_ADD_ENTRIES = """
INSERT INTO timeline (booking_id, entry_no, at, state, step, outcome, attempt, detail)
SELECT booking_id, entry_no, clock_timestamp(), state, step, outcome, attempt, detail
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS new (
           booking_id uuid, entry_no integer, state text, step text, outcome text,
           attempt smallint, detail text)
"""
_TIMELINE = """
SELECT at, state, step, outcome, attempt, detail FROM timeline
 WHERE booking_id = :booking_id ORDER BY entry_no LIMIT :limit
"""

# The last words of whoever cancelled, or gave all of it back; where they gave none the timeline has
# the reason's name, and of an event that was called off its organizer's words are kept.
_WORDS = """
SELECT DISTINCT ON (timeline.booking_id) timeline.booking_id,
       CASE WHEN timeline.step = 'EVENT_CANCELLED' THEN coalesce(cancelled_event.reason, '')
            WHEN detail = saga.reason THEN '' ELSE detail END AS words
  FROM timeline JOIN saga USING (booking_id)
  LEFT JOIN cancelled_event ON cancelled_event.event_id = saga.event_id
 WHERE timeline.booking_id = ANY(CAST(:ids AS uuid[]))
   AND timeline.step IN ('CANCEL', 'GIVE_UP', 'PAID_BACK', 'EVENT_CANCELLED')
   AND timeline.outcome = 'DONE'
 ORDER BY timeline.booking_id, entry_no DESC
"""


@dataclass(frozen=True, slots=True)
class Change:
    """A saga's new version, and the lines of its timeline that led there."""

    booking_id: UUID
    saga: Saga
    entries: Sequence[tuple[int, Entry]]  # each with the version it led to
    instrument: Instrument | None  # of a new attempt
    at: datetime  # by the database's clock, in the transaction that changes it


def save(session: Session, changes: Sequence[Change]) -> None:
    """Writes locked sagas and their timelines, with the next statement."""
    rows: list[dict[str, Any]] = [
        flat(change.saga)
        | {
            "booking_id": change.booking_id,
            "method": change.instrument.method if change.instrument else None,
            "updated_at": change.at,
        }
        for change in changes
    ]
    entries = [
        flat(entry) | {"booking_id": change.booking_id, "entry_no": number}
        for change in changes
        for number, entry in change.entries
        if entry.outcome in {"DONE", "REFUSED"} or number <= _CHATTER_ENTRIES
    ]
    session.defer(_ADD_ENTRIES, rows=orjson.dumps(entries).decode())
    ids = [change.booking_id for change in changes]
    session.defer(_SAVE, rows=orjson.dumps(rows).decode(), ids=ids)


async def timeline_of(session: Session, booking_id: UUID) -> Sequence[Row]:
    """A booking's timeline, oldest first."""
    return await session.all(_TIMELINE, booking_id=booking_id, limit=_TIMELINE_ENTRIES)


async def words_of(session: Session, ids: Collection[UUID]) -> Mapping[UUID, str]:
    """What those who cancelled bookings said, by the bookings' ids; read before the steps' entries
    are written."""
    rows = await session.all(_WORDS, ids=list(ids))
    return {row.booking_id: row.words for row in rows}


def saga_of(row: Row) -> Saga:
    """The saga a row has among its columns."""
    return records.read(Saga, row, percent=row.refund_percent)


# By the index of those that wait alone.
_WAITING = """
SELECT state, count(*) AS sagas, max(resends) AS resends,
       greatest(0, extract(epoch FROM clock_timestamp() - min(entered_at))) AS oldest_seconds
  FROM (SELECT state, resends, entered_at FROM saga
         WHERE deadline_at IS NOT NULL LIMIT :most) AS waiting
 GROUP BY state
"""


async def waiting(session: Session, most: int) -> Sequence[Row]:
    """How many sagas wait in each state, `most` in all, for how long and after how many resends."""
    return await session.all(_WAITING, most=most)
