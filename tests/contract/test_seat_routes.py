"""Seats and holds, as clients see them."""

from __future__ import annotations

import gzip
import json
from contextlib import AsyncExitStack
from typing import Any

import brotli
import httpx
import pytest
from parterre.inventory.v1 import inventory_pb2

from chassis.ids import uuid7
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError, running_gateway
from tests.contract.streams import events_of, listening

UNCHANGED = inventory_pb2.GetSeatStatesResponse(unchanged=True)


@pytest.fixture
def event(edge: Edge) -> str:
    """An event that is on sale."""
    prepare(edge)
    return str(uuid7())


def prepare(edge: Edge, version: int = 9, rows: int = 1) -> None:
    edge.inventory.answers["GetSeatMap"] = inventory_pb2.GetSeatMapResponse(
        seat_map=samples.seat_map(version, rows)
    )
    edge.inventory.answers["GetSeatStates"] = samples.seat_states(version, rows * 100 + 1)


async def test_seats_come_with_their_version_as_the_etag(edge: Edge, event: str) -> None:
    answer = await edge.get(f"/events/{event}/seats", role=None)
    assert answer.headers["etag"] == '"9-br"'
    body = answer.json()
    assert body["version"] == 9
    assert body["taken"] == {"SOLD": ["1", "2"]}
    assert body["sections"][0]["rows"][0]["seats"][0] == {"id": "1", "number": "1", "x": 1, "y": 0}
    assert (body["sections"][1]["available"], body["sections"][1]["capacity"]) == (300, 350)
    assert b" " not in answer.content.replace(b"The ", b"")


@pytest.mark.parametrize("tags", ['"9"', 'W/"9"', '"3", "9"'])
async def test_unchanged_seats_are_not_sent_again(edge: Edge, event: str, tags: str) -> None:
    await edge.get(f"/events/{event}/seats")
    edge.inventory.answers["GetSeatStates"] = UNCHANGED
    answer = await edge.get(f"/events/{event}/seats", headers={"If-None-Match": tags})
    assert (answer.status_code, answer.content) == (304, b"")
    assert edge.inventory.calls[-1].request.known_version == 9


async def test_changed_seats_are_sent_whole(edge: Edge, event: str) -> None:
    await edge.get(f"/events/{event}/seats")
    prepare(edge, version=10)
    answer = await edge.get(f"/events/{event}/seats", headers={"If-None-Match": '"9"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"10-br"')
    assert answer.json()["version"] == 10


async def test_what_never_changes_of_a_hall_is_asked_for_once(edge: Edge, event: str) -> None:
    first = await edge.get(f"/events/{event}/seats")
    edge.inventory.answers["GetSeatStates"] = UNCHANGED
    second = await edge.get(f"/events/{event}/seats", headers={"If-None-Match": '"8"'})
    assert (second.status_code, second.json()) == (200, first.json())
    asked = [call.method for call in edge.inventory.calls]
    assert asked == ["GetSeatMap", "GetSeatStates", "GetSeatStates"]


async def test_an_event_that_is_called_off_has_no_seats_any_more(
    edge: Edge, event: str, refusal: type[RefusalError]
) -> None:
    await edge.get(f"/events/{event}/seats")
    edge.inventory.answers["GetSeatStates"] = refusal("STATE", "EVENT_NOT_ON_SALE")
    for _ in range(2):
        edge.inventory.answers["GetSeatMap"] = refusal("STATE", "EVENT_NOT_ON_SALE")
        answer = await edge.get(f"/events/{event}/seats")
        assert (answer.status_code, answer.json()["reason"]) == (409, "EVENT_NOT_ON_SALE")


async def test_seats_that_inventory_can_not_tell_are_not_made_up(
    edge: Edge, event: str, refusal: type[RefusalError]
) -> None:
    await edge.get(f"/events/{event}/seats")
    edge.inventory.answers["GetSeatStates"] = refusal("UNAVAILABLE", "OVERLOADED")
    answer = await edge.get(f"/events/{event}/seats")
    assert answer.status_code == 503
    prepare(edge)
    assert (await edge.get(f"/events/{event}/seats")).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br", "br"),
        ("br;q=0, gzip", "gzip"),
        ("gzip;q=0, identity", None),
        ("brotli", None),
    ],
)
async def test_a_large_hall_is_compressed_as_the_client_takes_it(
    edge: Edge, event: str, accepted: str, encoding: str | None
) -> None:
    prepare(edge, rows=200)
    path = f"/api/v1/events/{event}/seats"
    async with edge.http.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert len(raw) < {"br": 40_000, "gzip": 70_000, None: 1_500_000}[encoding]
    plain = {"gzip": gzip.decompress, "br": brotli.decompress, None: bytes}[encoding](raw)
    assert len(json.loads(plain)["sections"][0]["rows"]) == 200


# --- streams -------------------------------------------------------------------------------------


async def test_a_stream_begins_with_what_is_taken(edge: Edge, event: str) -> None:
    async with listening(edge, event) as events:
        _id, name, data = await anext(events)
    assert name == "snapshot"
    assert data == {
        "version": 9,
        "taken": {"SOLD": ["1", "2"]},
        "pools": {samples.TIER: {"available": 300, "capacity": 350}},
    }


async def test_what_others_find_changed_is_told_to_who_listens(edge: Edge, event: str) -> None:
    async with listening(edge, event) as events:
        await anext(events)
        changed = samples.seat_states(version=10)
        changed.states = bytes([0, 0, 2, 1, *[0] * 97])
        edge.inventory.answers["GetSeatStates"] = changed
        await edge.get(f"/events/{event}/seats")
        _id, name, data = await anext(events)
    assert name == "delta"
    assert data == {"version": 10, "changes": {"1": "AVAILABLE", "3": "HELD"}, "pools": {}}


