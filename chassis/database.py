"""PostgreSQL: transactions on psycopg 3, with a limit on everything.

A handler gets a `Session`: one transaction, in which it changes state and says what to send. What
it sends is written to the outbox by the same commit, and the relay is woken after it.

A round trip costs more than a short statement, so a transaction makes no trip of its own: BEGIN
goes with its first statement, and what nobody waits for (`defer`, savepoints, the outbox) with the
next or with COMMIT.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import psycopg

from chassis import context, tracing
from chassis.context import Origin
from chassis.failpoints import AFTER_COMMIT, BEFORE_COMMIT, armed
from chassis.outbox import Encode, Entry, Publisher, outbox_statement
from chassis.pool import Pool, PoolTimeoutError
from chassis.postgres import (
    BEGIN,
    COMMIT,
    ROLLBACK,
    STALE_STATES,
    STANDBY_STATE,
    Bound,
    Connection,
    NotOneRowError,
    Result,
    Row,
    Statement,
)
from chassis.retrying import persistently

__all__ = [
    "Database",
    "DatabaseError",
    "IntegrityError",
    "NotOneRowError",
    "PoolTimeoutError",
    "Result",
    "Row",
    "Session",
    "Statement",
    "is_lost",
    "is_overload",
    "is_timeout",
    "is_transient",
]

T = TypeVar("T")

# A role sees its own sessions.
_SETTLED = """
SELECT least(clock_timestamp(), min(xact_start)) - interval '1 second'
  FROM pg_stat_activity
 WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
   AND state <> 'idle'
"""

# What the database refuses with; `sqlstate` says why, None that it could not be asked.
DatabaseError = psycopg.Error
IntegrityError = psycopg.IntegrityError

# Deadlock and serialization failures, and plans that the tables have outgrown: the transaction did
# nothing and may be tried again.
_RETRY_STATES = frozenset({"40001", "40P01"}) | STALE_STATES
_TRIES = 4
# Statement or lock time-out.
_TIMEOUT_STATES = frozenset({"57014", "55P03"})
# Those, too many connections, disk full, out of memory: no room for it now.
_OVERLOAD_STATES = _TIMEOUT_STATES | {"53300", "53100", "53200"}
# The server is shutting down, starting, or has crashed, or it is a standby; 08 is the class of
# connection failures.
_LOST_STATES = frozenset({"57P01", "57P02", "57P03", STANDBY_STATE})


def is_overload(error: DatabaseError) -> bool:
    """Whether the database refused for want of time or room."""
    return error.sqlstate in _OVERLOAD_STATES


def is_timeout(error: DatabaseError) -> bool:
    """Whether a statement took longer than it may, or waited so long for a lock."""
    return error.sqlstate in _TIMEOUT_STATES


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction may well succeed a moment later."""
    return isinstance(error, DatabaseError) and error.sqlstate in _RETRY_STATES


