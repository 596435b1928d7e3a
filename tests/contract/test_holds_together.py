"""Holds asked for at the same moment: one call behind the gateway, to each an answer of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import httpx
import pytest
from parterre.inventory.v1 import inventory_pb2
from parterre.types.v1 import types_pb2

from gateway.holds import LIMITS, Answer, Holds
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError, grown

Result = inventory_pb2.CreateHoldsResponse.Result


def held(seat: str) -> Result:
    hold = samples.hold()
    hold.id = hold_of(seat)
    return Result(hold=hold)


def hold_of(seat: str) -> str:
    return f"{samples.HOLD[:-4]}{seat:0>4}"


def refused(code: grpc.StatusCode, reason: str, **metadata: str) -> Result:
    return Result(
        refusal=types_pb2.Refusal(
            code=code.value[0], reason=reason, detail="No.", metadata=metadata
        )
    )


def replayed(result: Result) -> Result:
    result.replayed = True
    return result


@dataclass
class Crowd:
    """People who are at the desk while two calls for their event are under way."""

    edge: Edge
    at_the_desk: list[str] = field(default_factory=list)
    tasks: list[asyncio.Task[httpx.Response]] = field(default_factory=list)

    def answer(self, **results: Result) -> None:
        """What becomes of each seat's order; those that are not named are held."""

        def each(request: inventory_pb2.CreateHoldsRequest) -> inventory_pb2.CreateHoldsResponse:
            return inventory_pb2.CreateHoldsResponse(
                results=[
                    results.get(f"seat_{item.order.seat_ids[0]}") or held(item.order.seat_ids[0])
                    for item in request.items
                ]
            )

        self.edge.inventory.answers["CreateHolds"] = each

    async def ask(self, seat: str, key: str = "", token: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.edge.keys.token()}"}
        if key:
            headers["Idempotency-Key"] = key
        body = {"event_id": samples.EVENT, "seat_ids": [seat]}
        return await self.edge.post("/holds", body, role=None, headers=headers)

    async def wait(self, *asks: Coroutine[Any, Any, httpx.Response]) -> None:
        """Returns when all of them wait at the gateway's desk, in this order."""
        inventory = self.edge.inventory
        inventory.may_answer.clear()
        for n in range(2):
            self.tasks.append(asyncio.create_task(self.ask("1000")))
            await grown(inventory.calls, n + 1)
        for n, each in enumerate(asks):
            self.tasks.append(asyncio.create_task(each))
            await grown(self.at_the_desk, n + 3)
        assert [call.method for call in inventory.calls] == ["CreateHold"] * 2

    async def served(self) -> Sequence[httpx.Response]:
        """The answers, in the order in which they were asked for, without the first two."""
        self.edge.inventory.may_answer.set()
        answers = await asyncio.gather(*self.tasks)
        assert [answer.status_code for answer in answers[:2]] == [201, 201]
        return answers[2:]

    @property
    def calls(self) -> Sequence[Any]:
        """What inventory was asked for several at once."""
        calls = self.edge.inventory.calls
        assert all(call.identity.subject == "gateway" for call in calls[2:])
        assert {call.method for call in calls[2:]} <= {"CreateHolds"}
        return [call.request for call in calls[2:]]


