"""What a hold and a saga cost after 1,000, after 100,000 and (if asked for) after 1,000,000 sold.

The first thousand are sold by the services, the rest are copies of their rows, spread over events
of a thousand seats. The services go on running all the while, and keep their connections. Nothing
is analyzed by hand; it waits for autovacuum to have come by, as it would have many times over.
BENCH_GROWTH=1000000 goes on to a million, which takes some minutes more.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import uvloop

from bench.crowd import buys, greet, holding, measured, saga_cpu
from bench.figures import Report
from bench.filling import copy_event
from bench.load import Outcome, UnexpectedAnswerError, Visit, open_loop, steady
from bench.system import Person, System

_SEATS_SOLD = 1_000  # of each event
_LARGEST = int(os.environ.get("BENCH_GROWTH", "100000"))
_SIZES = [size for size in (1_000, 100_000, 1_000_000) if size <= _LARGEST]
_MOST_TIMES = 1.15
_ROUNDS = 3
_HOLD_SECONDS, _SAGA_SECONDS = 2.0, 3.0
_ROWS, _SEATS = 300, 50
_FIRST_RATE = 150.0  # sagas a second
_SETTLE_SECONDS = 30.0
# Of a million it takes minutes: workers rest between pages.
_AUTOVACUUM_SECONDS = 600.0
_UNSETTLED = """
SELECT (SELECT count(*) FROM inventory.hold WHERE event_id = %s AND status <> 'SOLD')
     + (SELECT count(*) FROM booking.sale_entry) + (SELECT count(*) FROM payment.provider_call)
     + (SELECT %s - count(*) FROM notification.ending)
"""
# The tables of a saga that autovacuum has not analyzed since then, and its workers.
_AUTOVACUUM = """
SELECT (SELECT count(*) FROM pg_stat_user_tables
         WHERE schemaname IN ('booking', 'inventory', 'payment')
           AND relname IN ('booking', 'saga', 'timeline', 'ticket', 'hold', 'hold_line',
                           'seat_journal', 'payment', 'attempt')
           AND coalesce(last_autoanalyze, '-infinity') < %s::timestamptz)
     + (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker')
"""


@dataclass(frozen=True, slots=True)
class _Cost:
    """CPU, ms each: of the whole system, and PostgreSQL's share."""

    hold: float
    hold_in_postgres: float
    saga: float
    saga_in_postgres: float


def run(system: System, report: Report) -> None:
    """Sells, copies, and measures at each size."""
    sold_out = system.on_sale(rows=_SEATS_SOLD // 50, seats=50)["id"]
    people = system.people(_ROWS * _SEATS)
    greet(system, people)
    _sell_out(system, sold_out, people)
    costs: dict[int, _Cost] = {}
    copied = 0
    for size in _SIZES:
        copies = size // _SEATS_SOLD - 1
        if copies > copied:
            _fill(system, report, sold_out, copied + 1, copies)
            copied = copies
        costs[size] = cost = _measure(system, people)
        report.progress(f"{size:,} sold: {cost.hold:.2f} ms a hold, {cost.saga:.2f} a saga")
    first = costs[_SIZES[0]]
    for size, cost in costs.items():
        sold = f"{size:,} sold"
        report.add(f"{sold}: CPU", cost.hold, "ms/hold")
        report.add(f"{sold}: CPU: postgres", cost.hold_in_postgres, "ms/hold")
        report.add(f"{sold}: CPU", cost.saga, "ms/saga")
        report.add(f"{sold}: CPU: postgres", cost.saga_in_postgres, "ms/saga")
        if cost is not first:
            report.at_most(f"{sold}: a hold's cost", cost.hold / first.hold, "times", _MOST_TIMES)
            report.at_most(f"{sold}: a saga's cost", cost.saga / first.saga, "times", _MOST_TIMES)


def _sell_out(system: System, event_id: str, people: Sequence[Person]) -> None:
    """Every seat of the event by whole sagas; returns when nothing of them is left to do."""
    outcome = uvloop.run(
        open_loop(
            system.url,
            _sagas(event_id, people[:_SEATS_SOLD]),
            itertools.islice(steady(_FIRST_RATE), _SEATS_SOLD),
            meter=system.meter,
            warm_up=0,
            seconds=_SEATS_SOLD / _FIRST_RATE + 2,
        )
    )
    if outcome.count("booking", 201) != _SEATS_SOLD:
        raise UnexpectedAnswerError(f"{outcome.count('booking', 201)} bookings were made")
    _wait(system, _SETTLE_SECONDS, _UNSETTLED, event_id, _SEATS_SOLD)


def _fill(system: System, report: Report, event_id: str, first: int, last: int) -> None:
    began = time.perf_counter()
    moment = system.scalar("SELECT clock_timestamp()")
    copy_event(system.admin_url, event_id, first, last)
    report.progress(f"{last - first + 1} copies in {time.perf_counter() - began:.0f} s")
    _wait(system, _AUTOVACUUM_SECONDS, _AUTOVACUUM, moment)
    report.progress(f"autovacuum has come by after {time.perf_counter() - began:.0f} s")


def _wait(system: System, seconds: float, sql: str, *values: object) -> None:
    """Until the query gives 0."""
    ends = time.monotonic() + seconds
    while left := system.scalar(sql, *values):
        if time.monotonic() > ends:
            raise UnexpectedAnswerError(f"{left} left after {seconds:.0f} s of: {sql}")
        time.sleep(0.5)


def _measure(system: System, people: Sequence[Person]) -> _Cost:
    """The median of some rounds, holds and sagas by turns."""
    event_id = system.on_sale(rows=_ROWS, seats=_SEATS)["id"]
    other = system.on_sale(rows=_ROWS, seats=_SEATS)["id"]
    sagas = _sagas(event_id, people)
    holds = _holds(other, people)
    of_holds: list[Outcome] = []
    of_sagas: list[Outcome] = []
    for _ in range(_ROUNDS):
        of_holds.append(measured(system, holds, 64, 0.5, _HOLD_SECONDS))
        of_sagas.append(measured(system, sagas, 48, 0.5, _SAGA_SECONDS))

    def median(outcomes: Sequence[Outcome], kind: str, process: str | None = None) -> float:
        return statistics.median(
            (outcome.cpu[process] if process else saga_cpu(outcome))
            / outcome.count(kind, 201)
            * 1000
            for outcome in outcomes
        )

    return _Cost(
        median(of_holds, "hold"),
        median(of_holds, "hold", "postgres"),
        median(of_sagas, "booking"),
        median(of_sagas, "booking", "postgres"),
    )


def _sagas(event_id: str, people: Sequence[Person]) -> Iterator[Visit]:
    for seat_no, person in enumerate(people):
        yield buys(person, {"event_id": event_id, "seat_ids": [str(seat_no)]})


def _holds(event_id: str, people: Sequence[Person]) -> Iterator[Visit]:
    """Each is given back, so that there is always room for another."""
    for seat_no, person in itertools.cycle(enumerate(people)):
        yield holding(person, {"event_id": event_id, "seat_ids": [str(seat_no)]}, release=True)
