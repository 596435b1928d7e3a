"""What a booking costs, and what goes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_service.domain import (
    Attendee,
    Booking,
    BookingError,
    Cancellation,
    CancellationClosedError,
    Coupon,
    Event,
    EventNotOnSaleError,
    Fees,
    Hold,
    HoldAlreadyBookedError,
    HoldExpiredError,
    HoldNotActiveError,
    HoldNotFoundError,
    InvalidAttendeesError,
    InvalidPaymentMethodError,
    Line,
    Price,
    RefundPolicy,
    cancellation,
    check_attendees,
    check_cancellable,
    check_instrument,
    check_method,
    check_reserved,
    half_up,
    is_over,
    new_reference,
    price_of,
    tax_kept,
    tickets_to_mint,
)
from chassis.ids import uuid7

STARTS_AT = datetime(2027, 1, 2, 19, 0, tzinfo=UTC)
DAY_BEFORE = RefundPolicy(until_hours_before=24, percent=100)
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
ID = UUID(int=1)


def booked(*, policy: RefundPolicy = DAY_BEFORE, agreed_version: int = 1, **event: Any) -> Booking:
    """A booking of an event that was to start at STARTS_AT when it was made."""
    facts = {"starts_at": STARTS_AT, "version": 9, "timezone": "UTC", "currency": "NPR", **event}
    shown = Event(
        ID, ID, "The Tempest", "The Globe", tax_basis_points=0, refund_policy=policy, **facts
    )
    return Booking(
        id=ID,
        reference="PT-7K2M9QXA",
        customer_id=ID,
        hold_id=ID,
        hold_version=1,
        payment_id=ID,
        price=Price(100, 0, 0, 0, 100, "NPR"),
        refund_policy=policy,
        event=shown,
        created_at=STARTS_AT - 60 * DAY,
        agreed_starts_at=STARTS_AT,
        agreed_version=agreed_version,
    )


def line(price: int, quantity: int = 1, seat_id: str = "") -> Line:
    return Line(seat_id, "s", "Stalls", "", "", "t", "Standard", quantity, price)


@pytest.mark.parametrize(
    ("subtotal", "basis_points", "tax"),
    [
        (100_000, 1300, 13_000),
        (100_000, 0, 0),
        (0, 1300, 0),
        (50, 100, 1),  # exactly a half goes up
        (49, 100, 0),
        (150, 100, 2),
        (999, 1325, 132),
    ],
)
def test_tax_is_rounded_half_up_once(subtotal: int, basis_points: int, tax: int) -> None:
    price = price_of([line(subtotal)], basis_points, "NPR")
    assert (price.tax, price.total) == (tax, subtotal + tax)


def test_tax_is_reckoned_on_the_booking_not_on_each_line() -> None:
    price = price_of([line(49), line(49), line(17, quantity=3)], 100, "NPR")
    assert (price.subtotal, price.tax) == (149, 1)


def coupon(kind: str, value: int, most: int | None = None) -> Coupon:
    return Coupon("C", kind, value, None, most, None, None, None, None, True, 0, STARTS_AT)


@pytest.mark.parametrize(
    ("offer", "discount"),
    [
        (coupon("PERCENT", 10), 10),
        (coupon("PERCENT", 1), 1),  # exactly a half of what there is below goes up
        (coupon("PERCENT", 100), 99),
        (coupon("FIXED", 40), 40),
        (coupon("FIXED", 1000), 99),
        (coupon("PERCENT", 50, most=7), 7),
    ],
)
def test_a_coupon_takes_off_what_it_says_and_never_more_than_there_is(
    offer: Coupon, discount: int
) -> None:
    assert price_of([line(99)], 0, "NPR", coupon=offer).discount == discount


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10)), min_size=1, max_size=5),
    st.sampled_from(["PERCENT", "FIXED"]),
    st.integers(1, 100),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.integers(0, 1_000),
)
def test_a_price_is_whole_adds_up_and_is_never_below_nothing(
    places: list[tuple[int, int]], kind: str, value: int, tax: int, share: int, each: int
) -> None:
    lines = [line(price, quantity) for price, quantity in places]
    price = price_of(lines, tax, "NPR", coupon=coupon(kind, value), fees=Fees(share, each))
    assert price.total == price.subtotal - price.discount + price.tax + price.fees
    assert min(price.discount, price.tax, price.fees, price.subtotal - price.discount) >= 0
    if price.discount == price.subtotal:
        assert price.total == 0


def test_the_fee_for_each_ticket_is_for_those_that_have_a_price() -> None:
    fees = Fees(basis_points=250, per_ticket=30)
    price = price_of([line(1000, 2), line(0, 5)], 0, "NPR", fees=fees)
    assert price.fees == 50 + 2 * 30


@given(
    st.integers(0, 10**12),
    st.integers(0, 10_000),
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
def test_tax_that_goes_with_refunds_adds_up_to_all_of_it(
    left: int, basis_points: int, shares: list[float]
) -> None:
    tax = half_up(left * basis_points, 10_000)
    price = Price(left, 0, tax, 0, left + tax, "NPR")
    totals = [*sorted(int(share * price.total) for share in shares), price.total]
    kept = [tax_kept(price, refunded) for refunded in totals]
    assert tax_kept(price, 0) == tax
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] == 0


@given(st.integers(0, 10**12), st.integers(1, 10_000))
def test_rounding_is_never_off_by_more_than_half(numerator: int, denominator: int) -> None:
    twice = 2 * (half_up(numerator, denominator) * denominator - numerator)
    assert -denominator < twice <= denominator


@pytest.mark.parametrize(
    ("before", "percent"),
    [
        (timedelta(hours=48), 100),
        (timedelta(hours=24), 100),  # to the very moment
        (timedelta(hours=48), 50),
        (timedelta(hours=48), 0),
    ],
)
def test_what_goes_back_is_the_policys_share(before: timedelta, percent: int) -> None:
    booking = booked(policy=RefundPolicy(24, percent))
    assert check_cancellable(booking, STARTS_AT - before) == Cancellation(
        STARTS_AT - DAY, percent, "REFUND_POLICY"
    )


def test_too_late_is_refused() -> None:
    with pytest.raises(CancellationClosedError):
        check_cancellable(booked(), STARTS_AT - DAY + TICK)


@pytest.mark.parametrize("moved_by", [-20 * DAY, -DAY, 30 * DAY])
def test_the_deadline_that_was_agreed_to_stays(moved_by: timedelta) -> None:
    booking = booked(starts_at=STARTS_AT + moved_by)
    until = min(STARTS_AT - DAY, STARTS_AT + moved_by)  # but not after it has begun
    policys = Cancellation(until, 100, "REFUND_POLICY")
    assert (cancellation(booking, until), cancellation(booking, until + TICK)) == (policys, None)


@pytest.mark.parametrize(
    ("agreed_version", "percent", "now", "expected"),
    [
        # Booked before the move: in full until the window ends, then by the policy.
        (4, 50, -10 * DAY, (-7 * DAY, 100, "EVENT_MOVED")),
        (4, 50, -7 * DAY, (-7 * DAY, 100, "EVENT_MOVED")),
        (4, 50, -7 * DAY + TICK, (-DAY, 50, "REFUND_POLICY")),
        (4, 100, -10 * DAY, (-DAY, 100, "REFUND_POLICY")),  # as much, and longer
        (4, 50, -DAY + TICK, None),
        (0, 50, -10 * DAY, (-7 * DAY, 100, "EVENT_MOVED")),  # before versions were kept
        # Booked as it is by now.
        (5, 50, -10 * DAY, (-DAY, 50, "REFUND_POLICY")),
        (6, 50, -10 * DAY, (-DAY, 50, "REFUND_POLICY")),
    ],
)
def test_who_had_booked_before_a_move_may_cancel_in_full_for_a_while(
    agreed_version: int,
    percent: int,
    now: timedelta,
    expected: tuple[timedelta, int, str] | None,
) -> None:
    booking = booked(
        policy=RefundPolicy(24, percent),
        agreed_version=agreed_version,
        moved_version=5,
        cancel_until=STARTS_AT - 7 * DAY,
    )
    found = cancellation(booking, STARTS_AT + now)
    assert (found and (found.until - STARTS_AT, found.percent, found.because)) == expected


def test_a_move_opens_what_had_closed() -> None:
    booking = booked(
        starts_at=STARTS_AT + 30 * DAY, moved_version=5, cancel_until=STARTS_AT + 3 * DAY
    )
    assert check_cancellable(booking, STARTS_AT).because == "EVENT_MOVED"


@pytest.mark.parametrize(
    ("method", "token", "field"),
    [
        ("CASH", "", "payment_method"),
        ("", "", "payment_method"),
        ("card", "tok_ok", "payment_method"),
        ("CARD", "", "payment_token"),
        ("CARD", "x" * 201, "payment_token"),
        ("KHALTI", "tok_ok", "payment_token"),
    ],
)
def test_a_bad_payment_method_is_refused_by_its_field(method: str, token: str, field: str) -> None:
    with pytest.raises(InvalidPaymentMethodError) as refused:
        check_instrument(method, token, method_field="payment_method")
    assert list(refused.value.metadata) == [field]


def test_cards_with_a_token_and_wallets_without_are_taken() -> None:
    assert check_instrument("CARD", "x" * 200, method_field="method").token == "x" * 200
    assert check_instrument("ESEWA", "", method_field="method").method == "ESEWA"


def test_where_nothing_is_to_pay_a_method_may_be_left_out_but_not_invented() -> None:
    assert check_method("", method_field="payment_method") is None
    assert check_method("CARD", method_field="payment_method") == "CARD"
    with pytest.raises(InvalidPaymentMethodError):
        check_method("CASH", method_field="payment_method")


def event(ends_at: datetime | None) -> Event:
    id = uuid7()
    return Event(
        id, id, "The Tempest", "The Globe", STARTS_AT, "UTC", "NPR", 0, DAY_BEFORE, 1, ends_at
    )


def test_an_event_is_over_when_it_has_ended_or_begun_where_its_end_is_not_known() -> None:
    moment = timedelta(microseconds=1)
    ends_at = STARTS_AT + timedelta(hours=2)
    assert not is_over(event(ends_at), ends_at - moment)
    assert is_over(event(ends_at), ends_at)
    assert not is_over(event(None), STARTS_AT - moment)
    assert is_over(event(None), STARTS_AT)


def hold(status: str, customer_id: UUID, booking_id: UUID | None, *, is_open: bool = True) -> Hold:
    return Hold(uuid7(), uuid7(), customer_id, status, 1, "NPR", [], booking_id, is_open)


def test_only_what_is_reserved_for_the_customer_makes_a_booking() -> None:
    asha, booking_id = uuid7(), uuid7()
    assert check_reserved(hold("BOOKED", asha, booking_id), asha) == booking_id
    refusals: list[tuple[Hold, type[BookingError]]] = [
        (hold("BOOKED", uuid7(), booking_id), HoldNotFoundError),
        (hold("EXPIRED", asha, None), HoldExpiredError),
        (hold("ACTIVE", asha, None), HoldExpiredError),  # due, though inventory did not say so
        (hold("ACTIVE", asha, None, is_open=False), EventNotOnSaleError),
        (hold("RELEASED", asha, None), HoldNotActiveError),
        (hold("BOOKED", asha, None), HoldAlreadyBookedError),
    ]
    for refused, error in refusals:
        with pytest.raises(error):
            check_reserved(refused, asha)


@pytest.mark.parametrize(
    ("attendees", "field"),
    [
        ([Attendee("9", "Asha", "")], "attendees.0.seat_id"),
        ([Attendee("1", "Asha", ""), Attendee("1", "Asha", "")], "attendees.1.seat_id"),
        ([Attendee("", "A", "")] * 3, "attendees.2.seat_id"),
        ([Attendee("1", "", "")], "attendees.0.name"),
        ([Attendee("1", "x" * 101, "")], "attendees.0.name"),
        ([Attendee("1", "Asha", "x" * 255)], "attendees.0.email"),
    ],
)
def test_attendees_that_do_not_fit_are_refused_by_their_field(
    attendees: list[Attendee], field: str
) -> None:
    with pytest.raises(InvalidAttendeesError) as refused:
        check_attendees(attendees, [line(5, seat_id="1"), line(5, quantity=2)])
    assert list(refused.value.metadata) == [field]


def test_there_is_a_ticket_for_each_seat_and_each_standing_place_with_who_goes() -> None:
    lines = [line(5, seat_id="1"), line(5, seat_id="2"), line(5, quantity=3)]
    attendees = [Attendee("2", "Asha", ""), Attendee("", "Bikram", "")]
    check_attendees(attendees, lines)
    tickets = tickets_to_mint(lines, attendees, [uuid7() for _ in range(5)])
    assert [(ticket.line_no, ticket.seat_id, ticket.attendee_name) for ticket in tickets] == [
        (0, "1", ""),
        (1, "2", "Asha"),
        (2, "", "Bikram"),
        (2, "", ""),
        (2, "", ""),
    ]


def test_references_can_be_read_out_and_do_not_repeat() -> None:
    references = {new_reference() for _ in range(1000)}
    assert len(references) == 1000
    for reference in references:
        assert len(reference) == 11
        assert set(reference[3:]) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
