"""How often somebody may call: the generic cell rate algorithm (GCRA, ITU-T I.371).

It moves with every request as a moving window does, and remembers one number for each caller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cachetools import LRUCache

# Callers remembered; of more, the one who has been quiet longest is forgotten, debt and all.
_CALLERS = 100_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a caller is told about one request."""

    allowed: bool
    limit: int  # requests at once
    remaining: int
    reset_seconds: int  # until all of `limit` is there again
    retry_seconds: int  # until the next one is allowed; 0 if this one was

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The RateLimit-* headers (draft-ietf-httpapi-ratelimit-headers-03)."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset_seconds),
        ]


class RateLimiter:
    """Allows each key `burst` requests at once and `per_second` in the long run."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = 1 / per_second
        self._burst = burst
        # When each key's debt will be paid; a key that is absent owes nothing.
        self._free_at: LRUCache[str, float] = LRUCache(_CALLERS)

    def hit(self, key: str, now: float) -> Verdict:
        """Counts a request of `key` at `now` (seconds of a monotonic clock) if it is allowed."""
        debt = max(0.0, self._free_at.get(key, now) - now)
        room = self._burst * self._interval - debt
        # A millionth of a request keeps rounding from refusing what is exactly due.
        allowed = room >= self._interval * (1 - 1e-6)
        retry = 0
        if allowed:
            debt += self._interval
            self._free_at[key] = now + debt
        else:
            retry = max(1, math.ceil(self._interval - room))
        left = max(0, math.floor((self._burst * self._interval - debt) / self._interval + 1e-6))
        return Verdict(allowed, self._burst, left, math.ceil(debt), retry)
