"""Codes of coupons that a person tries: who tries out which there are is soon told to wait.

Of a person in all, whatever the event: a code may be tried with a hold, whose event is not known
here. Counted before the service is asked, so that many at once are no way round it, and forgiven
where the code was one.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.context import caller
from chassis.errors import RemoteError
from gateway.problems import ProblemError
from gateway.rates import RateLimiter

_WRONG = "COUPON_UNKNOWN"


class Guesses:
    """How many codes that are none a person may try: `burst` at once, then one every `seconds`."""

    def __init__(self, burst: int, seconds: float) -> None:
        self._limiter = RateLimiter(1 / seconds, burst)

    @asynccontextmanager
    async def guess(self, code: str) -> AsyncIterator[None]:
        """The block asks for the caller what the code is good for; no code is no guess.

        Raises:
            ProblemError: RATE_LIMITED, with Retry-After; the block is not run.
        """
        if not code:
            yield
            return
        person = caller().subject
        verdict = self._limiter.hit(person, time.monotonic())
        if not verdict.allowed:
            raise ProblemError(
                "RATE_LIMITED",
                "You tried too many codes that are no coupon's.",
                headers={"Retry-After": str(verdict.retry_seconds)},
            )
        try:
            yield
        except RemoteError as error:
            if error.reason != _WRONG:
                self._limiter.forgive(person)
            raise
        self._limiter.forgive(person)
