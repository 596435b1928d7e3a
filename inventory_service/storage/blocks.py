"""Seats that organizers keep back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from chassis.records import read
from inventory_service.domain import Block

# The seats are BLOCKED by this transaction: whatever block they were in before has let them go,
# and that has committed.
_ADD = """
WITH kept AS (
    INSERT INTO block_seat (event_id, seat_no, block_id)
    SELECT CAST(:event_id AS uuid), seat_no, CAST(:block_id AS uuid)
      FROM unnest(CAST(:seat_nos AS integer[])) AS seat_no
)
INSERT INTO block (event_id, block_id, note, created_by)
VALUES (CAST(:event_id AS uuid), CAST(:block_id AS uuid), CAST(:note AS text),
        CAST(:created_by AS uuid))
RETURNING created_at
"""

# As a claim (storage.seats), the other way round: locks in the order of the key, judges each seat
# as it is then, and frees all of them or none.
_FREE = """
WITH found AS MATERIALIZED (
    SELECT seat_no FROM seat
     WHERE event_id = :event_id AND seat_no = ANY(CAST(:seat_nos AS integer[]))
       AND status = 'BLOCKED'
     ORDER BY seat_no FOR UPDATE
), freed AS (
    UPDATE seat SET status = 'AVAILABLE', version = seat.version + 1
      FROM found
     WHERE seat.event_id = :event_id AND seat.seat_no = found.seat_no
       AND seat.seat_no = ANY(CAST(:seat_nos AS integer[]))  -- or a plan may read the whole hall
       AND seat.status = 'BLOCKED' AND (SELECT count(*) FROM found) = :count
    RETURNING seat.seat_no, seat.version
)
INSERT INTO seat_journal (event_id, seat_no, version, from_status, to_status)
SELECT CAST(:event_id AS uuid), seat_no, version, 'BLOCKED', 'AVAILABLE' FROM freed
RETURNING seat_no, version
"""

# A statement of its own, after the locks: it sees the block that each seat is in now.
_LET_GO = """
DELETE FROM block_seat
 WHERE event_id = :event_id AND seat_no = ANY(CAST(:seat_nos AS integer[]))
"""

_NOT_BLOCKED = """
SELECT seat_no FROM seat
 WHERE event_id = :event_id AND seat_no = ANY(CAST(:seat_nos AS integer[]))
   AND status <> 'BLOCKED'
 ORDER BY seat_no
"""

_LIST = """
SELECT block_id, seat_nos, note, created_at, created_by
  FROM block JOIN LATERAL (
       SELECT array_agg(seat_no ORDER BY seat_no) AS seat_nos FROM block_seat
        WHERE block_seat.event_id = block.event_id AND block_seat.block_id = block.block_id
       ) AS kept ON seat_nos IS NOT NULL
 WHERE event_id = :event_id AND (CAST(:before AS uuid) IS NULL OR block_id < :before)
 ORDER BY block_id DESC LIMIT :limit
"""


async def add_block(
    session: Session,
    event_id: UUID,
    block_id: UUID,
    seat_nos: Sequence[int],
    *,
    note: str,
    created_by: UUID,
) -> datetime:
    """Writes down a block whose seats have been claimed; returns when."""
    created_at: datetime = await session.scalar(
        _ADD,
        event_id=event_id,
        block_id=block_id,
        seat_nos=seat_nos,
        note=note,
        created_by=created_by,
    )
    return created_at


async def free_seats(session: Session, event_id: UUID, seat_nos: Sequence[int]) -> Sequence[Record]:
    """Frees seats that are kept back, all or none; returns those it freed."""
    freed = await session.all(
        _FREE, event_id=event_id, seat_nos=list(seat_nos), count=len(seat_nos)
    )
    if len(freed) < len(seat_nos):
        return ()
    session.defer(_LET_GO, event_id=event_id, seat_nos=list(seat_nos))
    return freed


async def not_blocked(session: Session, event_id: UUID, seat_nos: Sequence[int]) -> list[int]:
    """Those of the seats that are not kept back."""
    rows = await session.all(_NOT_BLOCKED, event_id=event_id, seat_nos=list(seat_nos))
    return [row.seat_no for row in rows]


async def list_blocks(
    session: Session, event_id: UUID, *, before: UUID | None, limit: int
) -> list[Block]:
    """The event's blocks that still keep seats back, newest first."""
    rows = await session.all(_LIST, event_id=event_id, before=before, limit=limit)
    return [read(Block, row, id=row.block_id) for row in rows]
