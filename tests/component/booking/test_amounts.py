"""A booking that costs more than can be paid is refused where it is made."""

from __future__ import annotations

import pytest
from parterre.booking.v1 import booking_pb2

from booking_service.domain import MAX_AMOUNT, Line

from .box import ASHA, Box, Payment, refused


def lines(price: int, quantity: int) -> list[Line]:
    return [Line("", "p", "Pit", "", "", "u", "Standing", quantity, price)]


@pytest.mark.parametrize(
    ("price", "quantity", "tax"),
    [(MAX_AMOUNT, 100, 10_000), (MAX_AMOUNT, 1, 1), (10**10, 51, 10_000)],
)
async def test_neither_quoted_nor_booked_and_the_hold_stays_its_holders(
    box: Box, price: int, quantity: int, tax: int
) -> None:
    await box.publish(tax_basis_points=tax, version=2)
    hold = box.hold(lines=lines(price, quantity))
    quote = booking_pb2.QuoteBookingRequest(hold_id=str(hold))

    assert await refused(box.caller.as_person(ASHA, "QuoteBooking", quote)) == "AMOUNT_TOO_LARGE"
    assert await refused(box.create(ASHA, hold)) == "AMOUNT_TOO_LARGE"
    [given_back] = box.inventory.cancelled
    assert given_back.hold_id == hold
    async with box.database.transaction() as session:
        assert await session.scalar("SELECT count(*) FROM booking") == 0


async def test_as_much_as_can_be_paid_is_booked_charged_and_refunded(box: Box) -> None:
    await box.publish(tax_basis_points=10_000, version=2)
    booking = await box.create(ASHA, box.hold(lines=lines(MAX_AMOUNT // 20, 10)))
    assert booking.price.total == MAX_AMOUNT
    await box.paid(booking, Payment.OUTCOME_CHARGED)
    await box.refunded(booking, MAX_AMOUNT - 1, MAX_AMOUNT)
    shown = await box.get(booking)
    assert (shown.status, shown.refunded_amount) == ("CONFIRMED", MAX_AMOUNT - 1)
    sales = await box.organize("GetSales")
    assert (sales.gross, sales.tax) == (MAX_AMOUNT, 0)
