"""Outbox and inbox against a broker that is really stopped and processes that are really killed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aio_pika
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.messages.v1 import messages_pb2
from sqlalchemy import make_url

from chassis.broker import Broker
from chassis.consumer import SLOW_TRIES, TRIES, Consumer, Handlers, Received, Together
from chassis.context import Origin, origins
from chassis.database import Database, IntegrityError, Session
from chassis.ids import uuid7
from chassis.lifecycle import background
from chassis.outbox import Entry, encoded
from chassis.payloads import JSON, PROTOBUF
from chassis.relay import Relay
from chassis.topology import Topology
from deploy.rabbitmq import RabbitMQ
from notification_service import messaging
from ops import dead_letters
from tests.system.link import Link

from .conftest import MakeDatabase, Until

QUEUE = "notification.commands"
TOPOLOGY = Topology.of(messages_pb2.DESCRIPTOR)


def code(text: str) -> messages_pb2.DeliverCode:
    return messages_pb2.DeliverCode(
        email="asha@example.org",
        purpose="REGISTER",
        code=text,
        expires_at=Timestamp(seconds=4_000_000_000),
    )


async def send(database: Database, *messages: object) -> None:
    async with database.transaction() as session:
        for message in messages:
            session.send(message)


async def mails(database: Database) -> int:
    async with database.transaction() as session:
        return await session.scalar("SELECT count(*) FROM mail")


async def outbox(database: Database) -> int:
    async with database.transaction() as session:
        return await session.scalar("SELECT count(*) FROM outbox")


async def depth(url: str, queue: str) -> int:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        declared = await channel.declare_queue(queue, passive=True)
        return int(declared.declaration_result.message_count or 0)


@asynccontextmanager
async def relaying(database: Database, url: str) -> AsyncIterator[Broker]:
    broker = Broker(url, TOPOLOGY, process="test")
    async with background("relay", Relay(database, broker).run):
        yield broker
    await broker.close()


@asynccontextmanager
async def consuming(
    database: Database, url: str, handlers: Handlers | None = None, queue: str = QUEUE
) -> AsyncIterator[Consumer]:
    broker = Broker(url, TOPOLOGY, process="test")
    consumer = Consumer(queue, handlers or messaging.QUEUES[queue], database, broker)
    async with background("consumer", consumer.run):
        yield consumer
    await broker.close()


@asynccontextmanager
async def crashing(role: str, moment: str, database: Database, url: str) -> AsyncIterator[Any]:
    """Runs the process, and waits until it has killed itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.component.crashing_process",
        role,
        moment,
        database.url,
        url,
    )
    try:
        yield process
        async with asyncio.timeout(30):
            assert await process.wait() == -9
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    return await make_database("notification", encode=encoded)


async def test_what_was_sent_arrives_once_and_leaves_the_outbox(
    database: Database, broker_url: str, until: Until
) -> None:
    async with relaying(database, broker_url), consuming(database, broker_url):
        await send(database, *(code(f"{number:06}") for number in range(450)))

        async def arrived() -> bool:
            return await mails(database) == 450 and await outbox(database) == 0

        await until(arrived)


