"""An event that was moved releases those who had booked it before."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from parterre.messages.v1 import messages_pb2

from chassis.ids import uuid7

from .box import ASHA, BIKRAM, Box, moment, refused

NOW = datetime.now(UTC)
Moved = messages_pb2.EventPublished.Moved


def moved(version: int, days: float = 30, open_for: float = 3) -> dict[str, Any]:
    """An event that was moved by this version: when it starts, and how long it can be cancelled."""
    return {
        "version": version,
        "starts_at": moment(NOW + timedelta(days=days)),
        "moved": Moved(
            at=moment(NOW), cancel_until=moment(NOW + timedelta(days=open_for)), version=version
        ),
    }


async def promised(box: Box, booking: Any, who: str = ASHA) -> tuple[int, str, int] | None:
    """What its buyer is told: percent, why, and in how many days that ends."""
    shown = await box.get(booking, who)
    if not shown.HasField("cancellation"):
        return None
    told = shown.cancellation
    return told.percent, told.because, round((told.until.ToDatetime(UTC) - NOW) / timedelta(days=1))


async def test_a_move_closes_no_right_to_cancel_and_opens_one_to_all_of_it(box: Box) -> None:
    booking = await box.to_sold()
    assert await promised(box, booking) == (50, "REFUND_POLICY", 29)

    await box.publish(**moved(2, days=0.5, open_for=0.5))  # too late by the policy
    assert (await promised(box, booking) or ())[:2] == (100, "EVENT_MOVED")
    await box.cancel(booking)

    assert (await box.get(booking)).reason == "EVENT_MOVED"
    assert not (await box.get(booking)).HasField("cancellation")
    await box.to_cancelled(booking)
    shown = await box.get(booking)
    assert (shown.status, shown.refunded_amount) == ("CANCELLED", shown.price.total)


async def test_after_the_window_what_was_agreed_to_counts(box: Box) -> None:
    booking = await box.to_sold()
    await box.publish(**moved(2, days=60, open_for=-1))
    # The start is later by now; the deadline is not.
    assert await promised(box, booking) == (50, "REFUND_POLICY", 29)
    await box.cancel(booking)
    await box.to_cancelled(booking)
    assert (await box.get(booking)).refunded_amount == 67_800


async def test_a_deadline_that_had_passed_stays_passed_however_late_the_event_is_moved(
    box: Box,
) -> None:
    await box.publish(version=2, starts_at=moment(NOW + timedelta(hours=3)))
    booking = await box.to_sold()
    await box.publish(**moved(3, days=60, open_for=-1))
    assert await promised(box, booking) is None
    assert await refused(box.cancel(booking)) == "CANCELLATION_CLOSED"


async def test_who_books_after_the_move_agreed_to_it(box: Box) -> None:
    before = await box.to_sold()
    await box.publish(**moved(2, days=10))
    after = await box.to_sold(BIKRAM)
    assert await promised(box, before) == (100, "EVENT_MOVED", 3)
    assert await promised(box, after, BIKRAM) == (50, "REFUND_POLICY", 9)


async def test_what_is_not_confirmed_has_nothing_to_cancel(box: Box) -> None:
    assert await promised(box, await box.to_charging()) is None


ORDERS = list(permutations(range(3)))


@pytest.mark.parametrize("order", ORDERS)
async def test_in_whatever_order_a_move_is_told_the_newest_counts(
    box: Box, order: tuple[int, ...]
) -> None:
    booking = await box.to_sold()
    told = [
        moved(2, days=20, open_for=9),
        moved(3, days=25, open_for=5),
        # Then only its title changed: that it was moved is told again.
        moved(3, days=25, open_for=5) | {"version": 4, "title": "The Storm"},
    ]
    for number in (*order, 0, 1):
        await box.publish(**told[number])
    assert await promised(box, booking) == (100, "EVENT_MOVED", 5)


async def test_a_catalog_of_before_moves_nothing(box: Box) -> None:
    booking = await box.to_sold()
    await box.publish(version=2, starts_at=moment(NOW + timedelta(days=10)))
    assert await promised(box, booking) == (50, "REFUND_POLICY", 10)


async def test_a_move_and_cancellations_at_once_settle_one_way_each(box: Box) -> None:
    for version in range(2, 12):
        bookings = [await box.to_sold(who) for who in (ASHA, BIKRAM, ASHA)]
        await asyncio.gather(
            box.cancel(bookings[0]),
            box.publish(**moved(version, days=10)),
            box.cancel(bookings[1], BIKRAM),
            box.cancel(bookings[2]),
        )
        for booking, who in zip(bookings, (ASHA, BIKRAM, ASHA), strict=True):
            await box.to_cancelled(booking)
            shown = await box.get(booking, who)
            assert shown.status == "CANCELLED"
            assert (shown.reason, shown.refunded_amount) in {
                ("EVENT_MOVED", 135_600),
                ("CANCELLED_BY_CUSTOMER", 67_800),
            }
        box.event_id = uuid7()
        await box.publish()
