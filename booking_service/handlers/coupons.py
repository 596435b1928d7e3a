"""Coupons: made and changed by organizers, used by bookings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from booking_service.domain import (
    Coupon,
    CouponChange,
    CouponExistsError,
    CouponNotFoundError,
    CouponUnknownError,
    CouponUsedUpError,
    EventNotReadyError,
    InvalidCouponError,
    check_coupon,
    check_coupon_change,
    check_usable,
)
from booking_service.handlers.organizing import sold_by
from booking_service.storage import coupons, events
from chassis.database import Session


async def create(
    session: Session, event_id: UUID, caller_id: UUID, coupon: Coupon, *, is_admin: bool
) -> Coupon:
    """Makes a coupon.

    Raises:
        EventNotFoundError, InvalidCouponError;
        EventNotReadyError: nothing is known of the event, which may be a draft made a moment ago;
        CouponExistsError: the event has one of this code.
    """
    if not await events.knows(session, event_id):
        raise EventNotReadyError("This event is not known here yet.", retry_after="1")
    await sold_by(session, event_id, caller_id, is_admin=is_admin)
    made = await coupons.add(session, event_id, check_coupon(coupon))
    if made is None:
        raise CouponExistsError("The event has a coupon of this code.")
    return made


async def change(
    session: Session,
    event_id: UUID,
    caller_id: UUID,
    code: str,
    wish: CouponChange,
    *,
    is_admin: bool,
) -> Coupon:
    """Changes a coupon; bookings that were made keep their price.

    Raises:
        EventNotFoundError, CouponNotFoundError;
        InvalidCouponError: also for a limit below what is used.
    """
    await sold_by(session, event_id, caller_id, is_admin=is_admin)
    check_coupon_change(wish)
    changed = await coupons.change(session, event_id, code.upper(), wish)
    if changed is not None:
        return changed
    found = await coupons.find(session, event_id, code.upper())
    if found is None:
        raise CouponNotFoundError("The event has no coupon of this code.")
    coupon = found[0]
    wrong = {}
    if wish.usage_limit and wish.usage_limit < coupon.used:
        wrong["usage_limit"] = f"must be at least {coupon.used}, which is used already"
    merged = replace(
        coupon,
        valid_from=wish.valid_from or coupon.valid_from,
        valid_to=wish.valid_to or coupon.valid_to,
    )
    if merged.valid_from and merged.valid_to and merged.valid_from >= merged.valid_to:
        wrong["valid_to"] = "must be after valid_from"
    raise InvalidCouponError("The coupon can't be changed so.", **wrong)


async def page(
    session: Session, event_id: UUID, caller_id: UUID, *, is_admin: bool, after: str, limit: int
) -> Sequence[Coupon]:
    """An event's coupons by code.

    Raises:
        EventNotFoundError: there is none, or it is not the caller's.
    """
    await sold_by(session, event_id, caller_id, is_admin=is_admin)
    return await coupons.page(session, event_id, after=after, limit=limit)


async def take(
    session: Session, event_id: UUID, code: str, customer_id: UUID, subtotal: int
) -> Coupon:
    """Uses a coupon for a booking that the same transaction makes.

    Raises:
        CouponUnknownError, CouponNotValidError, CouponMinimumError, CouponUsedUpError: the
            transaction must not commit.
    """
    taken = await coupons.take(session, event_id, code.upper(), customer_id, subtotal)
    if taken is None:
        await look_at(session, event_id, code, customer_id, subtotal)
        # It could not be used when it was asked for, and could be again a moment later.
        raise CouponUsedUpError("The coupon was used up just now; try again.")
    coupon, within = taken
    if not within:
        raise CouponUsedUpError("You have used the coupon as often as one may.")
    return coupon


async def look_at(
    session: Session, event_id: UUID, code: str, customer_id: UUID, subtotal: int
) -> Coupon:
    """A coupon as it could be used now.

    Raises:
        CouponUnknownError, CouponNotValidError, CouponMinimumError, CouponUsedUpError.
    """
    found = await coupons.find(session, event_id, code.upper(), customer_id)
    if found is None:
        raise CouponUnknownError("There is no such coupon.", coupon_code="is unknown")
    coupon, now, used_by_customer = found
    check_usable(coupon, subtotal, now, used_by_customer)
    return coupon
