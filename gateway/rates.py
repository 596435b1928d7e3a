"""How often somebody may call, and how much at once.

How often: the generic cell rate algorithm (GCRA, ITU-T I.371).

It moves with every request as a moving window does, and remembers one number for each caller.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cachetools import LRUCache

from gateway.problems import ProblemError

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

    def forgive(self, key: str) -> None:
        """Takes back one request of `key` that was counted."""
        if key in self._free_at:
            self._free_at[key] -= self._interval


class UnderWay:
    """What each key has under way, at most `most` at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: Counter[str] = Counter()

    def begin(self, key: str) -> None:
        """Counts one more of `key`; each is ended once.

        Raises:
            ProblemError: TOO_MANY_AT_ONCE; nothing is counted.
        """
        count = self._of.get(key, 0)
        if count >= self._most:
            raise ProblemError("TOO_MANY_AT_ONCE", f"At most {self._most} at once.")
        self._of[key] = count + 1

    def end(self, key: str) -> None:
        """Counts one less."""
        self._of[key] -= 1
        if not self._of[key]:
            del self._of[key]

    @contextmanager
    def one(self, key: str) -> Iterator[None]:
        """Counts one for as long as the block runs.

        Raises:
            ProblemError: TOO_MANY_AT_ONCE.
        """
        self.begin(key)
        try:
            yield
        finally:
            self.end(key)
