"""Visitors over raw HTTP/1.1: what they do, as generators, and how many of them at once.

A visit is a generator that yields calls and is sent their replies:

    def visit(person):
        reply = yield Call("hold", request("POST", "/api/v1/holds", person.token, body), {201})
        yield 0.5  # seconds to think
        yield Call("release", request("DELETE", f"/api/v1/holds/{reply.json()['id']}", ...), {204})

No task, future or parser object is made for a call, so that the generator stays cheap beside what
it measures. The closed loop keeps so many visits going; the open one begins them at a rate, come
what may, and counts a call's latency from when its visit should have begun it.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import orjson

from bench.cpu import Meter

_SHOWN_FAULTS = 5
_CONNECT_SECONDS = 10.0
_LAST_SECONDS = 30.0
_NEW_OBJECTS = 50_000
_OPEN_AT_FIRST = 20


class UnexpectedAnswerError(Exception):
    """The system did not answer as the scenario expects, so its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    head: bytes
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return orjson.loads(self.body)

    def header(self, name: str) -> str | None:
        """A header, by its lower-case name."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name.encode():
                return value.strip().decode()
        return None


@dataclass(frozen=True, slots=True)
class Call:
    """One request; an answer whose status is not in `expect` fails the scenario."""

    kind: str  # by which calls are counted
    data: bytes
    expect: Container[int] = frozenset({200})


Visit = Generator[Call | float, Reply, None]


def request(
    method: str,
    path: str,
    token: str | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A whole HTTP/1.1 request; `body` is sent as JSON, or as it is where it is bytes."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost"]
    if token:
        lines.append(f"authorization: Bearer {token}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    content = b""
    if body is not None:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        lines += ["content-type: application/json", f"content-length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def percentile(sorted_values: list[float], share: float) -> float:
    """The value below which `share` (0 to 1) of them lie."""
    if not sorted_values:
        return float("nan")
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


@dataclass(slots=True)
class Outcome:
    """What was measured, the warm-up left out."""

    seconds: float = 0.0
    visits: int = 0
    latencies: dict[tuple[str, int], list[float]] = field(default_factory=dict)  # seconds
    # Of the same answers, from when the request was written: without the generator's own delay.
    served: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    cpu: Mapping[str, float] = field(default_factory=dict)  # seconds, by process
    faults: list[str] = field(default_factory=list)
    late: float = 0.0  # the open loop's: how late it began a visit at worst, seconds

    @property
    def calls(self) -> int:
        """How many calls were answered."""
        return self.statuses.total()

    def count(self, kind: str, *statuses: int) -> int:
        """How many calls of a kind were answered, with one of the statuses if any are given."""
        return sum(
            count
            for (of, status), count in self.statuses.items()
            if of == kind and (not statuses or status in statuses)
        )

    def per_second(self, kind: str | None = None, *statuses: int) -> float:
        """Calls of a kind (or visits) a second."""
        return (self.count(kind, *statuses) if kind else self.visits) / self.seconds

    def milliseconds(
        self, kind: str, share: float, *statuses: int, as_served: bool = False
    ) -> float:
        """A percentile of a kind's latency, of the answers with one of the statuses if given.

        `as_served` counts from when the request was written, not from when it was due.
        """
        latencies = self.served if as_served else self.latencies
        values = [
            value
            for (of, status), some in latencies.items()
            if of == kind and (not statuses or status in statuses)
            for value in some
        ]
        return percentile(sorted(values), share) * 1000

    @property
    def system_cpu(self) -> float:
        """Seconds of CPU of everything but the generator."""
        return sum(seconds for name, seconds in self.cpu.items() if name != "generator")

    def cpu_ms(self, units: float) -> float:
        """Milliseconds of the system's CPU for each of `units`."""
        return self.system_cpu / units * 1000 if units else float("nan")

    def require_expected(self) -> None:
        """Raises UnexpectedAnswerError where anything but the expected came back."""
        if self.faults:
            raise UnexpectedAnswerError("; ".join(self.faults[:_SHOWN_FAULTS]))


