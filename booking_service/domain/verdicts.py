"""What a check of the invariants found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that found something."""

    invariant: str
    title: str
    violations: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `parterre fsck` found: of its checks those that found something."""

    began_at: datetime
    milliseconds: int
    version: str
    checks: int
    findings: Sequence[Finding]
