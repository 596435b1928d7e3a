"""Messages that were given up: looked at where they lie, and sent again.

A message is tried a few times by its consumer; then it lies in `<queue>.dead` until an operator
mended what was wrong and replays it. Its id stays the same, so the inbox drops it where its effect
did happen after all: replaying twice does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import ChannelNotFoundEntity, QueueEmpty
from parterre.messages.v1 import messages_pb2

from chassis.topology import Topology
from ops.messages import shown

_SECONDS = 10.0
# How many of a queue's letters one command looks at.
_MOST = 1_000
# Headers that tell of the tries so far; a replayed message starts anew.
_OF_TRIES = frozenset({"x-parterre-tries", "x-death", "x-first-death-exchange"})


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that was given up."""

    queue: str  # whose consumer gave it up
    id: str
    type: str
    body: object  # as JSON has it; its bytes in hex where it can't be read
    headers: dict[str, Any]
    sent_at: datetime | None


def queues() -> Sequence[str]:
    """Every queue that can have dead letters."""
    return sorted(Topology.of(messages_pb2.DESCRIPTOR).queues)


async def counts(url: str) -> dict[str, int]:
    """How many dead letters each queue has.

    Raises:
        OSError, aio_pika.exceptions.AMQPError, TimeoutError: the broker can't be had.
    """
    async with asyncio.timeout(_SECONDS), await aio_pika.connect(url) as connection:
        found = {}
        for name in queues():
            channel = connection.channel()
            try:
                async with channel:
                    queue = await channel.declare_queue(f"{name}.dead", passive=True)
                    found[name] = queue.declaration_result.message_count or 0
            except ChannelNotFoundEntity:
                found[name] = 0  # its service has never run here
        return found


async def letters(url: str, *, queue: str | None = None) -> list[Letter]:
    """The oldest dead letters of a queue, or of all; they stay where they are.

    Raises:
        OSError, aio_pika.exceptions.AMQPError, TimeoutError: the broker can't be had.
    """
    waiting = await counts(url)
    found: list[Letter] = []
    for name in [queue] if queue else [name for name in queues() if waiting[name]]:
        # What is not acknowledged goes back when the channel closes.
        async with _dead(url, name) as (_channel, deliveries):
            found += [_letter(name, delivery) for delivery in deliveries]
    return found


async def replay(url: str, queue: str, ids: Sequence[str] | None) -> int:
    """Sends a queue's oldest dead letters to it again: those of some message ids, or all (None).

    Each is confirmed by the broker before it leaves the dead letters. Returns how many were sent.

    Raises:
        OSError, aio_pika.exceptions.AMQPError, TimeoutError: the broker can't be had.
    """
    sent = 0
    async with _dead(url, queue) as (channel, deliveries):
        for delivery in deliveries:
            if ids is not None and delivery.message_id not in ids:
                continue
            again = aio_pika.Message(
                delivery.body,
                message_id=delivery.message_id,
                type=delivery.type,
                content_type=delivery.content_type,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                headers={k: v for k, v in delivery.headers.items() if k not in _OF_TRIES},
            )
            await channel.default_exchange.publish(again, queue, mandatory=True, timeout=_SECONDS)
            await delivery.ack()
            sent += 1
    return sent


@asynccontextmanager
async def _dead(
    url: str, queue: str
) -> AsyncIterator[tuple[AbstractChannel, list[AbstractIncomingMessage]]]:
    async with (
        await aio_pika.connect(url, timeout=_SECONDS) as connection,
        connection.channel(on_return_raises=True) as channel,
    ):
        dead = await channel.get_queue(f"{queue}.dead", ensure=False)
        deliveries: list[AbstractIncomingMessage] = []
        while len(deliveries) < _MOST:
            try:
                delivery = await dead.get(timeout=_SECONDS)
            except QueueEmpty:
                break
            deliveries.append(delivery)
        yield channel, deliveries


def _letter(queue: str, delivery: AbstractIncomingMessage) -> Letter:
    return Letter(
        queue,
        delivery.message_id or "",
        delivery.type or "",
        shown(delivery.type or "", delivery.body, delivery.content_type),
        dict(delivery.headers),
        delivery.timestamp,
    )