class _Connection(asyncio.Protocol):
    """A keep-alive connection with one visit on it."""

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._transport: asyncio.Transport | None = None
        self._visit: Visit | None = None
        self._call: Call | None = None
        self._began = 0.0
        self._wrote = 0.0
        self._received = b""
        self._needed = 0
        self._head_size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def begin(self, visit: Visit, due: float | None = None) -> None:
        """Starts a visit; its first call counts from `due`."""
        self._visit = visit
        self._step(None, due)

    def _step(self, reply: Reply | None, due: float | None = None) -> None:
        visit = self._visit
        assert visit is not None  # noqa: S101 - begun
        try:
            wanted = next(visit) if reply is None else visit.send(reply)
        except StopIteration:
            self._visit = None
            self._crowd.ended(self)
            return
        except Exception as error:  # noqa: BLE001 - a scenario that can't read a reply has failed
            self._crowd.fault(repr(error))
            self._visit = None
            self._crowd.ended(self)
            return
        if isinstance(wanted, Call):
            self._call = wanted
            self._wrote = time.perf_counter()
            self._began = self._wrote if due is None else due
            assert self._transport is not None  # noqa: S101 - connected
            self._transport.write(wanted.data)
        else:
            asyncio.get_running_loop().call_later(wanted, self._step, _NOTHING)

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data if self._received else data
        if not self._needed:
            end = received.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head_size = end + 4
            self._needed = self._head_size + _content_length(received[:end])
        if len(received) < self._needed:
            return
        reply = Reply(
            int(received[9:12]),
            received[: self._head_size],
            received[self._head_size : self._needed],
        )
        self._received, self._needed = received[self._needed :], 0
        call, self._call = self._call, None
        if call is None:
            self._crowd.fault("an answer that nothing asked for")
            return
        now = time.perf_counter()
        self._crowd.answered(call, reply, now - self._began, now - self._wrote)
        self._step(reply)

    def connection_lost(self, error: Exception | None) -> None:
        if self._visit is not None:
            self._crowd.fault(f"a connection was lost: {error}")
            self._visit = None
        self._crowd.lost(self)

    def close(self) -> None:
        """Ends the connection and what goes on on it."""
        self._visit = None
        if self._transport is not None:
            self._transport.close()


_NOTHING = Reply(0, b"", b"")


def _content_length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0:
        if b"transfer-encoding" in lower:
            raise UnexpectedAnswerError("a chunked answer; the generator reads whole ones")
        return 0
    end = lower.find(b"\r\n", at + 2)
    return int(lower[at + 17 : end if end >= 0 else len(lower)])


