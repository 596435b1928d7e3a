"""Money that goes back without the saga's asking, and cancellations that meet."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from parterre.messages.v1 import messages_pb2

from booking_service import loops
from chassis.identity import Role
from tests.component.conftest import MakeDatabase, Serve

from .box import ORGANIZER, Box, Payment, Seats, reasons

TOTAL = 135_600


async def asked_back(box: Box, booking: Any) -> list[int]:
    return [refund.percent for refund in await box.sent_as("RefundPayment", booking)]


async def test_a_part_that_went_back_is_shown_and_the_tickets_stay_good(box: Box) -> None:
    booking = await box.to_confirmed()
    await box.refunded(booking, 35_600)
    shown = await box.get(booking)
    assert (shown.status, shown.refunded_amount) == ("CONFIRMED", 35_600)
    assert shown.payment.status == "PARTIALLY_REFUNDED"
    assert {ticket.status for ticket in await box.tickets(booking)} == {"VALID"}
    assert (await box.timeline(booking))[-1].detail == "goodwill"


@pytest.mark.parametrize(
    ("who", "percent"), [({}, 50), ({"who": ORGANIZER, "role": Role.ORGANIZER}, 100)]
)
async def test_a_cancellation_after_that_asks_for_a_share_which_payment_reckons(
    box: Box, who: dict[str, Any], percent: int
) -> None:
    booking = await box.to_confirmed()
    await box.refunded(booking, 35_600)
    await box.cancel(booking, **who)
    assert await asked_back(box, booking) == [percent]
    await box.to_cancelled(booking)
    back = 100_000 * percent // 100
    ended = await box.get(booking)
    assert (ended.status, ended.refunded_amount) == ("CANCELLED", 35_600 + back)
    told = (await box.sent_as("BookingEnded", booking))[-1]
    assert told.amount.amount == 35_600 + back
    assert (told.reason_text, told.organizer_id) == ("changed my mind", ORGANIZER)


async def test_the_share_asked_for_is_the_same_whether_the_organizers_refund_is_heard_of_or_not(
    box: Box,
) -> None:
    """Payment takes it of what was not promised to go back already (rule 4 of issue 12)."""
    done, under_way = await box.to_confirmed(), await box.to_confirmed()
    await box.refunded(done, 81_360)
    for booking in (done, under_way):
        await box.cancel(booking)
        assert await asked_back(box, booking) == [50]
        [refund] = await box.sent_as("RefundPayment", booking)
        assert refund.amount == 0
    await box.refunded(under_way, 81_360)
    for booking in (done, under_way):
        await box.paid(booking, Payment.OUTCOME_REFUNDED, refunded_amount=108_480)
        await box.seats(booking, Seats.OUTCOME_RESTOCKED)
        assert (await box.get(booking)).refunded_amount == 108_480


async def test_totals_heard_in_either_order_and_twice_are_never_added(box: Box) -> None:
    """The organizer gave 60000 back, and half of the rest followed: 97800 in all."""

    async def organizers(booking: Any) -> None:
        await box.refunded(booking, 60_000)

    async def own(booking: Any) -> None:
        await box.paid(booking, Payment.OUTCOME_REFUNDED, step=4, refunded_amount=97_800)

    for order in ((organizers, own), (own, organizers), (own, organizers, own, organizers)):
        booking = await box.to_confirmed()
        await box.cancel(booking)
        assert await box.step(booking) == 4
        for tells in order:
            await tells(booking)
        await box.seats(booking, Seats.OUTCOME_RESTOCKED)
        ended = await box.get(booking)
        assert (ended.status, ended.refunded_amount) == ("CANCELLED", 97_800)
        assert (await box.sent_as("BookingEnded", booking))[-1].amount.amount == 97_800
        assert await asked_back(box, booking) == [50]


async def test_an_answer_of_the_version_before_has_no_totals_and_is_asked_for_again(
    box: Box,
) -> None:
    booking = await box.to_confirmed()
    await box.cancel(booking)
    await box.paid(booking, Payment.OUTCOME_REFUNDED, captured_amount=0, refunded_amount=0)
    assert await box.state(booking) == "REFUNDING"
    await box.let_time_pass(booking)
    asked = await box.sent_as("RefundPayment", booking)
    assert asked == [asked[0]] * 2
    await box.to_cancelled(booking)
    assert (await box.get(booking)).refunded_amount == 67_800


async def test_with_all_of_it_back_the_booking_is_cancelled_and_its_seats_are_free(
    box: Box,
) -> None:
    booking = await box.to_confirmed()
    await box.refunded(booking, 35_600)
    await box.refunded(booking, TOTAL)
    assert (await box.get(booking)).status == "CANCELLING"
    assert {ticket.status for ticket in await box.tickets(booking)} == {"REVOKED"}
    assert await asked_back(box, booking) == []
    await box.to_cancelled(booking)
    ended = await box.get(booking)
    assert (ended.status, ended.reason, ended.refunded_amount) == ("CANCELLED", "REFUNDED", TOTAL)
    endings = await box.sent_as("BookingEnded", booking)
    assert [ending.status for ending in endings] == ["CONFIRMED", "CANCELLED"]
    assert endings[0].version < endings[1].version
    assert [ending.reason_text for ending in endings] == ["", "goodwill"]


async def test_a_refund_told_before_the_charge_ends_the_same(box: Box) -> None:
    booking = await box.to_charging()
    await box.refunded(booking, TOTAL)
    await box.paid(booking, Payment.OUTCOME_CHARGED)
    assert await box.state(booking) == "RESTOCKING"
    assert list(await box.tickets(booking)) == []
    await box.to_cancelled(booking)
    assert (await box.get(booking)).status == "CANCELLED"


async def test_two_refunds_told_in_the_wrong_order_are_not_forgotten(box: Box) -> None:
    booking = await box.to_confirmed()
    await box.refunded(booking, 40_000)
    await box.refunded(booking, 10_000)
    assert (await box.get(booking)).refunded_amount == 40_000


async def test_an_event_called_off_has_the_rest_of_a_refund_under_way_follow(box: Box) -> None:
    booking = await box.to_confirmed()
    await box.cancel(booking)
    first = await box.step(booking)
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"))
    assert await loops.tell_once(box.database, box.wakeups) == 1
    await box.paid(booking, Payment.OUTCOME_REFUNDED)
    await box.paid(booking, Payment.OUTCOME_REFUNDED, step=first)  # once more: means nothing
    assert await box.state(booking) == "REFUNDING"
    assert await asked_back(box, booking) == [50, 100]
    ids = {refund.refund_id for refund in await box.sent_as("RefundPayment", booking)}
    assert len(ids) == 2  # else payment would take the second for the first
    await box.to_cancelled(booking)
    ended = await box.get(booking)
    assert (ended.reason, ended.refunded_amount) == ("EVENT_CANCELLED", TOTAL)


async def test_customer_organizer_event_and_a_refund_at_once_settle_one_way(
    box: Box, make_database: MakeDatabase, serve: Serve
) -> None:
    other = await box.another(make_database, serve)
    bookings = [await box.to_confirmed() for _ in range(8)]
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"))
    outcomes = await asyncio.gather(
        loops.tell_once(other.database, other.wakeups),
        *(box.cancel(booking) for booking in bookings),
        *(other.cancel(booking, ORGANIZER, role=Role.ORGANIZER) for booking in bookings),
        *(other.refunded(booking, TOTAL) for booking in bookings[:4]),
        return_exceptions=True,
    )
    assert set(reasons(outcomes)) <= {"BOOKING_STATE"}
    assert not [each for each in outcomes if isinstance(each, AssertionError)]
    await loops.tell_once(box.database, box.wakeups)
    for booking in bookings:
        while await box.state(booking) == "REFUNDING":
            await box.paid(booking, Payment.OUTCOME_REFUNDED)
        await box.seats(booking, Seats.OUTCOME_RESTOCKED)
        ended = await box.get(booking)
        assert (ended.status, ended.refunded_amount) == ("CANCELLED", TOTAL)
        assert len(await asked_back(box, booking)) <= 2  # the policy's share, and the rest
        assert (await box.asked(booking)).count("RestockSeats") == 1


async def test_a_cancellation_and_the_charge_at_once_settle_one_way(box: Box) -> None:
    for _ in range(10):
        booking = await box.to_charging()
        charge = Payment(
            booking_id=booking.id, step=2, outcome=Payment.OUTCOME_CHARGED, captured_amount=TOTAL
        )
        cancelled, _ = await asyncio.gather(box.cancel(booking), box.hears(charge))
        if cancelled.status == "PENDING":  # given up first: what was taken goes back whole
            assert await box.state(booking) == "GIVING_BACK"
            assert "SellSeats" not in await box.asked(booking)
        else:
            assert cancelled.status == "CANCELLING"
            assert await box.state(booking) == "REFUNDING"
