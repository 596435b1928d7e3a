"""Edits of capacities through the real catalog and the real inventory, over gRPC and messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import pytest
from google.protobuf.message import Message
from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from parterre.messages.v1 import messages_pb2

import catalog_service.messaging
import inventory_service.messaging
from catalog_service.domain import CapacityEdit
from catalog_service.handlers import events
from catalog_service.rpc import SERVICE, CatalogServicer
from catalog_service.rpc.inventory import Inventory
from catalog_service.uploads import Uploads
from chassis.consumer import Consumer, Received
from chassis.context import Origin
from chassis.database import Database
from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.ids import uuid7
from inventory_service.rpc import SERVICE as INVENTORY_SERVICE
from inventory_service.rpc import InventoryServicer
from tests.component.catalog.box import ASHA, counted, event_request, stamp
from tests.component.conftest import Caller, MakeDatabase, Serve, TestKeys
from tests.component.inventory.box import TERMS

Between = Callable[[CapacityEdit], Awaitable[None]]


class HeldUp(Inventory):
    """The catalog's way to inventory, on which the test may hold an edit up, or lose its answer."""

    before: Between | None = None
    after: Between | None = None

    async def set_capacity(self, edit: CapacityEdit) -> int | None:
        before, after = self.before, self.after
        if before is not None:
            await before(edit)
        whole = await super().set_capacity(edit)
        if after is not None:
            await after(edit)
        return whole


@dataclass
class House:
    """catalog_service in two processes' stead, and inventory_service."""

    catalogs: Sequence[Caller]
    ways: Sequence[HeldUp]
    inventory: Caller
    catalog_data: Database
    inventory_data: Database
    delivered: set[UUID] = field(default_factory=set)

    async def call(self, method: str, message: Message, at: int = 0) -> Any:
        return await self.catalogs[at].as_person(ASHA, method, message, Role.ORGANIZER)

    async def deliver(self) -> None:
        """Brings what waits in either outbox to the other service, until nothing does."""
        routes = (
            (self.catalog_data, self.inventory_data, inventory_service.messaging.QUEUES),
            (self.inventory_data, self.catalog_data, catalog_service.messaging.QUEUES),
        )
        moved = True
        while moved:
            moved = False
            for source, target, queues in routes:
                handlers = {kind: each for queue in queues.values() for kind, each in queue.items()}
                kinds = {kind.DESCRIPTOR.full_name: kind for kind in handlers}
                consumer = Consumer("test", handlers, target, cast("Any", None))
                async with source.transaction() as session:
                    rows = await session.all("SELECT id, type, payload FROM outbox ORDER BY id")
                for row in rows:
                    if row.id in self.delivered or row.type not in kinds:
                        continue
                    self.delivered.add(row.id)
                    moved = True
                    content = kinds[row.type].FromString(row.payload)
                    received = Received(
                        row.id, row.type, Origin("test"), content, cast("Any", None)
                    )
                    await consumer.apply([received])

    async def published(self, *capacities: int) -> catalog_pb2.Event:
        tiers = [counted(100, f"Tier {n}", capacity) for n, capacity in enumerate(capacities)]
        event = (await self.call("CreateEvent", event_request(tiers))).event
        await self.call("PublishEvent", catalog_pb2.PublishEventRequest(event_id=event.id))
        await self.deliver()
        return await self.get(event.id)

    async def get(self, event_id: str) -> catalog_pb2.Event:
        event: catalog_pb2.Event = (
            await self.call("GetEvent", catalog_pb2.GetEventRequest(event_id=event_id))
        ).event
        return event

    async def edit(
        self,
        event: catalog_pb2.Event,
        *capacities: int,
        at: int = 0,
        version: int = 0,
        **facts: Any,
    ) -> catalog_pb2.Event:
        tiers = []
        for tier, capacity in zip(event.tiers, capacities, strict=True):
            tiers.append(catalog_pb2.Tier())
            tiers[-1].CopyFrom(tier)
            tiers[-1].capacity = capacity
        request = catalog_pb2.UpdateEventRequest(
            event_id=event.id,
            expected_version=version,
            draft=catalog_pb2.EventDraft(**facts),
            fields=["tiers", *facts],
            tiers=tiers,
        )
        edited: catalog_pb2.Event = (await self.call("UpdateEvent", request, at)).event
        return edited

    async def said(self, event_id: str) -> tuple[int, list[int]]:
        """What the catalog says: in all, and by tier."""
        event = await self.get(event_id)
        return event.capacity, [tier.capacity for tier in event.tiers]

    async def sold(self, event_id: str) -> tuple[int, list[int]]:
        """What inventory sells: in all, and by section."""
        async with self.inventory_data.transaction() as session:
            whole = await session.scalar(
                "SELECT capacity FROM event WHERE event_id = :id", id=UUID(event_id)
            )
            rows = await session.all(
                "SELECT pool.capacity FROM pool JOIN section USING (event_id, section_id)"
                " WHERE event_id = :id ORDER BY ordinal",
                id=UUID(event_id),
            )
        return whole, [row.capacity for row in rows]

    async def settle(self) -> None:
        """The caretaker comes by, when what is under way has had its time."""
        async with self.catalog_data.transaction() as session:
            await session.execute(
                "UPDATE event SET capacity_due_at = now() WHERE capacity_due_at IS NOT NULL"
            )
        await self.catalog_data.run(events.settle_capacities)
        await self.deliver()

    async def unsettled(self) -> int:
        async with self.catalog_data.transaction() as session:
            return int(
                await session.scalar("SELECT count(*) FROM event WHERE capacity_due_at IS NOT NULL")
            )

    async def hold(self, event: catalog_pb2.Event, tickets: int) -> None:
        request = inventory_pb2.CreateHoldRequest(event_id=event.id)
        request.general.add(tier_id=event.tiers[0].id, quantity=tickets)
        await self.inventory.as_person(str(uuid7()), "CreateHold", request)


