"""Holds on one event through REST: each another seat, everybody two, tokens known.

Beside it, in the same run: pgbench with the same transaction as one SQL statement; a few clients on
a small event, for what a hold costs does not depend on the event's size; and people whose tokens
have not been seen before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.crowd import greet, holding, measured
from bench.figures import Report
from bench.load import Visit
from bench.pgbench import holds_per_second
from bench.system import Person, System

_ROWS, _SEATS = 400, 50
_SMALL_ROWS = 120
_PGBENCH_SECONDS = 5


def run(system: System, report: Report) -> None:
    """Distinct seats of one event, as fast as they can be had."""
    large = system.on_sale(halls=2, rows=_ROWS, seats=_SEATS)["id"]
    small = system.on_sale(rows=_SMALL_ROWS, seats=_SEATS)["id"]
    fresh = system.on_sale(rows=_SMALL_ROWS, seats=_SEATS)["id"]
    people = system.people(_ROWS * _SEATS)
    few_people = system.people(_SMALL_ROWS * _SEATS // 2)
    fresh_people = system.people(_SMALL_ROWS * _SEATS // 2)
    pgbench = holds_per_second(system.admin_url, _PGBENCH_SECONDS)
    greet(system, [*people, *few_people])
    many = measured(system, _visits(large, people), 64, 1, 4)
    few = measured(system, _visits(small, few_people), 8, 0.2, 1)
    unknown = measured(system, _visits(fresh, fresh_people), 64, 0.2, 0.8)
    made = many.count("hold", 201)
    report.at_least("holds", many.per_second("hold", 201), "/s", 1500)
    report.at_most("CPU of the whole system", many.cpu_ms(made), "ms/hold", 1.2)
    report.cpu(many, "hold", made)
    report.latencies(many, "hold", "64 connections")
    report.latencies(few, "hold", "8 connections, 6,000 seats")
    report.add("8 connections, 6,000 seats: CPU", few.cpu_ms(few.count("hold", 201)), "ms/hold")
    report.add("unknown tokens: CPU", unknown.cpu_ms(unknown.count("hold", 201)), "ms/hold")
    report.add("pgbench, 16 connections", pgbench, "holds/s")
    report.at_least("holds to pgbench's", many.per_second("hold", 201) / pgbench * 100, "%", 15)


def _visits(event_id: str, people: Sequence[Person]) -> Iterator[Visit]:
    """Everybody once, then everybody once more."""
    for seat_no, person in enumerate([*people, *people]):
        yield holding(person, {"event_id": event_id, "seat_ids": [str(seat_no)]})
