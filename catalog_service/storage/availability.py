"""Table `availability`: what inventory told last of each event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from catalog_service.domain import EventCounts
from chassis.database import Session

# The version says which of two messages is the newer; one that comes late or twice changes nothing.
# The rows are locked in one order, so that two processes never wait for one another.
_SET = """
WITH told AS (
    SELECT * FROM unnest(CAST(:event_ids AS uuid[]), CAST(:available AS integer[]),
                         CAST(:capacities AS integer[]), CAST(:sold AS integer[]),
                         CAST(:versions AS bigint[]))
               AS each (event_id, available, capacity, sold, version)
), mine AS MATERIALIZED (
    SELECT event_id FROM availability WHERE event_id = ANY(CAST(:event_ids AS uuid[]))
     ORDER BY event_id FOR UPDATE
)
UPDATE availability
   SET available = told.available, capacity = told.capacity, sold = told.sold,
       version = told.version
  FROM told JOIN mine USING (event_id)
 WHERE availability.event_id = told.event_id AND availability.version < told.version
"""
_OPEN = """
UPDATE availability SET available = told.capacity, capacity = told.capacity
  FROM unnest(CAST(:event_ids AS uuid[]), CAST(:capacities AS integer[]))
    AS told (event_id, capacity)
 WHERE availability.event_id = told.event_id AND availability.version < 0
"""


def set_availability(session: Session, told: Sequence[EventCounts]) -> None:
    """Keeps what is left of events, one entry for each, unless something newer is known."""
    if told:
        session.defer(
            _SET,
            event_ids=[each.event_id for each in told],
            available=[each.available for each in told],
            capacities=[each.capacity for each in told],
            sold=[each.sold for each in told],
            versions=[each.version for each in told],
        )


def open_all(session: Session, capacities: Mapping[UUID, int]) -> None:
    """Everything is left of events that were just opened, until inventory tells otherwise."""
    session.defer(_OPEN, event_ids=list(capacities), capacities=list(capacities.values()))