@pytest.fixture
async def house(make_database: MakeDatabase, serve: Serve) -> House:
    keys = TestKeys()
    sells = await make_database("inventory", encode=inventory_service.messaging.encode)
    inventory = await serve(
        "inventory",
        INVENTORY_SERVICE,
        lambda verifier: InventoryServicer(sells, TERMS, verifier),
        inventory_pb2_grpc.InventoryServiceStub,
        keys,
    )
    first = await make_database("catalog", encode=catalog_service.messaging.encode)
    second = await make_database("catalog", encode=catalog_service.messaging.encode, like=first)
    ways = [HeldUp(inventory.client) for _ in range(2)]
    catalogs = [
        await serve(
            "catalog",
            SERVICE,
            CatalogServicer(database, cast("Uploads", None), way),
            catalog_pb2_grpc.CatalogServiceStub,
            keys,
        )
        for database, way in zip((first, second), ways, strict=True)
    ]
    return House(catalogs, ways, inventory, first, sells)


async def reason(work: Awaitable[Any]) -> str:
    try:
        await work
    except RemoteError as error:
        return error.reason
    return ""


async def test_of_three_edits_at_once_inventory_has_what_the_catalog_says(house: House) -> None:
    event = await house.published(60, 60)
    for turn in range(40):
        wanted = [(100 + turn, 200), (300, 400 + turn), (500 + turn, 600 + turn)]
        reasons = await asyncio.gather(
            *(reason(house.edit(event, *them, at=n % 2)) for n, them in enumerate(wanted))
        )
        said = await house.said(event.id)
        assert reasons == ["", "", ""]
        assert tuple(said[1]) in wanted  # one edit's, whole
        assert said == await house.sold(event.id) == (sum(said[1]), said[1])
    assert await house.unsettled() == 0


async def test_of_edits_of_what_was_read_one_is_made_and_nothing_is_left_of_the_others(
    house: House,
) -> None:
    event = await house.published(60)
    for turn in range(10):
        version = (await house.get(event.id)).version
        reasons = await asyncio.gather(
            *(
                reason(house.edit(event, 100 + 10 * turn + n, at=n % 2, version=version))
                for n in range(4)
            )
        )
        assert sorted(reasons) == ["", *["STALE_VERSION"] * 3]
        (made,) = (100 + 10 * turn + n for n, why in enumerate(reasons) if not why)
        await house.settle()
        assert await house.said(event.id) == await house.sold(event.id) == (made, [made])


async def test_an_edit_that_reaches_inventory_late_is_made_again_after_the_other(
    house: House,
) -> None:
    event = await house.published(60)
    asked, may_go = asyncio.Event(), asyncio.Event()
    numbers: list[int] = []

    async def hold_up(edit: CapacityEdit) -> None:
        numbers.append(edit.version)
        asked.set()
        await may_go.wait()

    house.ways[0].before = hold_up
    late = asyncio.create_task(house.edit(event, 407, title="Late"))
    await asked.wait()
    await house.edit(event, 307, at=1, title="Early")
    may_go.set()
    edited = await late

    assert numbers == [1, 3]  # the first number came after the second
    assert (edited.draft.title, edited.tiers[0].capacity) == ("Late", 407)
    assert await house.said(event.id) == await house.sold(event.id) == (407, [407])


