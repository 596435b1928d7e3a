"""Every POST honours an Idempotency-Key, or says why it can't."""

from __future__ import annotations

import re
from typing import Any

import pytest
from parterre.booking.v1 import booking_pb2

from chassis.identity import Role
from gateway.app import routes_of
from gateway.routing import Route
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError
from tests.contract.test_edge import LOCAL, path_of

KEY = "c5a1f0d2-of-this-test"
POSTS = [
    route for routes in routes_of(LOCAL) for route in routes.declared if route.method == "POST"
]
PICTURE = {"files": {"file": ("a.png", b"\x89PNG", "image/png")}, "data": {"role": "BANNER"}}
EVENT = {
    "title": "The Tempest",
    "category": "THEATRE",
    "location": "Patan",
    "timezone": "Asia/Kathmandu",
    "currency": "NPR",
    "starts_at": "2027-03-01T13:15:00Z",
    "ends_at": "2027-03-01T16:15:00Z",
    "tiers": [{"name": "Any", "price": 100, "capacity": 10}],
}
VENUE = {
    "name": "Naach Ghar",
    "address": "Jamal",
    "city": "Kathmandu",
    "country": "NP",
    "timezone": "Asia/Kathmandu",
}
WHO = {"email": "asha@parterre.example", "otp": "123456"}
# What each takes, by its path below /api/v1; what is not here has no body.
BODIES: dict[str, Any] = {
    "/auth/otp": {"email": WHO["email"], "purpose": "REGISTER"},
    "/auth/register": {**WHO, "password": "plum-Kettle7", "name": "Asha"},
    "/auth/password-reset": {**WHO, "new_password": "plum-Kettle7"},
    "/api-keys": {"name": "Gate", "scopes": ["check-ins:write"]},
    "/holds/{hold_id}/add": {"seat_ids": ["1"]},
    "/venues": VENUE,
    "/venues/{venue_id}/sections": {"name": "Floor", "kind": "STANDING", "capacity": 5},
    "/events": EVENT,
    "/events/{event_id}/cancel": {"reason": "Rain"},
    "/events/{event_id}/reviews": {"rating": 5},
    "/events/{event_id}/blocks": {"seat_ids": ["1"]},
    "/events/{event_id}/blocks/release": {"seat_ids": ["1"]},
    "/webhook-endpoints": {"url": "https://hooks.example.org/", "facts": ["event.changed"]},
    "/events/{event_id}/messages": {"subject": "Doors", "text": "At six."},
    "/events/{event_id}/coupons": {"code": "EARLY", "kind": "PERCENT", "value": 5},
    "/events/{event_id}/check-ins": {"token": "a-token"},
    "/holds": {"event_id": samples.EVENT, "seat_ids": ["1"]},
    "/bookings": {"hold_id": samples.HOLD},
    "/payments": {"booking_reference": samples.REFERENCE, "method": "KHALTI"},
    "/payments/{payment_id}/refunds": {"reason": "Rain"},
}


def below(route: Route) -> str:
    return route.path.removeprefix("/api/v1")


def those(*names: str) -> Any:
    routes = [route for route in POSTS if route.keys.name in names]
    return pytest.mark.parametrize("route", routes, ids=below)


async def sent(edge: Edge, route: Route, key: str, **options: Any) -> Any:
    token = edge.keys.token(Role.ADMIN)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    return await edge.http.post(path_of(route), headers=headers, **options)


def with_body(route: Route) -> dict[str, Any]:
    if route.takes is not None:
        return PICTURE
    body = BODIES.get(below(route))
    return {} if body is None else {"json": body}


def keyed(edge: Edge, key: str) -> bool:
    """Whether a service was given the key."""
    requests = [call.request for fake in edge.fakes.values() for call in fake.calls]
    parts = [part for each in requests for part in (each if isinstance(each, list) else [each])]
    return any(key.encode() in part.SerializeToString() for part in parts)


@those("HONOURED")
async def test_a_post_hands_the_key_to_the_service_that_acts(edge: Edge, route: Route) -> None:
    await sent(edge, route, KEY, **with_body(route))
    assert keyed(edge, KEY)


@those("HONOURED")
async def test_an_answer_of_before_is_marked(
    edge: Edge, route: Route, refusal: type[RefusalError]
) -> None:
    for fake in edge.fakes.values():
        fake.trailers = (("idempotency-replayed", "true"),)
    made = booking_pb2.CreateBookingsResponse.Result(booking=samples.booking(), replayed=True)
    edge.booking.answers["CreateBookings"] = booking_pb2.CreateBookingsResponse(results=[made])
    edge.inventory.answers["CreateHold"] = refusal("STATE", "SALES_CLOSED")
    answer = await sent(edge, route, KEY, **with_body(route))
    assert answer.status_code < 500
    assert answer.headers["idempotency-replayed"] == "true"


@those("HONOURED", "NEEDLESS")
async def test_a_post_takes_no_key_that_is_none(edge: Edge, route: Route) -> None:
    for key in ("", "k" * 256, "caf\u00e9".encode()):
        answer = await sent(edge, route, key, **with_body(route))  # type: ignore[arg-type]
        if route.keys.name == "HONOURED":
            assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
            assert not keyed(edge, "k" * 256)


@those("REFUSED")
async def test_a_post_that_can_not_honour_a_key_says_why(edge: Edge, route: Route) -> None:
    answer = await sent(edge, route, KEY, **with_body(route))
    body = answer.json()
    assert (answer.status_code, body["reason"]) == (422, "IDEMPOTENCY_KEY_REFUSED")
    assert body["detail"] == route.keys.why
    assert not any(fake.calls for fake in edge.fakes.values())


def test_the_description_names_the_header_where_it_is_honoured(edge: Edge) -> None:
    for route in POSTS:
        operation = edge.document["paths"][route.path]["post"]
        names = {each["name"] for each in operation.get("parameters", ())}
        assert ("Idempotency-Key" in names) == (route.keys.name == "HONOURED"), route.path
        assert operation["x-idempotency-key"] == route.keys.name


def test_only_these_do_not_honour_a_key() -> None:
    others = {below(route): route.keys.name for route in POSTS if route.keys.name != "HONOURED"}
    assert others == {
        "/auth/login": "REFUSED",
        "/auth/refresh": "REFUSED",
        "/auth/logout": "REFUSED",
        "/bookings/quote": "NEEDLESS",
        "/unsubscribe/{token}": "NEEDLESS",
        "/webhooks/payments/{provider}": "NEEDLESS",
    }
    assert all(re.search(r"[a-z].*[.]$", route.keys.why) for route in POSTS if route.keys.why)
