"""Lets requests for one event that arrive together travel together.

A batch starts at once where none of the event is on its way; what arrives meanwhile is the next
one, in the order of arrival. So nobody waits for company while there is little to do, and the
batches grow by themselves when there is much. Who travels together decides nothing: verdicts are
the work's, and the database's conditions are the guard, however many processes do this.

Work that raises has done nothing, and each of its requests is tried once more by itself, so that
what fails only fails itself. Where it can't be known whether anything was done (the connection was
lost, time ran out), nothing is tried again.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from prometheus_client import Histogram

from chassis.database import DatabaseError, PoolTimeoutError, is_lost, is_transient
from chassis.errors import overloaded
from chassis.logs import get_logger

ItemT = TypeVar("ItemT")
ItemT_contra = TypeVar("ItemT_contra", contravariant=True)
ResultT_co = TypeVar("ResultT_co", covariant=True)
ResultT = TypeVar("ResultT")

BATCH = 64
# A batch that takes longer than this is overtaken: the event's next one starts beside it, up to so
# many at a time. Longer than a batch waits for a lock: two beside each other choose the same seats.
_SLOW_SECONDS = 0.3
_BESIDE = 4
# No batch lasts longer, whatever it waits for.
_LONGEST_SECONDS = 10.0
# How often one request is tried while things change under it, or deadlock.
_TRIES = 6

TOGETHER = Histogram(
    "holds_together",
    "Requests in one transaction",
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


class Work(Protocol[ItemT_contra, ResultT_co]):
    """Does a batch in one transaction: a verdict for each item, in their order.

    Raises only where it has done nothing, or can't know. `alone` says that nobody else waits for
    it: it may wait for locks as long as it has to.
    """

    def __call__(
        self, event_id: UUID, items: Sequence[ItemT_contra], /, *, alone: bool
    ) -> Awaitable[Sequence[ResultT_co | Exception | TryAgain]]: ...


# Clears an event's holds that are in the way, in a transaction of its own.
Clear = Callable[[UUID, Sequence[UUID]], Awaitable[None]]


@dataclass(slots=True, eq=False)
class _Waiting(Generic[ItemT, ResultT]):
    item: ItemT
    answer: asyncio.Future[ResultT]
    ends_at: float  # by the loop's clock: nobody waits for the answer any longer
    tries: int = 0


@dataclass(slots=True, eq=False)
class _Lane(Generic[ItemT, ResultT]):
    """The requests for one event. It is there while there are any."""

    waiting: deque[_Waiting[ItemT, ResultT]] = field(default_factory=deque)
    batches: int = 0  # on their way
    is_led: bool = False  # by a batch that the next one waits for


class Coalescer(Generic[ItemT, ResultT]):
    """Requests on their way to the database, by event.

    `at_once` transactions run at the same time, the events taking turns; `most` requests wait.
    """

    def __init__(
        self,
        work: Work[ItemT, ResultT],
        clear: Clear,
        *,
        at_once: int = 6,
        most: int = 1000,
        batch: int = BATCH,
    ) -> None:
        self._work = work
        self._clear = clear
        self._most = most
        self._batch = batch
        self._room = asyncio.Semaphore(at_once)
        self._lanes: dict[UUID, _Lane[ItemT, ResultT]] = {}
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, event_id: UUID, item: ItemT, *, seconds: float) -> asyncio.Future[ResultT]:
        """The item's verdict, in time; one that has not begun within `seconds` is dropped.

        The future raises what the verdict or the work raises, and TimeoutError for what was
        dropped; whoever cancels it before it has begun takes it back.

        Raises:
            ServiceError: OVERLOADED, too many are waiting.
        """
        if self._count >= self._most:
            raise overloaded()
        loop = asyncio.get_running_loop()
        one: _Waiting[ItemT, ResultT] = _Waiting(item, loop.create_future(), loop.time() + seconds)
        lane = self._lanes.get(event_id)
        if lane is None:
            lane = self._lanes[event_id] = _Lane()
        lane.waiting.append(one)
        self._count += 1
        self._go_on(event_id, lane)
        return one.answer

    def _go_on(self, event_id: UUID, lane: _Lane[ItemT, ResultT]) -> None:
        """Sends the event's next batch on its way, where there is one and it may go."""
        if not lane.waiting:
            if not lane.batches:
                self._lanes.pop(event_id, None)
        elif not lane.is_led and lane.batches < _BESIDE:
            lane.is_led = True
            lane.batches += 1
            # In no request's own context: it works for all of them.
            task = asyncio.get_running_loop().create_task(
                self._go(event_id, lane), context=Context()
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _go(self, event_id: UUID, lane: _Lane[ItemT, ResultT]) -> None:
        leads = True

        def step_down() -> None:
            nonlocal leads
            if leads:
                leads = lane.is_led = False
                self._go_on(event_id, lane)

        try:
            async with self._room:
                batch = self._next(lane)
                timer = asyncio.get_running_loop().call_later(_SLOW_SECONDS, step_down)
                try:
                    failed = await self._try(lane, event_id, batch, alone=False)
                finally:
                    timer.cancel()
            if failed is not None:
                step_down()
                log.warning("batch failed, going one by one", size=len(batch), error=repr(failed))
                await asyncio.gather(*(self._alone(lane, event_id, one) for one in batch))
        finally:
            lane.batches -= 1
            step_down()
            self._go_on(event_id, lane)

    def _next(self, lane: _Lane[ItemT, ResultT]) -> list[_Waiting[ItemT, ResultT]]:
        now = asyncio.get_running_loop().time()
        batch: list[_Waiting[ItemT, ResultT]] = []
        while lane.waiting and len(batch) < self._batch:
            one = lane.waiting.popleft()
            self._count -= 1
            if one.ends_at <= now:
                _settle(one, TimeoutError())
            elif not one.answer.done():
                batch.append(one)
        return batch

    async def _try(
        self,
        lane: _Lane[ItemT, ResultT],
        event_id: UUID,
        batch: Sequence[_Waiting[ItemT, ResultT]],
        *,
        alone: bool,
    ) -> Exception | None:
        """Answers the batch; else says why it failed, having done nothing."""
        if not batch:
            return None
        TOGETHER.observe(len(batch))
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                verdicts = await self._work(event_id, [one.item for one in batch], alone=alone)
        except Exception as error:  # noqa: BLE001 - those who wait get it
            if _did_nothing(error):
                return error
            for one in batch:
                _settle(one, error)
            return None
        again: list[tuple[_Waiting[ItemT, ResultT], TryAgain]] = []
        for one, verdict in zip(batch, verdicts, strict=True):
            if not isinstance(verdict, TryAgain):
                _settle(one, verdict)
            elif one.tries == _TRIES:
                _settle(one, verdict.refusal)
            else:
                again.append((one, verdict))
        in_the_way = {id for _one, verdict in again for id in verdict.in_the_way}
        if in_the_way:
            try:
                async with asyncio.timeout(_LONGEST_SECONDS):
                    await self._clear(event_id, sorted(in_the_way))
            except Exception as error:  # noqa: BLE001 - what is tried again will tell
                log.warning("the way could not be cleared", error=repr(error))
        for one, _verdict in reversed(again):
            one.tries += 1
            # It keeps its turn: who came later does not get what it was waiting for.
            lane.waiting.appendleft(one)
            self._count += 1
        return None

    async def _alone(
        self, lane: _Lane[ItemT, ResultT], event_id: UUID, one: _Waiting[ItemT, ResultT]
    ) -> None:
        for attempt in range(_TRIES):
            async with self._room:
                if one.answer.done():
                    return
                failed = await self._try(lane, event_id, [one], alone=True)
            if failed is None:
                return
            transient = isinstance(failed, DatabaseError) and is_transient(failed)
            if not transient or attempt == _TRIES - 1:
                _settle(one, failed)
                return
            await asyncio.sleep(random.uniform(0.005, 0.02) * 2**attempt)  # noqa: S311 - jitter


def _did_nothing(error: Exception) -> bool:
    """Whether to try again is neither to do it twice nor, where room is short, in vain."""
    if isinstance(error, DatabaseError):
        return not is_lost(error)
    return not isinstance(error, (TimeoutError, PoolTimeoutError))


def _settle(one: _Waiting[ItemT, ResultT], verdict: ResultT | Exception) -> None:
    if one.answer.done():
        return
    if isinstance(verdict, Exception):
        one.answer.set_exception(verdict)
    else:
        one.answer.set_result(verdict)
