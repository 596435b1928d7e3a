"""Money that goes back without the saga's asking, and cancellations that meet."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from parterre.messages.v1 import messages_pb2

from booking_service import clockwork, messaging
from chassis.identity import Role
from tests.component.conftest import MakeDatabase, Serve

from .box import ORGANIZER, Box, Payment, Seats, reasons

TOTAL = 135_600


async def asked_back(box: Box, booking: Any) -> list[int]:
    sent = await box.sent(booking)
    return [int(body["amount"]) for type, body in sent if type == "RefundPayment"]


async def test_a_part_that_went_back_is_shown_and_the_tickets_stay_good(box: Box) -> None:
    booking = await box.to_confirmed()
    await box.refunded(booking, 35_600)
    shown = await box.get(booking)
    assert (shown.status, shown.refunded_amount) == ("CONFIRMED", 35_600)
    assert shown.payment.status == "PARTIALLY_REFUNDED"
    assert {ticket.status for ticket in await box.tickets(booking)} == {"VALID"}
    assert (await box.timeline(booking))[-1].detail == "goodwill"


@pytest.mark.parametrize(
    ("who", "back"), [({}, 50_000), ({"who": ORGANIZER, "role": Role.ORGANIZER}, 100_000)]
)
async def test_a_cancellation_after_that_gives_the_share_of_what_is_left(
    box: Box, who: dict[str, Any], back: int
) -> None:
    booking = await box.to_confirmed()
    await box.refunded(booking, 35_600)
    await box.cancel(booking, **who)
    assert await asked_back(box, booking) == [back]
    await box.to_cancelled(booking)
    ended = await box.get(booking)
    assert (ended.status, ended.refunded_amount) == ("CANCELLED", 35_600 + back)
    assert (await box.sent(booking))[-1][1]["amount"]["amount"] == str(35_600 + back)


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
    endings = [body for type, body in await box.sent(booking) if type == "BookingEnded"]
    assert [body["status"] for body in endings] == ["CONFIRMED", "CANCELLED"]
    assert endings[0]["version"] < endings[1]["version"]


async def test_a_refund_told_before_the_capture_ends_the_same(box: Box) -> None:
    booking = await box.to_capturing()
    await box.refunded(booking, TOTAL)
    await box.paid(booking, Payment.OUTCOME_CAPTURED)
    assert await box.state(booking) == "RESTOCKING"
    assert list(await box.tickets(booking)) == []
    await box.to_cancelled(booking)
    assert (await box.get(booking)).status == "CANCELLED"


async def test_two_refunds_told_in_the_wrong_order_are_not_forgotten(box: Box) -> None:
    booking = await box.to_confirmed()
    await box.refunded(booking, 40_000)
    await box.refunded(booking, 10_000)
    assert (await box.get(booking)).refunded_amount == 40_000


async def test_an_event_called_off_raises_a_refund_under_way_to_the_full_price(box: Box) -> None:
    booking = await box.to_confirmed()
    await box.cancel(booking)
    first = await box.step(booking)
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"))
    assert await clockwork.tell_once(box.database, box.wakeups) == 1
    await box.paid(booking, Payment.OUTCOME_REFUNDED)
    await box.paid(booking, Payment.OUTCOME_REFUNDED, step=first)  # once more: means nothing
    assert await box.state(booking) == "REFUNDING"
    assert await asked_back(box, booking) == [67_800, 67_800]
    ids = {body["refund_id"] for type, body in await box.sent(booking) if type == "RefundPayment"}
    assert len(ids) == 2  # else payment would take the second for the first
    await box.to_cancelled(booking)
    ended = await box.get(booking)
    assert (ended.reason, ended.refunded_amount) == ("EVENT_CANCELLED", TOTAL)


async def test_customer_organizer_event_and_a_refund_at_once_settle_one_way(
    box: Box, make_database: MakeDatabase, serve: Serve
) -> None:
    other = Box(await make_database("booking", encode=messaging.encode, like=box.database))
    other.event_id, other.holds = box.event_id, box.holds
    await other.open(serve)
    bookings = [await box.to_confirmed() for _ in range(8)]
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"))
    outcomes = await asyncio.gather(
        clockwork.tell_once(other.database, other.wakeups),
        *(box.cancel(booking) for booking in bookings),
        *(other.cancel(booking, ORGANIZER, role=Role.ORGANIZER) for booking in bookings),
        *(other.refunded(booking, TOTAL) for booking in bookings[:4]),
        return_exceptions=True,
    )
    assert set(reasons(outcomes)) <= {"BOOKING_STATE"}
    assert not [each for each in outcomes if isinstance(each, AssertionError)]
    await clockwork.tell_once(box.database, box.wakeups)
    for booking in bookings:
        while await box.state(booking) == "REFUNDING":
            await box.paid(booking, Payment.OUTCOME_REFUNDED)
        await box.seats(booking, Seats.OUTCOME_RESTOCKED)
        ended = await box.get(booking)
        assert (ended.status, ended.refunded_amount) == ("CANCELLED", TOTAL)
        assert sum(await asked_back(box, booking)) <= TOTAL
        assert (await box.asked(booking)).count("RestockSeats") == 1


async def test_a_cancellation_and_the_capture_at_once_settle_one_way(box: Box) -> None:
    for _ in range(10):
        booking = await box.to_capturing()
        cancelled, _paid = await asyncio.gather(
            box.cancel(booking),
            box.paid(booking, Payment.OUTCOME_CAPTURED),
            return_exceptions=True,
        )
        if reasons([cancelled]):
            assert reasons([cancelled]) == ["BOOKING_BUSY"]
            assert await box.state(booking) == "CONFIRMED"
        else:
            assert await box.state(booking) == "REFUNDING"