async def test_who_comes_again_goes_on_where_they_were(edge: Edge, event: str) -> None:
    async with listening(edge, event) as others:
        await anext(others)
        async with listening(edge, event) as events:
            last_id, _name, _data = await anext(events)
        blocked = samples.seat_states(version=10)
        blocked.states = bytes([0, 2, 2, 3, *[0] * 97])
        edge.inventory.answers["GetSeatStates"] = blocked
        await edge.get(f"/events/{event}/seats")
        await anext(others)
        async with listening(edge, event, **{"Last-Event-ID": last_id}) as events:
            _id, name, data = await anext(events)
        assert (name, data["changes"]) == ("delta", {"3": "BLOCKED"})
        async with listening(edge, event, **{"Last-Event-ID": "of-another-gateway"}) as events:
            _id, name, data = await anext(events)
        assert (name, data["taken"]["BLOCKED"]) == ("snapshot", ["3"])


async def test_a_person_has_three_streams_at_most(edge: Edge, event: str) -> None:
    token = {"Authorization": f"Bearer {edge.keys.token()}"}
    path = f"/events/{event}/seats/stream"
    async with AsyncExitStack() as stack:
        own = [await stack.enter_async_context(listening(edge, event, **token)) for _ in range(3)]
        for events in own:
            await anext(events)
        answer = await edge.get(path, headers=token)
        assert (answer.status_code, answer.json()["reason"]) == (429, "TOO_MANY_STREAMS")
        assert answer.headers["retry-after"]
        async with listening(edge, event) as events:  # another's are another's
            await anext(events)


async def test_streams_do_not_count_among_the_requests_in_progress() -> None:
    async with running_gateway(max_concurrent=1, max_streams=2) as edge:
        prepare(edge)
        event = str(uuid7())
        async with listening(edge, event) as first, listening(edge, event) as second:
            await anext(first)
            await anext(second)
            assert (await edge.get(f"/events/{event}/seats")).status_code == 200
            refused = await edge.get(f"/events/{event}/seats/stream")
            assert (refused.status_code, refused.json()["reason"]) == (503, "OVERLOADED")


async def test_a_silent_stream_is_kept_open_and_ends_in_time() -> None:
    async with running_gateway(stream_heartbeat_seconds=0.05, stream_life_seconds=0.5) as edge:
        prepare(edge)
        path = f"/api/v1/events/{uuid7()}/seats/stream"
        answer = await edge.http.get(path)  # returns, for the stream ends
        assert answer.text.startswith("retry: ")
        assert answer.text.count(":\n\n") > 1


async def test_a_stream_has_no_body_for_who_asks_for_its_head_alone(edge: Edge, event: str) -> None:
    answer = await edge.http.head(f"/api/v1/events/{event}/seats/stream")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_streams_end_cleanly_when_the_gateway_does() -> None:
    async with AsyncExitStack() as stack:
        edge = await stack.enter_async_context(running_gateway(drain_seconds=20))
        prepare(edge)
        async with httpx.AsyncClient(base_url=edge.url, timeout=10) as http:
            path = f"/api/v1/events/{uuid7()}/seats/stream"
            async with http.stream("GET", path) as answer:
                events = events_of(answer)
                await anext(events)
                await stack.aclose()
                assert [event async for event in events] == []


async def test_a_stream_ends_with_the_event(
    edge: Edge, event: str, refusal: type[RefusalError]
) -> None:
    async with listening(edge, event) as events:
        await anext(events)
        edge.inventory.answers["GetSeatStates"] = refusal("STATE", "EVENT_NOT_ON_SALE")
        await edge.get(f"/events/{event}/seats")
        assert [each async for each in events] == []


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
        "STATE", "SEATS_UNAVAILABLE", "Taken.", seat_ids='["17"]'
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
        (hold(best_available={"quantity": 1.5}), "best_available.quantity"),
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
    edge.inventory.answers["ExtendHold"] = refusal("STATE", "HOLD_EXPIRED")
    answer = await edge.post(f"/holds/{samples.HOLD}/extend")
    assert answer.status_code == 410


async def test_seats_and_tickets_are_added_to_a_hold(edge: Edge) -> None:
    edge.inventory.answers["AddToHold"] = inventory_pb2.AddToHoldResponse(hold=samples.hold())
    path = f"/holds/{samples.HOLD}/add"
    tickets = [{"tier_id": samples.TIER, "quantity": 2}]
    answer = await edge.post(path, {"seat_ids": ["17"], "general": tickets})
    assert answer.status_code == 200
    asked = edge.inventory.asked
    assert (list(asked.seat_ids), [each.quantity for each in asked.general]) == (["17"], [2])
    assert (await edge.post(path, {})).status_code == 422


async def test_a_hold_is_released_in_part_and_whole(edge: Edge) -> None:
    edge.inventory.answers["ReleaseHold"] = inventory_pb2.ReleaseHoldResponse(hold=samples.hold())
    part = await edge.post(f"/holds/{samples.HOLD}/release", {"seat_ids": ["17"]})
    whole = await edge.delete(f"/holds/{samples.HOLD}")
    assert (part.status_code, whole.status_code, whole.content) == (200, 204, b"")
    asked = [list(call.request.seat_ids) for call in edge.inventory.calls]
    assert asked == [["17"], []]
