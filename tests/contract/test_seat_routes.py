"""Seats and holds, as clients see them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from parterre.inventory.v1 import inventory_pb2

from chassis.ids import uuid7
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError


def seats(version: int = 9, rows: int = 1) -> inventory_pb2.GetSeatMapResponse:
    return inventory_pb2.GetSeatMapResponse(seat_map=samples.seat_map(version, rows))


UNCHANGED = inventory_pb2.GetSeatMapResponse(unchanged=True)


async def test_seats_come_with_their_version_as_the_etag(edge: Edge) -> None:
    edge.inventory.answers["GetSeatMap"] = seats()
    answer = await edge.get(f"/events/{uuid7()}/seats", role=None)
    assert answer.headers["etag"] == '"9"'
    body = answer.json()
    assert body["taken"] == {"SOLD": ["1", "2"], "HELD": []}
    assert body["sections"][0]["rows"][0]["seats"][0] == {"id": "1", "number": "1", "x": 1, "y": 0}
    assert body["sections"][1]["available"] == 300
    assert b" " not in answer.content.replace(b"The ", b"")


@pytest.mark.parametrize("tags", ['"9"', 'W/"9"', '"3", "9"'])
async def test_unchanged_seats_are_not_sent_again(edge: Edge, tags: str) -> None:
    event = uuid7()
    edge.inventory.answers["GetSeatMap"] = seats()
    await edge.get(f"/events/{event}/seats")
    edge.inventory.answers["GetSeatMap"] = UNCHANGED
    answer = await edge.get(f"/events/{event}/seats", headers={"If-None-Match": tags})
    assert (answer.status_code, answer.content) == (304, b"")
    assert edge.inventory.calls[1].request.known_version == 9


async def test_changed_seats_are_sent_whole(edge: Edge) -> None:
    event = uuid7()
    edge.inventory.answers["GetSeatMap"] = seats()
    await edge.get(f"/events/{event}/seats")
    edge.inventory.answers["GetSeatMap"] = seats(version=10)
    answer = await edge.get(f"/events/{event}/seats", headers={"If-None-Match": '"9"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"10"')
    assert answer.json()["version"] == 10


async def test_who_has_not_seen_unchanged_seats_gets_them(edge: Edge) -> None:
    event = uuid7()
    edge.inventory.answers["GetSeatMap"] = seats()
    first = await edge.get(f"/events/{event}/seats")
    edge.inventory.answers["GetSeatMap"] = UNCHANGED
    second = await edge.get(f"/events/{event}/seats", headers={"If-None-Match": '"8"'})
    assert (second.status_code, second.json()) == (200, first.json())


async def test_a_gateway_that_kept_nothing_sends_nothing_to_who_is_current(edge: Edge) -> None:
    edge.inventory.answers["GetSeatMap"] = UNCHANGED
    answer = await edge.get(f"/events/{uuid7()}/seats", headers={"If-None-Match": '"9"'})
    assert answer.status_code == 304
    assert edge.inventory.asked.known_version == 9


async def test_a_large_hall_is_compressed_well(edge: Edge) -> None:
    edge.inventory.answers["GetSeatMap"] = seats(rows=200)
    path = f"/api/v1/events/{uuid7()}/seats"
    async with edge.http.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(raw))["sections"][0]["rows"]) == 200
    plain = await edge.get(
        path.removeprefix("/api/v1"), headers={"Accept-Encoding": "gzip;q=0, identity"}
    )
    assert "content-encoding" not in plain.headers


def hold(**body: Any) -> dict[str, Any]:
    return {"event_id": samples.EVENT, **body}


async def test_named_seats_and_counted_tickets_are_held_together(edge: Edge) -> None:
    edge.inventory.answers["CreateHold"] = inventory_pb2.CreateHoldResponse(hold=samples.hold())
    body = hold(seat_ids=["17", "18"], general=[{"tier_id": samples.TIER, "quantity": 2}])
    answer = await edge.post("/holds", body, headers={"Idempotency-Key": "abc"})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/holds/{samples.HOLD}"
    assert "idempotency-replayed" not in answer.headers
    asked = edge.inventory.asked
    assert (list(asked.seat_ids), asked.general[0].quantity) == (["17", "18"], 2)
    assert asked.idempotency_key == "abc"
    assert not asked.HasField("best_available")
    seat, standing = answer.json()["lines"]
    assert (seat["seat_id"], seat["row"]) == ("17", "A")
    assert (standing["seat_id"], standing["quantity"]) == (None, 2)


async def test_the_best_seats_are_asked_for(edge: Edge) -> None:
    edge.inventory.answers["CreateHold"] = inventory_pb2.CreateHoldResponse(hold=samples.hold())
    await edge.post("/holds", hold(best_available={"quantity": 2}))
    assert edge.inventory.asked.best_available.quantity == 2


async def test_a_replayed_answer_says_so(edge: Edge) -> None:
    edge.inventory.answers["CreateHold"] = inventory_pb2.CreateHoldResponse(hold=samples.hold())
    edge.inventory.trailers = (("idempotency-replayed", "true"),)
    answer = await edge.post("/holds", hold(seat_ids=["1"]), headers={"Idempotency-Key": "abc"})
    assert answer.status_code == 201
    assert answer.headers["idempotency-replayed"] == "true"


async def test_taken_seats_are_named(edge: Edge, refusal: type[RefusalError]) -> None:
    edge.inventory.answers["CreateHold"] = refusal(
        "CONFLICT", "SEATS_UNAVAILABLE", "Taken.", seat_ids='["17"]'
    )
    answer = await edge.post("/holds", hold(seat_ids=["17"]))
    assert answer.status_code == 409
    assert answer.json()["seat_ids"] == ["17"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (hold(), "body"),
        (hold(seat_ids=["1"], best_available={"quantity": 1}), "body"),
        (hold(seat_ids=[]), "seat_ids"),
        (hold(seat_ids=[1]), "seat_ids.0"),
        (hold(best_available={"quantity": -1}), "best_available.quantity"),
        (hold(best_available={"quantity": 1.0}), "best_available.quantity"),
        (hold(best_available={"quantity": "1"}), "best_available.quantity"),
        (hold(best_available={"quantity": True}), "best_available.quantity"),
        (hold(best_available={"quantity": 101}), "best_available.quantity"),
        (hold(general=[{"tier_id": "x", "quantity": 1}]), "general.0.tier_id"),
        (hold(seat_ids=["1"], price=1), "price"),
        ([], "body"),
        ("hold", "body"),
    ],
)
async def test_a_hold_that_can_not_be_is_refused(edge: Edge, body: Any, field: str) -> None:
    answer = await edge.post("/holds", body)
    assert answer.status_code == 422
    assert answer.json()["reason"] == "VALIDATION_FAILED"
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert not edge.inventory.calls


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_an_idempotency_key_has_its_bounds(edge: Edge, key: str) -> None:
    answer = await edge.post("/holds", hold(seat_ids=["1"]), headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_holds_are_listed_and_shown(edge: Edge) -> None:
    edge.inventory.answers["ListHolds"] = inventory_pb2.ListHoldsResponse(holds=[samples.hold()])
    edge.inventory.answers["GetHold"] = inventory_pb2.GetHoldResponse(hold=samples.hold())
    page = await edge.get(f"/holds?event_id={samples.EVENT}")
    shown = await edge.get(f"/holds/{samples.HOLD}")
    assert page.json()["items"] == [shown.json()]
    assert edge.inventory.calls[0].request.event_id == samples.EVENT


@pytest.mark.parametrize(("body", "seconds"), [(None, 0), ({}, 0), ({"seconds": 300}, 300)])
async def test_a_hold_is_extended(edge: Edge, body: Any, seconds: int) -> None:
    edge.inventory.answers["ExtendHold"] = inventory_pb2.ExtendHoldResponse(hold=samples.hold())
    answer = await edge.post(f"/holds/{samples.HOLD}/extend", body)
    assert answer.status_code == 200
    assert edge.inventory.asked.seconds == seconds


async def test_an_expired_hold_is_gone(edge: Edge, refusal: type[RefusalError]) -> None:
    edge.inventory.answers["ExtendHold"] = refusal("CONFLICT", "HOLD_EXPIRED")
    answer = await edge.post(f"/holds/{samples.HOLD}/extend")
    assert answer.status_code == 410


async def test_a_hold_is_released_in_part_and_whole(edge: Edge) -> None:
    edge.inventory.answers["ReleaseHold"] = inventory_pb2.ReleaseHoldResponse(hold=samples.hold())
    part = await edge.post(f"/holds/{samples.HOLD}/release", {"seat_ids": ["17"]})
    whole = await edge.delete(f"/holds/{samples.HOLD}")
    assert (part.status_code, whole.status_code, whole.content) == (200, 204, b"")
    asked = [list(call.request.seat_ids) for call in edge.inventory.calls]
    assert asked == [["17"], []]
