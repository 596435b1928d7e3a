"""catalog_service: publishing and calling off."""

from __future__ import annotations

import asyncio

import pytest
from parterre.catalog.v1 import catalog_pb2
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from catalog_service import loops, messaging
from catalog_service.handlers import events
from chassis.broker import Broker
from chassis.consumer import Consumer
from chassis.database import Session
from chassis.ids import uuid7
from chassis.lifecycle import background
from chassis.outbox import encoded
from chassis.relay import Relay
from chassis.topology import Topology
from tests.component.conftest import MakeDatabase, Until

from .box import ASHA, BINA, ROOT, Catalog, counted, tiers_of


async def test_publishing_asks_inventory_to_open_every_place_and_its_answer_publishes(
    catalog: Catalog,
) -> None:
    hall = await catalog.hall()
    event = await catalog.event(
        tiers=tiers_of(hall), venue_id=hall.id, max_per_customer=4, tax_basis_points=1300
    )

    publishing = await catalog.publish(event.id)
    (command,) = await catalog.sent(messages_pb2.OpenEvent)
    await catalog.opened(event.id)
    published = await catalog.get(event.id, BINA)
    (fact,) = await catalog.sent(messages_pb2.EventPublished)

    assert (publishing.status, published.status) == ("PUBLISHING", "PUBLISHED")
    assert (publishing.version, published.version, published.capacity) == (2, 3, 60)
    assert (command.event_id, command.organizer_id) == (event.id, ASHA)
    assert (command.currency, command.max_per_customer) == ("NPR", 4)
    assert command.starts_at == event.draft.starts_at
    assert not command.HasField("sales_from")
    assert [(tier.tier_id, tier.price) for tier in command.tiers] == [
        (tier.id, tier.price) for tier in event.tiers
    ]
    stalls, pit = command.sections
    assert (stalls.section_id, stalls.tier_id) == (hall.sections[0].id, event.tiers[0].id)
    assert [(row.label, list(row.numbers)) for row in stalls.rows] == [
        ("A", ["1", "2", "3"]),
        ("B", ["1", "2", "3", "4", "5", "6", "7"]),
    ]
    assert list(stalls.rows[0].xs) == [-0.6, 0.0, 0.6]
    assert list(stalls.rows[1].ys) == [1.0] * 7
    assert (pit.section_id, pit.capacity, len(pit.rows)) == (hall.sections[1].id, 50, 0)
    assert pit.area == types_pb2.Area(x=0, y=3.918, width=5.477, height=2.739)
    assert not stalls.HasField("area")
    assert (command.focal_x, command.focal_y) == (0.0, -1.0)
    assert (fact.title, fact.place, fact.timezone) == ("The Tempest", "Globe", "Europe/London")
    assert (fact.version, fact.tax_basis_points, fact.refund_policy.percent) == (3, 1300, 100)


async def test_counted_tickets_are_opened_as_one_standing_section_a_tier(catalog: Catalog) -> None:
    event = await catalog.event(tiers=[counted(), counted(0, "Students", 20)])

    await catalog.publish(event.id)

    (command,) = await catalog.sent(messages_pb2.OpenEvent)
    assert [
        (section.section_id, section.tier_id, section.name, section.capacity)
        for section in command.sections
    ] == [
        (event.tiers[0].id, event.tiers[0].id, "Regular", 60),
        (event.tiers[1].id, event.tiers[1].id, "Students", 20),
    ]
    await catalog.opened(event.id, 80)
    (fact,) = await catalog.sent(messages_pb2.EventPublished)
    assert fact.place == "The park"


async def test_twenty_who_publish_at_once_open_the_event_once(catalog: Catalog) -> None:
    event = await catalog.event()

    answers = await asyncio.gather(*(catalog.publish(event.id) for _ in range(20)))

    assert {(answer.status, answer.version) for answer in answers} == {("PUBLISHING", 2)}
    assert len(await catalog.sent(messages_pb2.OpenEvent)) == 1


