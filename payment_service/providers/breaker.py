"""A circuit breaker: a provider that does not answer is left alone for a while.

Calls are put off while it is open, never failed; whoever begins payments is told, and refuses new
ones. Times are the event loop's seconds.
"""

from __future__ import annotations

from payment_service.domain import Result, Unknown, Unreachable

FAILURES = 5
OPEN_SECONDS = 5.0
# Whoever was told believes it for three times as long, so that one telling may be lost.
TELL_SECONDS = 10.0


class Breaker:
    """Closed: calls go out. Open: none do. Then half open: one goes out and decides."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_until = 0.0
        self._tell_again_at: float | None = None  # None: what was told last is that it answers

    @property
    def is_open(self) -> bool:
        """Whether the provider did not answer lately, half open included."""
        return self._failures >= FAILURES

    def room(self, now: float, in_flight: int, limit: int) -> int:
        """How many calls may go out now, beside those in flight."""
        if not self.is_open:
            return max(0, limit - in_flight)
        return 1 if now >= self._open_until and in_flight == 0 else 0

    def note(self, result: Result, now: float) -> None:
        """Takes a call's result into account."""
        if isinstance(result, Unknown | Unreachable):
            self._failures += 1
            self._open_until = now + OPEN_SECONDS
        else:
            self._failures = 0

    def news(self, now: float) -> bool | None:
        """What others have to be told now: that the provider answers, or not; None: nothing."""
        if self.is_open:
            due = self._tell_again_at is None or now >= self._tell_again_at
            return False if due else None
        return None if self._tell_again_at is None else True

    def next_at(self, now: float) -> float | None:
        """When there is something to do next without anything happening; None: nothing."""
        if not self.is_open:
            return None
        moments = (self._open_until, self._tell_again_at)
        return min((each for each in moments if each is not None and each > now), default=None)

    def told(self, *, available: bool, now: float) -> None:
        """Notes that they were told so."""
        self._tell_again_at = None if available else now + TELL_SECONDS
