"""One connection to RabbitMQ at a time, declared anew each time it comes back.

Reconnecting is the business of whoever uses it: `lifecycle.background` starts relay and consumer
again when their connection is lost, and each start opens its own channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, TimeoutType

from chassis.logs import get_logger
from chassis.topology import Topology, declare
from chassis.wire import Wire

_CONNECT_SECONDS = 10.0
# The library gives a connection up after three and a half of them without a word.
_HEARTBEAT_SECONDS = 10
# How long an answer to anything but a publication is waited for.
_ANSWER_SECONDS = 10.0

log = get_logger(__name__)


class _Connection(aio_pika.Connection):
    """Is closed where it could not be opened, too, or it would do so when it is collected."""

    async def connect(self, timeout: TimeoutType = None) -> None:  # noqa: ASYNC109
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise


@contextmanager
def _told_as_lost() -> Iterator[None]:
    """Makes an error of a cancellation that nobody asked for.

    The library cancels what waits for an answer when somebody else closes the connection. Whoever
    waited has not been cancelled, and would end without a word if it believed so.

    Raises:
        ConnectionError: instead.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("the connection to the broker was closed") from error


class Broker:
    """The broker as one process sees it."""

    def __init__(self, url: str, topology: Topology, *, process: str) -> None:
        self.topology = topology
        self._url = url
        self._process = process
        self._connection: AbstractConnection | None = None
        self._lock = asyncio.Lock()
        self._closings: set[asyncio.Task[None]] = set()

    async def connection(self) -> AbstractConnection:
        """The open connection; opened, and the topology declared, if there is none.

        Raises:
            OSError, aio_pika.exceptions.AMQPError, TimeoutError: the broker can't be had.
        """
        with _told_as_lost():
            return await self._connected()

    async def _connected(self) -> AbstractConnection:
        async with self._lock:
            if not self._is_open():
                # One that was lost is closed all the same: else it would close itself when it is
                # collected, whether or not a loop runs then.
                await self.close()
                connection = await aio_pika.connect(
                    self._url,
                    connection_class=_Connection,
                    timeout=_CONNECT_SECONDS,
                    heartbeat=_HEARTBEAT_SECONDS,
                    client_properties={"connection_name": self._process},
                )
                try:
                    async with connection.channel() as channel, asyncio.timeout(_CONNECT_SECONDS):
                        await declare(channel, self.topology)
                except BaseException:
                    await connection.close()
                    raise
                self._connection = connection
                log.info("connected to the broker")
            assert self._connection is not None  # noqa: S101 - narrows the type
            return self._connection

    def _is_open(self) -> bool:
        # `is_closed` speaks of `close()` alone; `connected` also of a connection that was lost.
        return self._connection is not None and self._connection.connected.is_set()

    @asynccontextmanager
    async def channel(self, *, confirms: bool) -> AsyncIterator[AbstractChannel]:
        """A channel of its own; with `confirms`, an unroutable or refused message raises.

        Where the broker does not answer in time the connection is given up: an answer that is owed
        when a silent connection is found dead would be waited for without end, and a channel that
        nobody closed would keep what was delivered to it.

        Raises:
            OSError, aio_pika.exceptions.AMQPError, TimeoutError: the broker can't be had.
        """
        with _told_as_lost():
            async with self._opened(confirms=confirms) as channel:
                yield channel

    @asynccontextmanager
    async def _opened(self, *, confirms: bool) -> AsyncIterator[AbstractChannel]:
        connection = await self._connected()
        channel = connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await channel.initialize()
        except TimeoutError:
            await self._give_up(connection)
            raise
        try:
            yield channel
        finally:
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await channel.close()
            except TimeoutError:
                await self._give_up(connection)

    async def _give_up(self, connection: AbstractConnection) -> None:
        log.warning("the broker does not answer, connecting anew")
        if self._connection is connection:
            await self.close()

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        """A channel of its own for many messages, the lean way."""
        async with self.channel(confirms=True) as channel:
            yield await Wire.on(channel)

    async def check(self) -> None:
        """Raises unless the connection is open.

        Raises:
            ConnectionError: it is not.
        """
        if not self._is_open():
            raise ConnectionError("not connected to the broker")

    async def close(self) -> None:
        """Closes the connection; one whose broker is silent goes on closing by itself."""
        if self._connection is not None:
            closing, self._connection = self._connection, None
            # Not cancelled when it takes too long: who waits on its channels would not be told.
            task = asyncio.create_task(closing.close())
            self._closings.add(task)
            task.add_done_callback(self._closings.discard)
            await asyncio.wait({task}, timeout=_ANSWER_SECONDS)
