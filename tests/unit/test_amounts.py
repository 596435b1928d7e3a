"""One bound for amounts, from a price to the provider."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

import booking_service.domain
import catalog_service.domain
import gateway.bodies.limits
import payment_service.domain
from booking_service.domain import AmountTooLargeError, Coupon, Fees, Line, price_of
from booking_service.settings import Settings
from payment_service.domain import AMOUNT_TOO_LARGE, Outcome, Payment, charge
from payment_service.sandbox import app as sandbox_app

MOST = booking_service.domain.MAX_AMOUNT
ID = UUID(int=7)


def lines(*prices: tuple[int, int]) -> list[Line]:
    return [Line("", "p", "Pit", "", "", "u", "Standing", n, price) for price, n in prices]


def coupon(kind: str, value: int) -> Coupon:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    return Coupon("C", kind, value, None, None, None, None, None, None, True, 0, made)


def test_everybody_between_price_and_provider_has_the_same_bound() -> None:
    assert {
        MOST,
        catalog_service.domain.MAX_PRICE,
        payment_service.domain.MAX_AMOUNT,
        sandbox_app._MAX_AMOUNT,
        gateway.bodies.limits.AMOUNT,
    } == {10**12}


def test_what_is_added_up_before_it_is_refused_is_a_whole_number_in_json() -> None:
    # A person holds at most 100 places; tax at most doubles them, and so do fees.
    most = 100 * MOST
    fee = Settings.model_fields["fee_per_ticket"].metadata[1].le
    assert most + most + most + 100 * fee < 2**53


@pytest.mark.parametrize(
    ("of", "basis_points", "discount", "fees", "total"),
    [
        (lines((MOST, 1)), 0, None, Fees(), MOST),
        (lines((MOST // 100, 100)), 0, None, Fees(), MOST),
        (lines((MOST // 2, 1)), 10_000, None, Fees(), MOST),
        (lines((MOST, 2)), 0, coupon("PERCENT", 50), Fees(), MOST),
        (lines((MOST, 100)), 10_000, coupon("PERCENT", 100), Fees(10_000, 10**9), 0),
        (lines((MOST - 1, 1)), 0, None, Fees(0, 1), MOST),
    ],
)
def test_a_booking_may_cost_as_much_as_can_be_paid(
    of: list[Line], basis_points: int, discount: Coupon | None, fees: Fees, total: int
) -> None:
    assert price_of(of, basis_points, "NPR", coupon=discount, fees=fees).total == total


@pytest.mark.parametrize(
    ("of", "basis_points", "discount", "fees"),
    [
        (lines((MOST, 1), (1, 1)), 0, None, Fees()),
        (lines((MOST, 100)), 10_000, None, Fees()),
        (lines((MOST, 1)), 1, None, Fees()),
        (lines((MOST, 2)), 0, coupon("FIXED", MOST - 1), Fees()),
        (lines((MOST, 1)), 0, None, Fees(0, 1)),
        (lines((MOST, 1)), 0, None, Fees(1, 0)),
    ],
)
def test_a_booking_that_costs_more_is_refused(
    of: list[Line], basis_points: int, discount: Coupon | None, fees: Fees
) -> None:
    with pytest.raises(AmountTooLargeError) as refused:
        price_of(of, basis_points, "NPR", coupon=discount, fees=fees)
    assert refused.value.metadata == {"hold_id": f"costs more than {MOST} in minor units"}


@pytest.mark.parametrize(("amount", "is_refused"), [(MOST, False), (MOST + 1, True)])
def test_payment_charges_no_more_than_a_booking_may_cost(amount: int, is_refused: bool) -> None:
    payment = Payment(ID, ID, amount=amount, currency="NPR")
    step = charge(payment, 1, "CARD", "tok_ok", provider="sandbox")
    assert [(reply.outcome, reply.reason) for reply in step.replies] == (
        [(Outcome.CHARGE_REFUSED, AMOUNT_TOO_LARGE)] if is_refused else []
    )
    assert bool(step.payment.attempts) is not is_refused
