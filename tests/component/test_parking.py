"""Messages that only a newer version knows: kept by the older one, taken by the newer one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import aio_pika
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from parterre.messages.v1 import messages_pb2

from chassis.broker import Broker
from chassis.consumer import Consumer, Handlers, Together
from chassis.database import Database, Session
from chassis.ids import uuid7
from chassis.lifecycle import background
from chassis.outbox import Outgoing, encoded
from chassis.parking import Parking, Stranger, unknown_value
from chassis.payloads import PROTOBUF
from chassis.relay import Relay
from chassis.topology import COMMANDS, Address, Topology
from chassis.wire import Delivery, Parcel
from ops import dead_letters

from .conftest import MakeDatabase, Until
from .test_outbox_inbox import depth

QUEUE = "booking.replies"
TOPOLOGY = Topology.of(messages_pb2.DESCRIPTOR)
REPLY = messages_pb2.PaymentReply
KNOWN = "parterre.messages.v1.PaymentReply"


def of_the_next_version() -> tuple[type[Message], type[Message]]:
    """A message that this version does not have, and one of this version's with a new outcome."""
    pool = descriptor_pool.DescriptorPool()
    for file in (*messages_pb2.DESCRIPTOR.dependencies, messages_pb2.DESCRIPTOR):
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        for needed in file.dependencies:
            part = descriptor_pb2.FileDescriptorProto()
            needed.CopyToProto(part)
            pool.Add(part)
        if file is messages_pb2.DESCRIPTOR:
            added = proto.message_type.add(name="SeatsSwapped")
            added.field.add(name="booking_id", number=1, type=9, label=1)
            for message in proto.message_type:
                if message.name == "PaymentReply":
                    (outcome,) = message.enum_type
                    outcome.value.add(name="OUTCOME_NEW", number=99)
                    message.field.add(name="of_the_next", number=500, type=9, label=1)
        pool.Add(proto)
    found = (
        pool.FindMessageTypeByName(f"parterre.messages.v1.{name}")
        for name in (
            "SeatsSwapped",
            "PaymentReply",
        )
    )
    swapped, reply = map(GetMessageClass, found)
    return swapped, reply


SWAPPED, NEXT_REPLY = of_the_next_version()


class Taken(list[str]):
    """What a version's handler was given, in words."""

    async def handle(self, _session: Session, messages: Sequence[Message]) -> None:
        self.extend(
            f"{message.DESCRIPTOR.name} {message.booking_id}"  # type: ignore[attr-defined]
            for message in messages
        )

    def version(self, *kinds: type[Message]) -> Handlers:
        return dict.fromkeys(kinds, Together(self.handle))


@asynccontextmanager
async def running(database: Database, url: str, handlers: Handlers) -> AsyncIterator[Consumer]:
    """A process of some version: it consumes, and looks after what is parked."""
    broker = Broker(url, TOPOLOGY, process="test")
    consumer = Consumer(QUEUE, handlers, database, broker)
    async with (
        background("consumer", consumer.run),
        background("parking", consumer.parking.run),
    ):
        yield consumer
    await broker.close()


async def publish(url: str, *messages: Message, id: str | None = None, to: str = QUEUE) -> None:
    broker = Broker(url, TOPOLOGY, process="sender")
    async with broker.channel(confirms=True) as channel:
        for message in messages:
            sent = aio_pika.Message(
                message.SerializeToString(),
                message_id=id or str(uuid7()),
                type=message.DESCRIPTOR.full_name,
                content_type=PROTOBUF,
                headers={"request_id": "of-the-sender"},
            )
            await channel.default_exchange.publish(sent, to)
    await broker.close()


async def parked(database: Database) -> list[str]:
    async with database.transaction() as session:
        rows = await session.all("SELECT awaits FROM parked ORDER BY message_id")
    return [row.awaits for row in rows]


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    return await make_database("booking", encode=encoded)


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.parking._LOOK_SECONDS", 0.1)
    monkeypatch.setattr("chassis.parking._AGAIN_SECONDS", 0.1)


async def test_what_only_the_next_version_knows_is_kept_and_taken_once_by_that(
    database: Database, broker_url: str, until: Until
) -> None:
    old, new = Taken(), Taken()
    async with running(database, broker_url, old.version(REPLY)):
        await publish(broker_url, SWAPPED(booking_id="a"), REPLY(booking_id="b"))
        await publish(broker_url, NEXT_REPLY(booking_id="c", outcome=99))

        async def kept() -> bool:
            return len(await parked(database)) == 2 and len(old) == 1

        await until(kept)
        assert await parked(database) == [
            "parterre.messages.v1.SeatsSwapped",
            f"{KNOWN}.Outcome=99",
        ]
        assert old == ["PaymentReply b"]
    assert await depth(broker_url, QUEUE) == 0
    assert await depth(broker_url, f"{QUEUE}.dead") == 0
    async with running(database, broker_url, new.version(NEXT_REPLY, SWAPPED)):

        async def taken() -> bool:
            return not await parked(database) and len(new) == 2

        await until(taken)
    assert sorted(new) == ["PaymentReply c", "SeatsSwapped a"]


async def test_while_both_versions_run_what_the_older_one_takes_first_reaches_the_newer_one(
    database: Database, broker_url: str, until: Until
) -> None:
    old, new = Taken(), Taken()
    async with (
        running(database, broker_url, old.version(REPLY)),
        running(database, broker_url, new.version(NEXT_REPLY, SWAPPED)),
    ):
        await publish(broker_url, *(SWAPPED(booking_id=f"{number:02}") for number in range(40)))

        async def all_taken() -> bool:
            return len(new) >= 40 and not await parked(database)

        await until(all_taken)
        await until(lambda: _is_empty(broker_url))
    assert sorted(new) == [f"SeatsSwapped {number:02}" for number in range(40)]
    assert old == []


