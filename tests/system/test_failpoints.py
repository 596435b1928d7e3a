"""kill -9 where it hurts most, in every service, under real bookings; then everything must hold."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis import failpoints
from ops.client import Client, ProblemError
from ops.seed import Account, register

from .conftest import System, new_system

SECONDS = 90.0
_SENDERS = ("auth", "catalog", "inventory", "booking", "payment")
_TAKERS = ("catalog", "inventory", "booking", "payment", "notification")
# Which services come to a failpoint in the stories below.
REACHED = {
    failpoints.BEFORE_COMMIT: _SENDERS,
    failpoints.AFTER_COMMIT: _SENDERS,
    failpoints.AFTER_PUBLISH: _SENDERS,
    failpoints.AFTER_CONSUME: _TAKERS,
    failpoints.BEFORE_ACK: _TAKERS,
    failpoints.AFTER_PROVIDER_ANSWER: ("payment",),
}
# All of them are killed nightly; these are what every change is tried with.
EVERY_TIME = (failpoints.AFTER_COMMIT, failpoints.BEFORE_ACK, failpoints.AFTER_PROVIDER_ANSWER)


def surely(who: Client, path: str, body: dict[str, Any]) -> Any:
    """POSTs as a good client does: again with the same key while the answer is unknown."""
    key = secrets.token_hex(8)
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return who.post(path, body, key=key)
        except (ProblemError, httpx.HTTPError) as error:
            sure = isinstance(error, ProblemError) and (
                error.status < 500 and error.reason != "IDEMPOTENCY_IN_PROGRESS"
            )
            if sure or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


@contextmanager
def somebody(gateway: str, role: str = "CUSTOMER") -> Iterator[Client]:
    """A person who registers while everything may die."""
    account = Account(role, f"{secrets.token_hex(5)}@parterre.example", secrets.token_urlsafe(12))
    with Client(gateway) as client:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                register(client, account)
                client.log_in(account.email, account.password)
                break
            except (ProblemError, httpx.HTTPError, TimeoutError):
                if time.monotonic() > deadline:
                    raise
        yield client


def publish_an_event(organizer: Client) -> dict[str, Any]:
    """Counted tickets, on sale."""
    starts_at = datetime.now(UTC) + timedelta(days=30)
    event = organizer.patiently(
        lambda: organizer.post(
            "/events",
            {
                "title": "A night of failures",
                "description": "Everything goes down, nothing is lost.",
                "category": "COMEDY",
                "location": "Patan",
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + timedelta(hours=2)).isoformat(),
                "currency": "NPR",
                "tiers": [{"name": "Floor", "price": 50_000, "capacity": 100}],
            },
        ),
        seconds=SECONDS,
    )
    organizer.patiently(lambda: organizer.post(f"/events/{event['id']}/publish"), seconds=SECONDS)
    found: dict[str, Any] = organizer.wait_for(
        f"/events/{event['id']}", lambda it: it["status"] == "PUBLISHED", seconds=SECONDS
    )
    return found


def buy(who: Client, body: dict[str, Any], token: str) -> dict[str, Any]:
    """Holds and books; the booking once it has ended or waits for another card."""
    hold = surely(who, "/holds", body)
    booking = surely(
        who,
        "/bookings",
        {"hold_id": hold["id"], "payment_method": "CARD", "payment_token": token},
    )
    ended: dict[str, Any] = who.wait_for(
        f"/bookings/{booking['reference']}",
        lambda it: it["status"] != "PENDING" or it["payment"]["status"] == "FAILED",
        seconds=SECONDS,
        wait=10,
    )
    return ended


def ends(who: Client, booking: dict[str, Any], status: str) -> None:
    """Waits until the booking has that status."""
    path = f"/bookings/{booking['reference']}"
    who.wait_for(path, lambda it: it["status"] == status, seconds=SECONDS, wait=10)


def play(system: System) -> None:
    """People register, an event goes on sale, tickets and seats are bought, refused, cancelled."""
    gateway = system.gateway
    with ExitStack() as stack:
        organizer = stack.enter_context(somebody(gateway, "ORGANIZER"))
        asha, bikram = (stack.enter_context(somebody(gateway)) for _ in range(2))
        event = publish_an_event(organizer)
        counted = {
            "event_id": event["id"],
            "general": [{"tier_id": event["tiers"][0]["id"], "quantity": 2}],
        }
        seated = {"event_id": system.event("SEATED"), "best_available": {"quantity": 2}}
        with ThreadPoolExecutor(4) as pool:
            bought = [
                pool.submit(buy, asha, counted, "tok_ok"),
                pool.submit(buy, asha, seated, "tok_ok"),
                pool.submit(buy, bikram, seated, "tok_declined"),
                pool.submit(buy, bikram, counted, "tok_ok"),
            ]
            first, second, refused, third = (one.result() for one in bought)
        assert [it["status"] for it in (first, second, third)] == ["CONFIRMED"] * 3
        assert (refused["status"], refused["payment"]["status"]) == ("PENDING", "FAILED")
        for who, booking in ((asha, first), (bikram, refused)):
            surely(who, f"/bookings/{booking['reference']}/cancel", {})
        ends(asha, first, "CANCELLED")
        ends(bikram, refused, "FAILED")
        tickets = asha.patiently(
            lambda: asha.get(f"/bookings/{second['reference']}/tickets"), seconds=SECONDS
        )
        assert {ticket["status"] for ticket in tickets} == {"VALID"}


def fsck(system: System) -> dict[str, Any]:
    """What `parterre fsck` reports."""
    report = subprocess.run(
        [sys.executable, "-m", "ops", "fsck", "--json", "--run-file", system.home / "run.json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert report.returncode in {0, 1}, report.stderr
    found: dict[str, Any] = json.loads(report.stdout)
    return found


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[System, Path]]:
    """A system of its own whose processes can be made to die."""
    folder = tmp_path_factory.mktemp("failpoints")
    points = folder / "armed"
    points.mkdir()
    system = new_system(folder)
    system = replace(system, environment={**system.environment, failpoints.VARIABLE: str(points)})
    up = system.command("up", "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    try:
        yield system, points
    finally:
        down = system.command("down")
        assert down.returncode == 0, down.stdout + down.stderr


@pytest.mark.parametrize(
    "failpoint",
    [
        pytest.param(name, marks=() if name in EVERY_TIME else pytest.mark.slow)
        for name in failpoints.NAMES
    ],
)
def test_a_kill_at_this_point_in_every_service_leaves_nothing_undone(
    breakable: tuple[System, Path], failpoint: str
) -> None:
    system, points = breakable
    armed = [points / f"{process}.{failpoint}" for process in REACHED[failpoint]]
    for file in armed:
        file.touch()
    play(system)
    assert [file.name for file in armed if file.exists()] == []
    report = fsck(system)
    assert [check for check in report["checks"] if check["violations"]] == []
