"""A small bounded pool of connections: the one used last is used next, nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import Gauge

from chassis.postgres import Connection

POOL_SIZE = Gauge("parterre_database_pool_size", "Connections to the database that there may be")
POOL_IN_USE = Gauge("parterre_database_pool_in_use", "Connections to the database that are in use")
POOL_WAITING = Gauge(
    "parterre_database_pool_waiting", "Transactions that wait for a connection to come free"
)

_OLD_SECONDS = 1800.0


class PoolTimeoutError(Exception):
    """No connection came free in time."""


class Pool:
    """At most `size` connections, opened as they are needed; those who wait are served in turn."""

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], *, size: int, acquire_seconds: float
    ) -> None:
        self._connect = connect
        self._room = asyncio.Semaphore(size)  # for those that are in use
        self._acquire_seconds = acquire_seconds
        self._idle: list[Connection] = []
        self._recovering: set[asyncio.Task[None]] = set()
        self._closed = False
        POOL_SIZE.set(size)

    async def acquire(self) -> Connection:
        """A connection that is free; give it back with `release` or `recover`.

        Raises:
            PoolTimeoutError: none came free in time.
            psycopg.OperationalError: the server can't be reached, or refuses.
        """
        if self._closed:
            raise RuntimeError("the pool is closed")
        if self._room.locked():
            POOL_WAITING.inc()
            try:
                async with asyncio.timeout(self._acquire_seconds):
                    await self._room.acquire()
            except TimeoutError:
                raise PoolTimeoutError("no database connection came free in time") from None
            finally:
                POOL_WAITING.dec()
        else:
            await self._room.acquire()
        POOL_IN_USE.inc()
        while self._idle:
            connection = self._idle.pop()
            if self._is_good(connection):
                return connection
            connection.close()
        try:
            return await self._connect()
        except BaseException:
            POOL_IN_USE.dec()
            self._room.release()
            raise

    def release(self, connection: Connection) -> None:
        """Gives a connection back; it must be idle, outside of any transaction."""
        if connection.stale:
            # The tables changed under it, so they did under the others.
            for other in self._idle:
                other.stale = True
        if self._closed or not self._is_good(connection):
            connection.close()
        else:
            self._idle.append(connection)
        POOL_IN_USE.dec()
        self._room.release()

    def recover(self, connection: Connection) -> None:
        """Gives a connection back whose user was interrupted: it is made idle again first."""

        async def recovered() -> None:
            try:
                await connection.recover()
            finally:
                self.release(connection)

        task = asyncio.create_task(recovered())
        self._recovering.add(task)
        task.add_done_callback(self._recovering.discard)

    def _is_good(self, connection: Connection) -> bool:
        return not (
            connection.lost
            or connection.stale
            or asyncio.get_running_loop().time() - connection.opened_at > _OLD_SECONDS
        )

    async def close(self) -> None:
        """Closes what is idle now, and the rest as it is given back."""
        self._closed = True
        await asyncio.gather(*self._recovering, return_exceptions=True)
        while self._idle:
            self._idle.pop().close()
