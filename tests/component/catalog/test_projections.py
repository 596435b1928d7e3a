"""catalog_service: what other services tell of events."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from catalog_service import messaging
from chassis.consumer import Together
from chassis.ids import uuid7

from .box import Catalog, stamp


async def tell(catalog: Catalog, *messages: Any) -> None:
    """One batch, as the consumer takes it."""
    handlers = messaging.QUEUES["catalog.events"]
    async with catalog.database.transaction() as session:
        handler = handlers[type(messages[0])]
        assert isinstance(handler, Together)
        await handler.handle(session, messages)


def left(event_id: str, version: int, available: int, sold: int = 0) -> Any:
    return messages_pb2.AvailabilityChanged(
        event_id=event_id, available=available, capacity=60, sold=sold, version=version
    )


async def test_what_is_left_is_all_until_inventory_tells_otherwise(catalog: Catalog) -> None:
    draft = await catalog.event()
    event = await catalog.published()

    assert not draft.HasField("availability")
    assert (event.availability.available, event.availability.capacity) == (60, 60)
    assert event.availability.sales_open
    await tell(catalog, left(event.id, 0, 12, 40))
    assert (await catalog.get(event.id)).availability.available == 12


@pytest.mark.parametrize("order", [*permutations(range(3))])
async def test_only_what_is_newer_is_believed(catalog: Catalog, order: tuple[int, ...]) -> None:
    event = await catalog.published()
    told = [left(event.id, 7, 50), left(event.id, 8, 40), left(event.id, 9, 30)]

    for at in order:
        await tell(catalog, told[at], told[at], left(str(uuid7()), 1, 1))

    assert (await catalog.get(event.id)).availability.available == 30


async def test_sales_are_open_within_their_window_and_while_it_is_on_sale(catalog: Catalog) -> None:
    async def open_with(**change: Any) -> bool:
        return (await catalog.published(**change)).availability.sales_open

    assert await open_with()
    assert not await open_with(sales_from=stamp(days=1))
    event = await catalog.published(sales_to=stamp(days=2))
    assert event.availability.sales_open
    await catalog.execute(
        "UPDATE event SET sales_to = now() - interval '1 second' WHERE id = :id", id=event.id
    )
    assert not (await catalog.get(event.id)).availability.sales_open
    started = await catalog.published()
    await catalog.execute(
        "UPDATE event SET starts_at = now() - interval '1 second' WHERE id = :id", id=started.id
    )
    assert not (await catalog.get(started.id)).availability.sales_open
    called_off = await catalog.published()
    assert not (await catalog.cancel(called_off.id)).availability.sales_open


async def test_the_most_sold_come_first(catalog: Catalog) -> None:
    ids = {name: (await catalog.published(title=name)).id for name in ("a", "b", "c", "d")}
    await tell(
        catalog, left(ids["a"], 1, 50, 10), left(ids["b"], 1, 30, 30), left(ids["c"], 1, 50, 10)
    )
    called_off = await catalog.published(title="called off")
    await tell(catalog, left(called_off.id, 1, 0, 60))
    await catalog.cancel(called_off.id)

    assert await catalog.titles(sort="popularity") == ["b", "c", "a", "d"]
    assert await catalog.titles(sort="popularity", status="CANCELLED") == ["called off"]


def ended(booking_id: str, status: str, version: int, event_id: str, who: str) -> Any:
    return messages_pb2.BookingEnded(
        booking_id=booking_id,
        event_id=event_id,
        customer_id=who,
        status=status,
        version=version,
        lines=[types_pb2.Line(quantity=1), types_pb2.Line(quantity=2)],
    )


@pytest.mark.parametrize("order", [*permutations(range(3))])
async def test_attendance_is_how_the_booking_stands_whatever_the_order(
    catalog: Catalog, order: tuple[int, ...]
) -> None:
    booking, event, who = (str(uuid7()) for _ in range(3))
    told = [
        ended(booking, "FAILED", 1, event, who),
        ended(booking, "CONFIRMED", 2, event, who),
        ended(booking, "CANCELLED", 3, event, who),
    ]
    for at in order:
        await tell(catalog, told[at], told[at])
    await tell(catalog, ended(str(uuid7()), "CONFIRMED", 1, event, who))

    async with catalog.database.transaction() as session:
        rows = await session.all("SELECT status, tickets FROM attendance ORDER BY booking_id")
    assert [tuple(row) for row in rows] == [("CANCELLED", 3), ("CONFIRMED", 3)]
