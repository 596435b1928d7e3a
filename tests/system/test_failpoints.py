"""kill -9 where it hurts most, in every service, under real bookings; then everything must hold."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from chassis import failpoints
from deploy.local import read_run
from deploy.plan import DATABASE
from deploy.postgres import Postgres
from ops.client import Client, ProblemError
from ops.fsck import CHECKS, GUARDS_TITLE, check_all
from ops.seed import newest_code

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
    email = f"{secrets.token_hex(5)}@parterre.example"
    password = secrets.token_urlsafe(12)
    with Client(gateway) as client:
        wish = {"email": email, "purpose": "REGISTER"}
        client.patiently(lambda: client.post("/auth/otp", wish), seconds=SECONDS)
        code = newest_code(client, email)
        body = {"email": email, "password": password, "name": "Maya", "otp": code, "role": role}
        with suppress(ProblemError):  # the code was spent by a try whose answer was lost
            client.patiently(lambda: client.post("/auth/register", body), seconds=SECONDS)
        client.patiently(lambda: client.log_in(email, password), seconds=SECONDS)
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
        if read_run(system.home):
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


_ONE_SOLD = """(SELECT event_id, seat_no FROM inventory.seat WHERE status = 'SOLD' LIMIT 1)"""
_ONE_CONFIRMED = """
(SELECT booking_id FROM booking.saga WHERE state = 'CONFIRMED' AND amount > 0 LIMIT 1)
"""
# A wrong of each kind, by the title of the check that must find it.
PLANTED = {
    "at most one good ticket a seat": """
        DROP INDEX booking.ticket_one_per_seat;
        INSERT INTO booking.ticket
        SELECT (jsonb_populate_record(
                   ticket, jsonb_build_object('ticket_id', gen_random_uuid()))).*
          FROM booking.ticket WHERE status <> 'REVOKED' AND seat_id <> '' LIMIT 1""",
    "a good ticket's seat is sold to its booking's hold": f"""
        UPDATE inventory.seat SET status = 'RESERVED' WHERE (event_id, seat_no) = {_ONE_SOLD}""",
    "an event's seats and pools add up to its capacity": """
        UPDATE inventory.event SET capacity = capacity + 1 WHERE capacity > 0""",
    "a seat is kept back if and only if a block has it": f"""
        UPDATE inventory.seat SET status = 'BLOCKED', hold_id = NULL
         WHERE (event_id, seat_no) = {_ONE_SOLD}""",
    "a seat is taken if and only if its hold says so": f"""
        UPDATE inventory.seat SET status = 'HELD' WHERE (event_id, seat_no) = {_ONE_SOLD}""",
    "a live hold has all of its seats": f"""
        UPDATE inventory.seat SET status = 'AVAILABLE', hold_id = NULL
         WHERE (event_id, seat_no) = {_ONE_SOLD}""",
    "a pool counts what its holds have": """
        UPDATE inventory.pool SET sold = sold + 1 WHERE capacity > sold""",
    "a person's count is what their holds have": """
        UPDATE inventory.customer_quota SET seats = seats + 1""",
    "a confirmed booking is paid, and not refunded in full": """
        UPDATE payment.attempt SET captured = captured - 1 WHERE captured > refunding""",
    "a booking that came to nothing keeps no money": f"""
        UPDATE booking.saga SET state = 'FAILED' WHERE booking_id = {_ONE_CONFIRMED};
        UPDATE payment.ledger_transaction SET created_at = created_at - interval '1 hour'""",
    "a cancelled booking gave back what it promised": """
        UPDATE booking.saga SET refund = amount WHERE state = 'CANCELLED';
        UPDATE payment.attempt SET refunded = refunded - 1 WHERE refunded > 0""",
    "no money without a booking": f"""
        UPDATE booking.booking SET payment_id = gen_random_uuid()
         WHERE booking_id = {_ONE_CONFIRMED}""",
    "no hold outlives its expiry": """
        UPDATE inventory.hold SET status = 'ACTIVE', expires_at = created_at,
               extendable_until = created_at + interval '1 hour'
         WHERE status = 'SOLD';
        UPDATE inventory.hold SET expires_at = expires_at - interval '1 hour'""",
    "no saga outlives its deadline": """
        UPDATE booking.saga SET state = 'SELLING',
               deadline_at = clock_timestamp() - interval '1 hour'""",
    "no reserved seats without a booking under way": """
        UPDATE inventory.hold SET status = 'RESERVED' WHERE status = 'SOLD';
        UPDATE booking.saga SET state = 'FAILED', deadline_at = NULL""",
    "every ledger transaction sums to zero": """
        UPDATE payment.ledger_posting SET amount = amount + 1 WHERE amount > 0""",
    "the ledger knows every capture and every refund": """
        UPDATE payment.attempt SET captured = captured + 1 WHERE captured > 0""",
    **{
        f"no message of {schema} waits unpublished": f"""
        INSERT INTO {schema}.outbox (id, type, body, headers, due_at)
        VALUES (gen_random_uuid(), 'x', '{{}}', '{{}}', clock_timestamp() - interval '1 hour')"""
        for schema in ("auth", "catalog", "inventory", "booking", "payment", "notification")
    },
    "tickets are good if and only if their booking is confirmed": f"""
        UPDATE booking.ticket SET status = 'REVOKED' WHERE booking_id = {_ONE_CONFIRMED}""",
    "a seat's journal is a legal history": f"""
        DELETE FROM inventory.seat_journal
         WHERE version = 1 AND (event_id, seat_no) = {_ONE_SOLD}""",
    "a seat is as its journal says last": """
        UPDATE inventory.seat SET version = version + 1 WHERE status = 'SOLD'""",
    GUARDS_TITLE: "ALTER TABLE booking.booking DROP CONSTRAINT booking_hold",
}


def test_fsck_finds_every_kind_of_wrong(breakable: tuple[System, Path]) -> None:
    assert PLANTED.keys() == {check.title for check in CHECKS} | {GUARDS_TITLE}
    system, _ = breakable
    play(system)
    system.command("down")
    # Nobody mends anything now, and each wrong is undone before the next.
    with Postgres(system.home / "postgres") as server:
        template = server.admin_url.removesuffix("/postgres") + f"/{DATABASE}"
        for title, wrong in PLANTED.items():
            with psycopg.connect(server.admin_url, autocommit=True) as admin:
                admin.execute(f"CREATE DATABASE wronged TEMPLATE {DATABASE}")
            wronged = template.removesuffix(DATABASE) + "wronged"
            try:
                with psycopg.connect(wronged) as connection:
                    connection.execute("SET session_replication_role = replica")
                    connection.execute(wrong)
                found = {
                    finding.check.title for finding in check_all(wronged) if finding.violations
                }
                assert title in found
            finally:
                with psycopg.connect(server.admin_url, autocommit=True) as admin:
                    admin.execute("DROP DATABASE wronged")
