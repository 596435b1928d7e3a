"""Coupons, and which bookings of an event its organizer asks for."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from gateway.bodies.base import MAX_AMOUNT, Input, PageQuery, Short, Time, not_found
from gateway.bodies.bookings import BookingStatus

_COUPON = re.compile(r"[A-Za-z0-9-]{3,40}", re.ASCII)

CouponAmount = Annotated[int, Field(strict=True, ge=1, le=MAX_AMOUNT)]
CouponUses = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
CouponCode = Annotated[str, not_found("COUPON_NOT_FOUND", _COUPON)]


class NewCoupon(Input):
    """A coupon; what is absent is not limited."""

    code: str = Field(pattern=f"^{_COUPON.pattern}$", examples=["EARLY-BIRD"])
    kind: Literal["PERCENT", "FIXED"]
    value: CouponAmount = Field(
        description="Whole percent, or minor units of the event's currency", examples=[15]
    )
    min_total: CouponAmount | None = Field(default=None, description="Of the prices; minor units")
    max_discount: CouponAmount | None = Field(default=None, description="Minor units")
    usage_limit: CouponUses | None = None
    per_customer_limit: CouponUses | None = None
    valid_from: Time | None = None
    valid_to: Time | None = None


class CouponChange(Input):
    """What to change of a coupon; what is absent stays, and a limit of null is taken away."""

    active: bool | None = Field(default=None, strict=True)
    min_total: CouponAmount | None = None
    max_discount: CouponAmount | None = None
    usage_limit: CouponUses | None = None
    per_customer_limit: CouponUses | None = None
    valid_from: Time | None = None
    valid_to: Time | None = None


BuyerWords = Annotated[
    Short | None,
    Field(
        description="A booking's reference, however it is spelled; or words that the buyer's name"
        " or e-mail address has",
        examples=["Asha"],
    ),
]


class AttendeeQuery(PageQuery):
    """Which bookings of an event."""

    status: BookingStatus | None = None
    q: BuyerWords = None


class ExportQuery(Input):
    """Which bookings of an event, all of them at once."""

    status: BookingStatus | None = None
    q: BuyerWords = None
