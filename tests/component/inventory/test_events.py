"""inventory_service: putting events on sale, and what is free of them."""

from __future__ import annotations

import asyncio

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.inventory.v1 import inventory_pb2
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2
from pydantic import SecretStr

from chassis.database import Database
from chassis.identity import encode_key
from chassis.ids import uuid7
from chassis.payloads import PROTOBUF
from chassis.topology import COMMANDS, Topology, declare
from deploy.processes import free_port
from inventory_service.service import inventory_service
from inventory_service.settings import Settings
from tests.component.conftest import MakeDatabase

from .box import FAR, Box, Saga, place, reason


async def test_opening_twice_is_opening_once_and_answered_twice(box: Box) -> None:
    event = place(rows=3, seats=5, pools=(7, 8))
    await asyncio.gather(*(box.tell(event.message) for _ in range(4)))
    opened = await box.sent(messages_pb2.EventOpened)
    assert [(o.event_id, o.capacity) for o in opened] == [(event.event_id, 30)] * 4
    assert (await box.sql("SELECT count(*) FROM seat"))[0][0] == 15


async def test_the_map_shows_where_people_stand_where_that_was_told(box: Box) -> None:
    event = place(rows=1, seats=5, pools=(7, 8))
    event.message.sections[-1].ClearField("area")  # of a catalog that does not tell it yet
    await box.tell(event.message)

    reply = await box.call(
        str(uuid7()), "GetSeatMap", inventory_pb2.GetSeatMapRequest(event_id=event.event_id)
    )

    seated, told, untold = reply.seat_map.sections
    assert told.area == types_pb2.Area(x=5, y=20, width=12, height=6)
    assert not seated.HasField("area")
    assert not untold.HasField("area")


async def test_an_event_of_fifty_thousand_seats_opens(box: Box) -> None:
    event = await box.opened(rows=500, seats=100)
    (counted,) = await box.sql("SELECT count(*), max(seat_no) FROM seat")
    assert tuple(counted) == (50_000, 49_999)
    assert await box.best(event, 2) == [49, 50]
    reply = await box.call(
        str(uuid7()), "GetSeatMap", inventory_pb2.GetSeatMapRequest(event_id=event.event_id)
    )
    assert sum(len(row.seats) for row in reply.seat_map.sections[0].rows) == 50_000


async def test_a_cancelled_event_takes_no_holds_even_if_it_is_cancelled_first(box: Box) -> None:
    early, late = place(), await box.opened()
    await box.tell(
        messages_pb2.EventCancelled(event_id=late.event_id),
        messages_pb2.EventCancelled(event_id=early.event_id),
        early.message,
    )
    for event, why in (
        (early, "EVENT_NOT_ON_SALE"),
        (late, "EVENT_NOT_ON_SALE"),
        (place(), "EVENT_NOT_FOUND"),
    ):
        assert await reason(box.hold(event, seats=[1])) == why
        request = inventory_pb2.GetSeatMapRequest(event_id=event.event_id)
        assert await reason(box.call(str(uuid7()), "GetSeatMap", request)) == why


async def test_sales_open_and_close_by_the_databases_clock(box: Box) -> None:
    early = await box.opened(sales_from=Timestamp(seconds=FAR - 10))
    over = await box.opened(sales_to=Timestamp(seconds=1_000_000))
    for event in (early, over):
        assert await reason(box.hold(event, seats=[1])) == "SALES_CLOSED"


