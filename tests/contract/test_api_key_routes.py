"""API keys at the gateway: made and listed by people, and what programs get with them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.auth.v1 import auth_pb2
from parterre.booking.v1 import booking_pb2

from chassis.api_keys import new_key
from chassis.identity import Role
from chassis.ids import uuid7
from gateway.routing import Route
from gateway.scopes import Scope
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError, grown, running_gateway
from tests.contract.test_edge import ROUTES, named, path_of

KEY = "ptk_3fK9o9rV7WNksAbNB4PlK0WdSUUsjpqJ17Ljyf"
ID = str(uuid7())
CHECK_IN = f"/events/{samples.EVENT}/check-ins"
SCAN = {"token": "a.ticket"}

# What a key opens, by the scope it needs. Nothing else.
EXPECTED_SCOPES = """
events:read GET /api/v1/events
events:read GET /api/v1/events/{event_id}
events:read GET /api/v1/events/{event_id}/calendar.ics
events:read GET /api/v1/organizer/events
events:read GET /api/v1/venues
events:read GET /api/v1/venues/{venue_id}
events:read GET /api/v1/media/{image_id}
events:read GET /api/v1/events/{event_id}/reviews
events:read GET /api/v1/events/{event_id}/seats
events:read GET /api/v1/events/{event_id}/seats/stream
events:read GET /api/v1/events/{event_id}/blocks
events:write POST /api/v1/venues
events:write PATCH /api/v1/venues/{venue_id}
events:write POST /api/v1/venues/{venue_id}/sections
events:write PATCH /api/v1/venues/{venue_id}/sections/{section_id}
events:write DELETE /api/v1/venues/{venue_id}/sections/{section_id}
events:write POST /api/v1/events
events:write PATCH /api/v1/events/{event_id}
events:write DELETE /api/v1/events/{event_id}
events:write POST /api/v1/events/{event_id}/publish
events:write POST /api/v1/events/{event_id}/cancel
events:write POST /api/v1/events/{event_id}/images
events:write DELETE /api/v1/events/{event_id}/images/{image_id}
events:write POST /api/v1/events/{event_id}/blocks
events:write POST /api/v1/events/{event_id}/blocks/release
bookings:read GET /api/v1/organizer/events/{event_id}/bookings
bookings:read GET /api/v1/organizer/events/{event_id}/bookings.csv
bookings:read GET /api/v1/bookings/{reference}
bookings:read GET /api/v1/bookings/{reference}/timeline
bookings:write POST /api/v1/bookings/{reference}/cancel
bookings:write DELETE /api/v1/bookings/{reference}
bookings:write POST /api/v1/payments/{payment_id}/refunds
coupons:read GET /api/v1/events/{event_id}/coupons
coupons:write POST /api/v1/events/{event_id}/coupons
coupons:write PATCH /api/v1/events/{event_id}/coupons/{code}
check-ins:write POST /api/v1/events/{event_id}/check-ins
sales:read GET /api/v1/organizer/events/{event_id}/sales
sales:read GET /api/v1/organizer/dashboard
webhooks:write POST /api/v1/webhook-endpoints
webhooks:write GET /api/v1/webhook-endpoints
webhooks:write PATCH /api/v1/webhook-endpoints/{endpoint_id}
webhooks:write DELETE /api/v1/webhook-endpoints/{endpoint_id}
webhooks:write POST /api/v1/webhook-endpoints/{endpoint_id}/rotate-secret
webhooks:write POST /api/v1/webhook-endpoints/{endpoint_id}/test
webhooks:write GET /api/v1/webhook-endpoints/{endpoint_id}/deliveries
webhooks:write POST /api/v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/resend
"""


def stamp(text: str) -> Timestamp:
    made = Timestamp()
    made.FromJsonString(text)
    return made


def listed(**changes: Any) -> auth_pb2.ApiKey:
    fields = {
        "id": ID,
        "name": "North gate",
        "prefix": "ptk_3fK9",
        "scopes": ["check-ins:write"],
        "status": "ACTIVE",
        "created_at": stamp("2026-11-26T10:00:00Z"),
        **changes,
    }
    return auth_pb2.ApiKey(**fields)


SHOWN = {
    "id": ID,
    "name": "North gate",
    "prefix": "ptk_3fK9",
    "scopes": ["check-ins:write"],
    "event_id": None,
    "status": "ACTIVE",
    "created_at": "2026-11-26T10:00:00Z",
    "expires_at": None,
    "last_used_at": None,
    "revoked_at": None,
}


def give_token(edge: Edge, *scopes: str, **claims: Any) -> None:
    """Has the fake auth_service know any key."""
    token = edge.keys.for_api_key(*scopes, **claims)
    edge.auth.answers["ExchangeApiKey"] = auth_pb2.ExchangeApiKeyResponse(
        access_token=token, expires_in=600
    )


def exchanges(edge: Edge) -> list[str]:
    return [call.request.key for call in edge.auth.calls if call.method == "ExchangeApiKey"]


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def with_key(edge: Edge, method: str, path: str, key: str, **options: Any) -> httpx.Response:
    return await edge.call(method, path, role=None, headers=bearing(key), **options)


async def check_in(edge: Edge, key: str, path: str = CHECK_IN) -> httpx.Response:
    return await with_key(edge, "POST", path, key, json=SCAN)


# --- making, listing, revoking -------------------------------------------------------------------


async def test_a_key_is_made_and_shown_in_the_answer_alone(edge: Edge) -> None:
    edge.auth.answers["CreateApiKey"] = auth_pb2.CreateApiKeyResponse(
        api_key=listed(event_id=samples.EVENT, expires_at=stamp("2027-01-31T00:00:00Z")), key=KEY
    )
    body = {
        "name": "North gate",
        "scopes": ["check-ins:write"],
        "event_id": samples.EVENT,
        "expires_at": "2027-01-31T05:45:00+05:45",
    }
    answer = await edge.post(
        "/api-keys", body, role=Role.ORGANIZER, headers={"Idempotency-Key": "one"}
    )
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        **SHOWN,
        "event_id": samples.EVENT,
        "expires_at": "2027-01-31T00:00:00Z",
        "key": KEY,
    }
    assert edge.auth.asked == auth_pb2.CreateApiKeyRequest(
        name="North gate",
        scopes=["check-ins:write"],
        event_id=samples.EVENT,
        expires_at=stamp("2027-01-31T00:00:00Z"),
        idempotency_key="one",
    )
    assert edge.catalog.asked.event_id == samples.EVENT


async def test_a_key_for_an_event_that_is_not_there_is_not_made(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.catalog.answers["GetEvent"] = refusal("NOT_FOUND", "EVENT_NOT_FOUND")
    body = {"name": "x", "scopes": ["check-ins:write"], "event_id": samples.EVENT}
    answer = await edge.post("/api-keys", body, role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["reason"]) == (404, "EVENT_NOT_FOUND")
    assert not edge.auth.calls


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"scopes": ["sales:read"] * 10}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"event_id": "x"}, "event_id"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"owner": "me"}, "owner"),
    ],
)
async def test_a_key_that_cannot_be_is_refused(
    edge: Edge, change: dict[str, Any], field: str
) -> None:
    body = {"name": "x", "scopes": ["sales:read"], **change}
    answer = await edge.post("/api-keys", body, role=Role.ORGANIZER)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


async def test_keys_are_listed_without_themselves_and_revoked(edge: Edge) -> None:
    page = auth_pb2.ListApiKeysResponse(api_keys=[listed()], next_cursor="more")
    edge.auth.answers["ListApiKeys"] = page
    answer = await edge.get("/api-keys?limit=1", role=Role.ORGANIZER)
    assert answer.json() == {"items": [SHOWN], "next_cursor": "more"}
    edge.auth.forget()
    answer = await edge.delete(f"/api-keys/{ID}", role=Role.ORGANIZER)
    assert answer.status_code == 204
    assert edge.auth.asked.api_key_id == ID
    edge.auth.forget()
    answer = await edge.delete("/api-keys/x", role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["reason"]) == (404, "API_KEY_NOT_FOUND")
    assert not edge.auth.calls


async def test_an_admin_sees_and_revokes_anothers_keys(edge: Edge) -> None:
    page = auth_pb2.ListUserApiKeysResponse(api_keys=[listed()], next_cursor="more")
    edge.auth.answers["ListUserApiKeys"] = page
    path = f"/admin/users/{samples.PERSON}/api-keys"
    answer = await edge.get(f"{path}?limit=1", role=Role.ADMIN)
    assert answer.json() == {"items": [SHOWN], "next_cursor": "more"}
    assert edge.auth.asked.user_id == samples.PERSON
    edge.auth.forget()
    answer = await edge.delete(f"{path}/{ID}", role=Role.ADMIN)
    assert answer.status_code == 204
    assert (edge.auth.asked.user_id, edge.auth.asked.api_key_id) == (samples.PERSON, ID)
    for role, status in ((Role.ORGANIZER, 403), (None, 401)):
        assert (await edge.get(path, role=role)).status_code == status
        assert (await edge.delete(f"{path}/{ID}", role=role)).status_code == status


# --- what they open ------------------------------------------------------------------------------


def test_every_route_says_here_which_scope_opens_it() -> None:
    declared = {f"{route.access.scope} {named(route)}" for route in ROUTES if route.access.scope}
    assert declared == set(EXPECTED_SCOPES.strip().splitlines())


async def test_the_description_says_so_too(edge: Edge) -> None:
    documented = {
        f"{operation['x-scope']} {method.upper()} {path}"
        for path, operations in edge.document["paths"].items()
        for method, operation in operations.items()
        if {"api_key": []} in operation["security"]
    }
    assert documented == set(EXPECTED_SCOPES.strip().splitlines())


@pytest.mark.parametrize("route", ROUTES, ids=named)
async def test_a_key_opens_a_route_by_its_scope_and_by_no_other(edge: Edge, route: Route) -> None:
    needed = route.access.scope
    edge.catalog.answers["ReadEvents"] = samples.read(samples.event())

    async def reason(*scopes: Scope) -> str:
        give_token(edge, *scopes, of=Role.ADMIN)
        async with edge.http.stream(
            route.method, path_of(route), headers=bearing(new_key())
        ) as answer:
            if "event-stream" not in answer.headers.get("content-type", ""):
                await answer.aread()
        edge.check(route.method, answer)
        if answer.status_code == 403 and answer.json()["reason"] == "INSUFFICIENT_SCOPE":
            challenge = answer.headers["www-authenticate"]
            assert challenge.startswith('Bearer realm="parterre", error="insufficient_scope"')
            assert answer.json().get("scope") == needed
            assert (f'scope="{needed}"' in challenge) is (needed is not None)
        return str(answer.json()["reason"]) if answer.is_error else ""

    if route.access.ignores_token:
        assert await reason() != "INSUFFICIENT_SCOPE"
        return
    others = [scope for scope in Scope if scope != needed]
    assert await reason(*others) == "INSUFFICIENT_SCOPE"
    asked = {name: len(fake.calls) for name, fake in edge.fakes.items() if name != "auth"}
    assert not any(asked.values()), asked
    if needed is not None:
        # Past the door, here and at every service behind it: most have no body.
        assert await reason(needed) in {"", "VALIDATION_FAILED", "BOOKING_STATE"}


async def test_a_role_that_a_route_needs_the_keys_owner_must_have(edge: Edge) -> None:
    give_token(edge, "check-ins:write", of=Role.CUSTOMER)
    answer = await check_in(edge, new_key())
    assert (answer.status_code, answer.json()["reason"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("event", [samples.EVENT, samples.EVENT.upper()])
async def test_a_key_for_one_event_opens_that_events_paths_alone(edge: Edge, event: str) -> None:
    edge.booking.answers["CheckIn"] = booking_pb2.CheckInResponse(result="WRONG_EVENT")
    give_token(edge, *Scope, confined_to=samples.EVENT)
    key = new_key()
    assert (await check_in(edge, key, f"/events/{event}/check-ins")).status_code == 200
    for method, path in (
        ("POST", f"/events/{uuid7()}/check-ins"),
        ("GET", "/events"),
        ("GET", "/organizer/dashboard"),
        ("GET", f"/bookings/{samples.REFERENCE}"),
    ):
        answer = await with_key(edge, method, path, key)
        assert (answer.status_code, answer.json()["reason"]) == (403, "INSUFFICIENT_SCOPE")


# --- the exchange --------------------------------------------------------------------------------


async def test_a_key_is_exchanged_once_however_many_use_it_at_once(edge: Edge) -> None:
    edge.booking.answers["CheckIn"] = booking_pb2.CheckInResponse(result="WRONG_EVENT")
    give_token(edge, "check-ins:write")
    key = new_key()
    edge.auth.may_answer.clear()
    asking = [asyncio.create_task(check_in(edge, key)) for _ in range(20)]
    await grown(edge.auth.calls, 1)
    edge.auth.may_answer.set()
    assert {(await each).status_code for each in asking} == {200}
    assert (await check_in(edge, key)).status_code == 200
    assert exchanges(edge) == [key]
    assert {call.identity.is_process for call in edge.auth.calls} == {True}
    assert all(call.identity.is_key for call in edge.booking.calls)


async def test_who_asked_first_may_go_and_the_others_are_answered(edge: Edge) -> None:
    edge.booking.answers["CheckIn"] = booking_pb2.CheckInResponse(result="WRONG_EVENT")
    give_token(edge, "check-ins:write")
    key = new_key()
    edge.auth.may_answer.clear()
    async with httpx.AsyncClient(base_url=f"{edge.url}/api/v1") as impatient:
        first = asyncio.create_task(impatient.post(CHECK_IN, json=SCAN, headers=bearing(key)))
        await grown(edge.auth.calls, 1)
        first.cancel()
        await asyncio.wait([first])
    second = asyncio.create_task(check_in(edge, key))
    edge.auth.may_answer.set()
    assert (await second).status_code == 200
    assert exchanges(edge) == [key]


@pytest.mark.parametrize(
    "key",
    [KEY[:-1] + "X", "ptk_", "ptk_made_up", KEY + "0", "ptk_" + "a" * 38],
    ids=["another checksum", "nothing", "too short", "too long", "made up"],
)
async def test_what_cannot_be_a_key_is_asked_about_of_nobody(edge: Edge, key: str) -> None:
    answer = await check_in(edge, key)
    assert (answer.status_code, answer.json()["reason"]) == (401, "INVALID_API_KEY")
    assert answer.headers["www-authenticate"].startswith(
        'Bearer realm="parterre", error="invalid_token", error_description='
    )
    assert not edge.auth.calls
    assert key not in answer.text


async def test_a_wrong_key_that_comes_again_is_not_asked_about_each_time(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.auth.answers["ExchangeApiKey"] = refusal("UNAUTHENTICATED", "INVALID_API_KEY")
    key = new_key()
    answers = [await check_in(edge, key) for _ in range(3)]
    assert {answer.json()["reason"] for answer in answers} == {"INVALID_API_KEY"}
    assert len(exchanges(edge)) < 3
    other = new_key()
    await check_in(edge, other)
    assert other in exchanges(edge)


async def test_who_is_throttled_is_told_for_how_long(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    throttled = refusal("THROTTLED", "ADDRESS_THROTTLED", retry_after="7")
    edge.auth.answers["ExchangeApiKey"] = throttled
    answer = await check_in(edge, new_key())
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


async def test_while_keys_cannot_be_asked_about_the_service_is_away_and_then_it_is_back(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.auth.answers["ExchangeApiKey"] = refusal("UNAVAILABLE", "SERVICE_UNAVAILABLE")
    key = new_key()
    answer = await check_in(edge, key)
    assert (answer.status_code, answer.json()["reason"]) == (503, "SERVICE_UNAVAILABLE")
    edge.booking.answers["CheckIn"] = booking_pb2.CheckInResponse(result="WRONG_EVENT")
    give_token(edge, "check-ins:write")
    assert (await check_in(edge, key)).status_code == 200


async def test_a_revoked_key_is_called_one_whichever_process_heard_of_it_first(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.booking.answers["CheckIn"] = refusal("UNAUTHENTICATED", "INVALID_TOKEN")
    give_token(edge, "check-ins:write")
    for token, reason in (
        (new_key(), "INVALID_API_KEY"),
        (edge.keys.token(Role.ORGANIZER), "INVALID_TOKEN"),
    ):
        answer = await check_in(edge, token)
        assert (answer.status_code, answer.json()["reason"]) == (401, reason)


async def test_a_key_is_taken_from_its_header_and_nowhere_else(edge: Edge) -> None:
    give_token(edge, *Scope)
    key = new_key()
    for path, headers in (
        (f"{CHECK_IN}?api_key={key}&access_token={key}", {}),
        (CHECK_IN, {"X-API-Key": key}),
        (CHECK_IN, {"Cookie": f"access_token={key}; parterre_refresh={key}"}),
    ):
        answer = await edge.call("POST", path, role=None, json=SCAN, headers=headers)
        assert answer.status_code == 401
    basic = await edge.call(
        "POST", CHECK_IN, role=None, json=SCAN, headers={"Authorization": f"Basic {key}"}
    )
    assert basic.json()["reason"] == "INVALID_TOKEN"
    assert not exchanges(edge)


async def test_a_key_counts_as_a_caller_of_its_own() -> None:
    async with running_gateway(person_burst=2, person_rate=0.01) as edge:
        edge.booking.answers["CheckIn"] = booking_pb2.CheckInResponse(result="WRONG_EVENT")
        owner = str(uuid7())
        statuses = []
        for _ in range(2):
            give_token(edge, "check-ins:write", sub=owner)
            key = new_key()
            statuses += [(await check_in(edge, key)).status_code for _ in range(3)]
        token = edge.keys.token(Role.ORGANIZER, sub=owner)
        statuses.append((await check_in(edge, token)).status_code)
        assert statuses == [200, 200, 429, 200, 200, 429, 200]
