"""Tickets as things people keep, and how many are drawn at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fontTools.ttLib import TTFont

from gateway.press import Press
from gateway.problems import ProblemError
from presentation import paper
from presentation.paper import UnwantedError
from tests.contract import samples

FONT = Path(paper.__file__).parent / "fonts" / "NotoSans-Regular.ttf"


@pytest.mark.parametrize("name", ["प्रकाश श्रेष्ठ", "Zoë Ñandú Škvorecký", "Ελένη", "Саша"])
def test_the_font_has_every_letter_of_the_names_it_promises(name: str) -> None:
    letters = TTFont(FONT).getBestCmap()
    assert not [letter for letter in name if ord(letter) not in letters]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "प्रकाश श्रेष्ठ",
        "王小明",
        "\u202eevil\u0000\ud800",
        "é" * 5,
        "word " * 60,
        "x" * 100,
        "👩‍👩‍👧",
    ],
)
def test_any_name_and_title_can_be_printed(name: str) -> None:
    ticket = samples.ticket()
    ticket.attendee_name = name.encode("utf-8", "ignore").decode()
    ticket.event.title = (name or "x").encode("utf-8", "ignore").decode() * 3
    printed = paper.tickets_pdf([ticket])
    assert printed.count(b"/Type /Page\n") == 1  # nothing runs over to a second


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

    def draw(_is_wanted: Callable[[], bool]) -> bytes:
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

    def draw(_is_wanted: Callable[[], bool]) -> bytes:
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


async def test_who_waits_too_long_is_told_so_and_the_work_ends_unfinished() -> None:
    press = press_of(at_once=1, seconds=0.05)
    has_ended = threading.Event()

    def draw(is_wanted: Callable[[], bool]) -> bytes:
        while is_wanted():
            pass
        has_ended.set()
        raise UnwantedError

    for _ in range(2):  # the place is free again
        with pytest.raises(ProblemError) as refused:
            await press.make("a", b"x", draw)
        assert refused.value.reason == "OVERLOADED"
        assert await asyncio.to_thread(has_ended.wait, 30)
        has_ended.clear()


def test_printing_stops_between_two_pages_when_nobody_waits() -> None:
    asked = iter([True, True, False])
    with pytest.raises(UnwantedError):
        paper.tickets_pdf([samples.ticket()] * 5, lambda: next(asked))
    assert next(asked, None) is None