async def test_the_seat_map_has_a_new_version_just_when_something_changed(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())

    async def seat_map(known: int) -> inventory_pb2.GetSeatMapResponse:
        request = inventory_pb2.GetSeatMapRequest(event_id=event.event_id, known_version=known)
        return await box.call(person, "GetSeatMap", request)

    first = (await seat_map(0)).seat_map
    assert [row.label for row in first.sections[0].rows] == ["A", "B"]
    assert (first.sections[1].capacity, first.sections[1].available) == (50, 50)
    assert not first.taken
    assert (await seat_map(first.version)).unchanged
    saga = await Saga.begun(box, event, person, seats=[5], tickets=2)
    second = (await seat_map(first.version)).seat_map
    assert second.version > first.version
    assert [(t.status, list(t.seat_ids)) for t in second.taken] == [("HELD", ["5"])]
    assert second.sections[1].available == 48
    await saga.send("Reserve", "Sell")
    third = (await seat_map(second.version)).seat_map
    assert [(t.status, list(t.seat_ids)) for t in third.taken] == [("SOLD", ["5"])]
    await saga.send("Restock")
    fourth = (await seat_map(third.version)).seat_map
    assert fourth.version > third.version
    assert not fourth.taken
    assert person not in str(fourth)
    assert (await seat_map(fourth.version)).unchanged


def settings_of(database: Database, broker_url: str) -> Settings:
    return Settings(
        profile="local",
        internal_port=free_port(),
        grpc_port=free_port(),
        jwks_url="http://127.0.0.1:1/",
        service_key=SecretStr(encode_key(bytes(32))),
        database_url=SecretStr(database.url),
        amqp_url=SecretStr(broker_url),
    )


def sent(message: Message) -> aio_pika.Message:
    return aio_pika.Message(
        message.SerializeToString(),
        content_type=PROTOBUF,
        type=message.DESCRIPTOR.full_name,
        message_id=str(uuid7()),
    )


async def test_halls_that_open_keep_no_saga_waiting(
    make_database: MakeDatabase, broker_url: str
) -> None:
    database = await make_database("inventory")
    halls = [place(rows=250, seats=200).message for _ in range(3)]
    never = messages_pb2.SeatsCommand(
        booking_id=str(uuid7()), event_id=str(uuid7()), hold_id=str(uuid7()), step=2
    )
    async with inventory_service(settings_of(database, broker_url)):
        connection = await aio_pika.connect(broker_url)
        async with connection, connection.channel() as channel:
            await declare(channel, Topology.of(messages_pb2.DESCRIPTOR))
            exchange = await channel.get_exchange(COMMANDS)
            for hall in halls:
                await exchange.publish(sent(hall), "inventory.openings")
            command = sent(messages_pb2.ReleaseSeats(seats=never))
            await exchange.publish(command, "inventory.commands")
            arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
            for name in ("catalog.replies", "booking.replies"):
                queue = await channel.get_queue(name)
                await queue.consume(arrived.put, no_ack=True)
            async with asyncio.timeout(60):
                order = [await arrived.get() for _ in range(4)]
    kinds = [(each.type or "").rsplit(".", 1)[-1] for each in order]
    assert sorted(kinds) == ["EventOpened"] * 3 + ["SeatsReply"]
    assert kinds.index("SeatsReply") < 2


# The other queue is where catalogs of before sent it.
@pytest.mark.parametrize("queue", ["inventory.openings", "inventory.commands"])
async def test_the_running_service_opens_an_event_that_is_asked_for_by_message(
    make_database: MakeDatabase, broker_url: str, queue: str
) -> None:
    database = await make_database("inventory")
    event = place()
    message = sent(event.message)
    async with inventory_service(settings_of(database, broker_url)):
        connection = await aio_pika.connect(broker_url)
        async with connection, connection.channel() as channel:
            await declare(channel, Topology.of(messages_pb2.DESCRIPTOR))
            exchange = await channel.get_exchange(COMMANDS)
            for _ in range(3):  # the same message, delivered three times
                await exchange.publish(message, queue)
            replies = await channel.get_queue("catalog.replies")
            async with asyncio.timeout(30), replies.iterator() as arrived:
                reply = await anext(arrived)
                await reply.ack()
    opened = messages_pb2.EventOpened.FromString(reply.body)
    assert (opened.event_id, opened.capacity) == (event.event_id, 70)
    async with database.transaction() as session:
        assert await session.scalar("SELECT count(*) FROM seat") == 20
