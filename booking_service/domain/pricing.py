"""What bookings cost."""

from __future__ import annotations

from collections.abc import Sequence

from booking_service.domain.coupons import Coupon, discount_of
from booking_service.domain.errors import AmountTooLargeError
from booking_service.domain.holds import Line
from booking_service.domain.money import MAX_AMOUNT, Fees, Price, half_up


def subtotal_of(lines: Sequence[Line]) -> int:
    """The sum of the lines' prices, as they were when the hold was made; minor units."""
    return sum(line.price * line.quantity for line in lines)


def price_of(
    lines: Sequence[Line],
    tax_basis_points: int,
    currency: str,
    *,
    coupon: Coupon | None = None,
    fees: Fees | None = None,
    field: str = "hold_id",
) -> Price:
    """What the lines cost: their prices, less the coupon, plus tax and fees on what is left.

    Discount, tax and the fees' share are each reckoned once, on the booking, and rounded half up
    to a whole minor unit; 1300 basis points are 13 %. The fee for each ticket is for those that
    have a price. With nothing left to pay for there is no fee: a gift costs nothing. `field` is
    what the caller names the places by.

    Raises:
        AmountTooLargeError: that is more than `MAX_AMOUNT`.
    """
    fees = fees or Fees()
    subtotal = subtotal_of(lines)
    discount = discount_of(coupon, subtotal) if coupon else 0
    left = subtotal - discount
    tax = half_up(left * tax_basis_points, 10_000)
    fee = 0
    if left:
        priced = sum(line.quantity for line in lines if line.price)
        fee = half_up(left * fees.basis_points, 10_000) + priced * fees.per_ticket
    total = left + tax + fee
    if total > MAX_AMOUNT:
        raise AmountTooLargeError(
            f"This costs {total} in minor units, and no booking may cost more than {MAX_AMOUNT}.",
            **{field: f"costs more than {MAX_AMOUNT} in minor units"},
        )
    return Price(subtotal, discount, tax, fee, total, currency)


def tax_kept(price: Price, refunded: int) -> int:
    """The tax in what is left of a price once so much of it went back, minor units.

    The share that goes with a refund is rounded half up on all that went back so far, so that the
    shares of parts add up to the whole: with all of it back no tax is left.
    """
    return price.tax - half_up(price.tax * refunded, price.total) if price.total else price.tax
