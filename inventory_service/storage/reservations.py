"""Reserving holds for bookings, and giving reservations back whose bookings never were."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

from chassis.database import Row as Record
from chassis.database import Session, Statement
from chassis.records import read
from inventory_service.domain import (
    ASK_AFTER,
    AskReservation,
    Hold,
    HoldState,
    HoldStatus,
    Layout,
    Line,
    Reservation,
    ReservationOrder,
    Wanted,
    shown_status,
)
from inventory_service.storage.by_event import by_event, events_of, rows_of
from inventory_service.storage.limits import free_slots

# Each hold is locked in the order of the key and judged again after a wait, by the time it is then:
# of those who reserve, release, extend or expire it at once, each finds what the one before has
# left. Whoever has it reserved keeps it: nothing but `status` says so, so it never expires. The
# places stay as they are. The person's slot is free then, as the hold is no longer a live one.
# `|| ''` hides the status from the planner: by the index of those that expire it would read every
# hold there is, rather than these by their key.
_RESERVE = """
WITH own AS MATERIALIZED (
    SELECT hold.hold_id, each.booking_id
      FROM unnest(CAST(:hold_ids AS uuid[]), CAST(:customer_ids AS uuid[]),
                  CAST(:booking_ids AS uuid[])) AS each (hold_id, customer_id, booking_id)
      JOIN hold ON hold.event_id = :event_id AND hold.hold_id = each.hold_id
      JOIN event ON event.event_id = :event_id
     WHERE hold.hold_id = ANY(CAST(:hold_ids AS uuid[]))
       AND hold.customer_id = each.customer_id AND hold.status || '' = 'ACTIVE'
       AND event.status = 'OPEN'
     ORDER BY hold.hold_id FOR UPDATE OF hold
)
UPDATE hold SET status = 'RESERVED', booking_id = own.booking_id, saga_step = 1,
                reserved_at = clock_timestamp(),
                ask_at = clock_timestamp() + CAST(:ask_after AS interval)
  FROM own
 WHERE hold.event_id = :event_id AND hold.hold_id = own.hold_id
   AND hold.hold_id = ANY(CAST(:hold_ids AS uuid[]))
   AND hold.status || '' = 'ACTIVE' AND hold.expires_at > clock_timestamp()
RETURNING hold.customer_id, hold.hold_id
"""

# After that, in a statement of its own: lines are those of the hold as it was locked, not as it was
# when the lock was asked for.
_STANDS = """
SELECT hold.event_id, hold.hold_id, hold.customer_id, hold.status, version, expires_at,
       extendable_until,
       expires_at <= clock_timestamp() AS due, booking_id,
       event.status = 'OPEN' AS event_open, terms_version,
       has.seat_nos, has.section_ids, has.tier_ids, has.quantities, has.prices
  FROM unnest(CAST(:hold_ids AS uuid[]), CAST(:customer_ids AS uuid[]))
       AS each (hold_id, customer_id)
  JOIN hold ON hold.event_id = :event_id AND hold.hold_id = each.hold_id
           AND hold.customer_id = each.customer_id
  JOIN event ON event.event_id = :event_id
  JOIN LATERAL (
       SELECT array_agg(seat_no ORDER BY line_no) AS seat_nos,
              array_agg(section_id ORDER BY line_no) AS section_ids,
              array_agg(tier_id ORDER BY line_no) AS tier_ids,
              array_agg(quantity ORDER BY line_no) AS quantities,
              array_agg(price ORDER BY line_no) AS prices
         FROM hold_line AS line
        WHERE line.event_id = :event_id AND line.hold_id = hold.hold_id
       ) AS has ON true
 WHERE hold.hold_id = ANY(ARRAY(SELECT unnest(CAST(:hold_ids AS uuid[]))))
"""

# Of whichever events; none is locked, and each is judged again.
_DUE = """
SELECT event_id, hold_id FROM hold WHERE ask_at <= statement_timestamp()
 ORDER BY ask_at LIMIT :limit
