"""What processes use, seen from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil


class Meter:
    """CPU time of the system's processes, each with its children, and of this one."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._roots = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._roots["generator"] = psutil.Process(os.getpid())

    def read(self) -> dict[str, float]:
        """User and system seconds of each so far."""
        return {name: _seconds(root, name != "generator") for name, root in self._roots.items()}

    def since(self, before: Mapping[str, float]) -> dict[str, float]:
        """What each has used since."""
        return {name: seconds - before[name] for name, seconds in self.read().items()}

    def switches(self) -> dict[str, int]:
        """How often each has waited for something so far, all threads together.

        Those of threads and children that have ended are lost.
        """
        return {
            name: sum(map(_voluntary, _threads(root, name != "generator")))
            for name, root in self._roots.items()
        }

    def switches_since(self, before: Mapping[str, int]) -> dict[str, int]:
        """How often each has waited since."""
        return {name: count - before[name] for name, count in self.switches().items()}

    def resident_mib(self, name: str) -> float:
        """A process's resident memory, its children's not counted."""
        return float(self._roots[name].memory_info().rss) / 2**20


def _threads(root: psutil.Process, family: bool) -> Iterator[Path]:  # noqa: FBT001 - its only question
    for process in (root, *(root.children(recursive=True) if family else ())):
        yield from Path(f"/proc/{process.pid}/task").glob("*/status")


def _voluntary(status: Path) -> int:
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return 0  # it has ended meanwhile
    return int(next(line for line in lines if line.startswith("voluntary")).split()[1])


def _seconds(root: psutil.Process, family: bool) -> float:  # noqa: FBT001 - its only question
    own = root.cpu_times()
    total = own.user + own.system
    if family:
        # PostgreSQL's and RabbitMQ's work is done by children; those that ended count with whoever
        # waited for them.
        total += own.children_user + own.children_system
        for child in root.children(recursive=True):
            try:
                times = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system + times.children_user + times.children_system
    return float(total)