def is_lost(error: DatabaseError) -> bool:
    """Whether there is no database to ask: it can't be reached, or went away while being asked."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError)
    return state in _LOST_STATES or state.startswith("08")


class Savepoint:
    """A part of a transaction that can be undone by itself; ends by `release` or `rollback`.

    As a block it is released at the end, and rolled back when the block raises.
    """

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self._name = name

    def release(self) -> None:
        """Keeps what was done since."""
        self._session.defer(f"RELEASE SAVEPOINT {self._name}")

    def rollback(self) -> None:
        """Undoes what was done since, and gives back the locks, before whatever comes next."""
        self._session.undo_to(self._name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.release()
        else:
            self.rollback()


@dataclass(frozen=True, slots=True)
class Outbox:
    """What a transaction writes to the outbox."""

    entries: Sequence[Entry]
    relay: Publisher | None  # that the rows are leased to; None: whichever finds them


class Session:
    """One transaction. SQL is a constant with named parameters (`:name`), never formatted."""

    def __init__(
        self,
        connection: Connection,
        write: Callable[[Sequence[tuple[object, Origin]]], Outbox],
        failpoint: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._write = write
        self._failpoint = failpoint
        self._begun = False
        self._ended = False
        self._deferred: list[Bound] = []
        self._savepoints = 0
        self.outgoing: list[tuple[object, Origin]] = []
        self._own_origin: Origin | None = None  # of a transaction that is part of no request
        self.outbox: Outbox | None = None  # what was made of them with the commit
        self.noted: list[object] = []
        self.after_commit: list[Callable[[], None]] = []

    async def execute(self, sql: str, /, **parameters: Any) -> Result:
        """Runs a statement; its `rowcount` says how many rows it touched."""
        return (await self._run([self._connection.bind(sql, parameters)]))[-1]

    async def execute_many(self, sql: str, rows: Sequence[Mapping[str, Any]], /) -> None:
        """Runs a statement once for each of `rows`, in one round trip."""
        if rows:
            await self.together(*((sql, row) for row in rows))

    async def together(self, *statements: Statement) -> Sequence[Result]:
        """Runs statements in one round trip; gives what each of them gave.

        After one that fails, those behind it do not run.
        """
        bound = [self._connection.bind(sql, parameters) for sql, parameters in statements]
        results = await self._run(bound)
        return results[len(results) - len(bound) :]

    async def all(self, sql: str, /, **parameters: Any) -> Sequence[Row]:
        """Every row of the result."""
        return (await self.execute(sql, **parameters)).rows

    async def first(self, sql: str, /, **parameters: Any) -> Row | None:
        """The first row, or None."""
        return (await self.execute(sql, **parameters)).first()

    async def one(self, sql: str, /, **parameters: Any) -> Row:
        """The only row.

        Raises:
            NotOneRowError: there is not exactly one.
        """
        return (await self.execute(sql, **parameters)).one()

    async def scalar(self, sql: str, /, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        return (await self.execute(sql, **parameters)).scalar()

    async def now(self) -> datetime:
        """What the database's clock says, the only one that decides anything."""
        moment: datetime = await self.scalar("SELECT clock_timestamp()")
        return moment

    async def settled(self) -> datetime:
        """Up to when all is told: a statement after this one misses no row of before.

        A row that says by this clock when it was written shows only once its transaction has
        committed, which may be after a younger one's. So this is when the oldest transaction began
        that this role has under way, in whichever process; less a second, for one that is just
        beginning.
        """
        moment: datetime = await self.scalar(_SETTLED)
        return moment

    def defer(self, sql: str, /, **parameters: Any) -> None:
        """Runs a statement whose result nobody needs with the next one, or with COMMIT.

        What it raises, that one raises.
        """
        self._deferred.append(self._connection.bind(sql, parameters))

    async def finish(self, sql: str, /, **parameters: Any) -> Result:
        """Runs the transaction's last statement and commits, in one round trip.

        The outcome is unknown where it raises for a lost connection, as with any commit.
        """
        last = self._connection.bind(sql, parameters)
        if not (self._begun or self._deferred or self.outgoing):
            self._ended = True
            return (await self._connection.run(last))[-1]
        self._deferred.append(last)
        return await self._commit(at=len(self._deferred))

    def savepoint(self) -> Savepoint:
        """Begins a part of the transaction that can be undone by itself."""
        self._savepoints += 1
        name = f"s{self._savepoints}"
        self.defer(f"SAVEPOINT {name}")
        return Savepoint(self, name)

    def undo_to(self, savepoint: str) -> None:
        """Undoes what was done since the savepoint; `Savepoint.rollback` calls it."""
        begins = self._connection.bind(f"SAVEPOINT {savepoint}", {})
        if begins in self._deferred:
            # It never reached the server, so neither did what came after it.
            del self._deferred[self._deferred.index(begins) :]
            return
        self._deferred.clear()
        self.defer(f"ROLLBACK TO SAVEPOINT {savepoint}")
        self.defer(f"RELEASE SAVEPOINT {savepoint}")

    def when_committed(self, callback: Callable[[], None]) -> None:
        """Calls `callback` once the transaction has committed; for wake-ups within the process."""
        self.after_commit.append(callback)

    def send(self, message: object, *, origin: tuple[str, str] | None = None) -> None:
        """Sends a message of the domain when, and only if, the transaction commits.

        It carries the origin that it is part of (`context.Origin`); without one, the current one.
        What a process does by itself is an origin of its own.
        """
        known = Origin(*origin) if origin else context.origin()
        if not known.is_known:
            known = self._own_origin = self._own_origin or tracing.begun()
        self.outgoing.append((message, known))

    def note(self, fact: object) -> None:
        """Tells `Database.when_noted` of something, within the process, once it has committed."""
        self.noted.append(fact)

    async def _run(self, statements: list[Bound]) -> list[Result]:
        if self._ended:
            raise RuntimeError("the transaction has ended")
        statements = [*self._deferred, *statements]
        if not self._begun:
            statements.insert(0, BEGIN)
        self._deferred.clear()
        self._begun = True
        return await self._connection.run(*statements)

    async def commit(self) -> None:
        """Ends the transaction; the block that opened it does this."""
        if not self._ended and (self._begun or self._deferred or self.outgoing):
            await self._commit(at=0)

    async def _commit(self, at: int) -> Result:
        if self.outgoing:
            self.outbox = self._write(self.outgoing)
            sql, parameters = outbox_statement(
                self.outbox.entries, leased=self.outbox.relay is not None
            )
            self.defer(sql, **parameters)
            self._failpoint(BEFORE_COMMIT)
        begun = self._begun
        results = await self._run([COMMIT])
        self._ended = True
        return results[at - begun]

    async def roll_back(self) -> None:
        """Undoes the transaction; the block that opened it does this when it raises."""
        if self._begun and not self._ended:
            await self._connection.run(ROLLBACK)
            self._ended = True

    @property
    def is_open(self) -> bool:
        """Whether the server may still have the transaction."""
        return self._begun and not self._ended


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
        self.url = url
        self.schema = schema
        self._encode = encode
        self.outbox_filled = asyncio.Event()  # wakes the relay, which sets itself here
        self.relay: Publisher | None = None
        # Gets what transactions noted, after each commit.
        self.when_noted: Callable[[Sequence[object]], None] | None = None
        self.failpoint = armed(schema)
        options = " ".join(
            f"-c {name}={value}"
            for name, value in {
                "search_path": schema,
                "statement_timeout": round(statement_seconds * 1000),
                "lock_timeout": round(lock_seconds * 1000),
                "idle_in_transaction_session_timeout": 30_000,
                "timezone": "UTC",
                # What is asked for often lies in memory: a page costs the same wherever it is.
                "random_page_cost": 1.1,
            }.items()
        )
        self._pool = Pool(
            lambda: Connection.open(
                url, options=options, application_name=schema, keepalives_idle=30
            ),
            size=pool_size,
            acquire_seconds=acquire_seconds,
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """One transaction at READ COMMITTED; commits when the block ends, else rolls back.

        Raises:
            PoolTimeoutError: no connection came free in time.
            DatabaseError: the database refused or is gone. Where the connection was lost during
                the commit the outcome is unknown: read again by key, never retry blindly.
        """
        connection = await self._pool.acquire()
        session = Session(connection, self._written, self.failpoint)
        try:
            try:
                yield session
                await session.commit()
            except Exception:
                if not (connection.lost or connection.is_busy):
                    await session.roll_back()
                raise
        except BaseException:
            if connection.is_busy or session.is_open:
                self._pool.recover(connection)
            else:
                self._pool.release(connection)
            raise
        self._pool.release(connection)
        if session.outbox is not None:
            self.failpoint(AFTER_COMMIT)
            if session.outbox.relay is not None:
                session.outbox.relay.take(session.outbox.entries)
            else:
                self.outbox_filled.set()
        if session.noted and self.when_noted is not None:
            self.when_noted(session.noted)
        for callback in session.after_commit:
            callback()

    def _written(self, outgoing: Sequence[tuple[object, Origin]]) -> Outbox:
        if self._encode is None:
            raise TypeError("this database was given nothing to encode messages with")
        entries = [Entry.of(self._encode(message), origin) for message, origin in outgoing]
        has_room = self.relay is not None and self.relay.has_room(len(entries))
        return Outbox(entries, self.relay if has_room else None)

    async def run(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Runs `work` in a transaction; after a deadlock or serialization failure, runs it again.

        At most four times, with jittered pauses; anything else, a lost connection included, is
        raised at once.
        """

        async def once() -> T:
            async with self.transaction() as session:
                return await work(session)

        return await persistently(
            once, is_transient, first_seconds=0.02, most_seconds=0.2, tries=_TRIES
        )

    async def check(self) -> None:
        """Raises unless the database answers."""
        async with self.transaction() as session:
            await session.finish("SELECT 1")

    async def close(self) -> None:
        """Closes every pooled connection."""
        await self._pool.close()
