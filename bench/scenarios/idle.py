"""What the whole system uses while nobody asks it for anything: CPU and wake-ups a second."""

from __future__ import annotations

import time

from bench.figures import Report
from bench.system import System

_QUIET_SECONDS = 20
_SECONDS = 30.0


def run(system: System, report: Report) -> None:
    """Nothing, for a while."""
    report.progress(f"{_QUIET_SECONDS} s until start-up is over, {_SECONDS:.0f} s of measuring")
    time.sleep(_QUIET_SECONDS)
    before, slept, began = system.meter.read(), system.meter.switches(), time.perf_counter()
    time.sleep(_SECONDS)
    seconds = time.perf_counter() - began
    used, woken = system.meter.since(before), system.meter.switches_since(slept)
    whole = sum(used.values()) - used["generator"]
    report.at_most("CPU of the whole system", whole / seconds * 1000, "ms/s", 20)
    for name in sorted(used, key=used.__getitem__, reverse=True):
        if name != "generator":
            report.add(f"CPU: {name}", used[name] / seconds * 1000, "ms/s")
            report.add(f"wake-ups: {name}", woken[name] / seconds, "/s")
