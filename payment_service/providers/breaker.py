"""A circuit breaker: a provider that does not answer is left alone for a while.

Calls are put off while it is open, never failed. Times are the event loop's seconds.
"""

from __future__ import annotations

from payment_service.domain import Result, Unknown, Unreachable

FAILURES = 5
OPEN_SECONDS = 5.0


class Breaker:
    """Closed: calls go out. Open: none do. Then half open: one goes out and decides."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_until = 0.0

    def room(self, now: float, in_flight: int, limit: int) -> int:
        """How many calls may go out now, beside those in flight."""
        if self._failures < FAILURES:
            return max(0, limit - in_flight)
        return 1 if now >= self._open_until and in_flight == 0 else 0

    def note(self, result: Result, now: float) -> None:
        """Takes a call's result into account."""
        if isinstance(result, Unknown | Unreachable):
            self._failures += 1
            self._open_until = now + OPEN_SECONDS
        else:
            self._failures = 0
