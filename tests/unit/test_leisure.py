"""Work at leisure: how long it rests, by clocks that the test moves."""

from __future__ import annotations

from functools import partial

import pytest

from notification_service.leisure import AtLeisure


class Clocks:
    """A clock, and the time that the thread had a processor; seconds."""

    def __init__(self) -> None:
        self.now = 100.0
        self.worked = 0.0
        self.rests: list[float] = []

    def leisure(self) -> AtLeisure:
        return AtLeisure(lambda: self.now, lambda: self.worked, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += seconds

    def work(self, took: float, waited: float) -> str:
        self.now += took + waited
        self.worked += took
        return "done"


def test_on_an_idle_machine_nothing_rests() -> None:
    clocks = Clocks()
    leisure = clocks.leisure()
    assert [leisure.do(partial(clocks.work, 1 / 64, 0)) for _ in range(3)] == ["done"] * 3
    assert clocks.rests == []


@pytest.mark.parametrize(
    ("waited", "rest"),
    [(1 / 128, 1 / 32), (1 / 64, 1 / 16), (2.0, 1 / 8)],
    ids=["a little", "longer", "very long"],
)
def test_who_waited_for_a_processor_leaves_it_to_others(waited: float, rest: float) -> None:
    clocks = Clocks()
    leisure = clocks.leisure()
    leisure.do(partial(clocks.work, 1 / 64, waited))
    leisure.do(partial(clocks.work, 1 / 64, 0))
    leisure.do(partial(clocks.work, 1 / 64, 0))
    assert clocks.rests == [rest]


def test_what_comes_later_has_rested_already() -> None:
    clocks = Clocks()
    leisure = clocks.leisure()
    leisure.do(partial(clocks.work, 1 / 64, 1 / 128))
    clocks.now += 1 / 8
    leisure.do(partial(clocks.work, 1 / 64, 0))
    assert clocks.rests == []


def test_after_work_that_failed_it_rests_too() -> None:
    clocks = Clocks()
    leisure = clocks.leisure()

    def fail() -> None:
        clocks.work(1 / 64, 1 / 128)
        raise LookupError

    with pytest.raises(LookupError):
        leisure.do(fail)
    leisure.do(partial(clocks.work, 1 / 64, 0))
    assert clocks.rests == [1 / 32]
