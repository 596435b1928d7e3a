"""The gateway as it runs outside a developer's machine, at its limits, and while others fail."""

from __future__ import annotations

import asyncio
from http.cookies import SimpleCookie
from uuid import uuid4

import httpx
import pytest
from parterre.auth.v1 import auth_pb2
from parterre.booking.v1 import booking_pb2
from parterre.inventory.v1 import inventory_pb2
from pydantic import ValidationError

from chassis.identity import Role
from gateway.settings import Settings
from tests.component.conftest import Until
from tests.contract import samples
from tests.contract.conftest import running_gateway

PRODUCTION = {"profile": "production", "cors_origins": "https://shop.example"}
CREDENTIALS = {"email": "asha@parterre.example", "password": "correct horse battery"}


async def test_production_shows_neither_docs_nor_mails_and_insists_on_tls() -> None:
    async with running_gateway(**PRODUCTION) as edge:
        for path in ("/api/docs", "/api/openapi.json", "/api/v1/dev/mailbox", "/metrics"):
            answer = await edge.http.get(path)
            assert (answer.status_code, answer.json()["reason"]) == (404, "NOT_FOUND")
        assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_the_docs_can_be_asked_for() -> None:
    async with running_gateway(profile="production", docs=True) as edge:
        assert edge.document["openapi"].startswith("3.1")


async def test_the_refresh_cookie_is_secure_outside_the_local_profile() -> None:
    async with running_gateway(**PRODUCTION) as edge:
        edge.auth.answers["LogIn"] = auth_pb2.LogInResponse(tokens=samples.tokens())
        answer = await edge.http.post("/api/v1/auth/login", json=CREDENTIALS)
        [cookie] = SimpleCookie(answer.headers["set-cookie"]).values()
        assert cookie.key == "__Secure-parterre_refresh"
        assert cookie["secure"]
        assert cookie["path"] == "/api/v1/auth"


async def test_only_listed_origins_may_read_answers() -> None:
    async with running_gateway(**PRODUCTION) as edge:
        friend = await edge.http.get("/api/v1/x", headers={"Origin": "https://shop.example"})
        stranger = await edge.http.get("/api/v1/x", headers={"Origin": "https://evil.example"})
        assert friend.headers["access-control-allow-origin"] == "https://shop.example"
        assert "access-control-allow-origin" not in stranger.headers
        preflight = await edge.http.options(
            "/api/v1/bookings",
            headers={
                "Origin": "https://shop.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, idempotency-key, prefer",
            },
        )
        assert preflight.status_code == 200
        assert "Prefer" in preflight.headers["access-control-allow-headers"]
        edge.auth.answers["Refresh"] = auth_pb2.RefreshResponse(tokens=samples.tokens())
        refreshed = await edge.http.post(
            "/api/v1/auth/refresh",
            headers={
                "Origin": "https://shop.example",
                "X-Requested-With": "parterre",
                "Cookie": "__Secure-parterre_refresh=old",
            },
        )
        assert refreshed.status_code == 200


