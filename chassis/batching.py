"""Lets requests that arrive together travel together: as one transaction, or as one call.

A lane's batch starts at once where none is under way; what arrives meanwhile is the next one, in
the order of arrival. So nobody waits for company while there is little to do, and the batches grow
by themselves when there is much. Who travels together decides nothing: the verdicts are the work's,
item by item (ADR 0013).

Work that raises and has done nothing is tried once more item by item, so that what fails only
fails itself. Where it can't be known whether anything was done, nothing is tried again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from prometheus_client import Histogram

from chassis import context, tracing
from chassis.database import DatabaseError, PoolTimeoutError, is_lost, is_transient
from chassis.errors import overloaded, unavailable
from chassis.logs import get_logger
from chassis.retrying import persistently

KeyT = TypeVar("KeyT", bound=Hashable)
KeyT_contra = TypeVar("KeyT_contra", bound=Hashable, contravariant=True)
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

# How often one item is tried while things change under it, or deadlock.
_TRIES = 6
# Answers that are given before the loop turns to what has come meanwhile.
_ANSWERS_A_TURN = 8

TOGETHER = Histogram(
    "parterre_batch_items",
    "Items that travelled in one batch",
    ["batcher"],
    buckets=(1, 2, 4, 8, 16, 32, 64),
)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TryAgain:
    """No verdict yet: something is in the way that can be cleared, or is about to go.

    When it has been tried often enough, `refusal` is the answer.
    """

    refusal: Exception
    in_the_way: Sequence[UUID] = ()


class Work(Protocol[KeyT_contra, ItemT, ResultT]):
    """Does a batch, and answers each item by its place.

    Raises only where it has done nothing for those that it has not answered, or can't know. Items
    that are left without an answer get SERVICE_UNAVAILABLE.
    """

    def __call__(self, key: KeyT_contra, batch: Batch[ItemT, ResultT], /) -> Awaitable[None]: ...


# Clears what is in the way of a lane's items, in a transaction of its own.
Clear = Callable[[KeyT, Sequence[UUID]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of what a batcher has under way.

    A lane's next batch starts when fewer than `ahead` of its batches are under way that are not
    slow, and fewer than `beside` in all; `at_once` are under way over all lanes, which take turns
    (None: no bound but the others). `most` items wait, `size` go in a batch. A batch is slow after
    `slow_seconds` and is given up after `longest_seconds`.
    """

    most: int = 1000
    size: int = 64
    ahead: int = 1
    beside: int = 4
    at_once: int | None = 6
    slow_seconds: float = 0.3
    longest_seconds: float = 10.0


@dataclass(slots=True, eq=False)
class _Waiting(Generic[ItemT, ResultT]):
    item: ItemT
    answer: asyncio.Future[ResultT]
    ends_at: float  # by the loop's clock: nobody waits for the answer any longer
    tries: int = 0

    def settle(self, verdict: ResultT | Exception) -> None:
        if self.answer.done():
            return
        if isinstance(verdict, Exception):
            self.answer.set_exception(verdict)
        else:
            self.answer.set_result(verdict)


@dataclass(slots=True, eq=False)
class _Lane(Generic[ItemT, ResultT]):
    """What waits under one key. It is there while there is anything."""

    waiting: deque[_Waiting[ItemT, ResultT]] = field(default_factory=deque)
    under_way: int = 0
    ahead: int = 0  # of them: those that the next one waits for


