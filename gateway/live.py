"""The seats of the events that are looked at, as they stand: in memory, and told as they change.

Inventory says what changes (`SeatsChanged`), to a queue that goes with this process's connection.
Every seat has a version, and an older one never overwrites a newer one: the order of what is told,
and what is told twice, do not matter. What is lost is found by comparing versions, every ten
seconds and whenever the broker has been away. While it is away nothing here is trusted: each
question is asked of inventory anew.

Memory is bounded: by the bytes of the halls that are kept, and for each by a ring of the last
deltas, which all its listeners share. Who falls behind the ring gets a snapshot.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from array import array
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from itertools import compress, islice
from random import uniform

import orjson
from google.protobuf.message import Message
from parterre.inventory.v1 import inventory_pb2
from parterre.messages.v1 import messages_pb2
from prometheus_client import Counter, Gauge

from chassis.broker import Broker
from chassis.errors import RemoteError
from chassis.lifecycle import background
from chassis.listener import listen
from chassis.logs import get_logger
from gateway.problems import AWAY
from gateway.services import Services
from gateway.snapshots import Bodies, Hall, as_object

# By the byte that GetSeatStates and SeatsChanged say.
STATES = ("AVAILABLE", "HELD", "SOLD", "BLOCKED")
# For each state the table that turns it into 1 and every other into 0.
_MASKS = [bytes(int(code == state) for code in range(256)) for state in range(len(STATES))]

_MAX_OVERHEARD = 1_000
_HALL_BYTES = 128 * 1024 * 1024
_MAX_EVENTS = 2_000
_RING_FRAMES = 256
_RING_BYTES = 512 * 1024
# The pause between two deltas of an event: short while few listen, for each costs every listener.
_FEW_LISTENERS = 50
_PAUSE_FEW_SECONDS = 0.02
_PAUSE_MANY_SECONDS = 0.2
# The first change after a pause waits so long for others of the same moment.
_GATHER_SECONDS = 0.005
# An event nobody has asked for since is not compared any more.
_ASKED_SECONDS = 60.0
_CHECK_SECONDS_UNHEARD = 2.0
_CHECKS_AT_ONCE = 8
# How long who asks waits at most for a change that was made through this gateway to be told.
_EXPECTED_SECONDS = 0.25
# An event that is called off is asked about each time, until inventory must have heard of it too.
_DOUBT_SECONDS = 10.0

LISTENERS = Gauge("parterre_seat_stream_listeners", "Streams of seats that are open")
DELTAS = Counter(
    "parterre_seat_stream_deltas", "Deltas of seats, each made once for all its listeners"
)
SNAPSHOTS = Counter("parterre_seat_stream_snapshots", "Snapshots of seats sent to listeners")
MENDED = Counter(
    "parterre_seat_states_mended", "Comparisons that found seats changed without a word"
)

_GONE = frozenset({"EVENT_NOT_FOUND", "EVENT_NOT_ON_SALE"})

log = get_logger(__name__)

Pool = tuple[int, int, int]  # available, capacity, version


class Listener:
    """One stream: how far it has come, and what wakes it."""

    __slots__ = ("seen", "wake")

    def __init__(self, seen: int) -> None:
        self.seen = seen
        self.wake = asyncio.Event()


class Places:
    """The places of one event."""

    def __init__(self, event_id: str, ids: list[bytes]) -> None:
        self.event_id = event_id
        self.hall: Hall | None = None
        self.version = 0
        self.closed = False  # no longer on sale
        self.listeners: set[Listener] = set()
        self.asked_at = time.monotonic()
        self.checked_at = 0.0
        self.check_after = 0.0
        self.heard_since = -1  # the connection to the broker that has told everything since
        self.doubts = 0
        self.doubted_until = 0.0
        self.lock = asyncio.Lock()
        self.fetches = 0
        self.failure: RemoteError | None = None
        self._ids = ids  # the texts of seat numbers, shared by all events
        self._states = bytearray()
        self._versions = array("q")
        self._pools: dict[str, Pool] = {}
        self._overheard: list[messages_pb2.SeatsChanged] | None = None
        self._expected_until = 0.0
        self._changed = asyncio.Event()
        # What changed since the last delta, as it was then.
        self._seats_before: dict[int, int] = {}
        self._pools_before: dict[str, Pool | None] = {}
        self._epoch = secrets.token_hex(4)
        self._seq = 0
        self._ring: deque[bytes] = deque()
        self._ring_bytes = 0
        self._told_at = 0.0
        self._telling: asyncio.TimerHandle | None = None
        self._bodies: Bodies | None = None
        self._snapshot: tuple[int, int, bytes] | None = None

    @property
    def size(self) -> int:
        """Bytes it takes to keep, more or less."""
        head = self.hall.head.size if self.hall else 0
        return head + 9 * len(self._states) + _RING_BYTES // 8

    # --- what is so ---------------------------------------------------------------------------

    def body(self, encoding: str) -> bytes:
        """The seat map of this moment, made once for each version and encoding."""
        assert self.hall is not None  # noqa: S101 - it was fetched
        bodies = self._bodies
        if bodies is None or bodies.version != self.version:
            pools = {id: (pool[0], pool[1]) for id, pool in self._pools.items()}
            tail = self.hall.tail(self.version, self._taken(), pools)
            bodies = self._bodies = Bodies(self.version, tail)
        return bodies.body(self.hall, encoding)

    def _taken(self) -> dict[str, bytes]:
        """The seats of each status as JSON; a status without seats is left out."""
        return {
            STATES[state]: b'["%s"]'
            % b'","'.join(compress(self._ids, self._states.translate(_MASKS[state])))
            for state in range(1, len(STATES))
            if state in self._states
        }

    # --- what changes -------------------------------------------------------------------------

    def begin_fetch(self) -> None:
        """From here on what is told is also kept, to be applied to what is being fetched."""
        self._overheard = []

    def end_fetch(self, answer: inventory_pb2.GetSeatStatesResponse | None) -> bool:
        """Takes what was fetched (None: nothing was) for the truth, and what was told since.

        Returns whether something had changed without a word.
        """
        overheard, self._overheard = self._overheard or (), None
        if answer is None or answer.unchanged:
            return False
        before = self._states, self._pools, self.version
        self._install(answer)
        for change in overheard:
            self.apply(change)
        return bool(before[0] or before[1]) and before[2] != self.version

    def _install(self, answer: inventory_pb2.GetSeatStatesResponse) -> None:
        states = bytearray(answer.states)
        self._ids.extend(b"%d" % number for number in range(len(self._ids), len(states)))
        if len(states) == len(self._states):
            if states != self._states:
                for number, (was, now) in enumerate(zip(self._states, states, strict=True)):
                    if was != now:
                        self._seats_before.setdefault(number, was)
        else:
            self._forget_told()
        self._states = states
        self._versions = array("q", answer.versions)
        pools = {
            pool.section_id: (pool.available, pool.capacity, pool.version) for pool in answer.pools
        }
        for id, pool in pools.items():
            if self._pools.get(id) != pool:
                self._pools_before.setdefault(id, self._pools.get(id))
        self._pools = pools
        self.version = (
            1 + sum(self._versions) + sum(version for _free, _all, version in pools.values())
        )
        self._tell_soon()

    def apply(self, change: messages_pb2.SeatsChanged) -> None:
        """Takes what a `SeatsChanged` tells that is newer than what is known."""
        if self._overheard is not None:
            if len(self._overheard) < _MAX_OVERHEARD:
                self._overheard.append(change)
            else:
                self.doubt()
        known = len(self._states)
        for number, state, version in zip(
            change.seats, change.states, change.versions, strict=True
        ):
            if 0 <= number < known and version > self._versions[number]:
                self._set_seat(number, state, version)
        for told in change.pools:
            was = self._pools.get(told.section_id)
            if was is not None and told.version > was[2]:
                self._set_pool(told.section_id, (told.available, told.capacity, told.version))
        self._tell_soon()

    def doubt(self) -> None:
        """What is known may lack something: it is not to be trusted until it was fetched anew."""
        self.doubts += 1
        self.heard_since = -1

    def expect(self, seen: int) -> None:
        """Something changed since the version `seen`: who asks next waits until it is told."""
        if self.version == seen:
            self._expected_until = time.monotonic() + _EXPECTED_SECONDS
            self._changed.clear()

    async def expected(self) -> None:
        """Waits for what is expected, not for long."""
        seconds = self._expected_until - time.monotonic()
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()

    def _set_seat(self, number: int, state: int, version: int) -> None:
        if not 0 <= state < len(STATES):
            raise ValueError(f"no state of a seat: {state}")
        self._seats_before.setdefault(number, self._states[number])
        self._states[number] = state
        self.version += version - self._versions[number]
        self._versions[number] = version

    def _set_pool(self, id: str, pool: Pool) -> None:
        was = self._pools[id]
        self._pools_before.setdefault(id, was)
        self._pools[id] = pool
        self.version += pool[2] - was[2]

    # --- telling it ---------------------------------------------------------------------------

    def _tell_soon(self) -> None:
        if not self._seats_before and not self._pools_before:
            return
        self._changed.set()
        if not self.listeners:
            self._forget_told()
        elif self._telling is None:
            loop = asyncio.get_running_loop()
            few = len(self.listeners) <= _FEW_LISTENERS
            pause = _PAUSE_FEW_SECONDS if few else _PAUSE_MANY_SECONDS
            at = max(loop.time() + _GATHER_SECONDS, self._told_at + pause)
            self._telling = loop.call_at(at, self._tell)

    def _forget_told(self) -> None:
        """Nobody can go on from before this moment: whoever comes gets a snapshot."""
        self._seats_before.clear()
        self._pools_before.clear()
        self._ring.clear()
        self._ring_bytes = 0
        self._seq += 1

    def _tell(self) -> None:
        """Makes one delta of all that changed, for everybody, and wakes them."""
        self._telling = None
        self._told_at = asyncio.get_running_loop().time()
        changes = {
            str(number): STATES[self._states[number]]
            for number, was in self._seats_before.items()
            if self._states[number] != was
        }
        pools = {
            id: _pool(self._pools[id])
            for id, was in self._pools_before.items()
            if id in self._pools and (was is None or was[:2] != self._pools[id][:2])
        }
        self._seats_before.clear()
        self._pools_before.clear()
        if not changes and not pools:
            return  # a held seat that is reserved is shown no differently
        data = orjson.dumps({"version": self.version, "changes": changes, "pools": pools})
        self._seq += 1
        frame = self._frame(b"delta", data)
        DELTAS.inc()
        self._ring.append(frame)
        self._ring_bytes += len(frame)
        while len(self._ring) > _RING_FRAMES or self._ring_bytes > _RING_BYTES:
            self._ring_bytes -= len(self._ring.popleft())
        self.wake()

    def _frame(self, name: bytes, data: bytes) -> bytes:
        id = self._epoch.encode(), self._seq
        return b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (*id, name, data)

    def snapshot(self) -> bytes:
        """The event that says all that is so, made once for all who need it at this moment."""
        kept = self._snapshot
        if kept is None or kept[:2] != (self._seq, self.version):
            pools = orjson.dumps({id: _pool(pool) for id, pool in self._pools.items()})
            data = b'{"version":%d,"taken":%s,"pools":%s}' % (
                self.version,
                as_object(self._taken()),
                pools,
            )
            kept = (self._seq, self.version, self._frame(b"snapshot", data))
            self._snapshot = kept
        SNAPSHOTS.inc()
        return kept[2]

    def wake(self) -> None:
        """Lets every listener look what there is."""
        for listener in self.listeners:
            listener.wake.set()

    def news(self, listener: Listener) -> bytes:
        """What the listener has not had yet: deltas, or a snapshot where those are gone."""
        missed = self._seq - listener.seen
        if not missed:
            return b""
        listener.seen = self._seq
        if missed > len(self._ring):
            return self.snapshot()
        if missed == 1:
            return self._ring[-1]
        return b"".join(islice(self._ring, len(self._ring) - missed, None))

    @contextmanager
    def listened(self, last_event_id: str) -> Iterator[Listener]:
        """A listener that goes on after the event of that id, or begins with a snapshot."""
        epoch, _, seen = last_event_id.partition("-")
        resumes = epoch == self._epoch and seen.isdecimal() and int(seen) <= self._seq
        listener = Listener(int(seen) if resumes else -1)
        self.listeners.add(listener)
        LISTENERS.inc()
        try:
            yield listener
        finally:
            self.listeners.discard(listener)
            LISTENERS.dec()


def _pool(pool: Pool) -> Mapping[str, int]:
    return {"available": pool[0], "capacity": pool[1]}


def _is_away(failure: RemoteError | None) -> bool:
    return failure is not None and not failure.reason and failure.code in AWAY


class Live:
    """The events that are looked at."""

    def __init__(self, services: Services, check_seconds: float) -> None:
        self.closing = False
        self._services = services
        self._check_seconds = check_seconds
        self._unheard_seconds = min(_CHECK_SECONDS_UNHEARD, check_seconds)
        self._watched: OrderedDict[str, Places] = OrderedDict()
        self._ids: list[bytes] = []
        self._connections = 0
        self._hears = False
        self._check_now = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, services: Services, broker: Broker | None, check_seconds: float
    ) -> AsyncIterator[Live]:
        """Listens to what changes for as long as the block runs."""
        live = cls(services, check_seconds)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(background("seats-check", live.check))
            if broker is not None:
                facts = (messages_pb2.SeatsChanged, messages_pb2.EventCancelled)
                # What is lost where too many wait, the comparison finds.
                listening = partial(listen, broker, facts, live.take, live.hears)
                await stack.enter_async_context(background("seats", listening))
            yield live

    def end_streams(self) -> None:
        """Ends every stream; their clients come again, elsewhere."""
        self.closing = True
        for places in self._watched.values():
            places.wake()

    # --- asking -------------------------------------------------------------------------------

    async def current(self, event_id: str) -> Places:
        """The event's places: as this process has them where it hears of every change, else anew.

        Raises:
            RemoteError: EVENT_NOT_FOUND, EVENT_NOT_ON_SALE, or inventory can't be asked.
        """
        places = self._watched.get(event_id)
        if places is None:
            places = self._watched[event_id] = Places(event_id, self._ids)
        else:
            self._watched.move_to_end(event_id)
        places.asked_at = time.monotonic()
        if not self._trusts(places):
            await self._refresh(places)
            self._shrink()
        else:
            await places.expected()
        return places

    def _trusts(self, places: Places) -> bool:
        now = time.monotonic()
        return (
            self._hears
            and places.heard_since == self._connections
            and now - places.checked_at <= 2 * self._check_seconds
            and now > places.doubted_until
        )

    async def _refresh(self, places: Places) -> None:
        """Compares with inventory, as of some moment after this was called."""
        asked, waited = places.fetches, places.lock.locked()
        async with places.lock:
            if places.fetches > asked or (waited and _is_away(places.failure)):
                # Somebody else's question, asked after this one was: its answer serves both. Where
                # one that was under way found nobody, there is no point in another.
                if places.failure is not None:
                    raise places.failure
                return
            places.fetches += 1
            places.failure = None
            try:
                await self._fetch(places)
            except RemoteError as error:
                places.failure = error
                self._drop_if_gone(places, error)
                raise

    async def _fetch(self, places: Places) -> None:
        connection, doubts = self._connections if self._hears else -1, places.doubts
        inventory = self._services.inventory
        answer = None
        places.begin_fetch()
        try:
            if places.hall is None:
                request = inventory_pb2.GetSeatMapRequest(event_id=places.event_id)
                whole = await inventory.as_gateway(inventory.rpc.GetSeatMap, request)
                # In a thread: compression works beside the event loop.
                places.hall = await asyncio.to_thread(Hall.of, places.event_id, whole.seat_map)
            answer = await inventory.as_gateway(
                inventory.rpc.GetSeatStates,
                inventory_pb2.GetSeatStatesRequest(
                    event_id=places.event_id, known_version=places.version
                ),
            )
        finally:
            if places.end_fetch(answer):
                MENDED.inc()
        if places.doubts == doubts:
            places.heard_since = connection
        places.checked_at = time.monotonic()
        pause = self._check_seconds if connection >= 0 else self._unheard_seconds
        places.check_after = places.checked_at + pause * uniform(0.7, 1.0)  # noqa: S311 - jitter

    def _drop_if_gone(self, places: Places, error: RemoteError) -> None:
        if error.reason in _GONE or places.hall is None:
            self._watched.pop(places.event_id, None)
            places.closed = True
            places.wake()

    def _shrink(self) -> None:
        """Forgets the halls nobody listens to that were asked for longest ago."""
        size = sum(places.size for places in self._watched.values())
        for places in list(self._watched.values()):
            if size <= _HALL_BYTES and len(self._watched) <= _MAX_EVENTS:
                return
            if not places.listeners and not places.lock.locked():
                del self._watched[places.event_id]
                size -= places.size

    def version(self, event_id: str) -> int:
        """The version of what was told last; 0 where nothing is kept."""
        places = self._watched.get(event_id)
        return places.version if places else 0

    def expect(self, event_id: str, seen: int | None = None) -> None:
        """A change was made through this gateway, after `seen` was the version: it should show.

        Inventory tells of it within a few milliseconds, and whoever asks until then waits for it.
        """
        if places := self._watched.get(event_id):
            places.expect(places.version if seen is None else seen)

    def doubt(self, event_id: str, seconds: float = 0.0) -> None:
        """Something changed: whoever asks next, or for so long, makes inventory be asked."""
        if places := self._watched.get(event_id):
            places.doubt()
            places.check_after = 0.0
            places.doubted_until = time.monotonic() + seconds
            self._check_now.set()

    # --- hearing ------------------------------------------------------------------------------

    def hears(self, now: bool) -> None:  # noqa: FBT001 - `listen` calls it
        """Whether every change is heard has changed."""
        self._hears = now
        self._connections += now
        self._check_all_now()

    async def take(self, message: Message) -> None:
        match message:
            case messages_pb2.EventCancelled():
                self.doubt(message.event_id, _DOUBT_SECONDS)
            case messages_pb2.SeatsChanged():
                if places := self._watched.get(message.event_id):
                    try:
                        places.apply(message)
                    except ValueError as error:
                        log.warning("unreadable change of seats", error=repr(error))

    def _check_all_now(self) -> None:
        for places in self._watched.values():
            places.check_after = 0.0
        self._check_now.set()

    async def check(self) -> None:
        """Compares what is looked at with inventory, for ever."""
        while True:
            self._check_now.clear()
            due = list(islice(self._due(), _CHECKS_AT_ONCE))
            if due:
                await asyncio.gather(*map(self._check, due))
                continue
            pause = min(1.0, self._check_seconds / 4)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._check_now.wait()

    def _due(self) -> Iterator[Places]:
        now = time.monotonic()
        for places in self._watched.values():
            # While nothing is heard, whoever asks makes inventory be asked anyway.
            asked = self._hears and now - places.asked_at <= _ASKED_SECONDS
            looked_at = places.listeners or asked
            doubted = now <= places.doubted_until and now - places.checked_at > 1
            if looked_at and places.hall and (now >= places.check_after or doubted):
                yield places

    async def _check(self, places: Places) -> None:
        try:
            await self._refresh(places)
        except RemoteError as error:
            log.warning("seats not compared", event_id=places.event_id, error=repr(error))
            places.check_after = time.monotonic() + self._unheard_seconds
