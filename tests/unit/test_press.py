"""How many things are drawn at once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from gateway.press import Press
from gateway.problems import ProblemError


def press_of(**changes: Any) -> Press:
    usual = {
        "at_once": 2,
        "most_waiting": 3,
        "of_a_person": 1,
        "seconds": 30,
        "kept_bytes": 1000,
    }
    return Press(**{**usual, **changes})


async def test_only_a_few_are_drawn_at_once_and_what_waits_has_an_end() -> None:
    press = press_of()
    may_end = threading.Event()
    lock, running, most = threading.Lock(), 0, 0

    def draw() -> bytes:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        may_end.wait(30)
        with lock:
            running -= 1
        return b"1"

    people = "abcde"
    drawn = [asyncio.create_task(press.make(each, each.encode(), draw)) for each in people]
    await asyncio.sleep(0)
    with pytest.raises(ProblemError, match="moment"):
        await press.make("f", b"f", draw)
    may_end.set()
    assert await asyncio.gather(*drawn) == [b"1"] * 5
    assert most <= 2
    assert await press.make("f", b"f", draw) == b"1"  # there is room again


async def test_a_person_prints_one_thing_at_a_time_and_what_was_made_is_not_made_again() -> None:
    press = press_of()
    may_end = threading.Event()
    made = 0

    def draw() -> bytes:
        nonlocal made
        made += 1
        may_end.wait(30)
        return b"%d" % made

    first = asyncio.create_task(press.make("a", b"x", draw))
    await asyncio.sleep(0)
    with pytest.raises(ProblemError) as refused:
        await press.make("a", b"y", draw)
    assert (refused.value.reason, refused.value.status) == ("TOO_MANY_AT_ONCE", 429)
    may_end.set()
    assert await first == b"1"
    assert await press.make("b", b"x", draw) == b"1"
    assert await press.make("a", b"y", draw) == b"2"


async def test_who_waits_too_long_is_told_so_and_the_place_is_free_when_the_work_ends() -> None:
    press = press_of(at_once=1, seconds=0.05)
    may_end = threading.Event()

    def draw() -> bytes:
        may_end.wait(30)
        return b"1"

    for person in "ab":  # the second waits for the place that the first still has
        with pytest.raises(ProblemError) as refused:
            await press.make(person, b"x", draw)
        assert refused.value.reason == "OVERLOADED"
    may_end.set()
    async with asyncio.timeout(30):
        while True:
            try:
                assert await press.make("c", b"y", lambda: b"2") == b"2"
            except ProblemError:
                continue
            break