class _Crowd:
    """The connections, and what they have seen since the warm-up."""

    def __init__(self, urls: Sequence[str], meter: Meter) -> None:
        parts = map(urlsplit, urls)
        self._addresses = itertools.cycle([(one.hostname or "", one.port or 80) for one in parts])
        self._meter = meter
        self.outcome = Outcome()
        self._counts = False
        self._over = False
        self._going = 0
        self._failed = asyncio.Event()
        self._quiet = asyncio.Event()
        self._connections: set[_Connection] = set()
        self.on_ended: Callable[[_Connection], None] = lambda _connection: None

    async def connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_SECONDS):
            _transport, connection = await loop.create_connection(
                lambda: _Connection(self), *next(self._addresses)
            )
        self._connections.add(connection)
        return connection

    def answered(self, call: Call, reply: Reply, seconds: float, served: float) -> None:
        if reply.status not in call.expect:
            self.fault(f"{call.kind}: {reply.status} {reply.body[:300]!r}")
        if self._counts:
            self.outcome.statuses[call.kind, reply.status] += 1
            self.outcome.latencies.setdefault((call.kind, reply.status), []).append(seconds)
            self.outcome.served.setdefault((call.kind, reply.status), []).append(served)

    def ended(self, connection: _Connection) -> None:
        if self._counts:
            self.outcome.visits += 1
        self._going -= 1
        self.on_ended(connection)
        if self._over and not self._going:
            self._quiet.set()

    def lost(self, connection: _Connection) -> None:
        self._connections.discard(connection)

    async def measure(self, warm_up: float, seconds: float) -> Outcome:
        """Counts for so long, after a warm-up, and lets what goes on then come to its end.

        Raises:
            UnexpectedAnswerError: something came back that a call did not expect.
        """
        # The generator's own pauses for garbage are no part of what it measures.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS, 10, 10)
        await self._while_well(warm_up)
        before, began, self._counts = self._meter.read(), time.perf_counter(), True
        await self._while_well(seconds)
        self._counts = False
        outcome = self.outcome
        outcome.seconds = time.perf_counter() - began
        outcome.cpu = self._meter.since(before)
        await self._drain()
        outcome.require_expected()
        return outcome

    def fault(self, what: str) -> None:
        """Fails the scenario."""
        self.outcome.faults.append(what)
        self._failed.set()
        self._quiet.set()

    @property
    def goes_on(self) -> bool:
        """Whether visits may still begin."""
        return not (self._over or self.outcome.faults)

    def begin(self, connection: _Connection, visit: Visit, due: float | None = None) -> None:
        """Puts a visit on a connection that has none."""
        self._going += 1
        connection.begin(visit, due)

    async def _while_well(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._failed.wait()

    async def _drain(self) -> None:
        """Waits for the visits that are still going on, then closes the connections."""
        self._over = True
        if self._going and not self.outcome.faults:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._quiet.wait()
        for connection in list(self._connections):
            connection.close()


async def closed_loop(
    url: str,
    visits: Iterable[Visit],
    *,
    meter: Meter,
    more: Sequence[str] = (),
    connections: int = 64,
    warm_up: float = 2.0,
    seconds: float = 8.0,
) -> Outcome:
    """Keeps `connections` visits going, one after the other on each, until the time is up.

    `visits` must not run out before. `more` are addresses besides `url`: connections take turns.

    Raises:
        UnexpectedAnswerError: something came back that a call did not expect.
    """
    source = iter(visits)
    crowd = _Crowd([url, *more], meter)

    def begin_next(connection: _Connection) -> None:
        if not crowd.goes_on:
            return
        visit = next(source, None)
        if visit is None:
            crowd.fault("the visits ran out before the time")
        else:
            crowd.begin(connection, visit)

    crowd.on_ended = begin_next
    for _ in range(connections):
        begin_next(await crowd.connect())
    return await crowd.measure(warm_up, seconds)


def steady(per_second: float) -> Iterator[float]:
    """Moments (seconds from the start) at a steady rate."""
    return (number / per_second for number in itertools.count())


async def open_loop(
    url: str,
    visits: Iterable[Visit],
    moments: Iterable[float],
    *,
    meter: Meter,
    more: Sequence[str] = (),
    connections: int = 256,
    warm_up: float = 2.0,
    seconds: float = 8.0,
) -> Outcome:
    """Begins a visit at each of `moments` (seconds from the start), whatever became of the others.

    More than `connections` visits at once wait for a connection; of these each takes the next of
    `url` and `more`. A visit's first call's latency
    counts that wait, and a new connection's making.

    Raises:
        UnexpectedAnswerError: something came back that a call did not expect.
    """
    source = iter(visits)
    crowd = _Crowd([url, *more], meter)
    # Others are opened when they are needed: a server does not wait long for a first request.
    idle = [await crowd.connect() for _ in range(min(connections, _OPEN_AT_FIRST))]
    opened = len(idle)
    opening: set[asyncio.Task[None]] = set()
    waiting: deque[tuple[Visit, float]] = deque()

    def on_ended(connection: _Connection) -> None:
        if waiting and crowd.goes_on:
            crowd.begin(connection, *waiting.popleft())
        else:
            idle.append(connection)

    crowd.on_ended = on_ended

    async def open_another() -> None:
        try:
            on_ended(await crowd.connect())
        except (OSError, TimeoutError) as error:
            crowd.fault(f"no connection: {error!r}")

    async def arrivals() -> None:
        nonlocal opened
        start = time.perf_counter()
        for moment in moments:
            due = start + moment
            left = due - time.perf_counter()
            if left > 0:
                await asyncio.sleep(left)
            visit = next(source, None) if crowd.goes_on else None
            if visit is None:
                return
            crowd.outcome.late = max(crowd.outcome.late, time.perf_counter() - due)
            if idle:
                crowd.begin(idle.pop(), visit, due)
            else:
                waiting.append((visit, due))
                if opened < connections:
                    opened += 1
                    task = asyncio.create_task(open_another())
                    opening.add(task)
                    task.add_done_callback(opening.discard)

    arriving = asyncio.create_task(arrivals())
    try:
        return await crowd.measure(warm_up, seconds)
    finally:
        arriving.cancel()
