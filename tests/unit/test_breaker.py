"""The circuit breaker, and what others are told of it; times are seconds."""

from __future__ import annotations

from payment_service.domain import Absent, Unknown, Unreachable
from payment_service.providers.breaker import FAILURES, OPEN_SECONDS, TELL_SECONDS, Breaker

LIMIT = 32


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.note(Unreachable("refused"), now)
    return breaker


def test_it_opens_with_the_last_of_some_failures_in_a_row() -> None:
    breaker = Breaker()
    for result in [Unknown("late")] * (FAILURES - 1) + [Absent()] + [Unknown("late")] * 4:
        breaker.note(result, 0.0)
    assert (breaker.is_open, breaker.room(0.0, 2, LIMIT)) == (False, LIMIT - 2)
    assert breaker.news(0.0) is None
    breaker.note(Unreachable("refused"), 0.0)
    assert (breaker.is_open, breaker.room(0.0, 0, LIMIT)) == (True, 0)


def test_after_a_while_one_call_decides() -> None:
    breaker = opened()
    assert breaker.room(OPEN_SECONDS, 1, LIMIT) == 0
    assert breaker.room(OPEN_SECONDS, 0, LIMIT) == 1
    breaker.note(Unknown("late"), OPEN_SECONDS)
    assert breaker.room(OPEN_SECONDS, 0, LIMIT) == 0
    breaker.note(Absent(), 2 * OPEN_SECONDS)
    assert (breaker.is_open, breaker.room(2 * OPEN_SECONDS, 0, LIMIT)) == (False, LIMIT)


def test_an_outage_is_news_when_it_begins_now_and_then_while_it_lasts_and_when_it_ends() -> None:
    breaker = opened()
    assert breaker.news(0.0) is False
    breaker.told(available=False, now=0.0)
    assert breaker.news(TELL_SECONDS - 0.1) is None
    assert breaker.news(TELL_SECONDS) is False
    breaker.told(available=False, now=TELL_SECONDS)
    assert breaker.news(TELL_SECONDS + OPEN_SECONDS) is None
    breaker.note(Absent(), TELL_SECONDS + OPEN_SECONDS)
    assert breaker.news(TELL_SECONDS + OPEN_SECONDS) is True
    breaker.told(available=True, now=TELL_SECONDS + OPEN_SECONDS)
    assert breaker.news(100 * TELL_SECONDS) is None


def test_what_could_not_be_told_stays_news() -> None:
    breaker = opened()
    assert [breaker.news(0.0), breaker.news(0.0)] == [False, False]


def test_an_outage_that_nobody_was_told_of_ends_unheard() -> None:
    breaker = opened()
    breaker.note(Absent(), 0.0)
    assert breaker.news(0.0) is None


def test_what_changes_while_it_is_being_told_is_told_next() -> None:
    breaker = opened()
    breaker.note(Absent(), 1.0)
    breaker.told(available=False, now=1.0)
    assert breaker.news(1.0) is True


def test_an_open_breaker_says_when_there_is_something_to_do() -> None:
    breaker = Breaker()
    assert breaker.next_at(0.0) is None
    for _ in range(FAILURES):
        breaker.note(Unknown("time-out"), 100.0)
    assert breaker.next_at(100.0) == 100.0 + OPEN_SECONDS
    breaker.told(available=False, now=100.0)
    assert breaker.next_at(100.0 + OPEN_SECONDS) == 100.0 + TELL_SECONDS
    breaker.note(Absent(), 106.0)
    assert breaker.next_at(106.0) is None
