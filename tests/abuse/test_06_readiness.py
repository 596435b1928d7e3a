"""Issue 13, item 6: readiness is asked of the services once a second, whoever asks how often."""

from __future__ import annotations

import asyncio

from chassis.telemetry import Health
from tests.contract.conftest import Edge


class Asked:
    """A check, how often it was made, and a clock."""

    def __init__(self) -> None:
        self.times = 0
        self.now = 100.0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.good = True

    async def check(self) -> None:
        self.times += 1
        await self.may_answer.wait()
        if not self.good:
            raise RuntimeError

    def clock(self) -> float:
        return self.now


async def test_an_answer_is_good_for_a_second_and_asked_for_once_at_a_time() -> None:
    asked = Asked()
    health = Health(asked.clock)
    health.add("it", asked.check)
    asked.may_answer.clear()
    waiting = [asyncio.create_task(health.failures()) for _ in range(50)]
    await asyncio.sleep(0)
    asked.now += 5  # a slow answer: still only one
    waiting += [asyncio.create_task(health.failures()) for _ in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # who goes away takes it from nobody else
    asked.may_answer.set()
    assert await asyncio.gather(*waiting[1:]) == [[]] * 99
    assert asked.times == 1
    asked.good = False
    assert await health.failures() == ["it"]
    asked.good = True
    asked.now += 0.9
    assert await health.failures() == ["it"]
    asked.now += 0.1
    assert await health.failures() == []
    assert asked.times == 3
    health.draining = True
    assert await health.failures() == ["draining"]  # at once


async def test_a_thousand_askers_cost_the_services_little(edge: Edge) -> None:
    async def ask() -> int:
        return (await edge.http.get("/readyz")).status_code

    for _ in range(10):
        assert set(await asyncio.gather(*(ask() for _ in range(100)))) == {200}