@pytest.fixture
def crowd(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    crowd = Crowd(edge)
    create = Holds.create

    async def seen(desk: Holds, order: inventory_pb2.CreateHoldRequest) -> Answer:
        # Nobody is overtaken, however slow the machine is.
        monkeypatch.setattr(desk._batcher, "_limits", replace(LIMITS, slow_seconds=60))
        crowd.at_the_desk.append(order.seat_ids[0])
        return await create(desk, order)

    monkeypatch.setattr(Holds, "create", seen)
    edge.inventory.answers["CreateHold"] = inventory_pb2.CreateHoldResponse(hold=samples.hold())
    crowd.answer()
    return crowd


async def test_those_that_come_together_travel_in_one_call_each_with_its_own_token(
    crowd: Crowd,
) -> None:
    tokens = [crowd.edge.keys.token() for _ in range(3)]
    await crowd.wait(*(crowd.ask(f"{n}", f"key {n}", token) for n, token in enumerate(tokens)))
    answers = await crowd.served()
    [request] = crowd.calls
    assert [item.token for item in request.items] == tokens
    assert [list(item.order.seat_ids) for item in request.items] == [["0"], ["1"], ["2"]]
    assert [item.order.idempotency_key for item in request.items] == ["key 0", "key 1", "key 2"]
    assert {item.order.event_id for item in request.items} == {samples.EVENT}
    assert [item.request_id for item in request.items] == [
        answer.headers["x-request-id"] for answer in answers
    ]
    assert [answer.json()["id"] for answer in answers] == [hold_of(f"{n}") for n in range(3)]


async def test_each_has_its_own_verdict_and_what_fails_spoils_no_neighbour(crowd: Crowd) -> None:
    crowd.answer(
        seat_2=refused(grpc.StatusCode.FAILED_PRECONDITION, "SEATS_UNAVAILABLE", seat_ids='["2"]'),
        seat_3=refused(grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_SEATS", seat_ids="Not there: 3"),
        seat_4=refused(grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"),
        seat_5=refused(grpc.StatusCode.UNAVAILABLE, "OVERLOADED", retry_after="3"),
        seat_6=refused(grpc.StatusCode.INTERNAL, "INTERNAL"),
    )
    await crowd.wait(*(crowd.ask(f"{n}") for n in range(1, 8)))
    answers = await crowd.served()
    assert len(crowd.calls) == 1
    assert [(answer.status_code, answer.json().get("reason")) for answer in answers] == [
        (201, None),
        (409, "SEATS_UNAVAILABLE"),
        (422, "UNKNOWN_SEATS"),
        (401, "INVALID_TOKEN"),
        (503, "OVERLOADED"),
        (500, "INTERNAL"),
        (201, None),
    ]
    first, taken, unknown, *_, busy, _failed, last = answers
    assert first.headers["location"] == f"/api/v1/holds/{hold_of('1')}"
    assert last.headers["location"] == f"/api/v1/holds/{hold_of('7')}"
    assert taken.json()["seat_ids"] == ["2"]
    assert unknown.json()["errors"] == [{"field": "seat_ids", "message": "Not there: 3"}]
    assert busy.headers["retry-after"] == "3"


async def test_each_has_what_its_own_idempotency_key_brings(crowd: Crowd) -> None:
    conflict = grpc.StatusCode.FAILED_PRECONDITION
    crowd.answer(
        seat_2=replayed(held("2")),
        seat_3=replayed(refused(conflict, "SALES_CLOSED")),
        seat_4=refused(conflict, "IDEMPOTENCY_IN_PROGRESS"),
        seat_5=refused(grpc.StatusCode.INVALID_ARGUMENT, "IDEMPOTENCY_KEY_REUSED"),
    )
    await crowd.wait(crowd.ask("1"), *(crowd.ask(f"{n}", f"key {n}") for n in range(2, 7)))
    answers = await crowd.served()
    [request] = crowd.calls
    assert [item.order.idempotency_key for item in request.items] == [
        "",
        *(f"key {n}" for n in range(2, 7)),
    ]
    assert [
        (
            answer.status_code,
            answer.json().get("reason"),
            answer.headers.get("idempotency-replayed"),
        )
        for answer in answers
    ] == [
        (201, None, None),
        (201, None, "true"),
        (409, "SALES_CLOSED", "true"),
        (409, "IDEMPOTENCY_IN_PROGRESS", None),
        (422, "IDEMPOTENCY_KEY_REUSED", None),
        (201, None, None),
    ]


async def test_a_call_that_fails_as_a_whole_is_a_problem_of_its_own_to_each(
    crowd: Crowd, refusal: type[RefusalError]
) -> None:
    inventory = crowd.edge.inventory
    inventory.answers["CreateHolds"] = refusal("UNAVAILABLE", "OVERLOADED", retry_after="2")
    token = crowd.edge.keys.token()
    await crowd.wait(crowd.ask("1", "mine", token), crowd.ask("2"), crowd.ask("3"))
    answers = await crowd.served()
    assert len(crowd.calls) == 1
    for answer in answers:
        assert (answer.status_code, answer.json()["reason"]) == (503, "OVERLOADED")
        assert answer.headers["retry-after"] == "2"
    assert len({answer.json()["request_id"] for answer in answers}) == 3
    # Who asks again, with the key, is asked for again.
    assert (await crowd.ask("1", "mine", token)).status_code == 201
    again = inventory.calls[-1]
    assert (again.method, again.request.idempotency_key) == ("CreateHold", "mine")
    assert again.identity.token == token


@pytest.mark.parametrize("under_way", [False, True])
async def test_who_hangs_up_leaves_the_others_as_they_were(
    crowd: Crowd, *, under_way: bool
) -> None:
    inventory = crowd.edge.inventory
    await crowd.wait(*(crowd.ask(f"{n}") for n in range(1, 4)))
    impatient = crowd.tasks.pop(3)
    if under_way:
        early, inventory.may_answer = inventory.may_answer, asyncio.Event()
        early.set()
        await grown(inventory.calls, 3)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    answers = await crowd.served()
    assert [answer.json()["id"] for answer in answers] == [hold_of("1"), hold_of("3")]
    # It was asked for all the same: whoever hung up finds it, or asks again with the key.
    [request] = crowd.calls
    assert [item.order.seat_ids[0] for item in request.items] == ["1", "2", "3"]
    assert (await crowd.ask("4")).status_code == 201


async def test_more_than_go_in_one_call_go_in_two(crowd: Crowd) -> None:
    await crowd.wait(*(crowd.ask(f"{n}") for n in range(70)))
    answers = await crowd.served()
    assert [len(request.items) for request in crowd.calls] == [64, 6]
    assert [answer.json()["id"] for answer in answers] == [hold_of(f"{n}") for n in range(70)]
