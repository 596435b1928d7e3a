"""Saying how much of an event is left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from chassis.database import Session
from inventory_service.domain import AvailabilityIs
from inventory_service.storage import availability


async def announce(session: Session, event_ids: Sequence[UUID]) -> int:
    """Says how much is left of those events of which something newer can be said; how many."""
    rows = await availability.announce(session, event_ids)
    for row in rows:
        session.send(
            AvailabilityIs(
                row.event_id, int(row.available), row.capacity, int(row.sold), int(row.version)
            )
        )
    return len(rows)


async def announce_unchecked(session: Session, *, pause: timedelta, limit: int) -> int:
    """Looks at up to `limit` events that nobody has looked at for `pause`; how many there were."""
    event_ids = await availability.claim_unchecked(session, pause, limit)
    if event_ids:
        await announce(session, event_ids)
    return len(event_ids)
