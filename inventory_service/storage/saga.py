"""Holds, as the commands of bookings' sagas find and leave them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from uuid import UUID

from chassis.database import Session, Statement
from chassis.records import read
from inventory_service.domain import (
    PAYMENT_TIME,
    SEATS_OF,
    HoldState,
    HoldStatus,
    SeatsOrder,
)
from inventory_service.storage.by_event import by_event, rows_of
from inventory_service.storage.seats import PlacesLostError

Key = tuple[UUID, UUID]  # event, hold

# In the order of the key, as everybody locks holds who waits for them.
_LOCK = """
SELECT FROM hold WHERE event_id = :event_id AND hold_id = ANY(CAST(:hold_ids AS uuid[]))
 ORDER BY hold_id FOR UPDATE
"""

# A command for a hold that never was leaves one that has ended.
_BURY = """
INSERT INTO hold (event_id, hold_id, status, seats, tickets, created_at, expires_at,
                  extendable_until)
SELECT CAST(:event_id AS uuid), hold_id, 'RELEASED', 0, 0, clock_timestamp(), clock_timestamp(),
       clock_timestamp()
  FROM unnest(CAST(:hold_ids AS uuid[])) AS hold_id
 ORDER BY hold_id
    ON CONFLICT (event_id, hold_id) DO NOTHING
"""

# After the locks, in a statement of its own: holds, and seats that they have, are as they are now
# and stay so; a hold is due by the time at which nobody else can expire it any more.
_READ = """
SELECT hold.event_id, hold.hold_id, customer_id, hold.status, version, seats, tickets, booking_id,
       saga_step,
       expires_at <= clock_timestamp() AS due,
       coalesce(event.status = 'OPEN', false) AS event_open,
       coalesce(event.status = 'OPEN'
                AND clock_timestamp() < sales_to + CAST(:payment_time AS interval), false)
           AS still_sells,
       coalesce(max_per_customer, 0) AS most, has.seat_nos, has.versions
  FROM hold LEFT JOIN event ON event.event_id = :event_id
  LEFT JOIN LATERAL (
       SELECT array_agg(seat.seat_no ORDER BY seat.seat_no) AS seat_nos,
              array_agg(seat.version ORDER BY seat.seat_no) AS versions
         FROM hold_line AS line JOIN seat
           ON seat.event_id = line.event_id AND seat.seat_no = line.seat_no
        WHERE line.event_id = :event_id AND line.hold_id = hold.hold_id
          AND line.seat_no IS NOT NULL AND seat.hold_id = hold.hold_id
       ) AS has ON true
 WHERE hold.event_id = :event_id
   AND hold.hold_id = ANY(ARRAY(SELECT unnest(CAST(:hold_ids AS uuid[]))))
"""

# The rows are locked, and were judged as they are: the conditions say what this relies on. The
# newest step that was asked of a hold, and whose it is: a booking's alone, and never back to an
# older step. A booking that asks for something exists, and is not asked after any more.
_CARRY = """
UPDATE hold
   SET booking_id = each.booking_id, saga_step = each.saga_step, status = each.status, ask_at = NULL
  FROM unnest(CAST(:hold_ids AS uuid[]), CAST(:booking_ids AS uuid[]),
              CAST(:saga_steps AS integer[]), CAST(:was AS text[]), CAST(:statuses AS text[]))
       AS each (hold_id, booking_id, saga_step, was, status)
 WHERE hold.event_id = :event_id AND hold.hold_id = each.hold_id
   AND hold.hold_id = ANY(CAST(:hold_ids AS uuid[])) AND hold.status = each.was
   AND coalesce(hold.booking_id, each.booking_id) = each.booking_id
   AND hold.saga_step <= each.saga_step
