"""Coupons: what they take off, and when they can be used."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from booking_service.domain.errors import (
    CouponMinimumError,
    CouponNotValidError,
    CouponUsedUpError,
    InvalidCouponError,
)
from booking_service.domain.money import MAX_AMOUNT, half_up

COUPON_CODE = re.compile(r"[A-Z0-9-]{3,40}", re.ASCII)
MOST_USES = 1_000_000
KINDS = ("PERCENT", "FIXED")


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon of an event; None is no limit."""

    code: str
    kind: str  # PERCENT, FIXED
    value: int  # whole percent, or minor units
    min_total: int | None  # minor units
    max_discount: int | None  # minor units
    usage_limit: int | None
    per_customer_limit: int | None
    valid_from: datetime | None
    valid_to: datetime | None
    active: bool
    used: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CouponChange:
    """What to change of a coupon; None stays, and a limit of 0 is no limit."""

    active: bool | None
    usage_limit: int | None
    per_customer_limit: int | None
    min_total: int | None
    max_discount: int | None
    valid_from: datetime | None
    valid_to: datetime | None


def discount_of(coupon: Coupon, subtotal: int) -> int:
    """What the coupon takes off, minor units: never more than its cap, nor than there is."""
    taken = coupon.value if coupon.kind == "FIXED" else half_up(subtotal * coupon.value, 100)
    return min(taken, subtotal, subtotal if coupon.max_discount is None else coupon.max_discount)


def check_usable(coupon: Coupon, subtotal: int, now: datetime, used_by_customer: int) -> None:
    """Says why the coupon can't be used at `now` (the database's), if so.

    Raises:
        CouponNotValidError, CouponMinimumError, CouponUsedUpError.
    """
    if not coupon.active:
        raise CouponNotValidError("The coupon is not valid.", coupon_code="was switched off")
    if coupon.valid_from is not None and now < coupon.valid_from:
        raise CouponNotValidError("The coupon is not valid yet.", coupon_code="is not valid yet")
    if coupon.valid_to is not None and now >= coupon.valid_to:
        raise CouponNotValidError("The coupon has expired.", coupon_code="has expired")
    if coupon.min_total is not None and subtotal < coupon.min_total:
        raise CouponMinimumError(
            "The booking is below the minimum of the coupon.",
            coupon_code=f"needs prices of at least {coupon.min_total} in minor units",
        )
    if coupon.usage_limit is not None and coupon.used >= coupon.usage_limit:
        raise CouponUsedUpError("The coupon has been used up.")
    if coupon.per_customer_limit is not None and used_by_customer >= coupon.per_customer_limit:
        raise CouponUsedUpError("You have used the coupon as often as one may.")


def check_coupon(coupon: Coupon) -> Coupon:
    """A new coupon, with its code in capitals.

    Raises:
        InvalidCouponError: names the fields.
    """
    coupon = replace(coupon, code=coupon.code.upper())
    wrong: dict[str, str] = {}
    if not COUPON_CODE.fullmatch(coupon.code):
        wrong["code"] = "must have 3-40 letters, digits and hyphens"
    if coupon.kind not in KINDS:
        wrong["kind"] = "must be PERCENT or FIXED"
    most = 100 if coupon.kind == "PERCENT" else MAX_AMOUNT
    if not 1 <= coupon.value <= most:
        wrong["value"] = f"must be 1-{most}"
    for field, limit, most in (
        ("min_total", coupon.min_total, MAX_AMOUNT),
        ("max_discount", coupon.max_discount, MAX_AMOUNT),
        ("usage_limit", coupon.usage_limit, MOST_USES),
        ("per_customer_limit", coupon.per_customer_limit, MOST_USES),
    ):
        if limit is not None and not 1 <= limit <= most:
            wrong[field] = f"must be 1-{most}"
    if coupon.valid_from and coupon.valid_to and coupon.valid_from >= coupon.valid_to:
        wrong["valid_to"] = "must be after valid_from"
    if wrong:
        raise InvalidCouponError("The coupon is not valid.", **wrong)
    return coupon


def check_coupon_change(change: CouponChange) -> None:
    """Makes sure that limits are in range; 0 takes one away.

    Raises:
        InvalidCouponError: names the fields.
    """
    wrong = {
        field: f"must be 0-{most}"
        for field, limit, most in (
            ("min_total", change.min_total, MAX_AMOUNT),
            ("max_discount", change.max_discount, MAX_AMOUNT),
            ("usage_limit", change.usage_limit, MOST_USES),
            ("per_customer_limit", change.per_customer_limit, MOST_USES),
        )
        if limit is not None and not 0 <= limit <= most
    }
    if wrong:
        raise InvalidCouponError("The coupon is not valid.", **wrong)
