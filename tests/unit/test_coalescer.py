"""The coalescer with work that does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import psycopg
import pytest

from chassis.errors import ServiceError
from inventory_service import coalescer
from inventory_service.coalescer import Coalescer, TryAgain

EVENT, OTHER = UUID(int=1), UUID(int=2)

Verdict = str | Exception | TryAgain
Decide = Callable[[Sequence[str], bool], Sequence[Verdict]]


class Office:
    """Work that waits at a door, and remembers what it was given."""

    def __init__(self, decide: Decide | None = None, **limits: int) -> None:
        self.batches: list[list[str]] = []
        self.cleared: list[Sequence[UUID]] = []
        self.door = asyncio.Event()
        self.door.set()
        self.at_work = self.most_at_work = 0
        self._decide = decide or (lambda items, _alone: [item.upper() for item in items])
        self.coalescer: Coalescer[str, str] = Coalescer(self._work, self._clear, **limits)

    async def _work(
        self, _event_id: UUID, items: Sequence[str], *, alone: bool
    ) -> Sequence[Verdict]:
        self.batches.append(list(items))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await self.door.wait()
            return self._decide(items, alone)
        finally:
            self.at_work -= 1

    async def _clear(self, _event_id: UUID, in_the_way: Sequence[UUID]) -> None:
        self.cleared.append(in_the_way)

    def put(
        self, *items: str, event: UUID = EVENT, seconds: float = 60
    ) -> list[asyncio.Future[str]]:
        return [self.coalescer.put(event, item, seconds=seconds) for item in items]

    async def begun(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.batches) < count:
                await asyncio.sleep(0)


async def test_what_comes_while_a_batch_is_under_way_is_the_next_in_the_order_of_arrival() -> None:
    office = Office(batch=3)
    office.door.clear()
    first = office.put("a")
    await office.begun(1)
    rest = office.put("b", "c", "d", "e")
    office.door.set()
    assert await asyncio.gather(*first, *rest) == ["A", "B", "C", "D", "E"]
    assert office.batches == [["a"], ["b", "c", "d"], ["e"]]


async def test_events_do_not_wait_for_each_other_while_there_is_room() -> None:
    office = Office(at_once=2)
    office.door.clear()
    futures = [office.put("x", event=UUID(int=n))[0] for n in range(5)]
    await office.begun(2)
    office.door.set()
    assert await asyncio.gather(*futures) == ["X"] * 5
    assert office.most_at_work == 2


async def test_what_is_tried_again_keeps_its_turn_and_has_its_way_cleared() -> None:
    tries = iter([TryAgain(ValueError("taken"), [OTHER, EVENT]), "B"])

    def decide(items: Sequence[str], _alone: bool) -> Sequence[Verdict]:
        return [next(tries) if item == "b" else item.upper() for item in items]

    office = Office(decide, batch=2)
    office.door.clear()
    futures = office.put("a", "b", "c", "d")
    await office.begun(1)
    office.door.set()
    assert await asyncio.gather(*futures) == ["A", "B", "C", "D"]
    assert office.batches == [["a", "b"], ["b", "c"], ["d"]]
    assert office.cleared == [[EVENT, OTHER]]


async def test_trying_again_ends_with_the_refusal() -> None:
    office = Office(lambda items, _alone: [TryAgain(ValueError("taken"))] * len(items))
    (future,) = office.put("a")
    with pytest.raises(ValueError, match="taken"):
        await future
    assert len(office.batches) == 7


async def test_a_batch_that_fails_is_tried_one_by_one_and_only_the_poison_fails() -> None:
    def decide(items: Sequence[str], alone: bool) -> Sequence[Verdict]:
        if "poison" in items:
            raise KeyError("poison")
        assert alone == (len(office.batches) > 1)
        return [item.upper() for item in items]

    office = Office(decide)
    a, poison, b = office.put("a", "poison", "b")
    assert await asyncio.gather(a, b) == ["A", "B"]
    with pytest.raises(KeyError):
        await poison
    assert office.batches[0] == ["a", "poison", "b"]
    assert sorted(office.batches[1:]) == [["a"], ["b"], ["poison"]]


async def test_nothing_is_tried_again_when_it_may_have_been_done() -> None:
    def decide(_items: Sequence[str], _alone: bool) -> Sequence[Verdict]:
        raise psycopg.OperationalError("the connection was lost")

    office = Office(decide)
    for future in office.put("a", "b"):
        with pytest.raises(psycopg.OperationalError):
            await future
    assert office.batches == [["a", "b"]]


async def test_a_deadlock_is_tried_again() -> None:
    failures = iter([psycopg.errors.DeadlockDetected(), psycopg.errors.DeadlockDetected()])

    def decide(items: Sequence[str], _alone: bool) -> Sequence[Verdict]:
        for failure in failures:
            raise failure
        return [item.upper() for item in items]

    office = Office(decide)
    assert await office.put("a")[0] == "A"
    assert office.batches == [["a"]] * 3


async def test_what_nobody_waits_for_any_longer_is_dropped_before_any_work() -> None:
    office = Office()
    office.door.clear()
    (first,) = office.put("a")
    await office.begun(1)
    (late,) = office.put("late", seconds=0)
    (given_up,) = office.put("given up")
    (last,) = office.put("b")
    given_up.cancel()
    office.door.set()
    assert await asyncio.gather(first, last) == ["A", "B"]
    with pytest.raises(TimeoutError):
        await late
    assert office.batches == [["a"], ["b"]]


async def test_more_than_may_wait_are_refused_at_once() -> None:
    office = Office(most=2)
    office.door.clear()
    futures = office.put("a")
    await office.begun(1)
    futures += office.put("b", "c")
    with pytest.raises(ServiceError) as refused:
        office.put("d")
    assert (refused.value.reason, refused.value.metadata["retry_after"]) == ("OVERLOADED", "1")
    office.door.set()
    assert await asyncio.gather(*futures) == ["A", "B", "C"]
    assert await office.put("d")[0] == "D"


async def test_a_slow_batch_is_overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coalescer, "_SLOW_SECONDS", 0)
    office = Office()
    office.door.clear()
    slow = office.put("slow")
    await office.begun(1)
    quick = office.put("a")
    await office.begun(2)
    office.door.set()
    assert await asyncio.gather(*quick, *slow) == ["A", "SLOW"]
    assert office.most_at_work == 2


async def test_nothing_is_kept_of_events_that_nobody_asks_for() -> None:
    office = Office()
    for n in range(20):
        assert await office.put("a", event=UUID(int=n))[0] == "A"
    assert await office.put("b")[0] == "B"
    await asyncio.sleep(0)
    assert len(office.coalescer._lanes) <= 1
