"""Holds on one event through REST: each another person and another seat.

Beside it, in the same run, pgbench with the same transaction as one SQL statement; and the same
holds on a small event, for what a hold costs must not depend on the event's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import orjson
import uvloop

from bench.figures import Report
from bench.load import Call, Outcome, Visit, closed_loop, request
from bench.pgbench import holds_per_second
from bench.system import Person, System

_ROWS, _SEATS = 480, 50
_SMALL_ROWS = 60
_PGBENCH_SECONDS = 5


def run(system: System, report: Report) -> None:
    """Distinct seats of one event, as fast as they can be had."""
    large = system.on_sale(rows=_ROWS, seats=_SEATS)["id"]
    small = system.on_sale(rows=_SMALL_ROWS, seats=_SEATS)["id"]
    people = system.people(_ROWS * _SEATS)
    pgbench = holds_per_second(system.admin_url, _PGBENCH_SECONDS)
    few = measured(system, visits(small, people[: _SMALL_ROWS * _SEATS]), 8, 0.5, 1.5)
    many = measured(system, visits(large, people[_SMALL_ROWS * _SEATS :]), 64, 2, 8)
    made = many.count("hold", 201)
    report.at_least("holds", many.per_second("hold", 201), "/s", 1500)
    report.at_most("CPU of the whole system", many.cpu_ms(made), "ms/hold", 1.2)
    report.cpu(many, "hold", made)
    report.latencies(many, "hold", "64 connections")
    report.latencies(few, "hold", "8 connections, 3,000 seats")
    report.add("8 connections, 3,000 seats: holds", few.per_second("hold", 201), "/s")
    report.add("8 connections, 3,000 seats: CPU", few.cpu_ms(few.count("hold", 201)), "ms/hold")
    report.add("pgbench, 16 connections", pgbench, "holds/s")
    report.at_least("holds to pgbench's", many.per_second("hold", 201) / pgbench * 100, "%", 15)


def measured(
    system: System, each: Iterable[Visit], connections: int, warm_up: float, seconds: float
) -> Outcome:
    """A closed loop of so many connections."""
    return uvloop.run(
        closed_loop(
            system.url,
            each,
            meter=system.meter,
            connections=connections,
            warm_up=warm_up,
            seconds=seconds,
        )
    )


def visits(event_id: str, people: Sequence[Person]) -> Iterator[Visit]:
    """Everybody holds the seat of their own number."""
    for seat_no, person in enumerate(people):
        yield _hold(event_id, person, seat_no)


def _hold(event_id: str, person: Person, seat_no: int) -> Visit:
    body = orjson.dumps({"event_id": event_id, "seat_ids": [str(seat_no)]})
    yield Call("hold", request("POST", "/api/v1/holds", person.token, body), {201})
