"""One connection to PostgreSQL: psycopg 3's libpq, driven in pipeline mode.

What is sent together costs one round trip, however many statements it is: BEGIN rides with a
transaction's first statement, COMMIT with whatever is left to do. Statements are prepared when a
connection meets them again; results come in the binary format.

The socket is watched for as long as the connection lives, so a connection that the server closed
while it lay in the pool is known without asking.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import psycopg
from psycopg import errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import DiagnosticField, ExecStatus, Format
from psycopg.pq.abc import PGresult
from psycopg.types.json import set_json_loads

_PREPARED_MOST = 500  # statements per connection; the least used goes first
_CONNECT_SECONDS = 5
# A server that has not answered by then is not going to: statements end by its own time-out before.
_ANSWER_SECONDS = 30.0
_CANCEL_SECONDS = 2.0
_RECOVER_SECONDS = 5.0
# "Cached plan must not change result type", or a prepared statement that is gone.
STALE_STATES = frozenset({"0A000", "26000"})
_PLACES = re.compile(
    r"""
    [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
    | --[^\n]* | /\*.*?\*/ | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
    | (?<![:\w\]]):(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


class Row(tuple[Any, ...]):
    """A row of a result: read by name, by place, or unpacked."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

        def _asdict(self) -> dict[str, Any]: ...


class NoRowError(LookupError):
    """There should have been exactly one row, and there was none."""


class ManyRowsError(LookupError):
    """There should have been exactly one row, and there were more."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave: its rows, and how many it touched or returned."""

    rows: list[Row]
    rowcount: int
    returns_rows: bool

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def all(self) -> list[Row]:
        """Every row."""
        return self.rows

    def first(self) -> Row | None:
        """The first row, or None."""
        return self.rows[0] if self.rows else None

    def one(self) -> Row:
        """The only row.

        Raises:
            NoRowError, ManyRowsError: there is not exactly one.
        """
        if len(self.rows) != 1:
            raise ManyRowsError(len(self.rows)) if self.rows else NoRowError
        return self.rows[0]

    def scalar(self) -> Any:
        """The first column of the first row, or None."""
        return self.rows[0][0] if self.rows else None


class Statement(NamedTuple):
    """SQL as the server takes it, `$1` for `:name`, and the names in their order."""

    sql: bytes
    names: tuple[str, ...]


@lru_cache(maxsize=4096)
def statement(sql: str) -> Statement:
    """Reads SQL with `:name` parameters; what is quoted, cast or commented is left alone."""
    places: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return found[0]
        return f"${places.setdefault(name, len(places) + 1)}"

    return Statement(_PLACES.sub(place, sql).encode(), tuple(places))


class Command(NamedTuple):
    """A statement and its parameters, in the statement's order."""

    statement: Statement
    values: tuple[Any, ...]


def command(sql: str, parameters: Mapping[str, Any]) -> Command:
    """The statement with its parameters; those it does not name are left out.

    Raises:
        TypeError: a parameter is missing.
    """
    known = statement(sql)
    try:
        return Command(known, tuple([parameters[name] for name in known.names]))
    except KeyError as missing:
        raise TypeError(f"the statement needs a parameter {missing}") from None


BEGIN = command("BEGIN", {})
COMMIT = command("COMMIT", {})
ROLLBACK = command("ROLLBACK", {})

# A statement, its values, their types and formats.
Dumped = tuple[bytes, Any, tuple[int, ...] | None, Any]
MakeRow = Callable[[Sequence[Any]], Row]


@lru_cache(maxsize=4096)
def _row_maker(names: tuple[bytes | None, ...]) -> MakeRow:
    fields = []
    for at, raw in enumerate(names):
        name = (raw or b"").decode()
        # A column without a usable name, or with an earlier one's, is read by its place.
        fields.append(
            name
            if name.isidentifier()
            and not iskeyword(name)
            and not name.startswith("_")
            and name not in fields
            else f"column_{at}"
        )
    base: Any = NamedTuple("Row", [(name, Any) for name in fields])  # type: ignore[misc]
    return partial(tuple.__new__, type("Row", (base, Row), {"__slots__": ()}))


_Key = tuple[bytes, tuple[int, ...] | None]


@dataclass(slots=True)
class _Prepared:
    name: bytes
    make_row: MakeRow | None = None


@dataclass(slots=True)
class _Expected:
    """What the next result from the server is the answer to."""

    key: _Key | None  # of the statement that is being prepared
    prepared: _Prepared | None
    shown: bool  # whether the caller asked for it


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
        self._loop.add_reader(self._socket, self._readable)
        self._prepared: OrderedDict[_Key, _Prepared] = OrderedDict()
        self._met: set[_Key] = set()
        self._names = 0
        self._expected: deque[_Expected] = deque()
        self._results: list[Result] = []
        self._error: Exception | None = None
        self._answer: asyncio.Future[list[Result]] | None = None
        self.opened_at = self._loop.time()
        self.lost = False
        # A plan of this connection no longer fits the tables: it must not be used again.
        self.stale = False

    @property
    def is_busy(self) -> bool:
        """Whether the server still owes an answer."""
        return self._answer is not None

    async def run(self, *commands: Command) -> list[Result]:
        """`send`, of commands as they are."""
        return await self.send([self.dump(command) for command in commands])

    async def send(self, commands: Sequence[Dumped]) -> list[Result]:
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
        try:
            for sql, values, types, formats in commands:
                self._queue(sql, values, types, formats)
            self._pg.pipeline_sync()
            self._writable()
        except psycopg.Error as error:
            self._lose(error)
        overdue = self._loop.call_later(_ANSWER_SECONDS, self._give_up)
        try:
            return await answer
        finally:
            overdue.cancel()

    def dump(self, command: Command) -> Dumped:
        """The command in the server's terms.

        Raises:
            psycopg.Error: a value has no such form.
        """
        (sql, _names), values = command
        if not values:
            return sql, None, None, None
        adapt = self._adapt
        return (
            sql,
            adapt.dump_sequence(values, [PyFormat.AUTO] * len(values)),
            adapt.types,
            adapt.formats,
        )

    def _queue(self, sql: bytes, values: Any, types: tuple[int, ...] | None, formats: Any) -> None:
        key = (sql, types)
        prepared = self._prepared.get(key)
        if prepared is not None:
            self._prepared.move_to_end(key)
        elif key in self._met:
            self._met.discard(key)
            prepared = self._prepare(key)
        else:
            if len(self._met) >= _PREPARED_MOST:
                self._met.clear()
            self._met.add(key)
        if prepared is None:
            self._pg.send_query_params(sql, values, types, formats, Format.BINARY)
        else:
            self._pg.send_query_prepared(prepared.name, values, formats, Format.BINARY)
        self._expected.append(_Expected(None, prepared, shown=True))

    def _prepare(self, key: _Key) -> _Prepared:
        if len(self._prepared) >= _PREPARED_MOST:
            _key, oldest = self._prepared.popitem(last=False)
            self._pg.send_close_prepared(oldest.name)
            self._expected.append(_Expected(None, None, shown=False))
        self._names += 1
        prepared = self._prepared[key] = _Prepared(b"s%d" % self._names)
        self._pg.send_prepare(prepared.name, *key)
        self._expected.append(_Expected(key, prepared, shown=False))
        return prepared

    def _writable(self) -> None:
        try:
            more = self._pg.flush()
        except psycopg.Error as error:
            self._lose(error)
            return
        if more:
            self._loop.add_writer(self._socket, self._writable)
        else:
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        pg = self._pg
        try:
            pg.consume_input()
            while self._answer is not None and not pg.is_busy():
                result = pg.get_result()  # None stands between two statements
                if result is not None:
                    self._take(result)
        except psycopg.Error as error:
            self._lose(error)

    def _take(self, result: PGresult) -> None:
        status = result.status
        if status == ExecStatus.PIPELINE_SYNC:
            self._settle()
            return
        expected = self._expected.popleft() if self._expected else None
        if status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            if expected is not None and expected.shown:
                try:
                    self._results.append(self._load(result, expected.prepared))
                except Exception as error:  # noqa: BLE001 - the caller's, once the server is done
                    self._error = self._error or error
            return
        if expected is not None and expected.key is not None:
            self._prepared.pop(expected.key, None)
        if status != ExecStatus.PIPELINE_ABORTED and self._error is None:
            self._error = _error_of(result)
            if self._error.sqlstate in STALE_STATES and expected and expected.prepared:
                self.stale = True

    def _load(self, result: PGresult, prepared: _Prepared | None) -> Result:
        if result.status == ExecStatus.COMMAND_OK:
            if result.command_status == b"ROLLBACK":
                return _ROLLED_BACK
            return Result([], result.command_tuples or 0, returns_rows=False)
        count = result.ntuples
        if not count:
            return Result([], 0, returns_rows=True)
        make_row = prepared.make_row if prepared else None
        if make_row is None:
            make_row = _row_maker(tuple(result.fname(at) for at in range(result.nfields)))
            if prepared:
                prepared.make_row = make_row
        self._adapt.set_pgresult(result)
        return Result(self._adapt.load_rows(0, count, make_row), count, returns_rows=True)

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

    def _give_up(self) -> None:
        self._lose(psycopg.OperationalError("the server did not answer in time"))

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
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._pg.finish()


_ROLLED_BACK = Result([], 0, returns_rows=False)


def rolled_back(result: Result) -> bool:
    """Whether the server answered a COMMIT by rolling back, for a statement had failed before."""
    return result is _ROLLED_BACK


def _error_of(result: PGresult) -> psycopg.Error:
    """The server's error. Its text is the primary message: the detail may show a row's values."""
    state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
    try:
        kind: type[psycopg.Error] = errors.lookup(state)
    except KeyError:
        kind = errors.get_base_exception(state)
    message = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
    return kind(message.decode("utf-8", "replace"), info=result)
