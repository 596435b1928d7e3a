"""inventory_service: prices, limits and sales windows that change while an event is on sale."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from parterre.inventory.v1 import inventory_pb2
from parterre.messages.v1 import messages_pb2

from chassis.ids import uuid7

from .box import FAR, Box, Place, place, reason


def published(
    event: Place, version: int, *, price: int = 125000, most: int = 10, **fields: Any
) -> messages_pb2.EventPublished:
    return messages_pb2.EventPublished(
        event_id=event.event_id,
        organizer_id=event.message.organizer_id,
        currency="NPR",
        version=version,
        starts_at=Timestamp(seconds=FAR),
        max_per_customer=most,
        tiers=[
            {"tier_id": event.seated_tier, "name": f"Stalls {version}", "price": price},
            {"tier_id": event.standing_tier, "name": "Floor", "price": 50000},
        ],
        **fields,
    )


async def test_a_hold_keeps_its_price_and_the_next_one_has_the_new_one_in_every_process(
    box: Box,
) -> None:
    event = await box.opened()
    person = str(uuid7())
    held = await box.hold(event, person, seats=[1])
    assert held.total.amount == 125000
    for _ in range(2):  # both processes know the old price
        await box.hold(event, seats=[2 + _])
    await box.tell(published(event, 2, price=99))
    for seat in (4, 5):
        hold = await box.hold(event, seats=[seat])
        assert (hold.total.amount, hold.lines[0].tier) == (99, "Stalls 2")
    for _ in range(2):
        get = inventory_pb2.GetHoldRequest(hold_id=held.id)
        kept = (await box.call(person, "GetHold", get)).hold
        assert (kept.total.amount, kept.lines[0].tier) == (125000, "Stalls 2")


async def test_older_terms_never_replace_newer_ones_in_whatever_order_they_come(box: Box) -> None:
    event = await box.opened()
    versions = [3, 5, 2, 4, 5, 1]
    await asyncio.gather(*(box.tell(published(event, v, price=v)) for v in versions))
    await box.tell(published(event, 4, price=4))
    assert (await box.hold(event, seats=[1])).total.amount == 5


async def test_the_limit_of_a_person_and_the_sales_window_change_for_new_holds(box: Box) -> None:
    event = await box.opened(most=2)
    person = str(uuid7())
    await box.hold(event, person, seats=[1, 2])
    assert await reason(box.hold(event, person, seats=[3])) == "CUSTOMER_LIMIT"
    await box.tell(published(event, 2, most=3))
    await box.hold(event, person, seats=[3])
    await box.tell(published(event, 3, most=1))
    assert await reason(box.hold(event, seats=[4, 5])) == "CUSTOMER_LIMIT"
    await box.tell(published(event, 4, sales_from=Timestamp(seconds=FAR - 1)))
    assert await reason(box.hold(event, seats=[6])) == "SALES_CLOSED"
    await box.tell(published(event, 5, sales_to=Timestamp(seconds=1)))
    assert await reason(box.hold(event, seats=[6])) == "SALES_CLOSED"
    await box.tell(published(event, 6))
    await box.hold(event, seats=[6])


async def test_terms_of_an_event_that_was_not_opened_or_is_off_open_nothing(box: Box) -> None:
    unknown, off = place(), await box.opened()
    await box.tell(
        published(unknown, 2),
        messages_pb2.EventCancelled(event_id=off.event_id),
        published(off, 2),
    )
    assert await reason(box.hold(unknown, seats=[1])) == "EVENT_NOT_FOUND"
    assert await reason(box.hold(off, seats=[1])) == "EVENT_NOT_ON_SALE"
    assert (
        await box.sql("SELECT 1 FROM event WHERE event_id = :id", id=UUID(unknown.event_id)) == []
    )


async def test_an_event_told_without_its_terms_keeps_those_it_has(box: Box) -> None:
    event = await box.opened()
    await box.tell(messages_pb2.EventPublished(event_id=event.event_id, version=2))
    assert (await box.hold(event, seats=[1])).total.amount == 125000
