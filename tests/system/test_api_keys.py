"""A gate's key on the running system: it checks in, does nothing else, and is gone when revoked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from ops.client import Client

from .conftest import System
from .patience import book, ends, publish_an_event, somebody, tickets_of


@contextmanager
def program(system: System, key: str) -> Iterator[httpx.Client]:
    """What calls with a key."""
    headers = {"Authorization": f"Bearer {key}"}
    base = f"{system.gateway}/api/v1"
    with httpx.Client(base_url=base, headers=headers, timeout=30) as client:
        yield client


def reason(answer: httpx.Response) -> str:
    return str(answer.json()["reason"]) if answer.is_error else ""


def a_ticket(system: System, event: dict[str, Any]) -> str:
    """The token of a ticket that somebody got."""
    with somebody(system.gateway) as buyer:
        reference = book(buyer, tickets_of(event))
        assert ends(buyer, reference, "CONFIRMED")
        return str(buyer.get(f"/bookings/{reference}/tickets")[0]["token"])


def test_a_gates_key_checks_in_and_nothing_else_until_it_is_revoked(system: System) -> None:
    with somebody(system.gateway, "ORGANIZER") as organizer:
        on_sale = publish_an_event(organizer)
        event, other = on_sale["id"], publish_an_event(organizer)["id"]
        token = a_ticket(system, on_sale)
        wish = {"name": "North gate", "scopes": ["check-ins:write"], "event_id": event}
        made = organizer.post("/api-keys", wish)
        with program(system, made["key"]) as gate:
            scan = {"token": token, "gate": "North"}
            answers = [gate.post(f"/events/{event}/check-ins", json=scan) for _ in range(2)]
            assert [it.status_code for it in answers] == [200, 200], answers[0].text
            assert [it.json()["result"] for it in answers] == ["ADMITTED", "ALREADY_ADMITTED"]
            for method, path in (
                ("POST", f"/events/{other}/check-ins"),
                ("GET", f"/events/{event}"),
                ("PATCH", f"/events/{event}"),
                ("GET", f"/organizer/events/{event}/bookings"),
                ("GET", "/api-keys"),
                ("POST", "/api-keys"),
                ("GET", "/auth/me"),
                ("POST", "/holds"),
                ("GET", "/admin/users"),
            ):
                answer = gate.request(method, path, json=scan)
                assert (answer.status_code, reason(answer)) == (403, "INSUFFICIENT_SCOPE"), path
            [shown] = organizer.get("/api-keys")["items"]
            assert shown["last_used_at"] is not None
            organizer.delete(f"/api-keys/{made['id']}")
            revoked_at = time.monotonic()
            while reason(answer := gate.post(f"/events/{event}/check-ins", json=scan)) == "":
                assert time.monotonic() < revoked_at + 10
                time.sleep(0.01)
            assert (answer.status_code, reason(answer)) == (401, "INVALID_API_KEY")
            gate.get(f"/events/{made['key']}", params={"api_key": made["key"]})
    secret = made["key"].removeprefix(made["prefix"]).encode()
    logs = list((system.home / "logs").iterdir())
    assert logs
    assert [log.name for log in logs if secret in log.read_bytes()] == []


def test_a_key_reads_what_its_scopes_say_and_changes_nothing(system: System) -> None:
    with somebody(system.gateway, "ORGANIZER") as organizer:
        event = publish_an_event(organizer)["id"]
        scopes = ["bookings:read", "sales:read", "events:read"]
        made = organizer.post("/api-keys", {"name": "Figures", "scopes": scopes})
        with program(system, made["key"]) as sheet:
            for path in (
                "/organizer/dashboard",
                "/organizer/events",
                f"/organizer/events/{event}/bookings",
                f"/organizer/events/{event}/bookings.csv",
                f"/organizer/events/{event}/sales",
                f"/events/{event}",
                f"/events/{event}/seats",
                f"/events/{event}/blocks",
                "/venues",
            ):
                answer = sheet.get(path)
                assert answer.status_code == 200, answer.text
            dashboard = sheet.get("/organizer/dashboard").json()
            assert dashboard == organizer.get("/organizer/dashboard")
            with somebody(system.gateway, "ORGANIZER") as rival:
                theirs = publish_an_event(rival)["id"]
                answer = sheet.get(f"/organizer/events/{theirs}/sales")
                assert (answer.status_code, reason(answer)) == (404, "EVENT_NOT_FOUND")
            for method, path in (
                ("PATCH", f"/events/{event}"),
                ("POST", f"/events/{event}/coupons"),
                ("POST", f"/events/{event}/cancel"),
            ):
                answer = sheet.request(method, path, json={})
                assert (answer.status_code, reason(answer)) == (403, "INSUFFICIENT_SCOPE")


def test_a_key_makes_and_publishes_an_event(system: System) -> None:
    """Through every service that it takes: they are asked in the key's name."""
    with somebody(system.gateway, "ORGANIZER") as organizer:
        made = organizer.post(
            "/api-keys", {"name": "Programme", "scopes": ["events:read", "events:write"]}
        )
        with Client(system.gateway) as website:
            website._http.headers["Authorization"] = f"Bearer {made['key']}"
            event = publish_an_event(website)
        own = [each["id"] for each in organizer.get("/organizer/events")["items"]]
        assert own == [event["id"]]
