"""Facts as they are told, on a queue that goes with this process's connection: none is kept.

For what every process has to hear, and can ask for where it was not listening.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from aio_pika.abc import AbstractIncomingMessage

from chassis.broker import Broker
from chassis.topology import EVENTS

# Where so many wait the oldest go.
_MAX_WAITING = 10_000


async def listen(
    broker: Broker,
    topics: Iterable[str],
    take: Callable[[AbstractIncomingMessage], Awaitable[None]],
    hears: Callable[[bool], None],
) -> None:
    """Takes what is told on the topics until the broker's connection is lost.

    `hears` is told True from when on nothing is missed, and False when that is over.

    Raises:
        OSError, aio_pika.exceptions.AMQPError, TimeoutError: the broker can't be had, or was lost.
    """
    async with broker.channel(confirms=False) as channel:
        closed = asyncio.Event()
        channel.close_callbacks.add(lambda *_: closed.set())
        queue = await channel.declare_queue(
            exclusive=True,
            auto_delete=True,
            arguments={"x-queue-type": "classic", "x-max-length": _MAX_WAITING},
        )
        for topic in topics:
            await queue.bind(EVENTS, topic)
        await queue.consume(take, no_ack=True)
        hears(True)  # noqa: FBT003
        try:
            await closed.wait()
        finally:
            hears(False)  # noqa: FBT003
    raise ConnectionError("the channel to the broker was closed")
