"""Measures what things cost: one scenario, or all. Exits with 1 where a goal was not met."""

from __future__ import annotations

import argparse
import json
import os
import pkgutil
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import scenarios
from bench.figures import Report, Row, missed
from bench.load import UnexpectedAnswerError
from bench.scenarios.floor import yardstick
from bench.system import System

_RESULTS = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    """Runs what is asked for, shows the figures and writes bench/results/latest.json."""
    names = sorted(module.name for module in pkgutil.iter_modules(scenarios.__path__))
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(names)}; all without one")
    chosen = parser.parse_args().scenario or names
    if unknown := set(chosen) - set(names):
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    reports = [Report(name) for name in chosen]
    failed = _run(reports, console)
    rows = [row for report in reports for row in report.rows]
    _show(reports, console)
    _write(rows)
    if failed or any(missed(rows)):
        raise SystemExit(1)


def _run(reports: Sequence[Report], console: Console) -> bool:
    """Runs the scenarios, each on a fresh system of its own; whether anything went wrong."""
    failed = False
    for report in reports:
        module: Any = import_module(f"bench.scenarios.{report.scenario}")
        overrides: Mapping[str, Mapping[str, str]] = getattr(module, "OVERRIDES", {})
        twice: Sequence[str] = getattr(module, "TWICE", ())
        console.print(f"{report.scenario}: {(module.__doc__ or '').partition(chr(10))[0]}")
        if hasattr(module, "run_alone"):
            failed |= _fails(partial(module.run_alone, report), report)
            continue
        with tempfile.TemporaryDirectory(prefix="parterre-bench-") as folder:
            home = Path(folder)
            home.chmod(0o755)  # PostgreSQL may run as another account
            report.yardstick = yardstick()
            report.add("yardstick: floor's FastAPI and gRPC alone, before", report.yardstick, "ms")
            with System.running(home, overrides, twice) as system:
                failed |= _fails(partial(module.run, system, report), report)
                if wrong := system.violations():
                    report.remarks.append(f"FAILED: fsck: {wrong}")
                    failed = True
            report.add("yardstick: after", yardstick(), "ms")
    return failed


def _fails(scenario: Callable[[], None], report: Report) -> bool:
    try:
        scenario()
    except UnexpectedAnswerError as error:
        report.remarks.append(f"FAILED: {error}")
        return True
    return False


def _show(reports: Sequence[Report], console: Console) -> None:
    table = Table("Scenario", "Figure", "Value", "Unit", "Goal", box=None, padding=(0, 2))
    for report in reports:
        for row in report.rows:
            goal = "" if row.goal is None else f"{'met' if row.met else 'MISSED'}: {row.goal}"
            table.add_row(row.scenario, row.figure, f"{row.value:,.2f}", row.unit, goal)
    console.print(table)
    for report in reports:
        for remark in report.remarks:
            console.print(f"{report.scenario}: {remark}", markup=False)


def _write(rows: Sequence[Row]) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()},"
        f" Python {sys.version_info.major}.{sys.version_info.minor}"
    )
    _RESULTS.parent.mkdir(exist_ok=True)
    report = {"machine": machine, "commit": commit, "rows": [asdict(row) for row in rows]}
    _RESULTS.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
