"""Trying again: the one policy, by tenacity, with a bound on the tries and jitter in the pauses.

One layer: whoever calls what tries again does not try again itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_never,
    wait_random_exponential,
)

T = TypeVar("T")


async def persistently(
    work: Callable[[], Awaitable[T]],
    is_worth_it: Callable[[BaseException], bool],
    *,
    first_seconds: float,
    most_seconds: float,
    tries: int | None = None,
    before_pause: Callable[[BaseException, float], None] | None = None,
) -> T:
    """Does the work, and again after a failure that `is_worth_it`; at last raises what it raised.

    The pause is random, up to `first_seconds` after the first failure, then up to twice as much,
    and so on up to `most_seconds`; `before_pause` is told why and how long. Without `tries` it goes
    on until it is cancelled.
    """
    try:
        return await work()  # as it nearly always ends, without the cost of what follows
    except Exception as error:
        if not is_worth_it(error):
            raise
        first: Exception | None = error

    async def again() -> T:
        nonlocal first
        if first is not None:
            error, first = first, None
            raise error
        return await work()

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if before_pause is not None and error is not None:
            before_pause(error, state.upcoming_sleep)

    return await AsyncRetrying(
        retry=retry_if_exception(is_worth_it),
        wait=wait_random_exponential(multiplier=first_seconds, max=most_seconds),
        stop=stop_never if tries is None else stop_after_attempt(tries),
        before_sleep=tell,
        reraise=True,
    )(again)
