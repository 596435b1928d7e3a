"""The batcher with work that does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import psycopg
import pytest

from chassis.batching import Batch, Batcher, Limits, TryAgain
from chassis.errors import ServiceError

LANE, OTHER = UUID(int=1), UUID(int=2)

Verdict = str | Exception | TryAgain
Decide = Callable[[Sequence[str], bool], Sequence[Verdict]]


class Office:
    """Work that waits at a door, and remembers what it was given."""

    def __init__(self, decide: Decide | None = None, **limits: Any) -> None:
        self.batches: list[list[str]] = []
        self.cleared: list[Sequence[UUID]] = []
        self.door = asyncio.Event()
        self.door.set()
        self.at_work = self.most_at_work = 0
        self._decide = decide or (lambda items, _alone: [item.upper() for item in items])
        self.batcher: Batcher[UUID, str, str] = Batcher(
            "test", self._work, Limits(**limits), clear=self._clear
        )

    async def _work(self, _key: UUID, batch: Batch[str, str]) -> None:
        self.batches.append(list(batch.items))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await self.door.wait()
            batch.answer_all(self._decide(batch.items, batch.is_alone))
        finally:
            self.at_work -= 1

    async def _clear(self, _key: UUID, in_the_way: Sequence[UUID]) -> None:
        self.cleared.append(in_the_way)

    def put(self, *items: str, lane: UUID = LANE, seconds: float = 60) -> list[asyncio.Future[str]]:
        return [self.batcher.put(lane, item, seconds=seconds) for item in items]

    async def begun(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.batches) < count:
                await asyncio.sleep(0)


async def test_what_comes_while_a_batch_is_under_way_is_the_next_in_the_order_of_arrival() -> None:
    office = Office(size=3)
    office.door.clear()
    first = office.put("a")
    await office.begun(1)
    rest = office.put("b", "c", "d", "e")
    office.door.set()
    assert await asyncio.gather(*first, *rest) == ["A", "B", "C", "D", "E"]
    assert office.batches == [["a"], ["b", "c", "d"], ["e"]]


async def test_lanes_do_not_wait_for_each_other_while_there_is_room() -> None:
    office = Office(at_once=2)
    office.door.clear()
    futures = [office.put("x", lane=UUID(int=n))[0] for n in range(5)]
    await office.begun(2)
    office.door.set()
    assert await asyncio.gather(*futures) == ["X"] * 5
    assert office.most_at_work == 2


async def test_what_is_tried_again_keeps_its_turn_and_has_its_way_cleared() -> None:
    tries = iter([TryAgain(ValueError("taken"), [OTHER, LANE]), "B"])

    def decide(items: Sequence[str], _alone: bool) -> Sequence[Verdict]:
        return [next(tries) if item == "b" else item.upper() for item in items]

    office = Office(decide, size=2)
    office.door.clear()
    futures = office.put("a", "b", "c", "d")
    await office.begun(1)
    office.door.set()
    assert await asyncio.gather(*futures) == ["A", "B", "C", "D"]
    assert office.batches == [["a", "b"], ["b", "c"], ["d"]]
    assert office.cleared == [[LANE, OTHER]]


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


async def test_a_slow_batch_is_overtaken() -> None:
    office = Office(slow_seconds=0)
    office.door.clear()
    slow = office.put("slow")
    await office.begun(1)
    quick = office.put("a")
    await office.begun(2)
    office.door.set()
    assert await asyncio.gather(*quick, *slow) == ["A", "SLOW"]
    assert office.most_at_work == 2


async def test_nothing_is_kept_of_lanes_that_nobody_asks_for() -> None:
    office = Office()
    for n in range(20):
        assert await office.put("a", lane=UUID(int=n))[0] == "A"
    assert await office.put("b")[0] == "B"
    await asyncio.sleep(0)
    assert len(office.batcher._lanes) <= 1


async def test_no_more_than_so_many_of_a_lane_are_beside_each_other_however_slow() -> None:
    office = Office(slow_seconds=0, beside=2, size=1)
    office.door.clear()
    futures = office.put("a", "b", "c")
    await office.begun(2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert office.batches == [["a"], ["b"]]
    office.door.set()
    assert await asyncio.gather(*futures) == ["A", "B", "C"]
    assert office.most_at_work == 2


async def test_a_lanes_next_waits_for_as_many_as_may_be_ahead() -> None:
    office = Office(ahead=2)
    office.door.clear()
    futures = office.put("a")
    await office.begun(1)
    futures += office.put("b")
    await office.begun(2)
    futures += office.put("c", "d")
    for _ in range(20):
        await asyncio.sleep(0)
    assert office.batches == [["a"], ["b"]]
    office.door.set()
    assert await asyncio.gather(*futures) == ["A", "B", "C", "D"]
    assert office.batches[2:] == [["c", "d"]]


async def test_a_batch_that_is_given_up_fails_all_of_it_and_nothing_is_tried_again() -> None:
    office = Office(longest_seconds=0)
    office.door.clear()
    for future in office.put("a", "b"):
        with pytest.raises(TimeoutError):
            await future
    assert office.batches == [["a", "b"]]


class Counter:
    """Work that answers each item when the test says so."""

    def __init__(self, **limits: Any) -> None:
        self.batches: list[Batch[str, str]] = []
        self.ends: list[asyncio.Future[None]] = []
        self.batcher: Batcher[str, str, str] = Batcher("test", self._work, Limits(**limits))

    async def _work(self, _key: str, batch: Batch[str, str]) -> None:
        self.batches.append(batch)
        self.ends.append(asyncio.get_running_loop().create_future())
        await self.ends[len(self.batches) - 1]

    async def put(self, *items: str) -> list[asyncio.Future[str]]:
        """Returns when what may go has gone."""
        futures = [self.batcher.put("lane", item, seconds=60) for item in items]
        for _ in range(20):
            await asyncio.sleep(0)
        return futures

    @property
    def sent(self) -> list[list[str]]:
        return [list(batch.items) for batch in self.batches]


async def test_an_answer_ends_its_own_request_at_once() -> None:
    counter = Counter()
    a, b = await counter.put("a", "b")
    counter.batches[0].answer(1, "B")
    assert await b == "B"
    assert not a.done()
    counter.batches[0].answer(0, "A")
    assert await a == "A"
    counter.ends[0].set_result(None)


async def test_a_batch_that_lets_others_pass_holds_up_nobody_and_goes_on() -> None:
    counter = Counter(beside=1, at_once=1)
    (a,) = await counter.put("a")
    (b,) = await counter.put("b")
    assert counter.sent == [["a"]]
    counter.batches[0].let_pass()
    counter.batches[0].let_pass()  # once is enough
    await counter.put()
    (c,) = await counter.put("c")
    assert counter.sent == [["a"], ["b"]]
    counter.batches[0].answer(0, "A")
    counter.ends[0].set_result(None)
    assert await a == "A"
    counter.ends[1].set_result(None)
    with pytest.raises(ServiceError):
        await b
    async with asyncio.timeout(10):
        while len(counter.batches) < 3:
            await asyncio.sleep(0)
    assert counter.sent[2] == ["c"]
    counter.batches[2].answer(0, "C")
    assert await c == "C"
    counter.ends[2].set_result(None)


async def test_what_a_batch_leaves_without_an_answer_is_unavailable() -> None:
    counter = Counter()
    a, b = await counter.put("a", "b")
    counter.batches[0].answer(0, "A")
    counter.ends[0].set_result(None)
    assert await a == "A"
    with pytest.raises(ServiceError) as failed:
        await b
    assert failed.value.reason == "SERVICE_UNAVAILABLE"


async def test_what_has_answered_someone_is_not_tried_again() -> None:
    counter = Counter()
    a, b = await counter.put("a", "b")
    counter.batches[0].answer(0, "A")
    counter.ends[0].set_exception(KeyError("in the middle"))
    assert await a == "A"
    with pytest.raises(KeyError):
        await b
    assert counter.sent == [["a", "b"]]


async def test_what_is_tried_again_after_its_batch_let_others_pass_finds_its_lane() -> None:
    counter = Counter()
    (a,) = await counter.put("a")
    counter.batches[0].let_pass()
    assert not counter.batcher._lanes
    counter.batches[0].answer(0, TryAgain(ValueError("taken")))
    counter.ends[0].set_result(None)
    async with asyncio.timeout(10):
        while len(counter.batches) < 2:
            await asyncio.sleep(0)
    counter.batches[1].answer(0, "A")
    counter.ends[1].set_result(None)
    assert await a == "A"


def test_verdicts_are_as_many_as_items() -> None:
    batch: Batch[str, str] = Batch([], lambda: None, is_alone=True)
    with pytest.raises(ValueError, match="1 verdicts for 0 items"):
        batch.answer_all(["A"])


async def test_answers_in_turns_let_others_have_the_loop_between_them() -> None:
    most_between, seen = 0, 0

    async def work(_key: str, batch: Batch[int, int]) -> None:
        await batch.answer_in_turns((place, -item) for place, item in enumerate(batch.items))

    batcher: Batcher[str, int, int] = Batcher("test", work, Limits(ahead=1, beside=1, at_once=None))
    answers = [batcher.put("lane", item, seconds=10) for item in range(60)]

    async def watch() -> None:
        nonlocal most_between, seen
        while seen < len(answers):
            now = sum(answer.done() for answer in answers)
            most_between, seen = max(most_between, now - seen), now
            await asyncio.sleep(0)

    await watch()
    assert [answer.result() for answer in answers] == [-item for item in range(60)]
    assert 0 < most_between <= 16
