"""PostgreSQL: an async engine on psycopg 3, transactions with a limit on everything.

A handler gets a `Session`: one transaction, in which it changes state and says what to send. What
it sends is written to the outbox by the same commit, and the relay is woken after it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import CursorResult, Row, TextClause, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from chassis.outbox import Encode, Outgoing, store

T = TypeVar("T")

# Deadlock and serialization failures: the transaction did nothing and may be tried again.
_RETRY_STATES = frozenset({"40001", "40P01"})
_RETRIES = 4
# Statement or lock time-out, too many connections, disk full: no room for it now.
_OVERLOAD_STATES = frozenset({"57014", "55P03", "53300", "53100", "53200"})


def is_overload(error: DBAPIError) -> bool:
    """Whether the database refused for want of time or room."""
    return getattr(error.orig, "sqlstate", None) in _OVERLOAD_STATES


def is_transient(error: DBAPIError) -> bool:
    """Whether the same transaction may well succeed a moment later."""
    return getattr(error.orig, "sqlstate", None) in _RETRY_STATES


@lru_cache(maxsize=1024)
def _statement(sql: str) -> TextClause:
    return text(sql)


class Session:
    """One transaction. SQL is a constant with named parameters (`:name`), never formatted."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.outgoing: list[object] = []
        self.after_commit: list[Callable[[], None]] = []

    async def execute(self, sql: str, /, **parameters: Any) -> CursorResult[Any]:
        """Runs a statement; its `rowcount` says how many rows it touched."""
        return await self.connection.execute(_statement(sql), parameters)

    async def execute_many(self, sql: str, rows: Sequence[Mapping[str, Any]], /) -> None:
        """Runs a statement once for each of `rows`, pipelined by the driver."""
        if rows:
            await self.connection.execute(_statement(sql), rows)

    async def all(self, sql: str, /, **parameters: Any) -> Sequence[Row[Any]]:
        """Every row of the result."""
        return (await self.execute(sql, **parameters)).all()

    async def first(self, sql: str, /, **parameters: Any) -> Row[Any] | None:
        """The first row, or None."""
        return (await self.execute(sql, **parameters)).first()

    async def one(self, sql: str, /, **parameters: Any) -> Row[Any]:
        """The only row.

        Raises:
            sqlalchemy.exc.NoResultFound, MultipleResultsFound: there is not exactly one.
        """
        return (await self.execute(sql, **parameters)).one()

    async def scalar(self, sql: str, /, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        return (await self.execute(sql, **parameters)).scalar()

    def when_committed(self, callback: Callable[[], None]) -> None:
        """Calls `callback` once the transaction has committed; for wake-ups within the process."""
        self.after_commit.append(callback)

    def send(self, message: object) -> None:
        """Sends a message of the domain when, and only if, the transaction commits."""
        self.outgoing.append(message)


class Database:
    """A service's own schema, through a small bounded pool."""

    def __init__(
        self,
        url: str,
        schema: str,
        *,
        encode: Encode | None = None,
        pool_size: int = 10,
        acquire_seconds: float = 2.0,
        statement_seconds: float = 5.0,
        lock_seconds: float = 2.0,
    ) -> None:
        self.schema = schema
        self._encode = encode
        self.outbox_filled = asyncio.Event()
        options = " ".join(
            f"-c {name}={value}"
            for name, value in {
                "search_path": schema,
                "statement_timeout": round(statement_seconds * 1000),
                "lock_timeout": round(lock_seconds * 1000),
                "idle_in_transaction_session_timeout": 30_000,
                "timezone": "UTC",
            }.items()
        )
        self.engine = create_async_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=acquire_seconds,
            pool_recycle=1800,
            pool_use_lifo=True,
            # An error's text must not carry a card's token or a code into the log.
            hide_parameters=True,
            connect_args={
                "options": options,
                "application_name": schema,
                "connect_timeout": 5,
                "keepalives_idle": 30,
            },
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """One transaction at READ COMMITTED; commits when the block ends, else rolls back.

        Raises:
            sqlalchemy.exc.TimeoutError: no connection came free in time.
            sqlalchemy.exc.DBAPIError: the database refused or is gone. An error from the commit
                itself leaves the outcome unknown: read again by key, never retry blindly.
        """
        async with self.engine.connect() as connection:
            session = Session(connection)
            async with connection.begin():
                yield session
                if session.outgoing:
                    await store(connection, self._encoded(session.outgoing))
        if session.outgoing:
            self.outbox_filled.set()
        for callback in session.after_commit:
            callback()

    def _encoded(self, messages: Sequence[object]) -> Sequence[Outgoing]:
        if self._encode is None:
            raise TypeError("this database was given nothing to encode messages with")
        return [self._encode(message) for message in messages]

    async def run(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Runs `work` in a transaction; after a deadlock or serialization failure, runs it again.

        At most four times, with jittered pauses; anything else, a lost connection included, is
        raised at once.
        """
        for attempt in range(_RETRIES):
            try:
                async with self.transaction() as session:
                    return await work(session)
            except DBAPIError as error:
                if not is_transient(error) or attempt == _RETRIES - 1:
                    raise
            await asyncio.sleep(random.uniform(0.005, 0.02) * 2**attempt)  # noqa: S311 - jitter
        raise AssertionError("unreachable")

    async def check(self) -> None:
        """Raises unless the database answers."""
        async with self.engine.connect() as connection:
            await connection.execute(_statement("SELECT 1"))

    async def close(self) -> None:
        """Closes every pooled connection."""
        await self.engine.dispose()
