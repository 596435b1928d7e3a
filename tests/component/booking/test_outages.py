"""New payments are refused while payment says that the provider does not answer."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from parterre.messages.v1 import messages_pb2

from booking_service import messaging
from chassis.errors import RemoteError
from tests.component.conftest import MakeDatabase

from .box import ASHA, Box, Payment, moment, refused

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def told(seconds: float, *, available: bool = False) -> messages_pb2.ProviderState:
    """What payment says so long after noon."""
    told_at = moment(NOON + timedelta(seconds=seconds))
    return messages_pb2.ProviderState(provider="sandbox", available=available, told_at=told_at)


async def rows(box: Box) -> list[int]:
    """How many bookings, messages and stored answers there are."""
    async with box.database.transaction() as session:
        tables = ("booking", "outbox", "idempotency")
        return [await session.scalar(f"SELECT count(*) FROM {table}") for table in tables]


async def everything_of(box: Box, booking: Any) -> list[Any]:
    """The saga and its timeline, and what was asked of others."""
    async with box.database.transaction() as session:
        saga = await session.all("SELECT * FROM saga")
        timeline = await session.all("SELECT * FROM timeline ORDER BY entry_no")
    return [saga, timeline, await box.asked(booking)]


async def test_while_the_provider_is_out_nothing_is_begun_and_the_same_key_works_after_it(
    box: Box,
) -> None:
    await box.coupon()
    before = await rows(box)
    hold_id = box.hold()
    await box.hears(told(0))
    for _ in range(2):
        with pytest.raises(RemoteError) as error:
            await box.create(ASHA, hold_id, coupon_code="SAVE-10", idempotency_key="k1")
        assert (error.value.reason, dict(error.value.metadata)) == (
            "PROVIDER_UNAVAILABLE",
            {"retry_after": "10"},
        )
    assert (await rows(box), await box.uses()) == (before, 0)
    # Its reservations are given back, so that the hold can be quoted, released and booked.
    assert len(box.inventory.cancelled) == 2
    assert (await box.quote(hold_id)).total == 135_600
    await box.hears(told(1, available=True))
    booking = await box.create(ASHA, hold_id, coupon_code="SAVE-10", idempotency_key="k1")
    assert (booking.status, await box.uses()) == ("PENDING", 1)


async def test_what_costs_nothing_is_booked_without_the_provider(box: Box) -> None:
    await box.hears(told(0))
    booking = await box.create(ASHA, box.hold(price=0))
    assert booking.status == "CONFIRMED"


async def test_another_card_is_refused_and_the_booking_waits_as_it_did(box: Box) -> None:
    booking = await box.to_charging()
    await box.paid(booking, Payment.OUTCOME_CHARGE_REFUSED, reason="CARD_DECLINED")
    before = await everything_of(box, booking)
    await box.hears(told(0))
    assert await refused(box.attempt(booking, idempotency_key="k1")) == "PROVIDER_UNAVAILABLE"
    assert await everything_of(box, booking) == before
    await box.hears(told(1, available=True))
    assert (await box.attempt(booking, idempotency_key="k1")).payment.attempt == 2


async def test_what_was_begun_before_goes_on(box: Box) -> None:
    booking = await box.to_charging()
    await box.hears(told(0))
    await box.paid(booking, Payment.OUTCOME_CHARGED)
    assert (await box.get(booking)).status == "CONFIRMED"


async def test_an_outage_that_nobody_speaks_of_any_more_ends_by_the_clock(box: Box) -> None:
    hold_id = box.hold()
    await box.hears(told(0))
    await box.hears(told(10))
    async with box.database.transaction() as session:
        left = await session.scalar(
            "UPDATE provider_outage SET until = until - interval '30 seconds'"
            " RETURNING until <= clock_timestamp()"
        )
    assert left
    assert (await box.create(ASHA, hold_id)).status == "PENDING"


async def test_an_older_message_changes_nothing(box: Box) -> None:
    hold_id = box.hold()
    await box.hears(told(20, available=True))
    await box.hears(told(10))
    await box.hears(told(20))
    assert (await box.create(ASHA, hold_id)).status == "PENDING"
    await box.hears(told(40))
    await box.hears(told(30, available=True))
    assert await refused(box.create(ASHA, box.hold())) == "PROVIDER_UNAVAILABLE"


async def test_of_messages_that_two_processes_take_at_once_the_newest_holds(
    box: Box, make_database: MakeDatabase
) -> None:
    other = await make_database("booking", encode=messaging.encode, like=box.database)
    for available in (True, False):
        messages = [told(n, available=n % 2 == 0) for n in range(16)]
        messages.append(told(100 + available, available=available))
        random.shuffle(messages)
        databases = [box.database, other]
        await asyncio.gather(
            *(box.hears(message, databases[n % 2]) for n, message in enumerate(messages))
        )
        async with box.database.transaction() as session:
            is_out = await session.scalar("SELECT until IS NOT NULL FROM provider_outage")
            await session.execute("DELETE FROM provider_outage")
        assert is_out is not available