"""
# What another has locked is in its hands: it is asked after in the next round, if still needed.
_ASK = """
WITH due AS MATERIALIZED (
    SELECT hold_id FROM hold
     WHERE event_id = :event_id AND hold_id = ANY(CAST(:hold_ids AS uuid[]))
       AND ask_at <= statement_timestamp()
     ORDER BY hold_id FOR UPDATE SKIP LOCKED
)
UPDATE hold SET ask_at = clock_timestamp() + CAST(:ask_after AS interval) FROM due
 WHERE hold.event_id = :event_id AND hold.hold_id = due.hold_id
   AND hold.hold_id = ANY(CAST(:hold_ids AS uuid[])) AND hold.ask_at IS NOT NULL
RETURNING hold.booking_id, hold.event_id, hold.hold_id
"""

# Those that are reserved for just these bookings, in the order of the key.
_LOCK = """
SELECT hold.event_id, hold.hold_id, hold.customer_id, status, version, seats, tickets,
       hold.booking_id, saga_step, expires_at <= clock_timestamp() AS due,
       least(expires_at, extendable_until) AS expires_at
  FROM unnest(CAST(:hold_ids AS uuid[]), CAST(:booking_ids AS uuid[]))
       AS each (hold_id, booking_id)
  JOIN hold ON hold.event_id = :event_id AND hold.hold_id = each.hold_id
 WHERE hold.hold_id = ANY(CAST(:hold_ids AS uuid[]))
   AND hold.booking_id = each.booking_id AND hold.status = 'RESERVED'
 ORDER BY hold.hold_id FOR UPDATE OF hold
"""

_KEEP = """
UPDATE hold SET ask_at = NULL
 WHERE event_id = :event_id AND hold_id = :hold_id AND booking_id = :booking_id
   AND ask_at IS NOT NULL
"""

# Before any slot, as everybody who takes both.
_LOCK_COUNTS = """
SELECT FROM customer_quota
 WHERE event_id = :event_id AND customer_id = ANY(CAST(:customer_ids AS uuid[]))
 ORDER BY customer_id FOR UPDATE
"""
# One of the person's slots that is free. Another may be faster; then the next try sees that.
_TAKE_SLOT = """
INSERT INTO live_hold (customer_id, slot, event_id, hold_id, expires_at)
SELECT CAST(:customer_id AS uuid), slot, CAST(:event_id AS uuid), CAST(:hold_id AS uuid),
       CAST(:expires_at AS timestamptz)
  FROM (VALUES (1), (2)) AS each (slot)
 WHERE NOT EXISTS (SELECT FROM live_hold WHERE live_hold.customer_id = :customer_id
                      AND live_hold.slot = each.slot AND expires_at > clock_timestamp())
 ORDER BY slot LIMIT 1
    ON CONFLICT (customer_id, slot) DO UPDATE
   SET event_id = excluded.event_id, hold_id = excluded.hold_id, expires_at = excluded.expires_at
 WHERE live_hold.expires_at <= clock_timestamp()
"""

_GIVE_BACK = """
UPDATE hold SET status = CAST(:status AS text), booking_id = NULL, saga_step = 0,
                reserved_at = NULL, ask_at = NULL, expires_at = least(expires_at, extendable_until)
 WHERE event_id = :event_id AND hold_id = :hold_id AND booking_id = :booking_id
   AND status = 'RESERVED'
