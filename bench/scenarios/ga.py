"""Counted tickets of one hot event: how fast, and whether exactly as many as there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.crowd import MADE_OR_NOT, greet, holding, measured
from bench.figures import Report
from bench.load import Visit
from bench.system import Person, System

_PEOPLE = 20_000
_FEW = 500
_CROWD = 4_000
_HELD = "SELECT sum(held)::integer FROM inventory.pool WHERE event_id = %s"


def run(system: System, report: Report) -> None:
    """One pool that lasts, then one that does not."""
    large = system.on_sale(standing=3 * _PEOPLE)
    small = system.on_sale(standing=_FEW)
    people = system.people(_PEOPLE)
    crowd = system.people(_CROWD)
    greet(system, people)
    made: list[int] = []
    outcome = measured(system, _visits(large, [*people, *people], made), 64, 0.5, 3)
    count = outcome.count("hold", 201)
    report.at_least("admissions", outcome.per_second("hold", 201), "/s", 1500)
    report.at_most("CPU of the whole system", outcome.cpu_ms(count), "ms/hold", 1.2)
    report.cpu(outcome, "hold", count)
    report.latencies(outcome, "hold", "64 connections")
    report.at_most("refused while there was room", outcome.count("hold", 409), "refusals", 0)
    sold: list[int] = []
    ended = measured(system, _visits(small, crowd, sold), 64, 0, 2)
    held = system.scalar(_HELD, small["id"])
    report.add(f"{_FEW} tickets: asked for", ended.count("hold"), "requests")
    report.at_most(f"{_FEW} tickets: oversold", max(0, len(sold) - _FEW, held - _FEW), "tickets", 0)
    report.at_most(f"{_FEW} tickets: left over", _FEW - len(sold), "tickets", 0)
    differs = abs(system.scalar(_HELD, large["id"]) - len(made)) + abs(held - len(sold))
    report.at_most("answers that the database does not know", differs, "holds", 0)


def _visits(event: Mapping[str, Any], people: Sequence[Person], made: list[int]) -> Iterator[Visit]:
    wanted = {
        "event_id": event["id"],
        "general": [{"tier_id": event["tiers"][0]["id"], "quantity": 1}],
    }
    for person in people:
        yield holding(person, wanted, MADE_OR_NOT, made=made)
