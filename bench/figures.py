"""What a scenario reports."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.load import Outcome

# Of one core: from here on the generator may be what is measured.
_BUSY_GENERATOR = 0.8


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `goal` and `met` are None where there is none to reach."""

    scenario: str
    figure: str
    value: float
    unit: str
    goal: str | None = None
    met: bool | None = None


class Report:
    """The figures of one scenario, as they are found."""

    def __init__(self, scenario: str) -> None:
        self.scenario = scenario
        self.rows: list[Row] = []
        self.remarks: list[str] = []
        # CPU ms of a request of FastAPI and gRPC alone, just before: what the machine is like.
        self.yardstick = float("nan")

    def progress(self, what: str) -> None:
        """Says what has been found or done so far, while it goes on."""
        print(f"  {time.strftime('%H:%M:%S')} {self.scenario}: {what}", flush=True)  # noqa: T201

    def add(self, figure: str, value: float, unit: str) -> None:
        """A figure without a goal."""
        self.rows.append(Row(self.scenario, figure, value, unit))

    def at_most(self, figure: str, value: float, unit: str, goal: float | None) -> None:
        """A figure that should not be above its goal; None: it has none."""
        if goal is None:
            self.add(figure, value, unit)
            return
        self.rows.append(Row(self.scenario, figure, value, unit, f"<= {goal:g}", value <= goal))

    def at_least(self, figure: str, value: float, unit: str, goal: float) -> None:
        """A figure that should not be below its goal."""
        self.rows.append(Row(self.scenario, figure, value, unit, f">= {goal:g}", value >= goal))

    def cpu(self, outcome: Outcome, unit: str, units: float, figure: str = "CPU") -> None:
        """Who used how much CPU for each of `units`, and whether the generator was too busy."""
        for name, seconds in sorted(outcome.cpu.items(), key=lambda pair: -pair[1]):
            if name != "generator" and seconds / units >= 0.000_005:
                self.add(f"{figure}: {name}", seconds / units * 1000, f"ms/{unit}")
        busy = outcome.cpu.get("generator", 0.0)
        self.add(f"{figure}: generator, not counted", busy / units * 1000, f"ms/{unit}")
        if busy / outcome.seconds > _BUSY_GENERATOR:
            self.remarks.append(
                f"{figure}: the generator used {busy / outcome.seconds:.0%} of a core;"
                " it may be the bottleneck."
            )

    def latencies(self, outcome: Outcome, kind: str, figure: str, *statuses: int) -> None:
        """The usual percentiles of a kind of call, of the answers with one of the statuses."""
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            self.add(f"{figure}: {name}", outcome.milliseconds(kind, share, *statuses), "ms")


def missed(rows: Sequence[Row]) -> Iterator[Row]:
    """The goals that were not reached."""
    return (row for row in rows if row.met is False)
