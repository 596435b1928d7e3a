"""A small bounded pool of connections: the one used last is used next, nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from chassis.postgres import Connection

_OLD_SECONDS = 1800.0


class PoolTimeoutError(Exception):
    """No connection came free in time."""


class Pool:
    """At most `size` connections, opened as they are needed; those who wait are served in turn."""

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], *, size: int, acquire_seconds: float
    ) -> None:
        self._connect = connect
        self._size = size
        self._acquire_seconds = acquire_seconds
        self._idle: list[Connection] = []
        self._open = 0  # connections, and room that was promised for one
        # Each is given a connection, or None: room to open one.
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._recovering: set[asyncio.Task[None]] = set()
        self._closed = False

    async def acquire(self) -> Connection:
        """A connection that is free; give it back with `release` or `recover`.

        Raises:
            PoolTimeoutError: none came free in time.
            psycopg.OperationalError: the server can't be reached, or refuses.
        """
        if self._closed:
            raise RuntimeError("the pool is closed")
        while self._idle:
            connection = self._idle.pop()
            if self._is_good(connection):
                return connection
            connection.close()
            self._open -= 1
        if self._open < self._size:
            self._open += 1
        else:
            given = await self._turn()
            if given is not None:
                return given
        try:
            return await self._connect()
        except BaseException:
            self._give(None)
            raise

    async def _turn(self) -> Connection | None:
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._acquire_seconds):
                return await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._give(turn.result())  # it came in the moment of giving up
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise PoolTimeoutError("no database connection came free in time") from None
            raise

    def release(self, connection: Connection) -> None:
        """Gives a connection back; it must be idle, outside of any transaction."""
        if self._closed or not self._is_good(connection):
            if connection.stale:
                # The tables changed under it, so they did under the others.
                self.renew()
            connection.close()
            self._give(None)
        else:
            self._give(connection)

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

    def renew(self) -> None:
        """Closes what is idle, so that it is opened anew."""
        for connection in self._idle:
            connection.stale = True

    def _give(self, connection: Connection | None) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        if connection is None:
            self._open -= 1
        else:
            self._idle.append(connection)

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
            self._open -= 1