async def test_what_rolls_back_is_never_sent(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as session:
            session.send(code("000001"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await outbox(database) == 0


async def test_messages_wait_while_the_broker_is_away_and_arrive_when_it_is_back(
    database: Database, until: Until, tmp_path: Path
) -> None:
    """Stopped in good order first, then killed.

    A node of its own: RabbitMQ 3.10 may lose a quorum queue that was declared in the very seconds
    before a kill -9 (the restart in between makes ours old enough), other tests' queues included.
    """
    with RabbitMQ(tmp_path) as rabbitmq:
        await _messages_survive(database, rabbitmq, until)


async def _messages_survive(database: Database, rabbitmq: RabbitMQ, until: Until) -> None:
    async with relaying(database, rabbitmq.url), consuming(database, rabbitmq.url):
        await send(database, code("000001"))
        sent = 1
        for end in (rabbitmq.stop, rabbitmq.kill):

            async def all_arrived() -> bool:
                return await mails(database) == sent and await outbox(database) == 0  # noqa: B023

            await until(all_arrived)
            end()
            try:
                await send(database, *(code(f"{number:06}") for number in range(20)))
                assert await outbox(database) == 20
            finally:
                rabbitmq.start()
            sent += 20
            await until(all_arrived)


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
async def test_a_killed_consumers_message_takes_effect_once(
    database: Database, broker_url: str, until: Until, moment: str
) -> None:
    async with relaying(database, broker_url):
        async with crashing("consumer", moment, database, broker_url):
            await send(database, code("000001"))
        assert await mails(database) == (1 if moment == "after_commit" else 0)
        await send(database, code("000002"))
        async with consuming(database, broker_url):

            async def drained() -> bool:
                return await mails(database) == 2 and await depth(broker_url, QUEUE) == 0

            await until(drained)
    assert await mails(database) == 2


@pytest.mark.parametrize("moment", ["before_publish", "after_publish"])
async def test_a_killed_relays_message_is_published_by_the_next_one(
    database: Database, broker_url: str, until: Until, moment: str
) -> None:
    await send(database, code("000001"))
    async with crashing("relay", moment, database, broker_url):
        pass
    assert await outbox(database) == 1
    async with relaying(database, broker_url), consuming(database, broker_url):

        async def arrived() -> bool:
            return await mails(database) == 1 and await outbox(database) == 0

        await until(arrived)
        await send(database, code("000002"))

        async def both() -> bool:
            return await mails(database) == 2 and await depth(broker_url, QUEUE) == 0

        await until(both)
    assert await mails(database) == 2


async def test_what_a_dead_process_had_in_memory_is_published_by_the_next_one_at_once(
    database: Database, broker_url: str, until: Until
) -> None:
    """Its rows stay leased to it for longer than this test waits."""

    class Dead(Relay):
        def has_room(self, count: int) -> bool:  # noqa: ARG002 - as it was before it died
            return True

        def take(self, entries: Sequence[Entry]) -> None:
            pass

    Dead(database, Broker(broker_url, TOPOLOGY, process="dead"))
    await send(database, code("000001"))
    async with relaying(database, broker_url), consuming(database, broker_url):

        async def arrived() -> bool:
            return await mails(database) == 1 and await outbox(database) == 0

        await until(arrived)


async def test_a_relay_takes_no_more_from_memory_than_it_has_room_for(
    database: Database, broker_url: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.relay._ROOM", 3)
    async with relaying(database, broker_url), consuming(database, broker_url):
        for count in (2, 4, 3, 50):
            await send(database, *(code(f"{count:03}{number:03}") for number in range(count)))

        async def arrived() -> bool:
            return await mails(database) == 59 and await outbox(database) == 0

        await until(arrived)


async def test_a_message_delivered_many_times_takes_effect_once(
    database: Database, broker_url: str, until: Until
) -> None:
    broker = Broker(broker_url, TOPOLOGY, process="test")
    async with broker.channel(confirms=True) as channel:
        body, message_id = encoded(code("000001")), str(uuid7())
        for _ in range(10):
            message = aio_pika.Message(
                body.body, message_id=message_id, type=body.type, content_type=PROTOBUF
            )
            await channel.default_exchange.publish(message, QUEUE)
    await broker.close()
    async with consuming(database, broker_url):

        async def drained() -> bool:
            return await depth(broker_url, QUEUE) == 0 and await mails(database) > 0

        await until(drained)
    assert await mails(database) == 1


async def test_a_poison_message_stops_only_itself_and_ends_as_a_dead_letter(
    database: Database, broker_url: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.topology.RETRY_DELAY_MS", 50)
    seen: list[str] = []

    async def handle(session: Session, message: messages_pb2.DeliverCode) -> None:
        seen.append(message.code)
        if message.code == "000666":
            raise ValueError("poison")
        await messaging.on_deliver_codes(session, [message])

    async with relaying(database, broker_url):
        await send(database, code("000001"), code("000666"), code("000002"))

        async def published() -> bool:
            return await outbox(database) == 0

        await until(published)
    async with consuming(database, broker_url, {messages_pb2.DeliverCode: handle}):

        async def buried() -> bool:
            return await depth(broker_url, f"{QUEUE}.dead") == 1

        await until(buried)
    assert await mails(database) == 2
    # TRIES times on its own, and perhaps once before within a batch.
    assert TRIES <= seen.count("000666") <= TRIES + 1


async def test_a_message_that_kills_its_process_is_buried_alone(
    database: Database, broker_url: str, until: Until
) -> None:
    """Two processes that are started again whenever they die, and die of one message in 121."""

    async def supervise() -> None:
        while True:
            async with crashing("poisoned", "000666", database, broker_url):
                pass

    innocents = [code(f"{number:06}") for number in range(120)]
    async with relaying(database, broker_url):
        await send(database, *innocents[:60], code("000666"), *innocents[60:])

        async def published() -> bool:
            return await outbox(database) == 0

        await until(published)
    supervisors = [asyncio.create_task(supervise()) for _ in range(2)]
    try:

        async def settled() -> bool:
            buried = await depth(broker_url, f"{QUEUE}.dead") == 1
            return buried and await depth(broker_url, QUEUE) == 0 and await mails(database) == 120

        async with asyncio.timeout(90):
            while not await settled():
                await asyncio.sleep(0.2)
    finally:
        for supervisor in supervisors:
            supervisor.cancel()
        await asyncio.gather(*supervisors, return_exceptions=True)
    (letter,) = await dead_letters.letters(broker_url, queue=QUEUE)
    assert cast("dict[str, object]", letter.body)["code"] == "000666"


async def test_a_message_that_is_always_too_slow_holds_up_no_other_and_ends_as_a_dead_letter(
    database: Database,
    make_database: MakeDatabase,
    broker_url: str,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.topology.RETRY_DELAY_MS", 50)
    monkeypatch.setattr("chassis.consumer._BATCH_SECONDS", 0.5)
    hasty = await make_database("notification", like=database, statement_seconds=0.1)
    tried: list[str] = []

    async def handle(session: Session, message: messages_pb2.DeliverCode) -> None:
        if message.code in {"slow statement", "slow handler"}:
            tried.append(message.code)
        if message.code == "slow statement":
            await session.execute("SELECT pg_sleep(60)")
        if message.code == "slow handler":
            await asyncio.sleep(60)
        await messaging.on_deliver_codes(session, [message])

    async with (
        relaying(database, broker_url),
        consuming(hasty, broker_url, {messages_pb2.DeliverCode: handle}),
    ):
        await send(database, code("slow statement"), code("slow handler"))
        for number in range(20):
            await send(database, code(f"{number:06}"))

        async def others_arrived() -> bool:
            return await mails(database) == 20

        await until(others_arrived)

        async def buried() -> bool:
            return await depth(broker_url, f"{QUEUE}.dead") == 2

        await until(buried)
    assert await mails(database) == 20
    for slow in ("slow statement", "slow handler"):
        assert SLOW_TRIES <= tried.count(slow) <= SLOW_TRIES + 1  # once within a batch, perhaps


async def test_a_fenced_message_costs_no_inbox_row_and_keeps_its_place_among_others(
    database: Database,
) -> None:
    taken: list[str] = []

    async def on_reply(_session: Session, messages: Sequence[messages_pb2.SeatsReply]) -> None:
        taken.extend(f"step {message.step}" for message in messages)

    async def on_code(_session: Session, message: messages_pb2.DeliverCode) -> None:
        taken.append(message.code)

    handlers = {messages_pb2.SeatsReply: Together(on_reply), messages_pb2.DeliverCode: on_code}
    consumer = Consumer(QUEUE, handlers, database, cast("Broker", None))

    def received(message: Message) -> Received:
        return Received(
            uuid7(), message.DESCRIPTOR.full_name, Origin("test"), message, cast("Any", None)
        )

    replies = [received(messages_pb2.SeatsReply(step=step)) for step in (1, 2, 3)]
    first = received(code("first"))
    await consumer.apply([replies[0], first, replies[1], replies[0], first, replies[2]])
    assert taken == ["step 1", "first", "step 2", "step 1", "step 3"]
    async with database.transaction() as session:
        rows = await session.all("SELECT message_id FROM inbox")
    assert [row.message_id for row in rows] == [first.id]


async def test_what_was_sent_before_payloads_were_binary_arrives(
    database: Database, broker_url: str, until: Until
) -> None:
    body = json_format.MessageToJson(code("000001"), preserving_proto_field_name=True)
    async with database.transaction() as session:
        await session.execute(
            "INSERT INTO outbox (id, type, body, headers)"
            " VALUES (:id, :type, :body, jsonb_build_object('request_id', 'before'))",
            id=uuid7(),
            type=messages_pb2.DeliverCode.DESCRIPTOR.full_name,
            body=body.replace("{", '{"a_field_that_went": 1, ', 1),
        )
    async with relaying(database, broker_url), consuming(database, broker_url):
        await send(database, code("000002"))

        async def arrived() -> bool:
            return await mails(database) == 2 and await outbox(database) == 0

        await until(arrived)


async def test_an_outbox_row_has_one_body(database: Database) -> None:
    for columns, values in (("", ""), (", body, payload", ", '{}', ''")):
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                await session.execute(
                    f"INSERT INTO outbox (id, type, headers{columns})"
                    f" VALUES (gen_random_uuid(), 'x', '{{}}'{values})"
                )


async def test_a_replayed_dead_letter_takes_effect_once(
    database: Database, broker_url: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.topology.RETRY_DELAY_MS", 50)
    is_broken = True

    async def handle(session: Session, message: messages_pb2.DeliverCode) -> None:
        if is_broken:
            raise ValueError("not mended yet")
        await messaging.on_deliver_codes(session, [message])

    async def given_up() -> bool:
        return (await dead_letters.counts(broker_url))[QUEUE] == 1

    async with (
        relaying(database, broker_url) as broker,
        consuming(database, broker_url, {messages_pb2.DeliverCode: handle}),
    ):
        await send(database, code("000001"))
        await until(given_up)
        (letter,) = await dead_letters.letters(broker_url, queue=QUEUE)
        assert cast("dict[str, object]", letter.body)["code"] == "000001"
        is_broken = False
        assert await dead_letters.replay(broker_url, QUEUE, ["another"]) == 0
        assert await dead_letters.replay(broker_url, QUEUE, [letter.id]) == 1

        async def arrived() -> bool:
            return await mails(database) == 1

        await until(arrived)
        # It was given up by somebody who had not heard that it took effect.
        async with broker.channel(confirms=True) as channel:
            message = aio_pika.Message(
                encoded(code("000001")).body,
                message_id=letter.id,
                type=letter.type,
                content_type=PROTOBUF,
            )
            await channel.default_exchange.publish(message, f"{QUEUE}.dead")
        assert await dead_letters.replay(broker_url, QUEUE, None) == 1
        await send(database, code("000002"))

        async def the_next_arrived() -> bool:
            return await mails(database) == 2 and await depth(broker_url, QUEUE) == 0

        await until(the_next_arrived)
    assert await depth(broker_url, f"{QUEUE}.dead") == 0


async def test_messages_are_handled_together_in_their_order_and_each_once(
    database: Database,
) -> None:
    taken: list[list[str]] = []

    async def handle(_session: Session, message: messages_pb2.SessionsRevoked) -> None:
        taken.append(list(message.session_ids))

    async def handle_many(
        _session: Session, messages: Sequence[messages_pb2.DeliverCode | messages_pb2.UserChanged]
    ) -> None:
        taken.append([getattr(message, "code", "") or message.user_id for message in messages])

    together = Together(handle_many)
    consumer = Consumer(
        QUEUE,
        {
            messages_pb2.DeliverCode: together,
            messages_pb2.UserChanged: together,
            messages_pb2.SessionsRevoked: handle,
        },
        database,
        cast("Broker", None),
    )

    def received(message: Message) -> Received:
        return Received(
            uuid7(), message.DESCRIPTOR.full_name, Origin("test"), message, cast("Any", None)
        )

    first, user = received(code("1")), received(messages_pb2.UserChanged(user_id="u"))
    fact = received(messages_pb2.SessionsRevoked(session_ids=["s"]))
    await consumer.apply([first, user, first, fact, fact, received(code("2")), received(code("3"))])
    await consumer.apply([user, first, received(code("4"))])
    assert taken == [["1", "u"], ["s"], ["2", "3"], ["4"]]


async def test_what_follows_from_a_message_carries_its_request_id_in_a_batch_too(
    database: Database,
) -> None:
    async def handle(session: Session, message: messages_pb2.DeliverCode) -> None:
        session.send(message)

    async def handle_many(session: Session, messages: Sequence[messages_pb2.UserChanged]) -> None:
        for message, origin in zip(messages, origins(len(messages)), strict=True):
            session.send(message, origin=origin)

    consumer = Consumer(
        QUEUE,
        {messages_pb2.DeliverCode: handle, messages_pb2.UserChanged: Together(handle_many)},
        database,
        cast("Broker", None),
    )

    def received(origin: str, message: Message) -> Received:
        return Received(
            uuid7(), message.DESCRIPTOR.full_name, Origin(origin), message, cast("Any", None)
        )

    await consumer.apply([received("alone", code("1"))])
    await consumer.apply(
        [
            received("first", messages_pb2.UserChanged(user_id="u")),
            received("second", messages_pb2.UserChanged(user_id="v")),
            received("third", code("2")),
        ]
    )
    async with database.transaction() as session:
        rows = await session.all("SELECT headers->>'request_id' AS origin FROM outbox ORDER BY id")
    assert [row.origin for row in rows] == ["alone", "first", "second", "third"]


@pytest.mark.parametrize(
    ("message_id", "type", "body", "content_type"),
    [
        (str(uuid7()), "no name of a message", b"", PROTOBUF),
        (str(uuid7()), "parterre.messages.v1.NoSuchMessage", bytes((1 << 20) + 1), PROTOBUF),
        (str(uuid7()), "parterre.messages.v1.DeliverCode", b"not json", JSON),
        (str(uuid7()), "parterre.messages.v1.DeliverCode", b"\xff", PROTOBUF),
        (str(uuid7()), "parterre.messages.v1.DeliverCode", b"{}", "text/plain"),
        ("", "parterre.messages.v1.DeliverCode", b"", PROTOBUF),
    ],
    ids=["no type", "unknown and too long", "no JSON", "no protobuf", "unknown content", "no id"],
)
async def test_what_can_not_be_read_is_a_dead_letter_at_once(
    database: Database,
    broker_url: str,
    until: Until,
    message_id: str,
    type: str,
    body: bytes,
    content_type: str,
) -> None:
    async with consuming(database, broker_url), relaying(database, broker_url) as broker:
        async with broker.channel(confirms=True) as channel:
            message = aio_pika.Message(
                body, message_id=message_id or None, type=type, content_type=content_type
            )
            await channel.default_exchange.publish(message, QUEUE)
        await send(database, code("000001"))

        async def settled() -> bool:
            buried = await depth(broker_url, f"{QUEUE}.dead") == 1
            return buried and await mails(database) == 1

        await until(settled)


async def test_a_consumer_waits_for_its_database_and_loses_nothing(
    database: Database, broker_url: str, until: Until
) -> None:
    away = True

    async def handle(session: Session, message: messages_pb2.DeliverCode) -> None:
        if away:
            await session.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        await messaging.on_deliver_codes(session, [message])

    handlers = {messages_pb2.DeliverCode: handle}
    async with relaying(database, broker_url), consuming(database, broker_url, handlers):
        await send(database, code("000001"), code("000002"))

        async def published() -> bool:
            return await outbox(database) == 0

        await until(published)
        assert await mails(database) == 0
        away = False

        async def arrived() -> bool:
            return await mails(database) == 2

        await until(arrived)
    assert await depth(broker_url, f"{QUEUE}.dead") == 0


async def test_a_message_nobody_takes_is_kept_and_holds_up_no_other(
    database: Database, broker_url: str, until: Until
) -> None:
    async with relaying(database, broker_url) as broker, consuming(database, broker_url):
        async with broker.channel(confirms=True) as channel:
            await channel.queue_delete("inventory.commands")
        await send(database, messages_pb2.SellSeats(), code("000001"))

        async def the_other_arrived() -> bool:
            return await mails(database) == 1 and await outbox(database) == 1

        await until(the_other_arrived)
        async with database.transaction() as session:
            kept = await session.one("SELECT type, attempts FROM outbox")
        assert (kept.type, kept.attempts) == ("parterre.messages.v1.SellSeats", 1)


async def test_a_message_the_broker_refuses_is_kept_and_tried_again(
    database: Database, broker_url: str, until: Until
) -> None:
    address = TOPOLOGY.addresses["parterre.messages.v1.SellSeats"]

    async def waiting(count: int) -> None:
        async def so_many() -> bool:
            async with database.transaction() as session:
                rows = await session.all("SELECT FROM outbox WHERE attempts > 0")
            return len(rows) == count

        await until(so_many)

    async with (
        relaying(database, broker_url) as broker,
        broker.channel(confirms=True) as channel,
    ):
        # In the place of the real one a queue that has room for one message.
        await channel.queue_delete("inventory.commands")
        full = await channel.declare_queue(
            "inventory.commands",
            auto_delete=True,
            arguments={"x-max-length": 1, "x-overflow": "reject-publish"},
        )
        await full.bind(address.exchange, address.routing_key)
        await send(database, messages_pb2.SellSeats(), messages_pb2.SellSeats())
        await waiting(1)
        await full.purge()
        await waiting(0)
        assert await depth(broker_url, "inventory.commands") == 1
        assert await outbox(database) == 0
        await full.delete(if_empty=False)


@pytest.mark.parametrize("heartbeat_seconds", [2, 600])
async def test_after_the_brokers_silence_relay_and_consumer_go_on(
    database: Database,
    rabbitmq: RabbitMQ,
    broker_url: str,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    heartbeat_seconds: int,
) -> None:
    """Nobody is told that the connection is gone: no answer is waited for without end.

    A relay finds it out, or the heartbeat: who shares the connection has a new one, too.
    """
    monkeypatch.setattr("chassis.broker._HEARTBEAT_SECONDS", heartbeat_seconds)
    monkeypatch.setattr("chassis.broker._ANSWER_SECONDS", 1.0)
    monkeypatch.setattr("chassis.relay._CONFIRM_SECONDS", 0.5)
    monkeypatch.setattr("chassis.outbox.LEASE_SECONDS", 0.0)
    with Link(rabbitmq.port) as link:
        url = make_url(broker_url).set(port=link.port).render_as_string(hide_password=False)
        # One connection for both, as a service has.
        broker = Broker(url, TOPOLOGY, process="test")
        consumer = Consumer(QUEUE, messaging.QUEUES[QUEUE], database, broker)
        async with (
            background("relay", Relay(database, broker).run),
            background("consumer", consumer.run),
        ):
            connection = await broker.connection()

            async def is_lost() -> bool:
                return broker._connection is not connection

            async def arrived() -> bool:
                return await mails(database) == 1 and await outbox(database) == 0

            with link.silent():
                await send(database, code("000001"))
                await until(is_lost)
            await until(arrived)
        await broker.close()


Waits = Callable[[Broker, asyncio.Event, asyncio.Event], Awaitable[None]]


async def _opens(broker: Broker, ready: asyncio.Event, silence: asyncio.Event) -> None:
    ready.set()
    await silence.wait()
    async with broker.wire():
        pass


async def _asks(broker: Broker, ready: asyncio.Event, silence: asyncio.Event) -> None:
    async with broker.channel(confirms=False) as channel:
        ready.set()
        await silence.wait()
        await channel.declare_queue(QUEUE, passive=True)


async def _consumes(broker: Broker, ready: asyncio.Event, silence: asyncio.Event) -> None:
    async with broker.wire() as wire:
        ready.set()
        await silence.wait()
        await wire.consume(QUEUE, prefetch=1)


@pytest.mark.parametrize("waits", [_opens, _asks, _consumes])
async def test_who_waits_for_an_answer_when_another_closes_the_connection_goes_on(
    rabbitmq: RabbitMQ, broker_url: str, monkeypatch: pytest.MonkeyPatch, waits: Waits
) -> None:
    """The library cancels those who wait: a relay that took that for its end was gone for good."""
    monkeypatch.setattr("chassis.broker._ANSWER_SECONDS", 0.5)
    ready, silence, again = asyncio.Event(), asyncio.Event(), asyncio.Event()
    met: list[BaseException] = []

    async def work() -> None:
        if met:
            again.set()
            return
        try:
            await waits(broker, ready, silence)
        except BaseException as error:
            met.append(error)
            raise

    with Link(rabbitmq.port) as link:
        url = make_url(broker_url).set(port=link.port).render_as_string(hide_password=False)
        broker = Broker(url, TOPOLOGY, process="test")
        await broker.connection()
        async with asyncio.timeout(20), background("work", work):
            await ready.wait()
            with link.silent():
                silence.set()
                for _ in range(20):  # until it has asked
                    await asyncio.sleep(0)
                await broker.close()
                await again.wait()
    assert [isinstance(error, Exception) for error in met] == [True]