async def test_publishing_what_is_published_answers_it_as_it_is(catalog: Catalog) -> None:
    event = await catalog.published()

    assert await catalog.publish(event.id) == event
    assert len(await catalog.sent(messages_pb2.OpenEvent)) == 1


async def test_an_answer_that_comes_twice_or_after_the_cancellation_changes_nothing(
    catalog: Catalog,
) -> None:
    event = await catalog.published()
    await catalog.opened(event.id, 61)
    assert (await catalog.get(event.id)).capacity == 60

    cancelled = await catalog.event()
    await catalog.publish(cancelled.id)
    await catalog.cancel(cancelled.id)
    await catalog.opened(cancelled.id)
    await catalog.opened(str(uuid7()))

    assert (await catalog.get(cancelled.id)).status == "CANCELLED"
    assert len(await catalog.sent(messages_pb2.EventPublished)) == 1


async def test_what_is_not_ready_is_not_published_and_stays_a_draft(catalog: Catalog) -> None:
    hall = await catalog.hall()
    event = await catalog.event(tiers=tiers_of(hall)[:1], venue_id=hall.id)
    await catalog.execute(
        "UPDATE event SET starts_at = starts_at - interval '31 days', sales_to = '2020-01-01'"
    )

    message = catalog_pb2.PublishEventRequest(event_id=event.id)
    refused = await catalog.refusal("PublishEvent", message)

    assert refused.reason == "EVENT_NOT_PUBLISHABLE"
    assert set(refused.metadata) == {"tiers", "starts_at", "sales_to"}
    assert "Pit" in refused.metadata["tiers"]
    assert ((await catalog.get(event.id)).status, (await catalog.get(event.id)).version) == (
        "DRAFT",
        1,
    )
    assert await catalog.sent(messages_pb2.OpenEvent) == []


async def test_nobody_but_the_organizer_publishes(catalog: Catalog) -> None:
    event = await catalog.event()
    message = catalog_pb2.PublishEventRequest(event_id=event.id)

    for who in (BINA, ROOT):
        assert (await catalog.refusal("PublishEvent", message, who)).reason == "EVENT_NOT_FOUND"
    assert (await catalog.get(event.id)).status == "DRAFT"


@pytest.mark.parametrize("who", [ASHA, ROOT], ids=["organizer", "admin"])
async def test_organizer_or_admin_call_an_event_off_once(catalog: Catalog, who: str) -> None:
    event = await catalog.published()

    cancelled = await catalog.cancel(event.id, who)
    again = await catalog.cancel(event.id, who)

    assert cancelled == again
    assert (cancelled.status, cancelled.cancel_reason) == ("CANCELLED", "Rain all day")
    assert await catalog.sent(messages_pb2.EventCancelled) == [
        messages_pb2.EventCancelled(
            event_id=event.id, reason="Rain all day", organizer_id=event.organizer_id
        )
    ]
    message = catalog_pb2.PublishEventRequest(event_id=event.id)
    assert (await catalog.refusal("PublishEvent", message)).reason == "EVENT_STATE"


async def test_what_is_not_on_sale_is_not_called_off(catalog: Catalog) -> None:
    draft, over = await catalog.event(), await catalog.published()
    await catalog.execute(
        "UPDATE event SET starts_at = '2020-01-01', ends_at = '2020-01-02' WHERE id = :id",
        id=over.id,
    )

    for event in (draft, over):
        message = catalog_pb2.CancelEventRequest(event_id=event.id, reason="Rain")
        assert (await catalog.refusal("CancelEvent", message)).reason == "EVENT_STATE"
        assert (await catalog.refusal("CancelEvent", message, BINA)).reason == "EVENT_NOT_FOUND"
        message.reason = " "
        refused = await catalog.refusal("CancelEvent", message)
        assert (refused.reason, list(refused.metadata)) == ("INVALID_EVENT", ["reason"])
    assert (await catalog.get(over.id)).status == "COMPLETED"
    assert await catalog.sent(messages_pb2.EventCancelled) == []


