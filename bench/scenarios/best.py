"""Two best seats of a hall of 20,000, again and again."""

from __future__ import annotations

from collections.abc import Iterator

from bench.crowd import greet, holding, measured
from bench.figures import Report
from bench.load import Visit
from bench.system import System

_ROWS, _SEATS = 400, 50
_PEOPLE = 5_000


def run(system: System, report: Report) -> None:
    """64 connections, then 4."""
    event_id = system.on_sale(rows=_ROWS, seats=_SEATS)["id"]
    people = system.people(_PEOPLE)
    greet(system, people)

    def visits() -> Iterator[Visit]:
        for person in [*people, *people]:
            yield holding(person, {"event_id": event_id, "best_available": {"quantity": 2}})

    source = visits()
    many = measured(system, source, 64, 0.3, 2.5)
    few = measured(system, source, 4, 0.3, 1)
    made = many.count("hold", 201)
    report.add("holds", many.per_second("hold", 201), "/s")
    report.add("CPU of the whole system", many.cpu_ms(made), "ms/hold")
    report.cpu(many, "hold", made)
    report.latencies(many, "hold", "64 connections")
    report.add("4 connections: CPU", few.cpu_ms(few.count("hold", 201)), "ms/hold")
    report.latencies(few, "hold", "4 connections")
