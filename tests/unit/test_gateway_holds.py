"""Which holds the gateway sends together, in front of an inventory that does what a test says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import grpc
import pytest
from parterre.inventory.v1 import inventory_pb2

from chassis import context
from chassis.errors import RemoteError, ServiceError
from chassis.identity import Identity, Role
from gateway.holds import LIMITS, Answer, Holds

Item = inventory_pb2.CreateHoldsRequest.Item


class Inventory:
    """Answers each order with a hold of its first seat, or refuses it where that is taken."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, str]]] = []  # whose token, which seat
        self.door = asyncio.Event()
        self.door.set()
        self.failure: RemoteError | None = None
        self.rpc = self
        self.CreateHold = self.CreateHolds = None

    async def replayable(self, _method: object, order: Any) -> tuple[Any, bool]:
        self.calls.append([(context.caller().token, order.seat_ids[0])])
        await self.door.wait()
        return inventory_pb2.CreateHoldResponse(hold={"id": order.seat_ids[0]}), False

    async def as_gateway(self, _method: object, request: Any) -> Any:
        self.calls.append([(item.token, item.order.seat_ids[0]) for item in request.items])
        await self.door.wait()
        if self.failure:
            raise self.failure
        reply = inventory_pb2.CreateHoldsResponse()
        for item in request.items:
            seat = item.order.seat_ids[0]
            result = reply.results.add(replayed=seat == "again")
            if seat == "taken":
                result.refusal.code = grpc.StatusCode.FAILED_PRECONDITION.value[0]
                result.refusal.reason = "SEATS_UNAVAILABLE"
                result.refusal.metadata["seat_ids"] = '["taken"]'
            else:
                result.hold.id = seat
        return reply

    async def called(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.calls) < count:
                await asyncio.sleep(0)


@pytest.fixture
def inventory() -> Inventory:
    return Inventory()


@pytest.fixture
def desk(inventory: Inventory) -> Holds:
    return Holds(cast("Any", inventory))


async def ask(desk: Holds, person: str, seat: str, event: str = "E") -> Answer:
    identity = Identity(person, Role.CUSTOMER, "", f"token of {person}", 0)
    with context.request(id="test", identity=identity, seconds=30):
        order = inventory_pb2.CreateHoldRequest(event_id=event, seat_ids=[seat])
        return await desk.create(order)


async def crowd(desk: Holds, inventory: Inventory, *seats: str) -> list[asyncio.Task[Answer]]:
    """Two calls under way, and one request for each of `seats` waiting for them."""
    inventory.door.clear()
    tasks = []
    for n in range(2):
        tasks.append(asyncio.create_task(ask(desk, f"early {n}", f"{n}")))
        await inventory.called(n + 1)
    tasks += [asyncio.create_task(ask(desk, f"person {seat}", seat)) for seat in seats]
    await asyncio.sleep(0)
    return tasks


async def test_one_that_is_alone_goes_as_a_call_of_its_own(
    desk: Holds, inventory: Inventory
) -> None:
    hold, replayed = await ask(desk, "anna", "1")
    assert (hold.id, replayed) == ("1", False)
    assert inventory.calls == [[("token of anna", "1")]]


async def test_those_that_come_meanwhile_go_as_one_each_with_their_own_token(
    desk: Holds, inventory: Inventory
) -> None:
    tasks = await crowd(desk, inventory, "7", "taken", "again")
    inventory.door.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert inventory.calls[2:] == [
        [
            ("token of person 7", "7"),
            ("token of person taken", "taken"),
            ("token of person again", "again"),
        ]
    ]
    refused = answers[3]
    assert isinstance(refused, RemoteError)
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "SEATS_UNAVAILABLE",
    )
    assert refused.metadata == {"seat_ids": '["taken"]'}
    made = [(answer[0].id, answer[1]) for answer in answers if isinstance(answer, tuple)]
    assert made == [("0", False), ("1", False), ("7", False), ("again", True)]
    assert not desk._batcher._lanes


async def test_events_do_not_wait_for_each_other(desk: Holds, inventory: Inventory) -> None:
    tasks = await crowd(desk, inventory, "7")
    other = asyncio.create_task(ask(desk, "ben", "9", event="F"))
    await inventory.called(3)
    assert inventory.calls[2] == [("token of ben", "9")]
    inventory.door.set()
    await asyncio.gather(other, *tasks)


async def test_calls_that_hang_are_overtaken(inventory: Inventory) -> None:
    desk = Holds(cast("Any", inventory), replace(LIMITS, slow_seconds=0))
    tasks = await crowd(desk, inventory, "7", "8")
    await inventory.called(3)
    inventory.door.set()
    assert [answer[0].id for answer in await asyncio.gather(*tasks)] == ["0", "1", "7", "8"]


async def test_a_call_that_fails_fails_all_that_went_with_it(
    desk: Holds, inventory: Inventory
) -> None:
    tasks = await crowd(desk, inventory, "7", "8")
    inventory.failure = RemoteError(grpc.StatusCode.UNAVAILABLE, "", "away", {})
    inventory.door.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(answer, RemoteError) for answer in answers] == [False, False, True, True]


async def test_an_inventory_of_the_version_before_is_asked_one_by_one(
    desk: Holds, inventory: Inventory
) -> None:
    tasks = await crowd(desk, inventory, "7", "8")
    inventory.failure = RemoteError(grpc.StatusCode.UNIMPLEMENTED, "", "no such method", {})
    inventory.door.set()
    assert [answer[0].id for answer in await asyncio.gather(*tasks)] == ["0", "1", "7", "8"]
    assert inventory.calls[3:] == [[("token of person 7", "7")], [("token of person 8", "8")]]


async def test_more_than_may_wait_are_refused_at_once(inventory: Inventory) -> None:
    desk = Holds(cast("Any", inventory), replace(LIMITS, most=2))
    tasks = await crowd(desk, inventory, "7", "8")
    with pytest.raises(ServiceError) as refused:
        await ask(desk, "late", "9")
    assert refused.value.reason == "OVERLOADED"
    inventory.door.set()
    await asyncio.gather(*tasks)