"""

# The seats of a locked hold are nobody else's to change: these are as they were read.
_MOVE_SEATS = """
WITH moved AS (
    UPDATE seat SET status = each.status, version = seat.version + 1,
                    hold_id = CASE WHEN each.status <> 'AVAILABLE' THEN seat.hold_id END
      FROM unnest(CAST(:seat_nos AS integer[]), CAST(:hold_ids AS uuid[]), CAST(:was AS text[]),
                  CAST(:statuses AS text[])) AS each (seat_no, hold_id, was, status)
     WHERE seat.event_id = :event_id AND seat.seat_no = each.seat_no
       AND seat.seat_no = ANY(CAST(:seat_nos AS integer[]))
       AND seat.hold_id = each.hold_id AND seat.status = each.was
    RETURNING seat.event_id, seat.seat_no, seat.version, each.was, each.status, each.hold_id
)
INSERT INTO seat_journal (event_id, seat_no, version, from_status, to_status, hold_id)
SELECT event_id, seat_no, version, was, status, hold_id FROM moved
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A locked hold, what it has, and what its event says of it."""

    state: HoldState
    seat_nos: Sequence[int]
    versions: Sequence[int]  # of those seats
    event_open: bool
    still_sells: bool
    most: int  # that a person may have of the event

    def seats_as(self, to: HoldStatus) -> Iterable[tuple[int, str, int]]:
        """Its seats once they have gone along to a status, as `changes.noted` takes them."""
        status = SEATS_OF[to]
        for seat_no, version in zip(self.seat_nos, self.versions, strict=True):
            yield seat_no, status, version + 1


async def lock_or_bury(session: Session, keys: Iterable[Key]) -> dict[Key, Found]:
    """Locks holds; one that never was is made, ended, so that it can never begin."""
    wanted = sorted(set(keys))
    found = await _lock(session, wanted)
    missing = [key for key in wanted if key not in found]
    if missing:
        for statement, parameters in _of_events(_BURY, missing):
            session.defer(statement, **parameters)
        found |= await _lock(session, missing)
    return found


async def _lock(session: Session, keys: Sequence[Key]) -> dict[Key, Found]:
    for statement, parameters in _of_events(_LOCK, keys):
        session.defer(statement, **parameters)
    return await look(session, keys)


async def look(session: Session, keys: Sequence[Key]) -> dict[Key, Found]:
    """Holds that this transaction has locked, as they are now.

    Raises:
        PlacesLostError: one does not have the seats its row says it has.
    """
    rows = await rows_of(session, _of_events(_READ, keys, payment_time=PAYMENT_TIME))
    found: dict[Key, Found] = {}
    for row in rows:
        state = read(HoldState, row)
        seat_nos, versions = row.seat_nos or (), row.versions or ()
        if len(seat_nos) != (0 if SEATS_OF[state.status] == "AVAILABLE" else state.seats):
            raise PlacesLostError(f"hold {state.hold_id} has {len(seat_nos)} of {state.seats}")
        found[state.event_id, state.hold_id] = Found(
            state, seat_nos, versions, row.event_open, row.still_sells, row.most
        )
    return found


def _of_events(sql: str, keys: Sequence[Key], **parameters: object) -> list[Statement]:
    """The statement for each event that has some of the holds."""
    return [
        (
            sql,
            {
                "event_id": event_id,
                "hold_ids": [hold_id for _event_id, hold_id in those],
                **parameters,
            },
        )
        for event_id, those in by_event(keys, itemgetter(0))
    ]


def note_step(session: Session, order: SeatsOrder, found: Found, to: HoldStatus) -> None:
    """Notes a step of a locked hold and the status it is in then; its seats stay."""
    _note_steps(session, [(order, found, to)])


def carry(session: Session, steps: Sequence[tuple[SeatsOrder, Found, HoldStatus]]) -> None:
    """Notes steps of locked holds, and lets each go to the status beside it, with its seats."""
    if not steps:
        return
    _note_steps(session, steps)
    _move_seats(session, steps)


def _note_steps(session: Session, steps: Sequence[tuple[SeatsOrder, Found, HoldStatus]]) -> None:
    for event_id, those in by_event(steps, _event_of):
        session.defer(
            _CARRY,
            event_id=event_id,
            hold_ids=[found.state.hold_id for _order, found, _to in those],
            booking_ids=[order.booking_id for order, _found, _to in those],
            saga_steps=[order.saga_step for order, _found, _to in those],
            was=[found.state.status.value for _order, found, _to in those],
            statuses=[to.value for _order, _found, to in those],
        )


def _event_of(step: tuple[SeatsOrder, Found, HoldStatus]) -> UUID:
    _order, found, _to = step
    return found.state.event_id


def _move_seats(session: Session, steps: Sequence[tuple[SeatsOrder, Found, HoldStatus]]) -> None:
    seats = [
        (move.event_id, seat_no, move.hold_id, SEATS_OF[move.was], SEATS_OF[move.to])
        for _order, found, to in steps
        if (move := found.state.moves(to)).changes_places
        for seat_no in found.seat_nos
    ]
    for event_id, those in by_event(seats, itemgetter(0)):
        _ids, seat_nos, hold_ids, was, statuses = map(list, zip(*those, strict=True))
        session.defer(
            _MOVE_SEATS,
            event_id=event_id,
            seat_nos=seat_nos,
            hold_ids=hold_ids,
            was=was,
            statuses=statuses,
        )
