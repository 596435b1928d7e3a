"""What people do with holds of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from chassis.database import Session
from inventory_service.domain import (
    Hold,
    HoldExpiredError,
    HoldExtensionLimitError,
    HoldNotActiveError,
    HoldNotFoundError,
    HoldState,
    HoldStatus,
    unknown_seats,
)
from inventory_service.handlers.moving import give_back_seats, move
from inventory_service.storage import holds
from inventory_service.storage.events import Layouts


async def get_hold(
    session: Session, layouts: Layouts, customer_id: UUID, hold_id: UUID | None
) -> Hold:
    """One of the person's holds.

    Raises:
        HoldNotFoundError: they have none of that id.
    """
    found = (
        await holds.find_holds(session, layouts, customer_id, hold_id=hold_id) if hold_id else []
    )
    if not found:
        raise _not_found()
    return found[0]


def _not_found() -> HoldNotFoundError:
    return HoldNotFoundError("You have no such hold.")


async def _lock_active(session: Session, customer_id: UUID, hold_id: UUID | None) -> HoldState:
    hold = await holds.lock_own_hold(session, hold_id, customer_id) if hold_id else None
    if hold is None:
        raise _not_found()
    if hold.status is HoldStatus.EXPIRED or (hold.status is HoldStatus.ACTIVE and hold.due):
        raise HoldExpiredError("The time of this hold is over.")
    if hold.status is not HoldStatus.ACTIVE:
        raise HoldNotActiveError("This hold was booked or released.")
    return hold


async def extend_hold(
    session: Session,
    layouts: Layouts,
    customer_id: UUID,
    hold_id: UUID | None,
    more: timedelta,
) -> Hold:
    """Lets a hold live so much longer than it does; what its cap does not allow is left out.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldNotActiveError.
        HoldExtensionLimitError: it is at its cap.
    """
    hold = await _lock_active(session, customer_id, hold_id)
    if not await holds.extend_hold(session, hold, more):
        kept = await get_hold(session, layouts, customer_id, hold_id)
        if kept.status == "ACTIVE":
            raise HoldExtensionLimitError("This hold can't be extended any further.")
        raise HoldExpiredError("The time of this hold is over.")
    return await get_hold(session, layouts, customer_id, hold_id)


async def release_hold(
    session: Session,
    layouts: Layouts,
    customer_id: UUID,
    hold_id: UUID | None,
    seat_ids: Sequence[str],
) -> Hold:
    """Gives seats of a hold back, or (without `seat_ids`) all of it; all of it twice is the same.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldNotActiveError.
        UnknownSeatsError: the hold does not have some of the seats.
    """
    try:
        hold = await _lock_active(session, customer_id, hold_id)
    except HoldNotActiveError:
        kept = await get_hold(session, layouts, customer_id, hold_id)
        if seat_ids or kept.status != "RELEASED":
            raise
        return kept
    lines = await holds.find_lines(session, hold)
    held = {str(line.seat_no): line.seat_no for line in lines if line.seat_no is not None}
    unknown = [seat_id for seat_id in seat_ids if seat_id not in held]
    if unknown:
        raise unknown_seats(unknown)
    part = sorted({held[seat_id] for seat_id in seat_ids})
    if part and len(part) < hold.seats + hold.tickets:
        await give_back_seats(session, hold, part)
    else:
        await move(session, hold, HoldStatus.RELEASED)
    return await get_hold(session, layouts, customer_id, hold_id)
