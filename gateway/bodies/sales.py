"""Coupons, and which bookings of an event its organizer asks for."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Path
from pydantic import Field, WithJsonSchema

from gateway.bodies import limits
from gateway.bodies.base import WHOLE, Amount, Input, PageQuery, Time, line, not_found
from gateway.bodies.bookings import Expansion
from presentation.vocabulary import BookingStatus, CouponKind

_COUPON = re.compile(rf"[A-Za-z0-9-]{{{limits.COUPON_CODE_LEAST},{limits.COUPON_CODE}}}", re.ASCII)

CouponUses = Annotated[int, Field(ge=1, le=limits.COUPON_USES), *WHOLE]
CouponCode = Annotated[
    str,
    not_found("COUPON_NOT_FOUND", _COUPON),
    WithJsonSchema({"type": "string", "pattern": f"^{_COUPON.pattern}$"}),
    Path(description="The coupon's code, in any case."),
]


class NewCoupon(Input):
    """A coupon; what is absent is not limited."""

    code: str = Field(pattern=f"^{_COUPON.pattern}$")
    """What customers type; kept in capitals."""
    kind: CouponKind
    """What it takes off."""
    value: Amount
    """Whole percent (1 to 100), or minor units of the event's currency."""
    min_total: Amount | None = None
    """The prices have to reach this, minor units."""
    max_discount: Amount | None = None
    """It never takes off more, minor units."""
    usage_limit: CouponUses | None = None
    """How many bookings may use it."""
    per_customer_limit: CouponUses | None = None
    """How many bookings of one person may use it."""
    valid_from: Time | None = None
    """From when it is good."""
    valid_to: Time | None = None
    """Until when it is good; after `valid_from`."""


class CouponChange(Input):
    """What to change of a coupon; what is absent stays, and a limit of null is taken away."""

    active: bool | None = Field(default=None, strict=True)
    """False switches it off, true on again."""
    min_total: Amount | None = None
    """The prices have to reach this, minor units."""
    max_discount: Amount | None = None
    """It never takes off more, minor units."""
    usage_limit: CouponUses | None = None
    """How many bookings may use it."""
    per_customer_limit: CouponUses | None = None
    """How many bookings of one person may use it."""
    valid_from: Time | None = None
    """From when it is good; null leaves it."""
    valid_to: Time | None = None
    """Until when it is good, after `valid_from`; null leaves it."""


BuyerWords = Annotated[str, *line(100)]


class AttendeeQuery(PageQuery):
    """Which bookings of an event."""

    status: BookingStatus | None = None
    """Those that stand so."""
    q: BuyerWords | None = None
    """A booking's reference, however it is spelled; or words that the buyer's name or e-mail
    address has."""
    updated_since: Time | None = None
    """Updated then or since, the one longest ago first. Changes of the last moments are left out
    until none can be missed; ask next with the latest `updated_at` you had."""
    expand: Expansion | None = None
    """What is shown whole with each booking; with `tickets` a page has 20 at most."""


class ExportQuery(Input):
    """Which bookings of an event, all of them at once."""

    status: BookingStatus | None = None
    """Those that stand so."""
    q: BuyerWords | None = None
    """A booking's reference, however it is spelled; or words that the buyer's name or e-mail
    address has."""
