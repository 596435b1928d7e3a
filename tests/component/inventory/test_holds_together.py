"""Holds that arrive together: each answered for itself, and nobody held up by another."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

import grpc
from parterre.inventory.v1 import inventory_pb2

from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.ids import uuid7

from .box import Box, Place, reason


def _item(
    token: str, event: Place, seats: Sequence[int] = (), tickets: int = 0, key: str = ""
) -> inventory_pb2.CreateHoldsRequest.Item:
    wanted = inventory_pb2.CreateHoldRequest(
        event_id=event.event_id, seat_ids=[str(seat) for seat in seats], idempotency_key=key
    )
    if tickets:
        wanted.general.add(tier_id=event.standing_tier, quantity=tickets)
    return inventory_pb2.CreateHoldsRequest.Item(token=token, request_id="test", order=wanted)


async def _together(
    box: Box, *items: inventory_pb2.CreateHoldsRequest.Item, process: int = 0
) -> Sequence[inventory_pb2.CreateHoldsResponse.Result]:
    request = inventory_pb2.CreateHoldsRequest(items=items)
    return list((await box.callers[process].as_gateway("CreateHolds", request)).results)


def _said(result: inventory_pb2.CreateHoldsResponse.Result) -> str:
    return "" if result.HasField("hold") else result.refusal.reason


async def test_each_of_those_that_come_together_is_answered_for_itself(box: Box) -> None:
    event, other = await box.opened(), await box.opened(pools=(3,))
    keys = box.callers[0].keys
    anna, ben, cara = (str(uuid7()) for _ in range(3))
    tokens = [keys.access(person, Role.CUSTOMER) for person in (anna, ben, cara)]
    results = await _together(
        box,
        _item(tokens[0], event, [1, 2], key="k"),
        _item(tokens[1], event, [2, 3]),
        _item(tokens[2], event, [99]),
        _item("not a token", event, [4]),
        _item(tokens[2], other, tickets=4),
        _item(tokens[2], other, tickets=3),
    )
    assert [_said(result) for result in results] == [
        "",
        "SEATS_UNAVAILABLE",
        "UNKNOWN_SEATS",
        "INVALID_TOKEN",
        "NOT_ENOUGH_CAPACITY",
        "",
    ]
    first = results[0].hold
    assert (first.customer_id, first.event_id) == (anna, event.event_id)
    assert [line.seat_id for line in first.lines] == ["1", "2"]
    lost = results[1].refusal
    assert lost.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert json.loads(lost.metadata["seat_ids"]) == ["2"]
    again = await _together(
        box,
        _item(tokens[0], event, [1, 2], key="k"),
        _item(tokens[0], event, [1], key="k"),
        _item(tokens[1], event, [3]),
    )
    assert (again[0].replayed, again[0].hold) == (True, first)
    assert [_said(result) for result in again[1:]] == ["IDEMPOTENCY_IN_PROGRESS", ""]
    assert await box.statuses(event) == {1: "HELD", 2: "HELD", 3: "HELD"}


async def test_a_process_cannot_hold_anything_in_a_persons_place(box: Box) -> None:
    event = await box.opened()
    caller = box.callers[0]
    results = await _together(
        box, _item(caller.client._tokens.token("inventory"), event, [1]), _item("", event, [2])
    )
    assert [_said(result) for result in results] == ["FORBIDDEN", "INVALID_TOKEN"]
    assert await box.statuses(event) == {}


async def test_the_same_key_at_the_same_moment_makes_one_hold(box: Box) -> None:
    event = await box.opened(most=100)
    person = str(uuid7())

    async def ask(seats: Sequence[int]) -> str:
        try:
            return (await box.hold(event, person, seats=seats, idempotency_key="k")).id
        except RemoteError as error:
            return error.reason

    said = Counter(await asyncio.gather(*(ask([1, 2]) for _ in range(20))))
    made = [id for id in said if id != "IDEMPOTENCY_IN_PROGRESS"]
    assert len(made) == 1
    assert await ask([1, 2]) == made[0]
    assert await ask([3]) == "IDEMPOTENCY_KEY_REUSED"
    assert await box.statuses(event) == {1: "HELD", 2: "HELD"}


async def test_who_waits_for_a_locked_seat_holds_up_nobody_else(box: Box) -> None:
    event = await box.opened()
    async with box.database.transaction() as session:
        await session.execute(
            "SELECT FROM seat WHERE event_id = :id AND seat_no = 0 FOR UPDATE",
            id=UUID(event.event_id),
        )
        stuck = asyncio.create_task(box.hold(event, seats=[0, 1]))
        others = await asyncio.gather(*(box.hold(event, seats=[n]) for n in range(2, 20)))
        assert len(others) == 18
        assert not stuck.done()
    assert [line.seat_id for line in (await stuck).lines] == ["0", "1"]


async def test_a_seat_that_stays_locked_is_refused_for_want_of_time_and_nothing_is_held(
    box: Box,
) -> None:
    event = await box.opened()
    async with box.database.transaction() as session:
        await session.execute(
            "SELECT FROM seat WHERE event_id = :id AND seat_no = 0 FOR UPDATE",
            id=UUID(event.event_id),
        )
        assert await reason(box.hold(event, seats=[0, 1])) == "OVERLOADED"
    assert await box.statuses(event) == {}


async def test_best_seats_never_go_twice_and_run_out_exactly_while_others_name_theirs(
    box: Box,
) -> None:
    event = await box.opened(rows=4, seats=10)
    pick = random.Random(20261121)

    async def named() -> str:
        return await reason(box.hold(event, seats=pick.sample(range(40), 2)))

    async def best() -> str:
        wanted = inventory_pb2.CreateHoldRequest.BestAvailable(quantity=2)
        return await reason(box.hold(event, best_available=wanted))

    said = Counter(await asyncio.gather(*(each() for each in [named, best] * 30)))
    assert set(said) <= {"", "SEATS_UNAVAILABLE", "NO_ADJACENT_SEATS"}

    async def has_runs() -> bool:
        free = sorted(set(range(40)) - set(await box.statuses(event)))
        return any(b == a + 1 and b % 10 for a, b in pairwise(free))

    while await has_runs():
        assert await best() == ""
    assert await best() == "NO_ADJACENT_SEATS"


async def test_nobody_is_refused_best_seats_because_a_neighbour_was_refused_them(box: Box) -> None:
    event = await box.opened(rows=1, seats=2, most=2)
    full = str(uuid7())
    await box.hold(event, full, tickets=2)
    tokens = [box.callers[0].keys.access(person, Role.CUSTOMER) for person in (full, str(uuid7()))]
    items = [_item(token, event) for token in tokens]
    for item in items:
        item.order.best_available.quantity = 2
    results = await _together(box, *items)
    assert [_said(result) for result in results] == ["CUSTOMER_LIMIT", ""]


async def test_a_mixed_hold_of_many_is_whole_or_not_at_all(box: Box) -> None:
    event = await box.opened(rows=1, seats=10, pools=(12,))
    pick = random.Random(7)

    async def buy() -> str:
        return await reason(
            box.hold(event, seats=pick.sample(range(10), 2), tickets=pick.randint(1, 3))
        )

    said = Counter(await asyncio.gather(*(buy() for _ in range(60))))
    assert set(said) <= {"", "SEATS_UNAVAILABLE", "NOT_ENOUGH_CAPACITY"}
    lines = await box.sql(
        "SELECT hold_id, count(seat_no) AS seats, sum(quantity) AS places FROM hold_line"
        " GROUP BY hold_id"
    )
    assert len(lines) == said[""]
    assert all(row.seats == 2 and row.places > 2 for row in lines)
