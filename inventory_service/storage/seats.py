"""Seats: claiming them, and moving those that holds have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from inventory_service.domain import (
    SEATS_OF,
    Move,
)
from inventory_service.storage.by_event import by_event, rows_of

# All or nothing, in one statement. `free` locks the asked seats that are free, in the order of
# their numbers: two claims that overlap never wait for each other in a circle. Where another
# claim was faster, the lock waits for its commit, READ COMMITTED looks at the seat again as it is
# then, and leaves it out. What `free` returns is therefore locked and free now. Nothing is taken
# unless that is all of them; the update meets the very rows that are locked, so its own condition
# can no longer fail, and says what it relies on.
_CLAIM = """
WITH free AS MATERIALIZED (
    SELECT seat_no FROM seat
     WHERE event_id = :event_id AND seat_no = ANY(CAST(:seat_nos AS integer[]))
       AND status = 'AVAILABLE'
     ORDER BY seat_no FOR UPDATE
), taken AS (
    UPDATE seat SET status = CAST(:status AS text), hold_id = CAST(:hold_id AS uuid),
                    version = seat.version + 1
      FROM free
     WHERE seat.event_id = :event_id AND seat.seat_no = free.seat_no
       AND seat.seat_no = ANY(CAST(:seat_nos AS integer[]))  -- or a plan may read the whole hall
       AND seat.status = 'AVAILABLE' AND (SELECT count(*) FROM free) = :count
    RETURNING seat.seat_no, seat.version
)
INSERT INTO seat_journal (event_id, seat_no, version, from_status, to_status, hold_id)
SELECT CAST(:event_id AS uuid), seat_no, version, 'AVAILABLE', CAST(:status AS text),
       CAST(:hold_id AS uuid) FROM taken
RETURNING seat_no, version
"""

# After a refusal, in one snapshot: who has the seats, and is that hold due? An expiry moves a seat
# from the one to the other in one commit, so there is no moment at which it is neither.
TAKEN = """
SELECT seat.seat_no, hold.hold_id AS due
  FROM seat LEFT JOIN hold
    ON hold.event_id = seat.event_id AND hold.hold_id = seat.hold_id AND hold.status = 'ACTIVE'
   AND hold.expires_at <= statement_timestamp()
 WHERE seat.event_id = :event_id AND seat_no = ANY(CAST(:seat_nos AS integer[]))
   AND seat.status <> 'AVAILABLE'
 ORDER BY seat_no
"""

# How many due holds one request expires in one go.
DUE_LIMIT = 100


async def claim_seats(
    session: Session,
    event_id: UUID,
    hold_id: UUID | None,
    seat_nos: Sequence[int],
    status: str,
) -> Sequence[Record]:
    """Takes free seats to be SOLD to a hold, or BLOCKED, all or none; returns those it took.

    Waits for whoever is at them now.
    """
    claimed = await session.all(
        _CLAIM,
        event_id=event_id,
        hold_id=hold_id,
        seat_nos=list(seat_nos),
        count=len(seat_nos),
        status=status,
    )
    return claimed if len(claimed) == len(seat_nos) else ()


async def taken_seats(
    session: Session, event_id: UUID, seat_nos: Sequence[int]
) -> Mapping[int, UUID | None]:
    """Those of the seats that are not free, each with the due hold that has it, if one has."""
    rows = await session.all(TAKEN, event_id=event_id, seat_nos=list(seat_nos))
    return {row.seat_no: row.due for row in rows}


# The holds' rows are locked, and a held seat changes under its hold's lock alone: what is found
# here stays as it is. `hold_id` fences all the same.
_MOVE_SEATS = """
WITH found AS MATERIALIZED (
    SELECT seat.seat_no, seat.hold_id, each.was, each.status
      FROM unnest(CAST(:hold_ids AS uuid[]), CAST(:was AS text[]), CAST(:statuses AS text[]))
           AS each (hold_id, was, status)
      JOIN hold_line AS line ON line.event_id = :event_id AND line.hold_id = each.hold_id
      JOIN seat ON seat.event_id = :event_id AND seat.seat_no = line.seat_no
               AND seat.hold_id = line.hold_id
     WHERE line.hold_id = ANY(CAST(:hold_ids AS uuid[])) AND seat.status = each.was
       AND (CAST(:only AS integer[]) IS NULL OR seat.seat_no = ANY(CAST(:only AS integer[])))
     ORDER BY seat.seat_no FOR UPDATE OF seat
), moved AS (
    UPDATE seat SET status = found.status, version = seat.version + 1,
                    hold_id = CASE WHEN found.status <> 'AVAILABLE' THEN seat.hold_id END
      FROM found
     WHERE seat.event_id = :event_id AND seat.seat_no = found.seat_no
       AND seat.hold_id = found.hold_id AND seat.status = found.was
    RETURNING seat.event_id, seat.seat_no, seat.version, found.was, found.status, found.hold_id
)
INSERT INTO seat_journal (event_id, seat_no, version, from_status, to_status, hold_id)
SELECT event_id, seat_no, version, was, status, hold_id FROM moved
RETURNING event_id, seat_no, to_status AS status, version
"""


class PlacesLostError(Exception):
    """A hold does not have the places its row says it has. This can't be."""


async def move_seats(
    session: Session, moves: Sequence[Move], *, only: Sequence[int] | None = None
) -> Sequence[Record]:
    """Moves the seats of locked holds along; returns them as they are now.

    Raises:
        PlacesLostError: there were not as many as there should be.
    """
    moves = [move for move in moves if move.seats and move.changes_places]
    if not moves:
        return ()
    statements = [
        (
            _MOVE_SEATS,
            {
                "event_id": event_id,
                "hold_ids": [move.hold_id for move in those],
                "was": [SEATS_OF[move.was] for move in those],
                "statuses": [SEATS_OF[move.to] for move in those],
                "only": only,
            },
        )
        for event_id, those in by_event(moves, attrgetter("event_id"))
    ]
    moved = await rows_of(session, statements)
    count = sum(move.seats for move in moves) if only is None else len(only)
    if len(moved) != count:
        raise PlacesLostError(f"{len(moved)} of {count} seats of {len(moves)} holds")
    return moved
