"""inventory_service: making holds, named, counted and best available."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable
from typing import Any

import pytest
from parterre.inventory.v1 import inventory_pb2

from chassis.ids import uuid7

from .box import Box, Saga, reason, refusal


async def test_a_hold_shows_what_it_has_and_what_it_costs(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[11, 2], tickets=3)
    assert (hold.status, hold.customer_id, hold.version) == ("ACTIVE", person, 1)
    assert [
        (line.seat_id, line.section, line.row, line.number, line.tier, line.quantity)
        for line in hold.lines
    ] == [
        ("11", "Parquet", "B", "2", "Stalls", 1),
        ("2", "Parquet", "A", "3", "Stalls", 1),
        ("", "Floor", "", "", "Floor", 3),
    ]
    assert (hold.total.amount, hold.total.currency) == (2 * 125000 + 3 * 50000, "NPR")
    assert hold.extendable_until.seconds - hold.expires_at.seconds == 600
    got = await box.call(person, "GetHold", inventory_pb2.GetHoldRequest(hold_id=hold.id))
    assert got.hold == hold


@pytest.mark.parametrize("wrong", ["20", "-1", "01", "x", "99999999999999999999"])
async def test_a_seat_that_is_not_there_refuses_the_whole_hold(box: Box, wrong: str) -> None:
    event = await box.opened()
    request = inventory_pb2.CreateHoldRequest(event_id=event.event_id, seat_ids=["1", wrong])
    error = await refusal(box.call(str(uuid7()), "CreateHold", request))
    assert error.reason == "UNKNOWN_SEATS"
    assert wrong[:20] in error.metadata["seat_ids"]
    assert await box.statuses(event) == {}


async def test_a_hold_that_cannot_be_meant_is_refused(box: Box) -> None:
    event = await box.opened()
    best = inventory_pb2.CreateHoldRequest.BestAvailable

    def general(tier_id: str) -> list[Any]:
        return [inventory_pb2.CreateHoldRequest.General(tier_id=tier_id, quantity=1)]

    cases: list[tuple[Awaitable[Any], str]] = [
        (box.hold(event), "INVALID_HOLD"),
        (box.hold(event, seats=[1, 1]), "INVALID_HOLD"),
        (box.hold(event, tickets=-1), "INVALID_HOLD"),
        (box.hold(event, general=general(event.seated_tier)), "INVALID_HOLD"),
        (box.hold(event, general=general(str(uuid7()))), "UNKNOWN_TIER"),
        (box.hold(event, general=general("x")), "UNKNOWN_TIER"),
        (box.hold(event, best_available=best(quantity=1, tier_id=str(uuid7()))), "UNKNOWN_TIER"),
        (
            box.hold(event, best_available=best(quantity=1, section_id=str(uuid7()))),
            "UNKNOWN_SECTION",
        ),
        (box.best(event, 2, section_id=event.standing[0]), "NO_ADJACENT_SEATS"),
        (box.hold(event, tickets=11), "CUSTOMER_LIMIT"),
    ]
    assert [await reason(work) for work, _expected in cases] == [why for _work, why in cases]
    assert await box.statuses(event) == {}


async def test_a_taken_seat_refuses_the_whole_hold_and_is_named(box: Box) -> None:
    event = await box.opened()
    await box.hold(event, seats=[3, 4])
    error = await refusal(box.hold(event, seats=[2, 3, 4, 5]))
    assert error.reason == "SEATS_UNAVAILABLE"
    assert json.loads(error.metadata["seat_ids"]) == ["3", "4"]
    assert await box.statuses(event) == {3: "HELD", 4: "HELD"}


async def test_a_hold_that_fails_at_its_last_part_leaves_nothing_behind(box: Box) -> None:
    event = await box.opened(pools=(3,))
    person = str(uuid7())
    assert await reason(box.hold(event, person, seats=[1], tickets=4)) == "NOT_ENOUGH_CAPACITY"
    assert await box.statuses(event) == {}
    assert await box.pool(event) == (0, 0, 0)
    await box.hold(event, person, seats=[1], tickets=3)


async def test_the_same_key_gives_the_same_hold_and_the_same_refusal(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    first = await box.hold(event, person, seats=[1], idempotency_key="k")
    assert await box.hold(event, person, seats=[1], idempotency_key="k") == first
    reused = box.hold(event, person, seats=[2], idempotency_key="k")
    assert await reason(reused) == "IDEMPOTENCY_KEY_REUSED"
    other = str(uuid7())
    assert await reason(box.hold(event, other, seats=[1], idempotency_key="k")) == (
        "SEATS_UNAVAILABLE"
    )
    await box.call(person, "ReleaseHold", inventory_pb2.ReleaseHoldRequest(hold_id=first.id))
    assert await reason(box.hold(event, other, seats=[1], idempotency_key="k")) == (
        "SEATS_UNAVAILABLE"
    )
    assert await box.statuses(event) == {}


async def test_tickets_are_taken_of_several_pools_only_where_none_has_enough(box: Box) -> None:
    event = await box.opened(rows=0, pools=(2, 3, 4))
    counts = [
        sorted(line.quantity for line in (await box.hold(event, tickets=tickets)).lines)
        for tickets in (4, 4)
    ]
    assert counts == [[4], [1, 3]]
    assert await reason(box.hold(event, tickets=2)) == "NOT_ENOUGH_CAPACITY"
    await box.hold(event, tickets=1)


async def test_tickets_of_due_holds_are_sold_before_anybody_is_refused(box: Box) -> None:
    event = await box.opened(rows=0, pools=(40, 24))
    holds = await asyncio.gather(*(box.hold(event, tickets=1) for _ in range(64)))
    assert await reason(box.hold(event, tickets=1)) == "NOT_ENOUGH_CAPACITY"
    await box.let_expire(*(hold.id for hold in holds))
    reasons = Counter(
        await asyncio.gather(*(reason(box.hold(event, tickets=1)) for _ in range(80)))
    )
    assert reasons == {"": 64, "NOT_ENOUGH_CAPACITY": 16}


async def test_a_refusal_for_the_limit_says_what_it_is_and_what_is_held(box: Box) -> None:
    event = await box.opened(most=3)
    person = str(uuid7())
    await box.hold(event, person, seats=[1, 2])
    error = await refusal(box.hold(event, person, tickets=2))
    assert error.reason == "CUSTOMER_LIMIT"
    assert (error.metadata["limit"], error.metadata["held"]) == ("3", "2")


async def test_bought_seats_count_towards_the_limit(box: Box) -> None:
    event = await box.opened(most=2)
    person = str(uuid7())
    saga = await Saga.begun(box, event, person, seats=[1, 2])
    await saga.send("Reserve", "Sell")
    assert await reason(box.hold(event, person, tickets=1)) == "CUSTOMER_LIMIT"
    await saga.send("Restock")
    await box.hold(event, person, tickets=1)


async def test_a_persons_own_due_hold_does_not_count(box: Box) -> None:
    event = await box.opened(most=2)
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1, 2])
    await box.let_expire(hold.id)
    await box.hold(event, person, seats=[3, 4])
    assert await box.statuses(event) == {3: "HELD", 4: "HELD"}


async def test_a_person_has_two_live_holds_over_all_events(box: Box) -> None:
    events = [await box.opened() for _ in range(4)]
    person = str(uuid7())
    reasons = Counter(
        await asyncio.gather(
            *(reason(box.hold(e, person, seats=[n])) for e in events for n in (1, 2))
        )
    )
    assert reasons == {"": 2, "HOLD_LIMIT": 6}
    held = await box.call(person, "ListHolds", inventory_pb2.ListHoldsRequest())
    await box.let_expire(held.holds[0].id)
    reasons = Counter(
        await asyncio.gather(
            *(reason(box.hold(e, person, seats=[n])) for e in events for n in (3, 4))
        )
    )
    assert reasons == {"": 1, "HOLD_LIMIT": 7}


async def test_the_best_seats_are_side_by_side_and_leave_no_orphan(box: Box) -> None:
    event = await box.opened(rows=2, seats=5)
    # The middle of the front row would leave two orphans; either end leaves none.
    assert await box.best(event, 3) == [0, 1, 2]
    assert await box.best(event, 2) == [3, 4]
    assert await box.best(event, 3) == [5, 6, 7]


async def test_best_available_under_contention_never_splits_or_shares_a_run(box: Box) -> None:
    event = await box.opened(rows=6, seats=20)
    runs = await asyncio.gather(*(box.best(event, 2) for _ in range(40)))
    assert all(b == a + 1 and a // 20 == b // 20 for a, b in runs)
    assert len({seat for run in runs for seat in run}) == 80


async def test_the_last_runs_are_all_found_and_then_there_are_none(box: Box) -> None:
    event = await box.opened(rows=4, seats=8)
    reasons = Counter(await asyncio.gather(*(reason(box.best(event, 4)) for _ in range(30))))
    assert set(reasons) == {"", "NO_ADJACENT_SEATS"}
    assert reasons[""] >= 4  # one in each row at least, however the races fell
    assert await reason(box.best(event, 4)) == "NO_ADJACENT_SEATS"


async def test_seats_of_due_holds_are_found_for_best_available(box: Box) -> None:
    event = await box.opened(rows=1, seats=4)
    hold = await box.hold(event, seats=[1, 3])
    assert await reason(box.best(event, 2)) == "NO_ADJACENT_SEATS"
    await box.let_expire(hold.id)
    assert await box.best(event, 2, section_id=event.seated) == [0, 1]
    assert await box.best(event, 2, tier_id=event.seated_tier) == [2, 3]
