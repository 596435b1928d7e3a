"""Expiring holds, and giving back what they had."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from inventory_service.domain import HoldStatus, Move
from inventory_service.handlers.moving import move_places
from inventory_service.storage import holds


async def expire_holds(session: Session, event_id: UUID, hold_ids: Sequence[UUID]) -> None:
    """Expires those of the holds whose time is over, and gives back all that they had."""
    if hold_ids:
        await _give_back_expired(session, await holds.expire_holds(session, event_id, hold_ids))


async def expire_due(session: Session, *, limit: int) -> int:
    """Expires up to `limit` holds of any event whose time is over; returns how many."""
    expired = await holds.expire_some(session, limit)
    await _give_back_expired(session, expired)
    return len(expired)


async def _give_back_expired(session: Session, expired: Sequence[Record]) -> None:
    was, to = HoldStatus.ACTIVE, HoldStatus.EXPIRED
    await move_places(
        session,
        [
            Move(hold.event_id, hold.hold_id, hold.customer_id, hold.seats, hold.tickets, was, to)
            for hold in expired
        ],
    )
