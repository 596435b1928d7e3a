"""inventory_service: seats kept back, sections made larger and smaller, holds counted."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from itertools import count, pairwise
from typing import Any

import pytest
from google.protobuf.message import Message
from parterre.inventory.v1 import inventory_pb2
from parterre.messages.v1 import messages_pb2

from chassis.identity import Role
from chassis.ids import uuid7
from tests.component.conftest import one_answer

from .box import Box, Place, Saga, reason, refusal


async def as_owner(box: Box, event: Place, method: str, request: Message) -> Any:
    return await box.call(event.message.organizer_id, method, request, Role.ORGANIZER)


async def block(
    box: Box, event: Place, seats: Sequence[int], note: str = ""
) -> inventory_pb2.Block:
    request = inventory_pb2.BlockSeatsRequest(
        event_id=event.event_id, seat_ids=map(str, seats), note=note
    )
    reply: inventory_pb2.BlockSeatsResponse = await as_owner(box, event, "BlockSeats", request)
    return reply.block


async def unblock(box: Box, event: Place, seats: Sequence[int]) -> None:
    request = inventory_pb2.UnblockSeatsRequest(event_id=event.event_id, seat_ids=map(str, seats))
    await as_owner(box, event, "UnblockSeats", request)


async def listed(box: Box, event: Place) -> list[tuple[str, list[str]]]:
    request = inventory_pb2.ListBlocksRequest(event_id=event.event_id)
    reply = await as_owner(box, event, "ListBlocks", request)
    return [(block.note, list(block.seat_ids)) for block in reply.blocks]


_edits = count(1)


def capacity_edit(
    event_id: str, capacities: dict[str, int], version: int = 0, **more: int
) -> inventory_pb2.SetCapacityRequest:
    return inventory_pb2.SetCapacityRequest(
        event_id=event_id,
        sections=[
            inventory_pb2.SectionCapacity(section_id=section, capacity=capacity)
            for section, capacity in capacities.items()
        ],
        version=version or next(_edits),
        **more,
    )


async def set_capacity(box: Box, event: Place, capacity: int) -> int:
    request = capacity_edit(event.event_id, {event.standing[0]: capacity})
    reply = await as_owner(box, event, "SetCapacity", request)
    return int(reply.event_capacity)


# --- blocks ------------------------------------------------------------------------------------


async def test_blocked_seats_are_nobodys_until_they_are_freed(box: Box) -> None:
    event = await box.opened()
    made = await block(box, event, [3, 4, 5], "press")
    assert (list(made.seat_ids), made.note) == (["3", "4", "5"], "press")
    assert made.created_by == event.message.organizer_id
    assert await box.statuses(event) == dict.fromkeys([3, 4, 5], "BLOCKED")
    assert await reason(box.hold(event, seats=[2, 3])) == "SEATS_UNAVAILABLE"
    assert not {3, 4, 5} & set(await box.best(event, 4))
    await unblock(box, event, [4])
    assert await listed(box, event) == [("press", ["3", "5"])]
    await box.hold(event, seats=[4])
    await block(box, event, [19], "band")
    assert await listed(box, event) == [("band", ["19"]), ("press", ["3", "5"])]
    await unblock(box, event, [3, 5, 19])
    assert await listed(box, event) == []
    await block(box, event, [3])
    assert await listed(box, event) == [("", ["3"])]


async def test_blocking_is_all_or_nothing_and_names_what_is_in_the_way(box: Box) -> None:
    event = await box.opened()
    await box.hold(event, seats=[1])
    await block(box, event, [2])
    refused = await refusal(block(box, event, [0, 1, 2]))
    assert refused.reason == "SEATS_UNAVAILABLE"
    assert json.loads(refused.metadata["seat_ids"]) == ["1", "2"]
    refused = await refusal(unblock(box, event, [0, 1, 2]))
    assert refused.reason == "SEATS_NOT_BLOCKED"
    assert json.loads(refused.metadata["seat_ids"]) == ["0", "1"]
    assert await box.statuses(event) == {1: "HELD", 2: "BLOCKED"}


async def test_a_due_hold_does_not_keep_seats_from_being_blocked(box: Box) -> None:
    event = await box.opened()
    holds = [await box.hold(event, seats=[n]) for n in range(3)]
    await box.let_expire(*(hold.id for hold in holds))
    await block(box, event, [0, 1, 2])
    assert await box.statuses(event) == dict.fromkeys(range(3), "BLOCKED")


@pytest.mark.parametrize(
    ("seats", "note", "why"),
    [
        ([], "", "INVALID_BLOCK"),
        (["1", "1"], "", "INVALID_BLOCK"),
        ([str(n) for n in range(1001)], "", "INVALID_BLOCK"),
        (["1"], "x" * 201, "INVALID_BLOCK"),
        (["1", "20"], "", "UNKNOWN_SEATS"),
        (["-1"], "", "UNKNOWN_SEATS"),
    ],
)
async def test_a_block_that_cannot_be_meant_is_refused(
    box: Box, seats: list[str], note: str, why: str
) -> None:
    event = await box.opened()
    wanted = inventory_pb2.BlockSeatsRequest(event_id=event.event_id, seat_ids=seats, note=note)
    assert await reason(as_owner(box, event, "BlockSeats", wanted)) == why
    if not note:
        freed = inventory_pb2.UnblockSeatsRequest(event_id=event.event_id, seat_ids=seats)
        assert await reason(as_owner(box, event, "UnblockSeats", freed)) == why
    assert await box.statuses(event) == {}


async def test_only_the_owner_and_admins_keep_seats_back(box: Box) -> None:
    event = await box.opened()
    requests = [
        ("BlockSeats", inventory_pb2.BlockSeatsRequest(event_id=event.event_id, seat_ids=["1"])),
        ("ListBlocks", inventory_pb2.ListBlocksRequest(event_id=event.event_id)),
        ("UnblockSeats", inventory_pb2.UnblockSeatsRequest(event_id=event.event_id, seat_ids="1")),
        (
            "SetCapacity",
            capacity_edit(event.event_id, {event.standing[0]: 60}),
        ),
    ]
    for method, request in requests:
        rival = box.call(str(uuid7()), method, request, Role.ORGANIZER)
        assert await reason(rival) == "EVENT_NOT_FOUND"
    for method, request in requests:
        await box.call(str(uuid7()), method, request, Role.ADMIN)
    unknown = inventory_pb2.ListBlocksRequest(event_id=str(uuid7()))
    assert await reason(box.call(str(uuid7()), "ListBlocks", unknown, Role.ADMIN)) == (
        "EVENT_NOT_FOUND"
    )


async def test_seats_are_kept_back_before_sales_open_and_not_once_the_event_is_off(
    box: Box,
) -> None:
    event = await box.opened(sales_from={"seconds": 3_000_000_000})
    await block(box, event, [1, 2])
    await box.tell(messages_pb2.EventCancelled(event_id=event.event_id))
    assert await reason(block(box, event, [3])) == "EVENT_NOT_ON_SALE"
    await unblock(box, event, [1, 2])


async def test_a_seat_is_either_held_or_blocked_whoever_comes_first(box: Box) -> None:
    event = await box.opened(rows=1, seats=10)

    async def one(n: int) -> str:
        seats = [n % 9, n % 9 + 1]
        work = block(box, event, seats) if n % 2 else box.hold(event, seats=seats)
        return await reason(work)

    for _ in range(3):
        outcomes = Counter(await asyncio.gather(*(one(n) for n in range(30))))
        assert set(outcomes) <= {"", "SEATS_UNAVAILABLE"}
        statuses = await box.statuses(event)
        # Every two neighbours were asked for, so no two are left.
        free = sorted({*range(10)} - statuses.keys())
        assert all(after - before > 1 for before, after in pairwise(free))
        blocked = [n for n, status in statuses.items() if status == "BLOCKED"]
        # Of those who free the same seats at once, one does.
        if blocked:
            freed = await asyncio.gather(*(reason(unblock(box, event, blocked)) for _ in range(4)))
            assert Counter(freed) == {"": 1, "SEATS_NOT_BLOCKED": 3}
        await box.check()


async def test_blocks_are_listed_page_by_page(box: Box) -> None:
    event = await box.opened()
    for seat in range(5):
        await block(box, event, [seat], str(seat))
    await unblock(box, event, [2])
    notes, cursor = [], ""
    for _ in range(2):
        request = inventory_pb2.ListBlocksRequest(event_id=event.event_id, limit=2, cursor=cursor)
        reply = await as_owner(box, event, "ListBlocks", request)
        notes += [each.note for each in reply.blocks]
        cursor = reply.next_cursor
    assert (notes, cursor) == (["4", "3", "1", "0"], "")
    wrong = inventory_pb2.ListBlocksRequest(event_id=event.event_id, cursor="zzz")
    assert await reason(as_owner(box, event, "ListBlocks", wrong)) == "INVALID_CURSOR"


# --- capacity ----------------------------------------------------------------------------------


async def test_a_section_grows_and_shrinks_by_what_is_free(box: Box) -> None:
    event = await box.opened(rows=1, seats=10, pools=(20, 5))
    saga = await Saga.begun(box, event, str(uuid7()), tickets=4)
    await saga.send("Reserve", "Sell")
    await box.hold(event, tickets=3)
    assert await set_capacity(box, event, 30) == 45
    assert await set_capacity(box, event, 30) == 45  # a second time nothing more
    assert await set_capacity(box, event, 7) == 22
    for _ in range(2):  # whatever either process knows of the event
        request = inventory_pb2.GetSeatMapRequest(event_id=event.event_id)
        reply = await box.call(str(uuid7()), "GetSeatMap", request)
        shown = {s.id: (s.capacity, s.available) for s in reply.seat_map.sections}
        assert shown[event.standing[0]] == (7, 0)
    refused = await refusal(set_capacity(box, event, 6))
    assert (refused.reason, refused.metadata["taken"]) == ("CAPACITY_BELOW_SOLD", "7")
    # The event opens again, as a message that comes twice would have it: nothing changes.
    await box.tell(event.message)
    assert (await box.sent(messages_pb2.EventOpened))[-1].capacity == 22


async def test_due_holds_do_not_keep_a_section_large(box: Box) -> None:
    event = await box.opened(pools=(20,))
    hold = await box.hold(event, tickets=10)
    await box.let_expire(hold.id)
    assert await set_capacity(box, event, 1) == 21


@pytest.mark.parametrize("capacity", [0, -5, 1_000_001])
async def test_a_capacity_nothing_can_have_is_refused(box: Box, capacity: int) -> None:
    event = await box.opened()
    refused = await refusal(set_capacity(box, event, capacity))
    assert (refused.reason, list(refused.metadata)) == ("INVALID_CAPACITY", ["capacity"])


async def test_only_a_counted_section_has_a_capacity_to_set(box: Box) -> None:
    event = await box.opened()
    for section in (event.seated, str(uuid7()), "x"):
        request = capacity_edit(event.event_id, {section: 9})
        assert await reason(as_owner(box, event, "SetCapacity", request)) == "UNKNOWN_SECTION"
    await box.tell(messages_pb2.EventCancelled(event_id=event.event_id))
    assert await reason(set_capacity(box, event, 60)) == "EVENT_NOT_ON_SALE"


async def test_a_section_never_has_less_room_than_is_taken_whoever_comes_first(box: Box) -> None:
    event = await box.opened(rows=0, pools=(40,), most=10)

    async def buy() -> str:
        return await reason(box.hold(event, tickets=2))

    results = await asyncio.gather(
        *(buy() for _ in range(30)),
        *(reason(set_capacity(box, event, n)) for n in (30, 20, 50, 10, 35, 5)),
    )
    held, _reserved, _sold = await box.pool(event)
    (row,) = await box.sql("SELECT capacity FROM event")
    assert held == 2 * results[:30].count("") <= row.capacity
    assert set(results[:30]) <= {"", "NOT_ENOUGH_CAPACITY"}
    assert set(results[30:]) <= {"", "CAPACITY_BELOW_SOLD"}


async def capacities(box: Box) -> tuple[int, dict[str, int]]:
    rows = await box.sql("SELECT section_id, capacity FROM pool")
    (whole,) = await box.sql("SELECT capacity FROM event")
    return whole.capacity, {str(row.section_id): row.capacity for row in rows}


async def test_edits_of_capacity_have_the_order_of_their_numbers(box: Box) -> None:
    event = await box.opened(rows=0, pools=(20, 5))
    first, second = event.standing

    async def edit(version: int, asked: dict[str, int], **more: int) -> tuple[int, int]:
        request = capacity_edit(event.event_id, asked, version, **more)
        reply = await as_owner(box, event, "SetCapacity", request)
        return reply.version, reply.event_capacity

    assert await edit(5, {first: 30, second: 10}) == (5, 40)
    assert await edit(5, {first: 30, second: 10}) == (5, 40)  # sent twice
    assert await edit(4, {first: 99}) == (5, 40)  # late
    assert await edit(6, {first: 50}, instead_of=4) == (5, 40)  # takes back what is not there
    assert await edit(7, {first: 20, second: 5}, instead_of=5) == (7, 25)
    assert await capacities(box) == (25, {first: 20, second: 5})


async def test_an_edit_of_several_sections_is_refused_whole_and_then_was_never_heard(
    box: Box,
) -> None:
    event = await box.opened(rows=0, pools=(20, 5))
    first, second = event.standing
    await box.hold(event, tickets=3)
    below = capacity_edit(event.event_id, {second: 9, first: 2}, 8)
    assert await reason(as_owner(box, event, "SetCapacity", below)) == "CAPACITY_BELOW_SOLD"
    older = capacity_edit(event.event_id, {first: 4, second: 4}, 7)
    assert (await as_owner(box, event, "SetCapacity", older)).version == 7
    assert await capacities(box) == (8, {first: 4, second: 4})


async def test_once_settled_no_older_edit_has_an_effect(box: Box) -> None:
    event = await box.opened(rows=0, pools=(20, 5))
    first, second = event.standing
    await box.tell(messages_pb2.SettleCapacity(event_id=event.event_id, version=3))
    late = capacity_edit(event.event_id, {first: 99}, 2)
    assert (await as_owner(box, event, "SetCapacity", late)).version == 3
    (told,) = await box.sent(messages_pb2.CapacitySettled)
    assert (told.version, told.event_capacity) == (3, 25)
    assert {each.section_id: each.capacity for each in told.sections} == {first: 20, second: 5}


async def test_an_event_that_was_never_opened_has_nothing_to_settle(box: Box) -> None:
    await box.tell(messages_pb2.SettleCapacity(event_id=str(uuid7()), version=3))
    (told,) = await box.sent(messages_pb2.CapacitySettled)
    assert (told.version, told.event_capacity, list(told.sections)) == (3, 0, [])


@pytest.mark.parametrize(
    ("sections", "version", "more"),
    [(0, 1, {}), (101, 1, {}), (1, -1, {}), (1, 1, {"instead_of": -1})],
)
async def test_an_edit_without_sections_or_number_is_refused(
    box: Box, sections: int, version: int, more: dict[str, int]
) -> None:
    event = await box.opened()
    asked = {str(uuid7()): 5 for _ in range(sections)}
    request = capacity_edit(event.event_id, asked, version, **more)
    assert await reason(as_owner(box, event, "SetCapacity", request)) == "INVALID_CAPACITY"


# --- counting ----------------------------------------------------------------------------------


async def test_live_holds_are_counted_for_whom_they_concern(box: Box) -> None:
    mine, other = await box.opened(), await box.opened()
    saga = await Saga.begun(box, mine, str(uuid7()), seats=[9], tickets=2)
    await saga.send("Reserve")
    await box.hold(mine, seats=[1, 2], tickets=3)
    await box.hold(other, seats=[1])
    due = await box.hold(mine, seats=[5])
    await box.let_expire(due.id)

    async def counted(person: str, role: Role, *, own_only: bool) -> tuple[int, int]:
        request = inventory_pb2.CountHoldsRequest(own_only=own_only)
        reply = await box.call(person, "CountHolds", request, role)
        return reply.holds, reply.places

    owner = mine.message.organizer_id
    assert await counted(owner, Role.ORGANIZER, own_only=True) == (1, 5)
    assert await counted(str(uuid7()), Role.ORGANIZER, own_only=True) == (0, 0)
    assert await counted(str(uuid7()), Role.ADMIN, own_only=False) == (2, 6)
    assert await reason(counted(owner, Role.ORGANIZER, own_only=False)) == "FORBIDDEN"


async def test_one_key_keeps_seats_back_once_and_frees_them_once(box: Box) -> None:
    event = await box.opened()
    seats = {"event_id": event.event_id, "seat_ids": ["1", "2"]}
    wanted = inventory_pb2.BlockSeatsRequest(**seats, note="crew", idempotency_key="k")
    await one_answer(lambda: as_owner(box, event, "BlockSeats", wanted))
    assert await listed(box, event) == [("crew", ["1", "2"])]
    freed = inventory_pb2.UnblockSeatsRequest(**seats, idempotency_key="f")
    await one_answer(lambda: as_owner(box, event, "UnblockSeats", freed))
    assert await listed(box, event) == []
