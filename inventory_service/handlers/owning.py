"""What people do with holds of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from inventory_service.domain import (
    Hold,
    HoldExpiredError,
    HoldExtensionLimitError,
    HoldNotActiveError,
    HoldNotFoundError,
    HoldState,
    HoldStatus,
    invalid_hold,
    unknown_seats,
    unknown_tier,
)
from inventory_service.handlers.moving import Left, give_back, move
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


async def lock_active(session: Session, customer_id: UUID, hold_id: UUID | None) -> HoldState:
    """Locks one of the person's holds, which is theirs to change.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldNotActiveError.
    """
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
    hold = await lock_active(session, customer_id, hold_id)
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
    *,
    seat_ids: Sequence[str],
    general: Sequence[tuple[UUID, int]] = (),
) -> Hold:
    """Gives seats and tickets of a hold back, or (where none are named) all of it.

    All of it twice is the same. `general` are tiers, and how many tickets of each.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldNotActiveError.
        UnknownSeatsError: the hold does not have some of the seats.
        UnknownTierError, InvalidHoldError: it does not have so many tickets.
    """
    try:
        hold = await lock_active(session, customer_id, hold_id)
    except HoldNotActiveError:
        kept = await get_hold(session, layouts, customer_id, hold_id)
        if seat_ids or general or kept.status != "RELEASED":
            raise
        return kept
    lines = await holds.find_lines(session, hold)
    held = {str(line.seat_no): line.seat_no for line in lines if line.seat_no is not None}
    unknown = [seat_id for seat_id in seat_ids if seat_id not in held]
    if unknown:
        raise unknown_seats(unknown)
    part = sorted({held[seat_id] for seat_id in seat_ids})
    tickets = _without(await holds.find_ticket_lines(session, hold), general) if general else {}
    count = len(part) + sum(line.given_back for line in tickets.values())
    if 0 < count < hold.seats + hold.tickets:
        await give_back(session, hold, part, tickets)
    else:
        await move(session, hold, HoldStatus.RELEASED)
    return await get_hold(session, layouts, customer_id, hold_id)


def _without(lines: Sequence[Record], general: Sequence[tuple[UUID, int]]) -> Mapping[int, Left]:
    """What is left of lines of counted tickets without so many of each tier, the newest first."""
    left: dict[int, Left] = {}
    for index, (tier_id, quantity) in enumerate(general):
        if quantity < 1:
            raise invalid_hold(f"general.{index}.quantity", "At least 1.")
        of_tier = [line for line in lines if line.tier_id == tier_id and line.line_no not in left]
        if not of_tier:
            raise unknown_tier(f"general.{index}.tier_id")
        for line in of_tier:
            given_back = min(line.quantity, quantity)
            quantity -= given_back  # noqa: PLW2901 - what is still to be given back
            if given_back:
                rest = line.quantity - given_back
                left[line.line_no] = Left(line.section_id, rest, given_back)
        if quantity:
            raise invalid_hold(f"general.{index}.quantity", "The hold has fewer of these tickets.")
    return left