async def test_publishing_and_calling_off_at_once_end_in_one_of_two_ways(catalog: Catalog) -> None:
    event = await catalog.event()
    cancel = catalog_pb2.CancelEventRequest(event_id=event.id, reason="Rain")

    await asyncio.gather(
        catalog.publish(event.id),
        *(catalog.call("CancelEvent", cancel) for _ in range(5)),
        return_exceptions=True,
    )

    status = (await catalog.get(event.id)).status
    told = len(await catalog.sent(messages_pb2.EventCancelled))
    assert (status, told) in {("PUBLISHING", 0), ("CANCELLED", 1)}


OVERDUE = "UPDATE event SET open_due_at = open_due_at - interval '16 seconds'"


async def test_an_opening_that_is_not_answered_is_asked_for_again_word_for_word(
    catalog: Catalog,
) -> None:
    hall = await catalog.hall()
    event = await catalog.event(tiers=tiers_of(hall), venue_id=hall.id)
    await catalog.publish(event.id)
    assert await catalog.database.run(events.ask_again) is None

    await catalog.section(hall.id, name="Added later")
    await catalog.execute(OVERDUE)
    assert str(await catalog.database.run(events.ask_again)) == event.id
    assert await catalog.database.run(events.ask_again) is None

    first, second = await catalog.sent(messages_pb2.OpenEvent)
    assert first == second
    await catalog.opened(event.id)
    await catalog.execute("UPDATE event SET open_tries = 0")
    assert await catalog.database.run(events.ask_again) is None


async def test_processes_that_ask_again_at_once_ask_once_an_event(catalog: Catalog) -> None:
    for _ in range(3):
        await catalog.publish((await catalog.event()).id)
    await catalog.execute(OVERDUE)

    asked = await asyncio.gather(*(catalog.database.run(events.ask_again) for _ in range(8)))

    assert len([id for id in asked if id]) == len({id for id in asked if id}) == 3
    assert len(await catalog.sent(messages_pb2.OpenEvent)) == 6


async def test_the_loop_asks_again_by_itself(catalog: Catalog, until: Until) -> None:
    await catalog.publish((await catalog.event()).id)
    await catalog.execute(OVERDUE)

    async def asked() -> bool:
        return len(await catalog.sent(messages_pb2.OpenEvent)) == 2

    async with background("caretaker", lambda: loops.take_care(catalog.database)):
        await until(asked)


async def test_an_event_goes_on_sale_through_the_broker(
    catalog: Catalog, make_database: MakeDatabase, broker_url: str, until: Until
) -> None:
    broker = Broker(broker_url, Topology.of(messages_pb2.DESCRIPTOR), process="test")

    async def open_event(session: Session, message: messages_pb2.OpenEvent) -> None:
        capacity = sum(section.capacity for section in message.sections)
        session.send(messages_pb2.EventOpened(event_id=message.event_id, capacity=capacity))

    inventory = await make_database("inventory", encode=encoded)  # type: ignore[arg-type]
    opener = {messages_pb2.OpenEvent: open_event}
    works = {
        "catalog-relay": Relay(catalog.database, broker).run,
        "inventory-relay": Relay(inventory, broker).run,
        "inventory": Consumer("inventory.openings", opener, inventory, broker).run,
        "catalog": Consumer(
            "catalog.replies", messaging.QUEUES["catalog.replies"], catalog.database, broker
        ).run,
    }
    event = await catalog.event()

    async def published() -> bool:
        return (await catalog.get(event.id)).status == "PUBLISHED"

    try:
        async with (
            background("catalog-relay", works["catalog-relay"]),
            background("inventory-relay", works["inventory-relay"]),
            background("inventory", works["inventory"]),
            background("catalog", works["catalog"]),
        ):
            await catalog.publish(event.id)
            await until(published)
    finally:
        await broker.close()
    assert (await catalog.get(event.id)).capacity == 60
