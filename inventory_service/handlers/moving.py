"""Moving a hold on, and all that it has along."""

from __future__ import annotations

from chassis.database import Session
from inventory_service.domain import (
    SEATS_OF,
    HoldState,
    HoldStatus,
)
from inventory_service.storage import holds, limits, pools, seats


async def move(session: Session, hold: HoldState, to: HoldStatus) -> None:
    """Moves a locked hold on, and all that it has along."""
    await holds.move_hold(session, hold, to)
    await move_places(session, hold, to)


async def move_places(session: Session, hold: HoldState, to: HoldStatus) -> None:
    await seats.move_seats(session, [hold], hold.status, to)
    if SEATS_OF[to] == "AVAILABLE" != SEATS_OF[hold.status]:
        await limits.uncount_places(
            session, [(hold.event_id, hold.customer_id, hold.seats + hold.tickets)]
        )
    if hold.status is HoldStatus.ACTIVE and hold.customer_id:
        await limits.free_slot(session, hold.customer_id, hold.hold_id)
    await pools.move_tickets(session, [hold], hold.status, to)
