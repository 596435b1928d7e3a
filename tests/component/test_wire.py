"""The lean way through a channel, against a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random

import aio_pika
import pytest

from chassis.broker import Broker
from chassis.ids import uuid7
from chassis.topology import Topology
from chassis.wire import Delivery, Parcel, Wire

from .conftest import Until

QUEUE = "wire"


def parcel(
    body: bytes = b"x", *, to: str = QUEUE, headers: Mapping[str, str] | None = None
) -> Parcel:
    return Parcel("", to, True, str(uuid7()), "test", "text/plain", headers or {}, body)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Broker]:
    broker = Broker(url, Topology({}, {}, {}), process="test")
    yield broker
    await broker.close()


@pytest.fixture
async def broker(broker_url: str) -> AsyncIterator[Broker]:
    async with opened(broker_url) as broker:
        async with broker.channel(confirms=True) as channel:
            await channel.queue_delete(QUEUE)
            await channel.declare_queue(
                QUEUE, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 10}
            )
        yield broker


async def received(wire: Wire, count: int) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found += await wire.receive(count - len(found))
    return found


async def left(broker: Broker) -> int:
    async with broker.channel(confirms=True) as channel:
        queue = await channel.declare_queue(QUEUE, passive=True)
        return int(queue.declaration_result.message_count or 0)


async def test_what_is_published_arrives_whole_and_in_its_order(broker: Broker) -> None:
    """Nothing, a byte, what fills a frame but for a byte, or with it, and several frames."""
    frame = 131_072 - 8
    chance = Random(7)
    sent = [
        parcel(chance.randbytes(size), headers={"request_id": f"of {size}", "é": "ü" * 30})
        for size in (0, 1, frame - 1, frame, frame + 1, 3 * frame + 5, 0, 80)
    ]
    async with broker.wire() as wire, broker.wire() as other:
        await wire.consume(QUEUE, prefetch=100)
        async with asyncio.timeout(10):
            assert await other.publish(sent[:3]) == {}
            assert await asyncio.gather(*(other.publish([each]) for each in sent[3:])) == [{}] * 5
        found = await received(wire, len(sent))
        wire.ack(found)
    assert [
        (each.message_id, each.type, each.content_type, each.headers, each.body) for each in found
    ] == [(each.message_id, each.type, each.content_type, each.headers, each.body) for each in sent]
    assert not any(each.redelivered for each in found)


async def test_of_a_batch_what_no_queue_takes_is_told_apart(broker: Broker) -> None:
    batch = [parcel(to=QUEUE if number % 3 else f"none {number}") for number in range(10)]
    async with broker.wire() as wire, asyncio.timeout(10):
        refused = await wire.publish(batch)
        assert await wire.publish([]) == {}
    assert set(refused) == {0, 3, 6, 9}
    assert await left(broker) == 6


async def test_what_the_broker_refuses_is_told_apart(broker: Broker) -> None:
    async with broker.channel(confirms=True) as channel:
        await channel.declare_queue(
            "full",
            auto_delete=True,
            arguments={"x-max-length": 2, "x-overflow": "reject-publish"},
        )
        async with broker.wire() as wire, asyncio.timeout(10):
            refused = await wire.publish([parcel(to="full") for _ in range(5)])
            assert await wire.publish([parcel()]) == {}
        await channel.queue_delete("full")
    assert set(refused) == {2, 3, 4}


async def test_only_what_was_settled_does_not_come_again(broker: Broker, until: Until) -> None:
    sent = [parcel(b"%d" % number) for number in range(12)]
    async with broker.wire() as wire:
        await wire.publish(sent)
        await wire.consume(QUEUE, prefetch=100)
        found = await received(wire, 12)
        wire.ack(found[4:6])  # while those before are in hand
        wire.ack([found[0]])
        wire.bury(found[2])
        wire.ack([found[1], found[3]])  # now all up to there are settled
        wire.ack([found[11], found[7]])
        again = [6, 8, 9, 10]

        async def settled() -> bool:
            # The writes have reached the broker once it answered to what came after them.
            return await wire.publish([parcel(to="nowhere")]) != {}

        await until(settled)
    async with broker.wire() as wire:
        await wire.consume(QUEUE, prefetch=100)
        found = await received(wire, len(again))
        assert sorted(int(each.body) for each in found) == again
        assert all(each.redelivered for each in found)
        wire.ack(found)


async def test_after_it_was_cancelled_nothing_more_is_handed_out(broker: Broker) -> None:
    async with broker.wire() as wire:
        await wire.publish([parcel(b"%d" % number) for number in range(6)])
        await wire.consume(QUEUE, prefetch=2)
        first = await received(wire, 2)
        await wire.cancel()
        wire.ack(first)
        await wire.publish([parcel(to="nowhere")])
        assert wire.arrived(10) == []
        await wire.consume(QUEUE, prefetch=10)
        rest = await received(wire, 4)
        wire.ack(rest)
    assert [int(each.body) for each in first + rest] == [0, 1, 2, 3, 4, 5]


async def test_a_lost_connection_ends_every_wait(broker_url: str, broker: Broker) -> None:
    async with opened(broker_url) as lost, lost.wire() as wire:
        told = asyncio.Event()
        wire.when_lost(told.set)
        await wire.consume(QUEUE, prefetch=1)
        receiving = asyncio.create_task(wire.receive(1))
        await asyncio.sleep(0)
        answer = wire.publish([parcel(to="nowhere") for _ in range(500)])
        await lost.close()
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionError):
                await receiving
            with pytest.raises(ConnectionError):
                await answer
            await told.wait()
        with pytest.raises(ConnectionError):
            await wire.publish([parcel()])
        with pytest.raises(ConnectionError):
            wire.ack([])
    assert await left(broker) == 0


async def test_a_queue_that_is_deleted_ends_the_wait(broker: Broker) -> None:
    async with broker.wire() as wire:
        await wire.consume(QUEUE, prefetch=1)
        receiving = asyncio.create_task(wire.receive(1))
        async with broker.channel(confirms=True) as channel:
            await channel.queue_delete(QUEUE)
            async with asyncio.timeout(10):
                with pytest.raises(ConnectionError):
                    await receiving
            await channel.declare_queue(
                QUEUE, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 10}
            )


async def test_a_channel_that_the_broker_closes_ends_every_wait(broker: Broker) -> None:
    async with broker.wire() as wire:
        answer = wire.publish(
            [Parcel("no such exchange", "x", True, str(uuid7()), "test", "text/plain", {}, b"")]
        )
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionError):
                await answer
            with pytest.raises(ConnectionError):
                await wire.receive(1)
        assert wire.is_closed


async def test_messages_of_a_hundred_publishers_at_once_are_each_confirmed(broker: Broker) -> None:
    chance = Random(11)
    async with broker.wire() as wire, asyncio.timeout(30):

        async def publish(number: int) -> tuple[set[int], set[int]]:
            lost = {place for place in range(number % 7) if chance.random() < 0.3}
            batch = [
                parcel(to="nowhere" if place in lost else QUEUE) for place in range(number % 7)
            ]
            return lost, set(await wire.publish(batch))

        outcomes = await asyncio.gather(*(publish(number) for number in range(100)))
    assert all(expected == refused for expected, refused in outcomes)
    published = sum(number % 7 for number in range(100)) - sum(len(lost) for lost, _ in outcomes)
    assert await left(broker) == published


async def test_everything_else_of_the_channel_still_works(broker: Broker) -> None:
    async with broker.channel(confirms=True) as channel:
        wire = await Wire.on(channel)
        await wire.publish([parcel(b"got")])
        queue = await channel.declare_queue(QUEUE, passive=True)
        got = await queue.get(timeout=10)
        assert got.body == b"got"
        await got.ack()
        with pytest.raises(aio_pika.exceptions.QueueEmpty):
            await queue.get(timeout=10)
