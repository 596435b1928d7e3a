"""Facts as they are told, on a queue that goes with this process's connection: none is kept.

For what every process has to hear, and can ask for where it was not listening.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aio_pika.abc import AbstractIncomingMessage
from google.protobuf.message import Message

from chassis.broker import Broker
from chassis.logs import get_logger
from chassis.payloads import UnreadablePayloadError, read_payload
from chassis.topology import EVENTS, topic_of

# Where so many wait the oldest go.
_MAX_WAITING = 10_000
_BEGIN_SECONDS = 10.0

log = get_logger(__name__)


async def listen(
    broker: Broker,
    kinds: Sequence[type[Message]],
    take: Callable[[Message], Awaitable[None]],
    hears: Callable[[bool], None],
) -> None:
    """Takes facts of some kinds as they are told until the broker's connection is lost.

    `hears` is told True from when on nothing is missed, and False when that is over.

    Raises:
        OSError, aio_pika.exceptions.AMQPError, TimeoutError: the broker can't be had, or was lost.
    """

    types = {kind.DESCRIPTOR.full_name: kind for kind in kinds}

    async def read(delivery: AbstractIncomingMessage) -> None:
        try:
            kind = types[delivery.type or ""]
            message = read_payload(delivery.body, delivery.content_type, kind)
        except (KeyError, UnreadablePayloadError) as error:
            log.warning("unreadable fact", id=delivery.message_id, error=repr(error))
        else:
            await take(message)

    async with broker.channel(confirms=False) as channel:
        closed = asyncio.Event()
        channel.close_callbacks.add(lambda *_: closed.set())
        async with asyncio.timeout(_BEGIN_SECONDS):
            queue = await channel.declare_queue(
                exclusive=True,
                auto_delete=True,
                arguments={"x-queue-type": "classic", "x-max-length": _MAX_WAITING},
            )
            for kind in kinds:
                await queue.bind(EVENTS, topic_of(kind))
            await queue.consume(read, no_ack=True)
        hears(True)  # noqa: FBT003
        try:
            await closed.wait()
        finally:
            hears(False)  # noqa: FBT003
    raise ConnectionError("the channel to the broker was closed")
