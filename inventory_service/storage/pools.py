"""Counted tickets: claiming them, and moving those that holds have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from inventory_service.domain import (
    SEATS_OF,
    Move,
)
from inventory_service.storage.by_event import by_event, rows_of
from inventory_service.storage.seats import DUE_LIMIT

_LOCK_POOLS = """
SELECT section_id, capacity - held - reserved - sold AS free FROM pool
 WHERE event_id = :event_id AND section_id = ANY(CAST(:section_ids AS uuid[]))
 ORDER BY section_id FOR UPDATE
"""

# The condition is judged on the row as it is once the lock is had: READ COMMITTED evaluates it
# again after waiting for another claim. The table's CHECK says the same once more.
_SELL_POOLS = """
UPDATE pool SET sold = sold + taken.n, version = version + 1
  FROM unnest(CAST(:section_ids AS uuid[]), CAST(:counts AS integer[])) AS taken (section_id, n)
 WHERE pool.event_id = :event_id AND pool.section_id = taken.section_id
   AND held + reserved + sold + taken.n <= capacity
RETURNING pool.section_id, capacity - held - reserved - sold AS free, version, capacity
"""

# As _SELL_POOLS; what is given back is counted below zero, and the table's CHECK refuses more than
# there is.
_HOLD_POOLS = """
UPDATE pool SET held = held + taken.n, version = version + 1
  FROM unnest(CAST(:section_ids AS uuid[]), CAST(:counts AS integer[])) AS taken (section_id, n)
 WHERE pool.event_id = :event_id AND pool.section_id = taken.section_id
   AND held + reserved + sold + taken.n <= capacity
RETURNING pool.event_id, pool.section_id, capacity - held - reserved - sold AS free, version,
          capacity
"""

_LOCK_COUNTS = """
SELECT section_id, capacity, held + reserved + sold AS taken FROM pool
 WHERE event_id = :event_id AND section_id = ANY(CAST(:section_ids AS uuid[]))
 ORDER BY section_id FOR UPDATE
"""

_RESIZE = """
UPDATE pool SET capacity = told.capacity, version = version + 1
  FROM unnest(CAST(:section_ids AS uuid[]), CAST(:capacities AS integer[]))
       AS told (section_id, capacity)
 WHERE pool.event_id = :event_id AND pool.section_id = told.section_id
RETURNING pool.section_id, pool.capacity - held - reserved - sold AS free, version, pool.capacity
"""

_CAPACITIES = "SELECT section_id, capacity FROM pool WHERE event_id = :event_id"

_DUE = """
SELECT hold_id FROM hold
 WHERE event_id = :event_id AND status = 'ACTIVE' AND expires_at <= statement_timestamp()
   AND tickets > 0
 ORDER BY expires_at LIMIT :limit
"""


async def lock_pools(
    session: Session, event_id: UUID, section_ids: Iterable[UUID]
) -> dict[UUID, int]:
    """Locks pools; returns how much is free in each."""
    rows = await session.all(_LOCK_POOLS, event_id=event_id, section_ids=list(section_ids))
    return {row.section_id: row.free for row in rows}


async def sell_pools(
    session: Session, event_id: UUID, taken: Mapping[UUID, int]
) -> Sequence[Record]:
    """Sells so many of each pool; returns them as they are now, none where one had too few.

    With more than one pool the caller has locked them, or undoes what it did where it gets none.
    """
    claimed = await session.all(
        _SELL_POOLS,
        event_id=event_id,
        section_ids=list(taken),
        counts=list(taken.values()),
    )
    return claimed if len(claimed) == len(taken) else ()


async def hold_pools(
    session: Session, event_id: UUID, more: Mapping[UUID, int]
) -> Sequence[Record]:
    """Holds so many more of each locked pool, fewer where below zero; gives them as they are."""
    return await session.all(
        _HOLD_POOLS,
        event_id=event_id,
        section_ids=list(more),
        counts=list(more.values()),
    )


async def lock_counts(
    session: Session, event_id: UUID, section_ids: Iterable[UUID]
) -> Sequence[Record]:
    """Locks pools: the `capacity` of each, and how much of it is `taken`."""
    return await session.all(_LOCK_COUNTS, event_id=event_id, section_ids=list(section_ids))


async def resize(
    session: Session, event_id: UUID, capacities: Mapping[UUID, int]
) -> Sequence[Record]:
    """Makes locked pools so large, none smaller than what is taken; gives them as they are now."""
    return await session.all(
        _RESIZE,
        event_id=event_id,
        section_ids=list(capacities),
        capacities=list(capacities.values()),
    )


async def find_capacities(session: Session, event_id: UUID) -> dict[UUID, int]:
    """How large each pool of an event is."""
    rows = await session.all(_CAPACITIES, event_id=event_id)
    return {row.section_id: row.capacity for row in rows}


async def due_holds(session: Session, event_id: UUID) -> list[UUID]:
    """Due holds of the event that have tickets."""
    return [row.hold_id for row in await session.all(_DUE, event_id=event_id, limit=DUE_LIMIT)]


# Counts are added to the row as it is once its lock is had; the table's CHECKs keep them sane.
_MOVE_TICKETS = """
WITH moved AS MATERIALIZED (
    SELECT pool.section_id, line.held, line.reserved, line.sold
      FROM (SELECT section_id, sum(quantity * each.held)::integer AS held,
                   sum(quantity * each.reserved)::integer AS reserved,
                   sum(quantity * each.sold)::integer AS sold
              FROM unnest(CAST(:hold_ids AS uuid[]), CAST(:held AS integer[]),
                          CAST(:reserved AS integer[]), CAST(:sold AS integer[]))
                   AS each (hold_id, held, reserved, sold)
              JOIN hold_line USING (hold_id)
             WHERE hold_line.event_id = :event_id
               AND hold_line.hold_id = ANY(CAST(:hold_ids AS uuid[])) AND seat_no IS NULL
             GROUP BY section_id) AS line
      JOIN pool USING (section_id)
     WHERE pool.event_id = :event_id
     ORDER BY pool.section_id FOR UPDATE OF pool
)
UPDATE pool SET held = pool.held + moved.held, reserved = pool.reserved + moved.reserved,
                sold = pool.sold + moved.sold, version = version + 1
  FROM moved WHERE pool.event_id = :event_id AND pool.section_id = moved.section_id
RETURNING pool.event_id, pool.section_id, capacity - pool.held - pool.reserved - pool.sold AS free,
          version, capacity
"""


async def move_tickets(session: Session, moves: Sequence[Move]) -> Sequence[Record]:
    """Moves the counted tickets of locked holds along; returns their pools as they are now."""
    moves = [move for move in moves if move.tickets and move.changes_places]
    if not moves:
        return ()
    statements = [
        (
            _MOVE_TICKETS,
            {
                "event_id": event_id,
                "hold_ids": [move.hold_id for move in those],
                **{
                    column.lower(): [
                        (column == SEATS_OF[move.to]) - (column == SEATS_OF[move.was])
                        for move in those
                    ]
                    for column in ("HELD", "RESERVED", "SOLD")
                },
            },
        )
        for event_id, those in by_event(moves, attrgetter("event_id"))
    ]
    return await rows_of(session, statements)
