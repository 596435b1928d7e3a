"""Runs one scenario, or all; shows the figures and writes bench/results/latest.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import login
from bench.figures import Row

SCENARIOS: Mapping[str, Callable[[], Sequence[Row]]] = {"login": login.run}
_RESULTS = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    """Exits with 1 where a goal was not met."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("scenario", nargs="?", choices=sorted(SCENARIOS))
    chosen = parser.parse_args().scenario
    rows = [row for name in ([chosen] if chosen else SCENARIOS) for row in SCENARIOS[name]()]
    table = Table("Scenario", "Figure", "Value", "Unit", "Goal", box=None, padding=(0, 2))
    for row in rows:
        goal = "" if row.goal is None else f"{'met' if row.met else 'MISSED'}: {row.goal}"
        table.add_row(row.scenario, row.figure, f"{row.value:.2f}", row.unit, goal)
    Console(highlight=False).print(table)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    _RESULTS.parent.mkdir(exist_ok=True)
    report = {"machine": machine, "commit": commit, "rows": [asdict(row) for row in rows]}
    _RESULTS.write_text(json.dumps(report, indent=2))
    if any(row.met is False for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