"""


async def reserve(session: Session, wanted: Sequence[Wanted]) -> Sequence[Record]:
    """Reserves what can be, commits, and gives the holds that are there as they stand then.

    No hold may be wanted twice by one person. A person's hold that was not there gives no row.
    """
    events = await events_of(session, {each.hold_id for each in wanted})
    reserve: list[Statement] = []
    stands: list[Statement] = []
    there = [each for each in wanted if each.hold_id in events]
    for event_id, those in by_event(there, lambda each: events[each.hold_id]):
        ids = {
            "event_id": event_id,
            "hold_ids": [each.hold_id for each in those],
            "customer_ids": [each.customer_id for each in those],
        }
        bookings = [each.booking_id for each in those]
        reserve.append((_RESERVE, {**ids, "booking_ids": bookings, "ask_after": ASK_AFTER}))
        stands.append((_STANDS, ids))
    if not stands:
        return []
    reserved = await rows_of(session, reserve)
    free_slots(session, [(row.customer_id, row.hold_id) for row in reserved])
    rows = await rows_of(session, stands[:-1])
    sql, parameters = stands[-1]
    return [*rows, *(await session.finish(sql, **parameters)).rows]


def reservation(row: Record, layout: Layout) -> Reservation:
    """The hold that a row of `reserve` tells of, on its event's layout."""
    status = HoldStatus(row.status)
    lines = zip(
        row.seat_nos, row.section_ids, row.tier_ids, row.quantities, row.prices, strict=True
    )
    hold = Hold(
        row.hold_id,
        row.customer_id,
        shown_status(status, due=row.due),
        row.version,
        row.expires_at,
        row.extendable_until,
        layout,
        [Line(*line) for line in lines],
    )
    is_reserved = status in {HoldStatus.RESERVED, HoldStatus.SOLD}
    return Reservation(hold, row.booking_id if is_reserved else None, row.event_open)


async def ask_due(session: Session, limit: int) -> Sequence[AskReservation]:
    """Up to `limit` reservations whose bookings are to be asked now, and again if they are not
    answered by then.
    """
    due = await session.all(_DUE, limit=limit)
    statements = [
        (
            _ASK,
            {
                "event_id": event_id,
                "hold_ids": [row.hold_id for row in those],
                "ask_after": ASK_AFTER,
            },
        )
        for event_id, those in by_event(due, attrgetter("event_id"))
    ]
    rows = await rows_of(session, statements)
    return [read(AskReservation, row) for row in rows]


async def lock(
    session: Session, reservations: Sequence[ReservationOrder]
) -> Sequence[tuple[HoldState, datetime]]:
    """Locks those that are there; gives each hold, and when its time is over."""
    events = await events_of(session, {each.hold_id for each in reservations})
    there = [each for each in reservations if each.hold_id in events]
    statements = [
        (
            _LOCK,
            {
                "event_id": event_id,
                "hold_ids": [each.hold_id for each in those],
                "booking_ids": [each.booking_id for each in those],
            },
        )
        for event_id, those in by_event(there, lambda each: events[each.hold_id])
    ]
    rows = await rows_of(session, statements)
    return [(read(HoldState, row), row.expires_at) for row in rows]


def keep(session: Session, hold: HoldState) -> None:
    """Asks no more after a locked reservation."""
    session.defer(_KEEP, event_id=hold.event_id, hold_id=hold.hold_id, booking_id=hold.booking_id)


def lock_counts(session: Session, holds: Sequence[HoldState]) -> None:
    """Locks what is counted for the people of holds."""
    for event_id, those in by_event(holds, attrgetter("event_id")):
        session.defer(
            _LOCK_COUNTS,
            event_id=event_id,
            customer_ids=[hold.customer_id for hold in those],
        )


async def take_slot(session: Session, hold: HoldState, expires_at: datetime) -> bool:
    """Lets a locked hold be one of its person's live ones; False where they have two.

    The person's count is locked; of several people they come by their ids.
    """
    for _ in range(2):
        taken = await session.execute(
            _TAKE_SLOT,
            customer_id=hold.customer_id,
            event_id=hold.event_id,
            hold_id=hold.hold_id,
            expires_at=expires_at,
        )
        if taken.rowcount:
            return True
    return False


def give_back(session: Session, hold: HoldState, status: str) -> None:
    """Lets a locked reservation be no booking's any more."""
    session.defer(
        _GIVE_BACK,
        event_id=hold.event_id,
        hold_id=hold.hold_id,
        booking_id=hold.booking_id,
        status=status,
    )
