"""What traces cost: sagas with none, with one request in a hundred traced, and with every one.

Each is measured twice, on systems of their own in turns: a machine shared with others differs more
from one minute to the next than the first two do from each other.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.crowd import buys, greet, measured, saga_cpu_ms
from bench.figures import Report
from bench.load import UnexpectedAnswerError
from bench.system import System
from deploy.plan import SERVICES

_RATIOS: Mapping[str, str] = {"none": "0", "one in a hundred": "0.01", "every one": "1"}
_PER_SECOND = "1000000"  # no bound but the ratio
_TURNS = 2
_PEOPLE = 5_000
_CONNECTIONS = 48
_SECONDS = 6.0


def run_alone(report: Report) -> None:
    """Sagas as fast as they go, by how many of them are traced; spans go to files."""
    costs: dict[str, list[float]] = {name: [] for name in _RATIOS}
    for turn in range(_TURNS):
        for name, ratio in _RATIOS.items():
            cost = _cost(ratio)
            costs[name].append(cost)
            report.progress(f"turn {turn + 1} of {_TURNS}, {name} traced: {cost:.2f} ms a saga")
    none = statistics.fmean(costs["none"])
    for name, found in costs.items():
        report.add(f"CPU, {name} traced", statistics.fmean(found), "ms/saga")
        if name != "none":
            report.add(f"{name} traced, to none", statistics.fmean(found) / none, "times")


def _cost(ratio: str) -> float:
    """CPU of a saga, ms, in a new system that traces such a share of requests."""
    traced = {process: _settings(process, ratio) for process in ("gateway", *SERVICES)}
    with tempfile.TemporaryDirectory(prefix="parterre-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # PostgreSQL may run as another account
        with System.running(home, traced) as system:
            people = system.people(_PEOPLE)
            greet(system, people)
            event_id = system.on_sale(rows=_PEOPLE // 50, seats=50)["id"]
            visits = (
                buys(person, {"event_id": event_id, "seat_ids": [str(seat_no)]})
                for seat_no, person in enumerate(people)
            )
            cost = saga_cpu_ms(measured(system, visits, _CONNECTIONS, 2, _SECONDS))
            if wrong := system.violations():
                raise UnexpectedAnswerError(f"fsck: {wrong}")
    return cost


def _settings(process: str, ratio: str) -> Mapping[str, str]:
    prefix = process.upper()
    return {f"{prefix}_TRACE_RATIO": ratio, f"{prefix}_TRACE_PER_SECOND": _PER_SECOND}
