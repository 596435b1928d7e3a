"""Trying again: how often, how long between, and for what."""

from __future__ import annotations

import asyncio

import pytest

from chassis.retrying import persistently


class Flaky:
    """Work that fails so many times."""

    def __init__(self, failures: int, error: type[Exception] = ConnectionError) -> None:
        self.left = failures
        self.error = error
        self.tried = 0

    async def __call__(self) -> int:
        self.tried += 1
        if self.left:
            self.left -= 1
            raise self.error(f"failure {self.tried}")
        return self.tried


def is_lost(error: BaseException) -> bool:
    return isinstance(error, ConnectionError)


async def tried(work: Flaky, tries: int | None) -> tuple[int, list[tuple[str, float]]]:
    pauses: list[tuple[str, float]] = []
    result = await persistently(
        work,
        is_lost,
        first_seconds=0.001,
        most_seconds=0.004,
        tries=tries,
        before_pause=lambda error, pause: pauses.append((str(error), pause)),
    )
    return result, pauses


async def test_what_does_well_is_done_once() -> None:
    assert await tried(Flaky(0), 4) == (1, [])


async def test_what_fails_is_tried_again_later_each_time_up_to_a_bound() -> None:
    result, pauses = await tried(Flaky(8), None)
    assert result == 9
    assert [error for error, _ in pauses] == [f"failure {number}" for number in range(1, 9)]
    bounds = [0.001, 0.002, *[0.004] * 6]
    assert all(0 <= pause <= bound for (_, pause), bound in zip(pauses, bounds, strict=True))


async def test_after_so_many_tries_the_last_failure_is_raised() -> None:
    work = Flaky(9)
    with pytest.raises(ConnectionError, match="failure 4"):
        await tried(work, 4)
    assert work.tried == 4


@pytest.mark.parametrize("failures", [1, 2])
async def test_what_is_not_worth_it_is_raised_at_once(failures: int) -> None:
    work = Flaky(failures, ValueError)
    with pytest.raises(ValueError, match="failure 1"):
        await tried(work, 4)
    assert work.tried == 1


async def test_it_ends_when_it_is_cancelled() -> None:
    work = Flaky(1_000_000)
    task = asyncio.create_task(tried(work, None))
    while work.tried < 3:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
