"""Payments that come after a booking ended, or while it is on its way there (rules 1 and 2)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from parterre.messages.v1 import messages_pb2

from booking_service import loops
from chassis.identity import Role
from tests.component.conftest import MakeDatabase, Serve

from .box import ADMIN, ASHA, BIKRAM, ORGANIZER, Box, Payment, Seats, moment

TOTAL = 135_600
WHOLE = {"captured_amount": TOTAL, "refunded_amount": 0}


async def called_off(box: Box) -> None:
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"))


async def goes_back(box: Box, booking: Any) -> Any:
    """The booking, once its late payment has gone back: it must be on its way there."""
    assert await box.state(booking) == "GIVING_BACK"
    await box.to_rest(booking)
    ended = await box.get(booking, booking.customer_id)
    assert (ended.payment.status, ended.refunded_amount) == ("REFUNDED", ended.price.total)
    assert list(await box.tickets(booking, booking.customer_id)) == []
    assert "SellSeats" not in await box.asked(booking)
    return ended


# --- the time ran out ------------------------------------------------------------------------


async def test_a_late_payment_confirms_where_the_seats_are_free(box: Box) -> None:
    booking = await box.to_expired()
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    assert (await box.get(booking)).status == "PENDING"
    await box.seats(booking, Seats.OUTCOME_RECLAIMED)
    confirmed = await box.get(booking)
    assert (confirmed.status, confirmed.reason) == ("CONFIRMED", "")
    assert confirmed.payment.status == "CAPTURED"
    assert len(await box.tickets(booking)) == 4
    assert (await box.asked(booking))[-3:] == ["ReclaimSeats", "SellSeats", "BookingEnded"]
    await box.seats(booking, Seats.OUTCOME_SOLD)
    # Told once more, by a message that came twice.
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    assert await box.state(booking) == "CONFIRMED"
    assert len(await box.tickets(booking)) == 4


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        ("SEATS_UNAVAILABLE", "PAID_LATE_SEATS_GONE"),
        ("CUSTOMER_LIMIT", "PAID_LATE_CUSTOMER_LIMIT"),
        ("SALES_CLOSED", "PAID_LATE_SALES_CLOSED"),
    ],
)
async def test_a_late_payment_goes_back_where_inventory_refuses_and_the_buyer_is_told_why(
    box: Box, refusal: str, reason: str
) -> None:
    booking = await box.to_expired()
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    await box.seats(booking, Seats.OUTCOME_RECLAIM_REFUSED, refusal)
    ended = await goes_back(box, booking)
    assert (ended.status, ended.reason) == ("EXPIRED", reason)
    endings = await box.sent_as("BookingEnded", booking)
    assert [(each.status, each.reason) for each in endings] == [
        ("EXPIRED", "PAYMENT_TIMED_OUT"),
        ("EXPIRED", reason),
    ]
    assert endings[0].version < endings[1].version


async def test_a_payment_while_the_seats_are_released_confirms_once_they_are(box: Box) -> None:
    booking = await box.to_charging()
    await box.let_time_pass(booking)
    await box.paid(booking, Payment.OUTCOME_GIVEN_BACK)
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    assert await box.state(booking) == "RELEASING"
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    assert await box.state(booking) == "RECLAIMING"
    await box.seats(booking, Seats.OUTCOME_RECLAIMED)
    assert (await box.get(booking)).status == "CONFIRMED"


async def test_a_payment_that_meets_its_going_back_goes_back_and_is_told_as_late(box: Box) -> None:
    booking = await box.to_charging()
    await box.cancel(booking)
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    ended = await goes_back(box, booking)
    assert (ended.status, ended.reason) == ("FAILED", "PAID_LATE_GIVEN_BACK")


async def test_a_part_of_the_price_confirms_nothing(box: Box) -> None:
    booking = await box.to_expired()
    await box.paid(booking, Payment.OUTCOME_PAID_LATE, captured_amount=TOTAL - 1)
    assert await box.state(booking) == "GIVING_BACK"


async def test_a_payment_that_went_back_and_is_told_once_more_revives_nothing(box: Box) -> None:
    booking = await box.to_expired()
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    await box.seats(booking, Seats.OUTCOME_RECLAIM_REFUSED, "SEATS_UNAVAILABLE")
    await goes_back(box, booking)
    asked = await box.asked(booking)
    await box.paid(booking, Payment.OUTCOME_PAID_LATE, **WHOLE)  # as it was told at first
    assert await box.state(booking) == "EXPIRED"
    assert await box.asked(booking) == asked  # nor is its ending told again


async def test_the_version_befores_word_of_a_late_payment_sends_it_back(box: Box) -> None:
    booking = await box.to_expired()
    await box.paid(booking, Payment.OUTCOME_PAID_LATE, captured_amount=0)  # it told no totals
    assert await box.state(booking) == "GIVING_BACK"


# --- given up --------------------------------------------------------------------------------


GIVERS_UP = [
    ({}, "GIVEN_UP"),
    ({"who": ORGANIZER, "role": Role.ORGANIZER}, "CANCELLED_BY_ORGANIZER"),
    ({"who": ADMIN, "role": Role.ADMIN}, "CANCELLED_BY_ORGANIZER"),
]


@pytest.mark.parametrize(("who", "reason"), GIVERS_UP)
async def test_what_was_given_up_is_not_revived_by_a_late_payment(
    box: Box, who: dict[str, Any], reason: str
) -> None:
    await box.coupon(usage_limit=1)
    booking = await box.to_charging(coupon_code="SAVE-10")
    await box.cancel(booking, **who)
    await box.to_rest(booking)
    ended = await box.get(booking)
    assert (ended.status, ended.reason) == ("FAILED", reason)
    assert await box.uses() == 0
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    assert await box.uses() == 0
    ended = await goes_back(box, booking)
    assert (ended.status, ended.reason) == ("FAILED", "PAID_LATE_GIVEN_BACK")
    assert "ReclaimSeats" not in await box.asked(booking)


@pytest.mark.parametrize(("who", "reason"), GIVERS_UP)
@pytest.mark.parametrize("state", ["GIVING_BACK", "RELEASING"])
async def test_who_gives_up_on_the_way_back_is_taken_at_their_word_though_the_time_ran_out_first(
    box: Box, state: str, who: dict[str, Any], reason: str
) -> None:
    booking = await box.to_charging()
    await box.let_time_pass(booking)
    if state == "RELEASING":
        await box.paid(booking, Payment.OUTCOME_GIVEN_BACK)
    assert await box.state(booking) == state
    await box.cancel(booking, **who)
    await box.to_rest(booking)
    ended = await box.get(booking)
    assert (ended.status, ended.reason) == ("FAILED", reason)
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    assert (await goes_back(box, booking)).reason == "PAID_LATE_GIVEN_BACK"


async def test_a_payment_while_the_seats_of_what_was_given_up_are_released_goes_back(
    box: Box,
) -> None:
    booking = await box.to_charging()
    await box.cancel(booking)
    await box.paid(booking, Payment.OUTCOME_GIVEN_BACK)
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    assert (await goes_back(box, booking)).reason == "PAID_LATE_GIVEN_BACK"


async def test_four_bookings_given_up_and_approved_afterwards_are_four_refunds(box: Box) -> None:
    """As it was seen: limit 4 a person, a coupon usable once, four old pages approved."""
    await box.coupon("HALF", value=50, usage_limit=1)
    wallet = {"payment_method": "KHALTI", "payment_token": "", "coupon_code": "HALF"}
    given_up = []
    for _ in range(4):
        booking = await box.to_charging(**wallet)
        page = {"action_url": "https://wallet.example/1"}
        await box.paid(booking, Payment.OUTCOME_ACTION_REQUIRED, **page)
        await box.cancel(booking)
        await box.to_rest(booking)
        given_up.append(booking)
    for booking in given_up:
        await box.paid(booking, Payment.OUTCOME_PAID_LATE)
        assert (await goes_back(box, booking)).status == "FAILED"
    assert await box.uses("HALF") == 0


# --- limits ----------------------------------------------------------------------------------


async def test_a_late_payment_uses_its_coupon_again_or_goes_back(box: Box) -> None:
    await box.coupon(usage_limit=1)
    first = await box.to_expired(ASHA, coupon_code="SAVE-10")
    other = await box.to_expired(BIKRAM, coupon_code="SAVE-10")
    assert await box.uses() == 0
    await box.paid(first, Payment.OUTCOME_PAID_LATE)
    assert await box.uses() == 1  # from now on, not only once the seats are there
    await box.paid(other, Payment.OUTCOME_PAID_LATE)
    ended = await goes_back(box, other)
    assert (ended.status, ended.reason) == ("EXPIRED", "PAID_LATE_COUPON_USED_UP")
    await box.seats(first, Seats.OUTCOME_RECLAIMED)
    shown = await box.get(first)
    assert (shown.status, shown.price.discount) == ("CONFIRMED", 12_000)
    assert await box.uses() == 1


async def test_a_use_comes_back_where_the_seats_can_not_be_had(box: Box) -> None:
    await box.coupon(usage_limit=1)
    booking = await box.to_expired(coupon_code="SAVE-10")
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    await box.seats(booking, Seats.OUTCOME_RECLAIM_REFUSED, "SEATS_UNAVAILABLE")
    assert await box.uses() == 1
    await goes_back(box, booking)
    assert await box.uses() == 0


@pytest.mark.parametrize("limit", ["usage_limit", "per_customer_limit"])
async def test_of_late_payments_at_once_as_many_confirm_as_the_coupon_has_uses(
    box: Box, make_database: MakeDatabase, serve: Serve, limit: str
) -> None:
    """For the last uses of all, and for those of one customer."""
    other = await box.another(make_database, serve)
    await box.coupon("FEW", **{limit: 2})
    for _ in range(4):
        people = [ASHA] * 6 if limit == "per_customer_limit" else [ASHA, BIKRAM] * 3
        late = [await box.to_expired(who, coupon_code="FEW") for who in people]
        assert await box.uses("FEW") == 0
        await asyncio.gather(
            *(
                place.paid(booking, Payment.OUTCOME_PAID_LATE)
                for booking, place in zip(late, [box, other] * 3, strict=True)
            )
        )
        states = [await box.state(booking) for booking in late]
        assert sorted(states) == ["GIVING_BACK"] * 4 + ["RECLAIMING"] * 2
        assert await box.uses("FEW") == 2
        for booking, state in zip(late, states, strict=True):
            if state == "RECLAIMING":
                await box.seats(booking, Seats.OUTCOME_RECLAIM_REFUSED, "CUSTOMER_LIMIT")
            await goes_back(box, booking)
        assert await box.uses("FEW") == 0


async def test_a_late_payment_and_a_new_booking_at_once_share_the_last_use(
    box: Box, make_database: MakeDatabase, serve: Serve
) -> None:
    other = await box.another(make_database, serve)
    await box.coupon(usage_limit=1)
    for _ in range(10):
        late = await box.to_expired(coupon_code="SAVE-10")
        made, _ = await asyncio.gather(
            other.create(BIKRAM, box.hold(BIKRAM), coupon_code="SAVE-10"),
            box.paid(late, Payment.OUTCOME_PAID_LATE),
            return_exceptions=True,
        )
        assert await box.uses() == 1
        if isinstance(made, Exception):
            assert await box.state(late) == "RECLAIMING"
            await box.seats(late, Seats.OUTCOME_RECLAIM_REFUSED, "SEATS_UNAVAILABLE")
        else:
            await box.to_failed(made)
        await goes_back(box, late)
        assert await box.uses() == 0


# --- the event -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts", "ends", "state"),
    [
        (timedelta(hours=-3), timedelta(hours=-1), "GIVING_BACK"),
        (timedelta(hours=-1), timedelta(hours=1), "RECLAIMING"),  # it is still on
        (timedelta(hours=-1), None, "GIVING_BACK"),
        (timedelta(hours=1), None, "RECLAIMING"),
    ],
)
async def test_a_late_payment_for_an_event_that_is_over_goes_back(
    box: Box, starts: timedelta, ends: timedelta | None, state: str
) -> None:
    booking = await box.to_expired()
    now = datetime.now(UTC)
    facts = {"ends_at": moment(now + ends)} if ends else {}
    await box.publish(starts_at=moment(now + starts), version=2, **facts)
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    assert await box.state(booking) == state
    if state == "GIVING_BACK":
        ended = await goes_back(box, booking)
        assert (ended.status, ended.reason) == ("EXPIRED", "PAID_LATE_SALES_CLOSED")


async def test_a_payment_after_the_event_was_called_off_goes_back(box: Box) -> None:
    """Whether the booking had ended before that, or was still on its way."""
    ended = await box.to_expired()
    releasing = await box.to_charging()
    await box.let_time_pass(releasing)
    await box.paid(releasing, Payment.OUTCOME_GIVEN_BACK)
    await called_off(box)
    await loops.tell_once(box.database, box.wakeups)
    await box.paid(ended, Payment.OUTCOME_PAID_LATE)
    assert (await goes_back(box, ended)).reason == "EVENT_CANCELLED"
    await box.paid(releasing, Payment.OUTCOME_PAID_LATE)
    await box.seats(releasing, Seats.OUTCOME_RELEASED)
    assert (await goes_back(box, releasing)).reason == "EVENT_CANCELLED"


async def test_an_event_called_off_while_the_seats_are_taken_back_refunds_it_in_full(
    box: Box,
) -> None:
    booking = await box.to_expired()
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    await called_off(box)
    assert await loops.tell_once(box.database, box.wakeups) == 1
    assert await box.state(booking) == "RECLAIMING"
    await box.seats(booking, Seats.OUTCOME_RECLAIMED)
    ended = await goes_back(box, booking)
    assert (ended.status, ended.reason) == ("EXPIRED", "EVENT_CANCELLED")
