"""What a scenario reports, and how processes are measured from outside."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `goal` and `met` are None where there is none to reach."""

    scenario: str
    figure: str
    value: float
    unit: str
    goal: str | None = None
    met: bool | None = None


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, its threads' included (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mib(pid: int, name: str = "VmRSS") -> float:
    """Resident memory of a process now, or at its highest (`VmHWM`)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(name)