async def test_an_edit_whose_answer_comes_late_does_not_overwrite_the_later_one(
    house: House,
) -> None:
    event = await house.published(60)
    answered, may_go = asyncio.Event(), asyncio.Event()

    async def hold_up(_edit: CapacityEdit) -> None:
        answered.set()
        await may_go.wait()

    house.ways[0].after = hold_up
    slow = asyncio.create_task(house.edit(event, 407))
    await answered.wait()
    await house.edit(event, 307, at=1)
    house.ways[0].after = None
    may_go.set()
    await slow

    assert await house.said(event.id) == await house.sold(event.id) == (407, [407])


async def test_a_process_that_dies_between_the_two_commits_leaves_nothing_apart(
    house: House,
) -> None:
    event = await house.published(60, 70)

    async def die(_edit: CapacityEdit) -> None:
        raise SystemError("killed with the answer in hand")

    house.ways[0].after = die
    assert await reason(house.edit(event, 407, 80)) == "INTERNAL"
    assert (await house.said(event.id), await house.sold(event.id)) == (
        (130, [60, 70]),
        (487, [407, 80]),
    )
    await house.settle()

    assert await house.said(event.id) == await house.sold(event.id) == (487, [407, 80])
    assert await house.unsettled() == 0


async def test_what_is_held_up_until_it_was_asked_after_has_no_effect(house: House) -> None:
    event = await house.published(60)
    asked, may_go = asyncio.Event(), asyncio.Event()

    async def hold_up(_edit: CapacityEdit) -> None:
        if not asked.is_set():
            asked.set()
            await may_go.wait()
        else:
            raise SystemError("killed before it asks again")

    house.ways[0].before = hold_up
    paused = asyncio.create_task(reason(house.edit(event, 407)))
    await asked.wait()
    await house.settle()
    may_go.set()

    assert await paused == "INTERNAL"
    assert await house.said(event.id) == await house.sold(event.id) == (60, [60])
    await house.settle()
    assert await house.unsettled() == 0


async def test_an_edit_to_what_the_catalog_says_mends_what_came_apart(house: House) -> None:
    event = await house.published(60, 70)
    async with house.inventory_data.transaction() as session:
        for table in ("pool", "section", "event"):
            await session.execute(f"UPDATE {table} SET capacity = capacity + 100")
    await house.edit(event, 60, 70)

    assert (await house.sold(event.id))[1] == [60, 70]
    assert (await house.said(event.id))[1] == [60, 70]


async def test_less_than_is_held_is_refused_and_changes_nothing(house: House) -> None:
    event = await house.published(60, 70)
    await house.hold(event, 5)

    assert await reason(house.edit(event, 4, 90, title="Small")) == "CAPACITY_BELOW_SOLD"
    assert await house.said(event.id) == await house.sold(event.id) == (130, [60, 70])
    assert (await house.get(event.id)).draft.title == "The Tempest"
    await house.settle()
    assert await house.said(event.id) == await house.sold(event.id) == (130, [60, 70])
    assert (await house.edit(event, 5, 90)).capacity == 95


async def test_an_edit_that_is_refused_after_inventory_made_room_is_taken_back(
    house: House,
) -> None:
    event = await house.published(60)

    async def edit_meanwhile(_edit: CapacityEdit) -> None:
        house.ways[0].after = None
        request = catalog_pb2.UpdateEventRequest(
            event_id=event.id,
            draft=catalog_pb2.EventDraft(sales_to=stamp(days=29)),
            fields=["sales_to"],
        )
        await house.call("UpdateEvent", request, at=1)

    house.ways[0].after = edit_meanwhile
    refused = await reason(house.edit(event, 400, version=event.version))

    assert refused == "STALE_VERSION"
    assert await house.said(event.id) == await house.sold(event.id) == (60, [60])
    assert await house.unsettled() == 0


async def test_an_edit_of_prices_alone_leaves_the_capacities(house: House) -> None:
    event = await house.published(60)
    event.tiers[0].price = 777
    edited = await house.edit(event, 60)
    assert (edited.tiers[0].price, edited.capacity) == (777, 60)
    (opened, told) = await told_prices(house)
    assert (opened, told) == (100, 777)


async def told_prices(house: House) -> list[int]:
    async with house.catalog_data.transaction() as session:
        rows = await session.all(
            "SELECT payload FROM outbox WHERE type = :type ORDER BY id",
            type=messages_pb2.EventPublished.DESCRIPTOR.full_name,
        )
    return [messages_pb2.EventPublished.FromString(row.payload).tiers[0].price for row in rows]
