"""What is free, and what was said of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from inventory_service.storage.by_event import rows_of

# One statement, one snapshot: the version is that of just this content. Every change of a place
# raises its version by one, so the sum rises with every change and never falls.
_SEAT_MAP = """
SELECT 1 + coalesce(sum(version), 0)
         + (SELECT coalesce(sum(version), 0) FROM pool WHERE event_id = :event_id) AS version,
       coalesce(array_agg(seat_no) FILTER (WHERE status IN ('HELD', 'RESERVED')), '{}') AS held,
       coalesce(array_agg(seat_no) FILTER (WHERE status = 'SOLD'), '{}') AS sold,
       coalesce(array_agg(seat_no) FILTER (WHERE status = 'BLOCKED'), '{}') AS blocked,
       (SELECT coalesce(jsonb_object_agg(section_id, ARRAY[capacity - held - reserved - sold,
                                                           capacity]), '{}')
          FROM pool WHERE event_id = :event_id) AS pools
  FROM seat WHERE event_id = :event_id
"""
_VERSION = """
SELECT 1 + coalesce(sum(version), 0)
         + (SELECT coalesce(sum(version), 0) FROM pool WHERE event_id = :event_id)
  FROM seat WHERE event_id = :event_id
"""
# As _SEAT_MAP, seat by seat: in the order of their numbers, which have no gaps, from 0 on.
_SEAT_STATES = r"""
SELECT 1 + coalesce(sum(version), 0)
         + (SELECT coalesce(sum(version), 0) FROM pool WHERE event_id = :event_id) AS version,
       coalesce(string_agg(CASE status WHEN 'AVAILABLE' THEN CAST('\x00' AS bytea)
                                       WHEN 'SOLD' THEN CAST('\x02' AS bytea)
                                       WHEN 'BLOCKED' THEN CAST('\x03' AS bytea)
                                       ELSE CAST('\x01' AS bytea) END,
                           CAST('' AS bytea) ORDER BY seat_no), CAST('' AS bytea)) AS states,
       coalesce(array_agg(version ORDER BY seat_no), '{}') AS versions,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(section_id,
                                                    capacity - held - reserved - sold,
                                                    version, capacity)), '[]')
          FROM pool WHERE event_id = :event_id) AS pools
  FROM seat WHERE event_id = :event_id
"""


async def seat_map(session: Session, event_id: UUID) -> Record:
    """What is taken: `version`, seats `held`, `sold`, `blocked`; `pools`: what is free, and all."""
    return await session.one(_SEAT_MAP, event_id=event_id)


async def version(session: Session, event_id: UUID) -> int:
    """The version of what is taken now."""
    return int(await session.scalar(_VERSION, event_id=event_id))


async def seat_states(session: Session, event_id: UUID) -> Record:
    """Of each seat `states` (a byte) and `versions`, the `pools`, and the `version` of it all."""
    return await session.one(_SEAT_STATES, event_id=event_id)


# --- saying how much is left -------------------------------------------------------------------

# Counted and noted in one statement, so in one snapshot. Of two at once the one that counted less
# finds the other's row and says nothing. Due holds that nobody has expired yet count as free.
_ANNOUNCE = """
WITH counted AS (
    SELECT event.event_id, event.capacity,
           1 + seats.version + pools.version AS version,
           seats.free + pools.free
             + (SELECT coalesce(sum(hold.seats + hold.tickets), 0) FROM hold
                 WHERE hold.event_id = :event_id AND hold.status = 'ACTIVE'
                   AND expires_at <= statement_timestamp()) AS available,
           seats.sold + pools.sold AS sold
      FROM event,
           LATERAL (SELECT count(*) FILTER (WHERE status = 'AVAILABLE') AS free,
                           count(*) FILTER (WHERE status = 'SOLD') AS sold,
                           coalesce(sum(version), 0) AS version
                      FROM seat WHERE seat.event_id = :event_id) AS seats,
           LATERAL (SELECT coalesce(sum(pool.capacity - held - reserved - pool.sold), 0) AS free,
                           coalesce(sum(pool.sold), 0) AS sold,
                           coalesce(sum(version), 0) AS version
                      FROM pool WHERE pool.event_id = :event_id) AS pools
     WHERE event.event_id = :event_id AND event.status = 'OPEN'
), said AS (
    INSERT INTO announcement (event_id, version)
    SELECT event_id, version FROM counted
        ON CONFLICT (event_id) DO UPDATE SET version = excluded.version
           WHERE announcement.version < excluded.version
    RETURNING event_id
)
SELECT event_id, available, capacity, sold, version FROM counted JOIN said USING (event_id)
"""
# Whoever was killed before it said what it knew leaves an event behind that looks as it is not.
_CLAIM_UNCHECKED = """
WITH oldest AS (
    SELECT event.event_id FROM event LEFT JOIN announcement USING (event_id)
     WHERE status = 'OPEN' AND starts_at > clock_timestamp() - interval '1 day'
       AND coalesce(checked_at, '-infinity') < clock_timestamp() - CAST(:pause AS interval)
     ORDER BY coalesce(checked_at, '-infinity') LIMIT :limit
)
INSERT INTO announcement (event_id, checked_at)
SELECT event_id, clock_timestamp() FROM oldest ORDER BY event_id
    ON CONFLICT (event_id) DO UPDATE SET checked_at = excluded.checked_at
RETURNING event_id
"""


async def announce(session: Session, event_ids: Sequence[UUID]) -> Sequence[Record]:
    """Counts open events; gives those whose counts are newer than was ever said, as said now.

    `available`, `capacity`, `sold`, `version` of each.
    """
    statements = [(_ANNOUNCE, {"event_id": event_id}) for event_id in sorted(set(event_ids))]
    return await rows_of(session, statements)


async def claim_unchecked(session: Session, pause: timedelta, limit: int) -> Sequence[UUID]:
    """Events that nobody has looked at for `pause`, the longest first; they count as looked at."""
    rows = await session.all(_CLAIM_UNCHECKED, pause=pause, limit=limit)
    return [row.event_id for row in rows]
