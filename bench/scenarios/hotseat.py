"""One seat that everybody wants: does a larger crowd slow it down?

Whoever gets it gives it back at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from bench.crowd import MADE_OR_NOT, greet, holding, measured
from bench.figures import Report
from bench.load import Outcome, Visit
from bench.system import System

OVERRIDES = {"gateway": {"GATEWAY_PERSON_RATE": "100000", "GATEWAY_PERSON_BURST": "100000"}}
_PEOPLE = 500
_ROUNDS = 2


def run(system: System, report: Report) -> None:
    """16 and 64 connections, taking turns."""
    event_id = system.on_sale(rows=1, seats=1)["id"]
    people = system.people(_PEOPLE)
    greet(system, people)

    def visits() -> Iterator[Visit]:
        for person in itertools.cycle(people):
            yield holding(
                person, {"event_id": event_id, "seat_ids": ["0"]}, MADE_OR_NOT, release=True
            )

    outcomes: dict[int, list[Outcome]] = {16: [], 64: []}
    for connections in [16, 64] * _ROUNDS:
        outcomes[connections].append(measured(system, visits(), connections, 1, 4))
    rates = {}
    for connections, rounds in outcomes.items():
        asked = sum(outcome.count("hold") for outcome in rounds)
        seconds = sum(outcome.seconds for outcome in rounds)
        rates[connections] = asked / seconds
        name = f"{connections} connections"
        report.add(f"{name}: requests", rates[connections], "/s")
        sold = sum(outcome.count("hold", 201) for outcome in rounds)
        report.add(f"{name}: times the seat was had", sold / seconds, "/s")
        cpu = sum(outcome.system_cpu for outcome in rounds)
        report.add(f"{name}: CPU", cpu / asked * 1000, "ms/request")
        report.latencies(rounds[-1], "hold", name)
    report.at_least("64 connections to 16", rates[64] / rates[16] * 100, "%", 90)
