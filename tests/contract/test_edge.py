"""What every route has in common: who may call it, what comes in, what goes wrong."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from parterre.auth.v1 import auth_pb2
from parterre.inventory.v1 import inventory_pb2
from parterre.payment.v1 import payment_pb2

from chassis.identity import Role, ServiceTokens, encode_key
from gateway.app import routes_of
from gateway.problems import REASONS
from gateway.routing import Route
from gateway.settings import Settings
from tests.contract import samples
from tests.contract.conftest import FAR_FUTURE, SERVICES, Edge, RefusalError

ADDRESSES = {f"{name}_address": "localhost:1" for name in SERVICES}
LOCAL = Settings(
    profile="local", internal_port=1, jwks_url="http://localhost", service_key="", **ADDRESSES
)
ROUTES = [route for routes in routes_of(LOCAL) for route in routes.declared]
IDS = {
    "delivery_id": samples.DELIVERY,
    "endpoint_id": samples.ENDPOINT,
    "event_id": samples.EVENT,
    "venue_id": samples.VENUE,
    "section_id": samples.SECTION,
    "image_id": samples.IMAGE,
    "hold_id": samples.HOLD,
    "reference": samples.REFERENCE,
    "ticket_id": samples.TICKET,
    "code": "EARLY-BIRD",
    "payment_id": samples.PAYMENT,
    "user_id": samples.PERSON,
    "session_id": samples.SESSION,
    "api_key_id": samples.SESSION,
    "notice_id": samples.SESSION,
    "provider": "sandbox",
    "token": "abc",
    "name": "start.js",
    "reason": "sales-closed",
}


def path_of(route: Route) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: IDS[match[1]], route.path)


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


# --- who may call --------------------------------------------------------------------------------

EXPECTED_ACCESS = """
OPEN GET /healthz
OPEN GET /readyz
OPEN GET /problems
OPEN GET /problems/{reason}
ANYONE GET /.well-known/jwks.json
OPEN POST /api/v1/auth/otp
OPEN POST /api/v1/auth/register
OPEN POST /api/v1/auth/login
OPEN POST /api/v1/auth/refresh
CUSTOMER POST /api/v1/auth/logout
CUSTOMER GET /api/v1/auth/me
OPEN POST /api/v1/auth/password-reset
CUSTOMER GET /api/v1/auth/sessions
CUSTOMER DELETE /api/v1/auth/sessions/{session_id}
CUSTOMER PATCH /api/v1/users/me
CUSTOMER PUT /api/v1/users/me/password
ORGANIZER POST /api/v1/api-keys
ORGANIZER GET /api/v1/api-keys
ORGANIZER DELETE /api/v1/api-keys/{api_key_id}
ADMIN GET /api/v1/admin/users
ADMIN GET /api/v1/admin/users/{user_id}
ADMIN PATCH /api/v1/admin/users/{user_id}
ADMIN GET /api/v1/admin/users/{user_id}/api-keys
ADMIN DELETE /api/v1/admin/users/{user_id}/api-keys/{api_key_id}
ADMIN GET /api/v1/admin/audit
ANYONE GET /api/v1/venues
ORGANIZER POST /api/v1/venues
ANYONE GET /api/v1/venues/{venue_id}
ORGANIZER PATCH /api/v1/venues/{venue_id}
ORGANIZER POST /api/v1/venues/{venue_id}/sections
ORGANIZER PATCH /api/v1/venues/{venue_id}/sections/{section_id}
ORGANIZER DELETE /api/v1/venues/{venue_id}/sections/{section_id}
ANYONE GET /api/v1/events
ORGANIZER GET /api/v1/organizer/events
ORGANIZER POST /api/v1/events
ANYONE GET /api/v1/events/{event_id}
ORGANIZER PATCH /api/v1/events/{event_id}
ORGANIZER DELETE /api/v1/events/{event_id}
ORGANIZER POST /api/v1/events/{event_id}/publish
ORGANIZER POST /api/v1/events/{event_id}/cancel
ORGANIZER POST /api/v1/events/{event_id}/images
ORGANIZER DELETE /api/v1/events/{event_id}/images/{image_id}
ANYONE GET /api/v1/media/{image_id}
CUSTOMER POST /api/v1/events/{event_id}/reviews
ANYONE GET /api/v1/events/{event_id}/reviews
ANYONE GET /api/v1/events/{event_id}/calendar.ics
ANYONE GET /api/v1/events/{event_id}/seats
ANYONE GET /api/v1/events/{event_id}/seats/stream
ORGANIZER POST /api/v1/events/{event_id}/blocks
ORGANIZER GET /api/v1/events/{event_id}/blocks
ORGANIZER POST /api/v1/events/{event_id}/blocks/release
CUSTOMER POST /api/v1/holds
CUSTOMER GET /api/v1/holds
CUSTOMER GET /api/v1/holds/{hold_id}
CUSTOMER POST /api/v1/holds/{hold_id}/extend
CUSTOMER POST /api/v1/holds/{hold_id}/add
CUSTOMER POST /api/v1/holds/{hold_id}/release
CUSTOMER DELETE /api/v1/holds/{hold_id}
CUSTOMER POST /api/v1/bookings/quote
CUSTOMER POST /api/v1/bookings
CUSTOMER GET /api/v1/bookings
CUSTOMER GET /api/v1/bookings/{reference}
CUSTOMER POST /api/v1/bookings/{reference}/cancel
CUSTOMER DELETE /api/v1/bookings/{reference}
CUSTOMER GET /api/v1/bookings/{reference}/timeline
CUSTOMER GET /api/v1/bookings/{reference}/tickets
ANYONE GET /api/v1/tickets/keys.json
CUSTOMER GET /api/v1/bookings/{reference}/tickets.pdf
CUSTOMER GET /api/v1/bookings/{reference}/calendar.ics
CUSTOMER GET /api/v1/tickets/{ticket_id}/qr.svg
ORGANIZER POST /api/v1/events/{event_id}/coupons
ORGANIZER GET /api/v1/events/{event_id}/coupons
ORGANIZER PATCH /api/v1/events/{event_id}/coupons/{code}
ORGANIZER POST /api/v1/events/{event_id}/messages
CUSTOMER GET /api/v1/notifications
CUSTOMER GET /api/v1/notifications/stream
CUSTOMER POST /api/v1/notifications/{notice_id}/read
CUSTOMER POST /api/v1/notifications/read-all
CUSTOMER GET /api/v1/users/me/notification-preferences
CUSTOMER PUT /api/v1/users/me/notification-preferences
OPEN GET /api/v1/unsubscribe/{token}
OPEN POST /api/v1/unsubscribe/{token}
ORGANIZER POST /api/v1/webhook-endpoints
ORGANIZER GET /api/v1/webhook-endpoints
ORGANIZER PATCH /api/v1/webhook-endpoints/{endpoint_id}
ORGANIZER DELETE /api/v1/webhook-endpoints/{endpoint_id}
ORGANIZER POST /api/v1/webhook-endpoints/{endpoint_id}/rotate-secret
ORGANIZER POST /api/v1/webhook-endpoints/{endpoint_id}/test
ORGANIZER GET /api/v1/webhook-endpoints/{endpoint_id}/deliveries
ORGANIZER POST /api/v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/resend
ORGANIZER GET /api/v1/organizer/events/{event_id}/bookings
ORGANIZER GET /api/v1/organizer/events/{event_id}/bookings.csv
ORGANIZER GET /api/v1/organizer/events/{event_id}/sales
ORGANIZER GET /api/v1/organizer/dashboard
ADMIN GET /api/v1/admin/dashboard
ADMIN GET /api/v1/admin/vitals
ADMIN GET /api/v1/admin/verdict
ORGANIZER POST /api/v1/events/{event_id}/check-ins
CUSTOMER GET /api/v1/tickets/{ticket_id}/qr.png
ANYONE GET /api/v1/payment-methods
CUSTOMER POST /api/v1/payments
CUSTOMER GET /api/v1/payments/{payment_id}
CUSTOMER POST /api/v1/payments/{payment_id}/verify
ORGANIZER POST /api/v1/payments/{payment_id}/refunds
OPEN POST /api/v1/webhooks/payments/{provider}
OPEN GET /api/v1/dev/mailbox
OPEN GET /api/openapi.json
OPEN GET /api/docs
OPEN GET /api/docs/assets/{name}
"""


def test_every_route_may_be_called_by_whom_this_table_says() -> None:
    declared = {f"{route.access.name} {named(route)}" for route in ROUTES}
    assert declared == set(EXPECTED_ACCESS.strip().splitlines())


def test_the_application_has_no_route_without_a_declared_access(edge: Edge) -> None:
    documented = {
        f"{operation['x-access']} {method.upper()} {path}"
        for path, operations in edge.document["paths"].items()
        for method, operation in operations.items()
    }
    assert documented == set(EXPECTED_ACCESS.strip().splitlines())


@pytest.mark.parametrize("role", [None, *Role], ids=lambda role: role.name if role else "NOBODY")
@pytest.mark.parametrize("route", ROUTES, ids=named)
async def test_a_route_lets_in_exactly_whom_it_declares(
    edge: Edge, route: Route, role: Role | None
) -> None:
    headers = {"Authorization": f"Bearer {edge.keys.token(role)}"} if role else {}
    stored = payment_pb2.ReceiveWebhooksResponse.Result()
    edge.payment.answers["ReceiveWebhooks"] = payment_pb2.ReceiveWebhooksResponse(results=[stored])
    edge.catalog.answers["ReadEvents"] = samples.read(samples.event())
    async with edge.http.stream(route.method, path_of(route), headers=headers) as answer:
        if "event-stream" not in answer.headers.get("content-type", ""):
            await answer.aread()
    edge.check(route.method, answer)
    needed = route.access.role
    reason = answer.json()["reason"] if answer.is_error else ""
    if needed is not None and role is None:
        assert (answer.status_code, reason) == (401, "NOT_AUTHENTICATED")
    elif needed is not None and role is not None and role < needed:
        assert (answer.status_code, reason) == (403, "FORBIDDEN")
    else:
        # Past the door: most have no body, and the fakes no tickets, to do anything with.
        assert reason in {"", "VALIDATION_FAILED", "CROSS_SITE_REQUEST", "BOOKING_STATE"}


def hmac_token(edge: Edge) -> str:
    secret = str(edge.keys.document()["keys"][0]["x"])
    return jwt.encode(
        {"sub": "x", "exp": FAR_FUTURE}, secret, "HS256", {"typ": "at+jwt", "kid": "test"}
    )


BAD_TOKENS = {
    "expired": lambda edge: edge.keys.token(exp=1),
    "not yet valid": lambda edge: edge.keys.token(nbf=FAR_FUTURE - 1),
    "for somebody else": lambda edge: edge.keys.token(aud="other"),
    "of another issuer": lambda edge: edge.keys.token(iss="other"),
    "an unknown role": lambda edge: edge.keys.token(role="EMPEROR"),
    "none": lambda _: jwt.encode({"sub": "x"}, None, "none", {"typ": "at+jwt"}),
    "HS256": hmac_token,
    "another key": lambda _: jwt.encode(
        {"sub": "x"}, Ed25519PrivateKey.generate(), "EdDSA", {"typ": "at+jwt", "kid": "test"}
    ),
    "a refresh token": lambda _: "Jc2Zk0mXh1oR8vN5tQe7Lw3yBp9dUfA6gSiKxV4zEaM",
    "a process's own": lambda _: ServiceTokens("auth", encode_key(bytes(32))).token("gateway"),
    "garbage": lambda _: "garbage",
    "too long": lambda _: "x" * 5000,
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
@pytest.mark.parametrize("path", ["/auth/me", "/venues"])
async def test_a_token_that_is_not_good_is_refused_even_where_none_is_needed(
    edge: Edge, kind: str, path: str
) -> None:
    headers = {"Authorization": f"Bearer {BAD_TOKENS[kind](edge)}"}
    answer = await edge.get(path, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (401, "INVALID_TOKEN")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("given", ["Basic YTpi", "Bearer", "x"])
async def test_what_is_no_bearer_token_is_refused(edge: Edge, given: str) -> None:
    answer = await edge.get("/auth/me", headers={"Authorization": given})
    assert (answer.status_code, answer.json()["reason"]) == (401, "INVALID_TOKEN")


# --- what comes in -------------------------------------------------------------------------------

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("content", "headers", "status", "reason"),
    [
        (b"{", JSON, 400, "MALFORMED_JSON"),
        (b"\xff", JSON, 400, "MALFORMED_JSON"),
        (b"[" * 30_000, JSON, 400, "MALFORMED_JSON"),
        (b"9" * 5000, JSON, 400, "MALFORMED_JSON"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}", {}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415, ""),
        (b" " * (64 * 1024) + b"x", JSON, 413, "BODY_TOO_LARGE"),
        (b" " * (64 * 1024), JSON, 400, "MALFORMED_JSON"),
        (b"null", JSON, 422, "VALIDATION_FAILED"),
        (b'"\\ud800"', JSON, 422, "VALIDATION_FAILED"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_body_that_can_not_be_used_is_refused(
    edge: Edge, content: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    answer = await edge.call("POST", "/holds", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["reason"] == (reason or "UNSUPPORTED_MEDIA_TYPE")


async def test_of_very_many_faults_the_first_hundred_are_told(edge: Edge) -> None:
    body = {str(field): 0 for field in range(5000)}
    answer = await edge.call("POST", "/holds", json=body)
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 100)


async def test_a_body_without_a_length_is_counted_too(edge: Edge) -> None:
    async def chunks() -> Any:
        for _ in range(70):
            yield b" " * 1024

    async with httpx.AsyncClient(base_url=edge.url) as http:
        answer = await http.post("/api/v1/auth/login", content=chunks(), headers=JSON)
    assert (answer.status_code, answer.json()["reason"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/events/x", "EVENT_NOT_FOUND"),
        ("/events/x/seats", "EVENT_NOT_FOUND"),
        ("/venues/%00", "VENUE_NOT_FOUND"),
        ("/holds/1", "HOLD_NOT_FOUND"),
        ("/bookings/PT-ILOU0000", "BOOKING_NOT_FOUND"),
        ("/bookings/PT-7K2M9QXU/tickets", "BOOKING_NOT_FOUND"),
        ("/tickets/x/qr.png", "TICKET_NOT_FOUND"),
        ("/payments/x", "PAYMENT_NOT_FOUND"),
        ("/admin/users/x", "USER_NOT_FOUND"),
        ("/nothing/here", "NOT_FOUND"),
        ("/holds/", "NOT_FOUND"),
    ],
)
async def test_an_id_that_can_not_be_one_is_an_object_that_is_not_there(
    edge: Edge, path: str, reason: str
) -> None:
    answer = await edge.get(path, role=Role.ADMIN)
    assert (answer.status_code, answer.json()["reason"]) == (404, reason)
    assert not any(fake.calls for fake in edge.fakes.values())


async def test_a_wrong_method_is_told_the_right_ones(edge: Edge) -> None:
    answer = await edge.call("PUT", "/holds")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")


async def test_head_answers_as_get_without_a_body(edge: Edge) -> None:
    answer = await edge.http.head("/api/docs")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "cursor=%20", "cursor=", "limit=1&page=2"]
)
async def test_pages_have_bounds(edge: Edge, query: str) -> None:
    answer = await edge.get(f"/holds?{query}")
    assert answer.status_code == 422


# --- what goes out -------------------------------------------------------------------------------


async def test_a_request_id_is_kept_or_made(edge: Edge) -> None:
    kept = await edge.get("/nothing", headers={"X-Request-ID": "mine-1"})
    made = await edge.get("/nothing", headers={"X-Request-ID": "no good\tid"})
    assert kept.json()["request_id"] == kept.headers["x-request-id"] == "mine-1"
    assert len(made.headers["x-request-id"]) == 36


async def test_every_answer_has_the_safe_headers_and_the_rate(edge: Edge) -> None:
    answer = await edge.get("/nothing")
    headers = answer.headers
    policy = set(headers["content-security-policy"].split("; "))
    assert policy >= {"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"}
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["ratelimit-limit"] == "200"
    assert int(headers["ratelimit-remaining"]) == 199
    assert "strict-transport-security" not in headers
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


async def test_what_a_service_can_not_explain_is_not_explained(edge: Edge) -> None:
    edge.inventory.answers["GetHold"] = ValueError("secret driver text")
    answer = await edge.get(f"/holds/{samples.HOLD}")
    assert (answer.status_code, answer.json()["reason"]) == (500, "INTERNAL")
    assert "secret" not in answer.text


async def test_a_service_that_is_away_is_a_503_with_a_time_to_come_back(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.inventory.answers["GetHold"] = refusal("UNAVAILABLE", "OVERLOADED", retry_after="3")
    answer = await edge.get(f"/holds/{samples.HOLD}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")


async def test_a_reason_that_is_newer_than_the_gateway_keeps_its_meaning(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.booking.answers["GetBooking"] = refusal("STATE", "QUITE_NEW", left="3")
    answer = await edge.http.get(
        f"/api/v1/bookings/{samples.REFERENCE}",
        headers={"Authorization": f"Bearer {edge.keys.token()}"},
    )
    body = answer.json()
    assert (body["status"], body["reason"], body["left"]) == (409, "QUITE_NEW", 3)


async def test_a_stored_refusal_is_replayed_as_such(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.inventory.answers["CreateHold"] = refusal("STATE", "SALES_CLOSED")
    edge.inventory.trailers = (("idempotency-replayed", "true"),)
    body = {"event_id": samples.EVENT, "seat_ids": ["1"]}
    answer = await edge.post("/holds", body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.headers["idempotency-replayed"]) == (409, "true")


# --- how it is described -------------------------------------------------------------------------


async def test_the_description_is_valid_openapi(edge: Edge) -> None:
    document = edge.document
    assert document["openapi"].startswith("3.1")
    ids = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(ids) == len(set(ids))
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    names = set(re.findall(r'#/components/schemas/([^"\']+)', str(document)))
    assert names <= set(document["components"]["schemas"])


async def test_every_answer_of_json_has_a_described_shape(edge: Edge) -> None:
    for path, operations in edge.document["paths"].items():
        for operation in operations.values():
            for status, described in operation["responses"].items():
                answer = edge.resolved(described) or {}
                for media_type, content in answer.get("content", {}).items():
                    if media_type == "application/json" and path != "/api/openapi.json":
                        assert content["schema"], (path, status)


async def test_the_page_is_made_of_files_of_its_own(edge: Edge) -> None:
    page = await edge.http.get("/api/docs")
    policy = page.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} < set(policy)
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert asset.startswith("/api/docs/assets/")
        assert (await edge.http.get(asset)).status_code == 200
    assert not re.search(r"<script(?![^>]*src=)", page.text)
    assert (await edge.http.get("/api/docs/assets/index.html")).status_code == 404


async def test_the_page_fills_samples_that_the_description_has(edge: Edge) -> None:
    script = (await edge.http.get("/api/docs/assets/start.js")).text
    for path in ("/holds", "/bookings"):
        assert f'put(spec, "{path}",' in script
        body = edge.document["paths"][f"/api/v1{path}"]["post"]["requestBody"]
        assert list(body["content"]) == ["application/json"]
    assert "access_token" in edge.document["components"]["securitySchemes"]


# --- whatever else may come ----------------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        "event_id",
        "seat_ids",
        "best_available",
        "general",
        "hold_id",
        "payment_method",
        "tiers",
        "kind",
        "rows",
        "name",
        "starts_at",
        "email",
        "password",
        "seconds",
        "reason",
        "country",
        "phone",
        "otp",
        "role",
        "disabled",
        "new_password",
        "current_password",
    ]
)
TAKES_A_BODY = sorted(
    (route.method, path_of(route).removeprefix("/api/v1"))
    for route in ROUTES
    if route.method in {"POST", "PUT", "PATCH"} and "webhooks" not in route.path
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    route=st.sampled_from(TAKES_A_BODY),
    body=JSON_VALUES | st.dictionaries(FIELDS, JSON_VALUES, max_size=6),
)
async def test_no_body_makes_a_server_error(edge: Edge, route: tuple[str, str], body: Any) -> None:
    edge.auth.answers["LogIn"] = auth_pb2.LogInResponse(tokens=samples.tokens())
    edge.inventory.answers["CreateHold"] = inventory_pb2.CreateHoldResponse(hold=samples.hold())
    # Python's encoder writes Infinity and lone surrogates too, which are worth a try.
    content = json.dumps(body)
    answer = await edge.call(*route, role=Role.ADMIN, content=content, headers=JSON)
    assert answer.status_code < 500
    if answer.is_error:
        assert answer.json()["reason"] in REASONS