class Batch(Generic[ItemT, ResultT]):
    """Items that travel together. Each answer ends its request at once, whatever the others do.

    `is_alone` says that nothing else waits for it: it may wait for locks as long as it has to.
    """

    def __init__(
        self,
        waiting: Sequence[_Waiting[ItemT, ResultT]],
        let_pass: Callable[[], None],
        *,
        is_alone: bool,
    ) -> None:
        self.items: Sequence[ItemT] = [one.item for one in waiting]
        self.is_alone = is_alone
        self.let_pass = let_pass  # what is left is only waited for: it holds up no other batch
        self.has_answers = False
        self._waiting = waiting
        self._again: dict[int, TryAgain] = {}

    def answer(self, place: int, verdict: ResultT | Exception | TryAgain) -> None:
        """Answers the item at `place`; what was answered before stays as it is.

        Raises:
            IndexError: there is no such item.
        """
        one = self._waiting[place]
        self.has_answers = True
        if not isinstance(verdict, TryAgain):
            one.settle(verdict)
        elif one.tries >= _TRIES:
            one.settle(verdict.refusal)
        else:
            self._again[place] = verdict

    def answer_all(self, verdicts: Sequence[ResultT | Exception | TryAgain]) -> None:
        """Answers every item, in their order.

        Raises:
            ValueError: there are more verdicts or fewer than items.
        """
        if len(verdicts) != len(self._waiting):
            raise ValueError(f"{len(verdicts)} verdicts for {len(self._waiting)} items")
        for place, verdict in enumerate(verdicts):
            self.answer(place, verdict)

    async def answer_in_turns(
        self, verdicts: Iterable[tuple[int, ResultT | Exception | TryAgain]]
    ) -> None:
        """Answers items by their places, a few each time the loop comes round.

        Every answer wakes a request that goes on at once. All of a batch would keep the loop from
        whatever else comes for as long as all of them take.
        """
        for count, (place, verdict) in enumerate(verdicts, 1):
            self.answer(place, verdict)
            if not count % _ANSWERS_A_TURN:
                await asyncio.sleep(0)

    def again(self) -> Sequence[tuple[_Waiting[ItemT, ResultT], TryAgain]]:
        """What has to be tried again, in the items' order. For the batcher."""
        return [(self._waiting[place], verdict) for place, verdict in sorted(self._again.items())]


def rolled_back(error: Exception) -> bool:
    """Whether a transaction that raised this has done nothing, and there is a point in another try.

    Where the connection was lost or time ran out it can't be known; where there was no room for it,
    there is none for another.
    """
    if isinstance(error, DatabaseError):
        return not is_lost(error)
    return not isinstance(error, (TimeoutError, PoolTimeoutError))


