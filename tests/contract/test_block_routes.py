"""Seats kept back, as organizers see them."""

from __future__ import annotations

from typing import Any

import pytest
from parterre.inventory.v1 import inventory_pb2

from chassis.identity import Role
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError

BLOCKS = f"/events/{samples.EVENT}/blocks"


def block() -> inventory_pb2.Block:
    return inventory_pb2.Block(
        id=samples.HOLD,
        seat_ids=["17", "18"],
        note="Press",
        created_at=samples.at(),
        created_by=samples.PERSON,
    )


async def test_seats_are_kept_back(edge: Edge) -> None:
    edge.inventory.answers["BlockSeats"] = inventory_pb2.BlockSeatsResponse(block=block())
    body = {"seat_ids": ["17", "18"], "note": " Press "}
    answer = await edge.post(BLOCKS, body, role=Role.ORGANIZER)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1{BLOCKS}"
    assert answer.json() == {
        "id": samples.HOLD,
        "seat_ids": ["17", "18"],
        "note": "Press",
        "created_at": "2026-11-20T10:00:00Z",
        "created_by": samples.PERSON,
    }
    asked = edge.inventory.asked
    assert (asked.event_id, list(asked.seat_ids), asked.note) == (
        samples.EVENT,
        ["17", "18"],
        "Press",
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"seat_ids": []},
        {"seat_ids": ["not a seat"]},
        {"seat_ids": [str(n) for n in range(1001)]},
        {"seat_ids": ["1"], "note": "x" * 201},
        {"seat_ids": ["1"], "created_by": samples.PERSON},
    ],
)
async def test_what_can_not_be_kept_back_is_refused_at_the_door(
    edge: Edge, body: dict[str, Any]
) -> None:
    for path in (BLOCKS, f"{BLOCKS}/release"):
        answer = await edge.post(path, body, role=Role.ORGANIZER)
        assert (answer.status_code, answer.json()["reason"]) == (422, "VALIDATION_FAILED")
    assert not edge.inventory.calls


async def test_what_is_in_the_way_is_named(edge: Edge) -> None:
    edge.inventory.answers["BlockSeats"] = RefusalError(
        "STATE", "SEATS_UNAVAILABLE", seat_ids='["17"]'
    )
    edge.inventory.answers["UnblockSeats"] = RefusalError(
        "STATE", "SEATS_NOT_BLOCKED", seat_ids='["18"]'
    )
    for path, seat_ids in ((BLOCKS, ["17"]), (f"{BLOCKS}/release", ["18"])):
        answer = await edge.post(path, {"seat_ids": ["17", "18"]}, role=Role.ORGANIZER)
        assert (answer.status_code, answer.json()["seat_ids"]) == (409, seat_ids)


async def test_what_is_kept_back_is_listed_page_by_page_and_freed(edge: Edge) -> None:
    edge.inventory.answers["ListBlocks"] = inventory_pb2.ListBlocksResponse(
        blocks=[block()], next_cursor="next"
    )
    answer = await edge.get(f"{BLOCKS}?limit=1&cursor=abc", role=Role.ORGANIZER)
    assert [one["note"] for one in answer.json()["items"]] == ["Press"]
    assert answer.json()["next_cursor"] == "next"
    assert (edge.inventory.asked.limit, edge.inventory.asked.cursor) == (1, "abc")
    edge.inventory.forget()
    answer = await edge.post(f"{BLOCKS}/release", {"seat_ids": ["17"]}, role=Role.ORGANIZER)
    assert (answer.status_code, answer.content) == (204, b"")
    assert list(edge.inventory.asked.seat_ids) == ["17"]
