"""One connection to PostgreSQL: psycopg 3's libpq, driven in pipeline mode.

What is sent together costs one round trip, however many statements it is: BEGIN rides with a
transaction's first statement, COMMIT with whatever is left to do. Every statement is prepared;
results come in the binary format. ADR 0008 says why this is not psycopg's own connection.
"""

from __future__ import annotations

import asyncio
import re
import select
from collections import deque, namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson
import psycopg
from psycopg import errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import DiagnosticField, ExecStatus, Format
from psycopg.pq.abc import PGresult
from psycopg.types.json import set_json_loads

from chassis.telemetry import DATABASE_ANSWERS_OVERDUE

_PREPARED_MOST = 500  # statements per connection
# A plan is kept for so long: one that was made for a small table reads all of it, and PostgreSQL
# would keep it until the table is analyzed.
_PLANS_SECONDS = 10.0
_CONNECT_SECONDS = 5
# How often an answer is looked for that the loop did not tell of. A server that owes one at two
# looks is not going to give it: statements end by their own time-out before.
_LOOK_SECONDS = 15.0
_LATE_SECONDS = 1.0  # a look that comes so late says nothing
_CANCEL_SECONDS = 2.0
_RECOVER_SECONDS = 5.0
# "Cached plan must not change result type", or a prepared statement that is gone.
STALE_STATES = frozenset({"0A000", "26000"})
# "Cannot execute … in a read-only transaction": this is a standby, and the primary is elsewhere.
STANDBY_STATE = "25006"
_PLACES = re.compile(
    r"""
    [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
    | --[^\n]* | /\*.*?\*/ | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
    | (?<![:\w\]]):(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)

if TYPE_CHECKING:

    class Row(tuple[Any, ...]):
        """A row of a result: read by name, by place, or unpacked."""

        def __getattr__(self, name: str) -> Any: ...

        def _asdict(self) -> dict[str, Any]: ...
else:
    Row = tuple


class NotOneRowError(LookupError):
    """There should have been exactly one row; its argument says how many there were."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave: its rows, and how many it touched or returned."""

    rows: list[Row]
    rowcount: int

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def first(self) -> Row | None:
        """The first row, or None."""
        return self.rows[0] if self.rows else None

    def one(self) -> Row:
        """The only row.

        Raises:
            NotOneRowError: there is not exactly one.
        """
        if len(self.rows) != 1:
            raise NotOneRowError(len(self.rows))
        return self.rows[0]

    def scalar(self) -> Any:
        """The first column of the first row, or None."""
        return self.rows[0][0] if self.rows else None


@lru_cache(maxsize=4096)
def placed(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """SQL as the server takes it, `$1` for `:name`, and the names in their order.

    What is quoted, cast or commented is left alone.
    """
    places: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return found[0]
        return f"${places.setdefault(name, len(places) + 1)}"

    return _PLACES.sub(place, sql).encode(), tuple(places)


# SQL and its parameters, by name.
Statement = tuple[str, Mapping[str, Any]]


class Bound(NamedTuple):
    """A statement and its values as the server takes them."""

    sql: bytes
    values: Any = None
    types: tuple[int, ...] | None = None
    formats: Any = None


BEGIN = Bound(b"BEGIN")
COMMIT = Bound(b"COMMIT")
ROLLBACK = Bound(b"ROLLBACK")
_FORGET_PLANS = Bound(b"DISCARD PLANS")

_MakeRow = Callable[[Sequence[Any]], Row]


@lru_cache(maxsize=4096)
def _row_maker(names: tuple[bytes | None, ...]) -> _MakeRow:
    # A column without a usable name, or with an earlier one's, is read by its place.
    kind = namedtuple("Row", [(name or b"").decode() for name in names], rename=True)  # type: ignore[misc]  # noqa: PYI024
    return cast("_MakeRow", partial(tuple.__new__, kind))


@dataclass(slots=True)
class _Prepared:
    sql: bytes
    name: bytes
    is_made: bool = False  # or was asked for
    make_row: _MakeRow | None = None


class Connection:
    """One connection, used by one transaction at a time."""

    @classmethod
    async def open(cls, conninfo: str, **options: Any) -> Connection:
        """Connects.

        Raises:
            psycopg.OperationalError: the server can't be reached, or refuses.
        """
        return cls(
            await psycopg.AsyncConnection.connect(
                conninfo,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=_CONNECT_SECONDS,
                **options,
            )
        )

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._pg = connection.pgconn
        self._pg.enter_pipeline_mode()
        set_json_loads(orjson.loads, connection)
        self._adapt = Transformer(connection)
        self._loop = asyncio.get_running_loop()
        self._socket = self._pg.socket
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        # Watched while it lies in the pool as well: one that the server closed is known at once.
        self._loop.add_reader(self._socket, self._read)
        self._prepared: dict[tuple[bytes, tuple[int, ...] | None], _Prepared] = {}
        self.opened_at = self._loop.time()
        self._plans_until = self.opened_at + _PLANS_SECONDS
        # What the results to come are of, and whether the caller asked for them.
        self._expected: deque[tuple[_Prepared, bool]] = deque()
        self._results: list[Result] = []
        self._error: Exception | None = None
        self._answer: asyncio.Future[list[Result]] | None = None
        self._next_look: asyncio.TimerHandle | None = None
        self._seen: asyncio.Future[list[Result]] | None = None  # owed at the last look
        self.lost = False
        # A plan of this connection no longer fits the tables, or its server is no primary: it must
        # not be used again.
        self.stale = False

    @property
    def is_busy(self) -> bool:
        """Whether the server still owes an answer."""
        return self._answer is not None

    def bind(self, sql: str, parameters: Mapping[str, Any]) -> Bound:
        """The statement with its parameters; those it does not name are left out.

        Raises:
            TypeError: a parameter is missing.
            psycopg.Error: a value has no form that could be sent.
        """
        text, names = placed(sql)
        if not names:
            return Bound(text)
        try:
            values = [parameters[name] for name in names]
        except KeyError as missing:
            raise TypeError(f"the statement needs a parameter {missing}") from None
        adapt = self._adapt
        dumped = adapt.dump_sequence(values, [PyFormat.AUTO] * len(values))
        return Bound(text, dumped, adapt.types, adapt.formats)

    async def run(self, *statements: Bound) -> list[Result]:
        """Runs statements in one round trip; after one that fails, those behind it do not run.

        Outside of a transaction they are one of their own.

        Raises:
            psycopg.Error: the first that failed; a lost connection is an OperationalError
                without `sqlstate`, as is a server that does not answer within half a minute.
        """
        if self._answer is not None:
            raise RuntimeError("a connection runs one thing at a time")
        if self.lost:
            raise psycopg.OperationalError("the connection is lost")
        answer: asyncio.Future[list[Result]] = self._loop.create_future()
        self._answer = answer
        if self._next_look is None:
            self._next_look = self._loop.call_later(_LOOK_SECONDS, self._look)
        try:
            if self._loop.time() > self._plans_until:
                self._plans_until = self._loop.time() + _PLANS_SECONDS
                self._queue(_FORGET_PLANS, is_asked=False)
            for statement in statements:
                self._queue(statement)
            self._pg.pipeline_sync()
            self._write()
        except psycopg.Error as error:
            self._lose(error)
        return await answer

    def _queue(self, statement: Bound, *, is_asked: bool = True) -> None:
        sql, values, types, formats = statement
        prepared = self._prepared.get((sql, types))
        if prepared is None:
            # Beyond the limit one is prepared without a name, for this once.
            is_full = len(self._prepared) >= _PREPARED_MOST
            prepared = _Prepared(sql, b"" if is_full else b"s%d" % len(self._prepared))
            if not is_full:
                self._prepared[sql, types] = prepared
        if not prepared.is_made:
            prepared.is_made = True
            self._pg.send_prepare(prepared.name, sql, types)
            self._expected.append((prepared, False))
        self._pg.send_query_prepared(prepared.name, values, formats, Format.BINARY)
        self._expected.append((prepared, is_asked))

    def _write(self) -> None:
        try:
            more = self._pg.flush()
        except psycopg.Error as error:
            self._lose(error)
            return
        if more:
            self._loop.add_writer(self._socket, self._write)
        else:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        pg = self._pg
        try:
            # Until nothing more is there: of a socket in error uvloop tells once, and a server that
            # was stopped leaves both a last notice and the error behind.
            readable: object = True
            while readable:
                pg.consume_input()
                while self._answer is not None and not pg.is_busy():
                    result = pg.get_result()  # None stands between two statements
                    if result is not None:
                        self._take(result)
                readable = self._poll.poll(0)
        except psycopg.Error as error:
            self._lose(error)

    def _take(self, result: PGresult) -> None:
        status = result.status
        if status == ExecStatus.PIPELINE_SYNC:
            self._settle()
            return
        if not self._expected:
            return  # of the server's own accord: it says why it goes
        prepared, is_asked = self._expected.popleft()
        if status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            if is_asked:
                try:
                    self._results.append(self._load(result, prepared))
                except Exception as error:  # noqa: BLE001 - the caller's, once the server is done
                    self._error = self._error or error
            return
        if not is_asked:
            prepared.is_made = False
        if status != ExecStatus.PIPELINE_ABORTED and self._error is None:
            self._error = _error_of(result)
            self.stale = self._error.sqlstate in STALE_STATES | {STANDBY_STATE}

    def _load(self, result: PGresult, prepared: _Prepared) -> Result:
        if result.status == ExecStatus.COMMAND_OK:
            if result.command_status == b"ROLLBACK" and prepared.sql == COMMIT.sql:
                raise errors.InFailedSqlTransaction(
                    "the transaction was rolled back, for a statement in it had failed"
                )
            return Result([], result.command_tuples or 0)
        count = result.ntuples
        if not count:
            return Result([], 0)
        if prepared.make_row is None:
            prepared.make_row = _row_maker(tuple(result.fname(at) for at in range(result.nfields)))
        self._adapt.set_pgresult(result)
        return Result(self._adapt.load_rows(0, count, prepared.make_row), count)

    def _settle(self) -> None:
        answer, error, results = self._answer, self._error, self._results
        self._answer, self._error, self._results = None, None, []
        self._expected.clear()
        if answer is None or answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(results)

    def _look(self) -> None:
        """Gives up an answer that is owed for the second time, once what has come is read."""
        assert self._next_look is not None  # noqa: S101 - it called this
        # A process that was stopped meanwhile has not waited: the answer may be on its way.
        is_late = self._loop.time() - self._next_look.when() > _LATE_SECONDS
        self._next_look, owed, seen = None, self._answer, self._seen
        if owed is None:
            return
        if owed is seen and not is_late:
            DATABASE_ANSWERS_OVERDUE.inc()
            self._read()
            if self._answer is owed:
                self._lose(psycopg.OperationalError("the server did not answer in time"))
        else:
            self._seen = owed
            self._next_look = self._loop.call_later(_LOOK_SECONDS, self._look)

    def _lose(self, error: Exception) -> None:
        if not self.lost:
            # The server's last word, where it said one, tells more than the closed socket.
            self._error = self._error or error
            self.close()
            self._settle()

    async def recover(self) -> None:
        """Makes the connection idle again after its user was interrupted; else closes it.

        What the server is still doing is cancelled, the transaction rolled back.
        """
        try:
            async with asyncio.timeout(_RECOVER_SECONDS):
                if self._answer is not None:
                    gone = self._answer
                    idle = self._answer = self._loop.create_future()
                    gone.cancel()
                    await self._connection.cancel_safe(timeout=_CANCEL_SECONDS)
                    with suppress(psycopg.Error):
                        await idle
                if not self.lost:
                    await self.run(ROLLBACK)
        except Exception:  # noqa: BLE001 - whatever it was, the connection is not used again
            self.close()

    def close(self) -> None:
        """Closes the connection at once; the server rolls back what was open."""
        if not self.lost:
            self.lost = True
            if self._next_look is not None:
                self._next_look.cancel()
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._pg.finish()


def _error_of(result: PGresult) -> psycopg.Error:
    """The server's error. Its text is the primary message: the detail may show a row's values."""
    state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
    try:
        kind: type[psycopg.Error] = errors.lookup(state)
    except KeyError:
        kind = errors.get_base_exception(state)
    message = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
    return kind(message.decode("utf-8", "replace"), info=result)
