"""Faults on request: how the charge routes misbehave until told otherwise.

Held in memory: a restart heals them, as it would a real provider's bad hour.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Mode(StrEnum):
    NONE = "none"
    DOWN = "down"
    """The connection is cut at once."""
    ERROR_500 = "error_500"
    HANG = "hang"
    """Nothing is done and nothing answered."""
    MALFORMED = "malformed"
    """The work is done, the answer is half its JSON."""


@dataclass(frozen=True, slots=True)
class Fault:
    mode: Mode = Mode.NONE
    latency_ms: int = 0
    remaining: int | None = None
    """How many requests it still strikes; None: all."""

    @property
    def strikes(self) -> bool:
        return self.mode is not Mode.NONE or self.latency_ms > 0

    def after_one(self) -> "Fault":
        """What is left once a request was struck."""
        if self.remaining is None:
            return self
        return replace(self, remaining=self.remaining - 1) if self.remaining > 1 else Fault()
