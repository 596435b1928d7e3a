"""What is free."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session

# One statement, one snapshot: the version is that of just this content. Every change of a place
# raises its version by one, so the sum rises with every change and never falls.
_SEAT_MAP = """
SELECT 1 + coalesce(sum(version), 0)
         + (SELECT coalesce(sum(version), 0) FROM pool WHERE event_id = :event_id) AS version,
       coalesce(array_agg(seat_no) FILTER (WHERE status IN ('HELD', 'RESERVED')), '{}') AS held,
       coalesce(array_agg(seat_no) FILTER (WHERE status = 'SOLD'), '{}') AS sold,
       coalesce(array_agg(seat_no) FILTER (WHERE status = 'BLOCKED'), '{}') AS blocked,
       (SELECT coalesce(jsonb_object_agg(section_id, capacity - held - reserved - sold), '{}')
          FROM pool WHERE event_id = :event_id) AS pools
  FROM seat WHERE event_id = :event_id
"""

# Due holds that nobody has expired yet count as free.
_AVAILABILITY = """
SELECT event.event_id, capacity,
       coalesce(sales_from, '-infinity') <= clock_timestamp()
           AND sales_to > clock_timestamp() AS selling,
       (SELECT count(*) FROM seat
         WHERE seat.event_id = event.event_id AND seat.status = 'AVAILABLE')
     + (SELECT coalesce(sum(pool.capacity - held - reserved - sold), 0) FROM pool
         WHERE pool.event_id = event.event_id)
     + (SELECT coalesce(sum(seats + tickets), 0) FROM hold
         WHERE hold.event_id = event.event_id AND hold.status = 'ACTIVE'
           AND expires_at <= statement_timestamp()) AS available
  FROM event WHERE event.event_id = ANY(CAST(:event_ids AS uuid[])) AND event.status = 'OPEN'
"""


async def seat_map(session: Session, event_id: UUID) -> Record:
    """What is taken: `version`, seats `held`, `sold`, `blocked`, and what is free of `pools`."""
    return await session.one(_SEAT_MAP, event_id=event_id)


async def availability(session: Session, event_ids: Sequence[UUID]) -> Sequence[Record]:
    """`available`, `capacity`, `selling` of the open ones of some events."""
    return await session.all(_AVAILABILITY, event_ids=event_ids)