class Batcher(Generic[KeyT, ItemT, ResultT]):
    """Items on their way to `work`, in lanes by key.

    `name` is the metrics' label. `did_nothing` tells, of what the work raised, whether its items
    may be tried one by one. `clear` is for work that answers with `TryAgain`.
    """

    def __init__(
        self,
        name: str,
        work: Work[KeyT, ItemT, ResultT],
        limits: Limits,
        *,
        did_nothing: Callable[[Exception], bool] = rolled_back,
        clear: Clear[KeyT] | None = None,
    ) -> None:
        self._work = work
        self._limits = limits
        self._did_nothing = did_nothing
        self._clear = clear
        # Without a bound of its own there can be no more than have waited.
        self._room = asyncio.Semaphore(limits.at_once or limits.most)
        self._lanes: dict[KeyT, _Lane[ItemT, ResultT]] = {}
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._observe = TOGETHER.labels(name).observe

    def put(self, key: KeyT, item: ItemT, *, seconds: float) -> asyncio.Future[ResultT]:
        """The item's answer, in time; one that has not begun within `seconds` is dropped.

        The future raises what the item was answered with or the work raised, and TimeoutError for
        what was dropped; whoever cancels it before it has begun takes it back.

        Raises:
            ServiceError: OVERLOADED, too many are waiting.
        """
        if self._count >= self._limits.most:
            raise overloaded()
        loop = asyncio.get_running_loop()
        one: _Waiting[ItemT, ResultT] = _Waiting(item, loop.create_future(), loop.time() + seconds)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        lane.waiting.append(one)
        self._count += 1
        self._go_on(key, lane)
        return one.answer

    def _go_on(self, key: KeyT, lane: _Lane[ItemT, ResultT]) -> None:
        """Sends the lane's next batch on its way, where there is one and it may go."""
        if not lane.waiting:
            if not lane.under_way:
                self._lanes.pop(key, None)
        elif lane.ahead < self._limits.ahead and lane.under_way < self._limits.beside:
            lane.ahead += 1
            lane.under_way += 1
            # In the context of a request of its own: it works for all of them. It starts when the
            # loop comes round: who comes until then goes along.
            task = asyncio.get_running_loop().create_task(self._go(key, lane), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _go(self, key: KeyT, lane: _Lane[ItemT, ResultT]) -> None:
        own = tracing.aside()
        context.begin(id=own.request_id, traceparent=own.traceparent)
        is_ahead = is_under_way = True
        has_room = False

        def step_aside() -> None:
            nonlocal is_ahead
            if is_ahead:
                is_ahead = False
                lane.ahead -= 1
                self._go_on(key, lane)

        def leave_room() -> None:
            nonlocal has_room
            if has_room:
                has_room = False
                self._room.release()

        def let_pass() -> None:
            nonlocal is_under_way
            if is_under_way:
                is_under_way = False
                leave_room()
                lane.under_way -= 1
                step_aside()
                self._go_on(key, lane)

        try:
            await self._room.acquire()
            has_room = True
            batch = self._next(lane)
            if batch:
                timer = asyncio.get_running_loop().call_later(self._limits.slow_seconds, step_aside)
                try:
                    failed = await self._try(key, lane, batch, let_pass, is_alone=False)
                finally:
                    timer.cancel()
                if failed is not None:
                    leave_room()
                    step_aside()
                    log.warning(
                        "batch failed, going one by one", size=len(batch), error=repr(failed)
                    )
                    await asyncio.gather(*(self._alone(key, lane, one) for one in batch))
        finally:
            leave_room()
            let_pass()

    def _next(self, lane: _Lane[ItemT, ResultT]) -> list[_Waiting[ItemT, ResultT]]:
        now = asyncio.get_running_loop().time()
        batch: list[_Waiting[ItemT, ResultT]] = []
        while lane.waiting and len(batch) < self._limits.size:
            one = lane.waiting.popleft()
            self._count -= 1
            if one.ends_at <= now:
                one.settle(TimeoutError())
            elif not one.answer.done():
                batch.append(one)
        return batch

    async def _try(
        self,
        key: KeyT,
        lane: _Lane[ItemT, ResultT],
        waiting: Sequence[_Waiting[ItemT, ResultT]],
        let_pass: Callable[[], None],
        *,
        is_alone: bool,
    ) -> Exception | None:
        """Answers the items; else says why it failed, having done nothing."""
        self._observe(len(waiting))
        batch = Batch(waiting, let_pass, is_alone=is_alone)
        error: Exception | None = None
        try:
            async with asyncio.timeout(self._limits.longest_seconds):
                await self._work(key, batch)
        except Exception as raised:  # noqa: BLE001 - those who wait get it
            if not batch.has_answers and self._did_nothing(raised):
                return raised
            error = raised
        again = batch.again()
        if again:
            await self._put_back(key, lane, again)
        kept = {one for one, _verdict in again}
        for one in waiting:
            if not one.answer.done() and one not in kept:
                one.settle(error or unavailable())
        return None

    async def _put_back(
        self,
        key: KeyT,
        lane: _Lane[ItemT, ResultT],
        again: Sequence[tuple[_Waiting[ItemT, ResultT], TryAgain]],
    ) -> None:
        in_the_way = {id for _one, verdict in again for id in verdict.in_the_way}
        if in_the_way and self._clear is not None:
            try:
                async with asyncio.timeout(self._limits.longest_seconds):
                    await self._clear(key, sorted(in_the_way))
            except Exception as error:  # noqa: BLE001 - what is tried again will tell
                log.warning("the way could not be cleared", error=repr(error))
        # A batch that has let others pass may have left its lane empty, and that is gone then.
        lane = self._lanes.setdefault(key, lane)
        for one, _verdict in reversed(again):
            one.tries += 1
            # It keeps its turn: who came later does not get what it was waiting for.
            lane.waiting.appendleft(one)
            self._count += 1
        self._go_on(key, lane)

    async def _alone(
        self, key: KeyT, lane: _Lane[ItemT, ResultT], one: _Waiting[ItemT, ResultT]
    ) -> None:
        async def once() -> None:
            async with self._room:
                if one.answer.done():
                    return
                failed = await self._try(key, lane, [one], _nothing_to_pass, is_alone=True)
            if failed is not None:
                raise failed

        try:
            await persistently(
                once, is_transient, first_seconds=0.02, most_seconds=0.2, tries=_TRIES
            )
        except Exception as failed:  # noqa: BLE001 - whoever waits for it is told
            one.settle(failed)


def _nothing_to_pass() -> None:
    """What is tried by itself holds up no other batch already."""