async def test_a_hasty_address_is_slowed_down_and_a_person_has_a_limit_of_their_own() -> None:
    limits = {"address_rate": 0.01, "address_burst": 3, "person_rate": 0.01, "person_burst": 2}
    async with running_gateway(profile="production", **limits) as edge:
        answers = [await edge.http.get("/api/v1/x") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
        refused = answers[-1]
        assert refused.json()["reason"] == "RATE_LIMITED"
        assert refused.headers["ratelimit-remaining"] == "0"
        assert 90 <= int(refused.headers["retry-after"]) <= 100
        person = {"Authorization": f"Bearer {edge.keys.token()}"}
        assert (await edge.http.get("/api/v1/x", headers=person)).status_code == 404
        subject = {"Authorization": f"Bearer {edge.keys.token(sub='one')}"}
        # Another token of the same person is the same person.
        again = {"Authorization": f"Bearer {edge.keys.token(sub='one')}"}
        codes = [
            (await edge.http.get("/api/v1/x", headers=headers)).status_code
            for headers in (subject, again, subject)
        ]
        assert codes == [404, 404, 429]
        assert (await edge.http.get("/healthz")).status_code == 200


async def test_what_there_is_no_room_for_is_refused_at_once_and_health_still_answers(
    until: Until,
) -> None:
    async with running_gateway(max_concurrent=1) as edge:
        reply = inventory_pb2.GetSeatMapResponse(seat_map=samples.seat_map())
        edge.inventory.answers["GetSeatMap"] = reply
        edge.inventory.may_answer.clear()
        path = f"/api/v1/events/{samples.EVENT}/seats"
        first = asyncio.create_task(edge.http.get(path))
        await until(edge.inventory.was_asked)
        second = await edge.http.get(path)
        assert (second.status_code, second.json()["reason"]) == (503, "OVERLOADED")
        assert second.headers["retry-after"] == "1"
        assert (await edge.http.get("/healthz")).status_code == 200
        edge.inventory.may_answer.set()
        assert (await first).status_code == 200
        third = await edge.http.get("/api/v1/x")
        assert third.status_code == 404


async def test_holds_are_refused_first_so_that_who_has_one_can_still_book(until: Until) -> None:
    async with running_gateway(max_concurrent=3, max_concurrent_purchases=1) as edge:
        person = {"Authorization": f"Bearer {edge.keys.token()}"}
        wanted = {"event_id": samples.EVENT, "seat_ids": ["1"]}

        async def hold() -> httpx.Response:
            headers = {**person, "Idempotency-Key": uuid4().hex}
            return await edge.http.post("/api/v1/holds", headers=headers, json=wanted)

        edge.inventory.answers["CreateHold"] = inventory_pb2.CreateHoldResponse(hold=samples.hold())
        edge.inventory.may_answer.clear()
        first = asyncio.create_task(hold())
        await until(edge.inventory.was_asked)
        second = await hold()
        assert (second.status_code, second.json()["reason"]) == (503, "OVERLOADED")
        assert second.headers["retry-after"] == "1"
        # Refused for what it lacks, so there was room for it.
        booked = await edge.http.post("/api/v1/bookings", headers=person, json={})
        assert booked.json()["reason"] == "VALIDATION_FAILED"
        edge.inventory.may_answer.set()
        assert (await first).status_code == 201
        assert (await hold()).status_code == 201


async def test_bookings_in_progress_keep_new_holds_out(until: Until) -> None:
    async with running_gateway(max_concurrent_purchases=1) as edge:
        person = {"Authorization": f"Bearer {edge.keys.token()}"}
        edge.booking.answers["CreateBookings"] = booking_pb2.CreateBookingsResponse()
        edge.booking.may_answer.clear()
        body = {"hold_id": str(uuid4()), "payment_method": "CARD", "payment_token": "tok_ok"}
        booking = asyncio.create_task(edge.http.post("/api/v1/bookings", headers=person, json=body))
        await until(edge.booking.was_asked)
        wanted = {"event_id": samples.EVENT, "seat_ids": ["1"]}
        held = await edge.http.post("/api/v1/holds", headers=person, json=wanted)
        assert (held.status_code, held.json()["reason"]) == (503, "OVERLOADED")
        edge.booking.may_answer.set()
        assert (await booking).json()["reason"] == "SERVICE_UNAVAILABLE"  # it was answered nothing


async def test_a_gateway_whose_services_answer_is_ready_and_measured() -> None:
    async with running_gateway() as edge:
        assert (await edge.http.get("/readyz")).json() == {"ready": True}
        async with httpx.AsyncClient(base_url=edge.internal_url) as internal:
            assert (await internal.get("/readyz")).json() == {"ready": True, "waiting_for": []}
            metrics = (await internal.get("/metrics")).text
            labels = 'method="GET",route="/readyz"'
            assert f"parterre_http_server_seconds_count{{{labels}}}" in metrics
            assert f'parterre_http_answers_total{{{labels},status="2xx"}}' in metrics


async def test_without_its_services_the_gateway_is_alive_unready_and_says_so() -> None:
    nowhere = {
        f"{name}_address": "127.0.0.1:1"
        for name in ("auth", "catalog", "inventory", "booking", "payment", "notification")
    }
    async with running_gateway(**nowhere) as edge:
        assert (await edge.http.get("/healthz")).text == "ok"
        unready = await edge.http.get("/readyz")
        assert (unready.status_code, unready.json()["reason"]) == (503, "SERVICE_UNAVAILABLE")
        assert "catalog" not in unready.text
        answer = await edge.get("/venues", role=Role.CUSTOMER)
        assert (answer.status_code, answer.json()["reason"]) == (503, "SERVICE_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) >= 1


async def test_an_unknown_proxy_can_not_say_who_the_client_is() -> None:
    spoofed = {"X-Forwarded-For": "203.0.113.7"}
    for trusted, address in (("", "127.0.0.1"), ("127.0.0.1", "203.0.113.7")):
        async with running_gateway(trusted_proxies=trusted) as edge:
            edge.auth.answers["LogIn"] = auth_pb2.LogInResponse(tokens=samples.tokens())
            await edge.http.post("/api/v1/auth/login", json=CREDENTIALS, headers=spoofed)
            assert edge.auth.asked.address == address


def test_production_refuses_to_start_with_a_development_secret() -> None:
    addresses = {
        f"{name}_address": "localhost:1"
        for name in ("auth", "catalog", "inventory", "booking", "payment", "notification")
    }
    with pytest.raises(ValidationError, match="development secret"):
        Settings(
            internal_port=1,
            jwks_url="http://localhost",
            service_key="insecure-key",
            **addresses,
        )