async def _is_empty(url: str) -> bool:
    return await depth(url, QUEUE) == 0


async def test_fields_that_are_not_known_yet_are_no_hindrance(
    database: Database, broker_url: str, until: Until
) -> None:
    old = Taken()
    async with running(database, broker_url, old.version(REPLY)):
        await publish(broker_url, NEXT_REPLY(booking_id="a", outcome=1, of_the_next="new"))

        async def taken() -> bool:
            return old == ["PaymentReply a"]

        await until(taken)
    assert await parked(database) == []


async def test_one_that_comes_back_while_it_is_sent_is_not_lost(database: Database) -> None:
    """The older version takes it, and parks it again, before the newer one has deleted it."""
    body, name = SWAPPED(booking_id="a").SerializeToString(), SWAPPED.DESCRIPTOR.full_name
    delivery = Delivery(1, False, "", name, PROTOBUF, {"request_id": "of-the-sender"}, body)
    stranger = Stranger(uuid7(), name, delivery)
    comes_back = True

    class Taking:
        """A broker whose queue is emptied at once by the older version."""

        @asynccontextmanager
        async def wire(self) -> AsyncIterator[Taking]:
            yield self

        async def publish(self, parcels: Sequence[Parcel]) -> dict[int, str]:
            sent.extend(parcels)
            if comes_back:
                assert await older.park([stranger]) == {stranger.id}
            return {}

    sent: list[Parcel] = []
    broker = cast("Broker", Taking())
    older = Parking(QUEUE, {KNOWN: REPLY}, database, broker)
    newer = Parking(QUEUE, {name: SWAPPED}, database, broker)
    await older.park([stranger])
    assert await older.release() == 0
    assert await newer.release() == 1
    assert await parked(database) == [name]
    comes_back = False
    async with database.transaction() as session:
        await session.execute("UPDATE parked SET due_at = clock_timestamp()")
    assert await newer.release() == 1
    assert await parked(database) == []
    assert [(each.exchange, each.routing_key, each.body, each.headers) for each in sent] == [
        ("", QUEUE, body, {"request_id": "of-the-sender"})
    ] * 2


async def test_there_is_an_end_to_how_many_and_how_long(
    database: Database, broker_url: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.parking.MOST_PARKED", 3)
    old = Taken()

    async def buried(count: int) -> None:
        async def so_many() -> bool:
            return await depth(broker_url, f"{QUEUE}.dead") == count

        await until(so_many)

    async with running(database, broker_url, old.version(REPLY)):
        for number in range(5):
            await publish(broker_url, SWAPPED(booking_id=str(number)))
        await buried(2)
        assert len(await parked(database)) == 3
        async with database.transaction() as session:
            await session.execute("UPDATE parked SET parked_at = parked_at - interval '8 days'")
        await buried(5)

        async def none_parked() -> bool:
            return await parked(database) == []

        await until(none_parked)
    letters = await dead_letters.letters(broker_url, queue=QUEUE)
    assert {letter.type for letter in letters} == {"parterre.messages.v1.SeatsSwapped"}
    assert {letter.headers["request_id"] for letter in letters} == {"of-the-sender"}
    # Once the new version is there an operator may send them again.
    new = Taken()
    async with running(database, broker_url, new.version(SWAPPED)):
        assert await dead_letters.replay(broker_url, QUEUE, None) == 5

        async def all_taken() -> bool:
            return len(new) == 5

        await until(all_taken)


async def test_a_relay_leaves_what_a_newer_version_wrote_to_that(
    make_database: MakeDatabase, database: Database, broker_url: str, until: Until
) -> None:
    async with database.transaction() as session:
        session.send(REPLY(booking_id="a"))
    newer = await make_database(
        "booking", like=database, encode=lambda it: Outgoing(str(it), SWAPPED().SerializeToString())
    )
    async with newer.transaction() as session:
        session.send(SWAPPED.DESCRIPTOR.full_name)

    async def waiting() -> list[str]:
        async with database.transaction() as session:
            return [row.type for row in await session.all("SELECT type FROM outbox")]

    broker = Broker(broker_url, TOPOLOGY, process="old")
    async with background("relay", Relay(database, broker).run):

        async def its_own_is_gone() -> bool:
            return await waiting() == [SWAPPED.DESCRIPTOR.full_name]

        await until(its_own_is_gone)
    await broker.close()
    address = Address(COMMANDS, QUEUE, mandatory=True)
    name = SWAPPED.DESCRIPTOR.full_name
    topology = Topology(
        {**TOPOLOGY.types, name: SWAPPED}, {**TOPOLOGY.addresses, name: address}, TOPOLOGY.queues
    )
    broker = Broker(broker_url, topology, process="new")
    async with background("relay", Relay(newer, broker).run):

        async def all_gone() -> bool:
            return await waiting() == []

        await until(all_gone)
    await broker.close()
    assert await depth(broker_url, QUEUE) == 2


def test_values_are_looked_for_at_any_depth() -> None:
    assert unknown_value(REPLY(outcome=REPLY.OUTCOME_CHARGED)) is None
    assert unknown_value(REPLY(outcome=99)) == f"{KNOWN}.Outcome=99"  # type: ignore[arg-type]
    assert unknown_value(messages_pb2.EventPublished(event_id="a")) is None
