"""kill -9 where it hurts most, in every service, under real bookings; then everything must hold."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from chassis import failpoints
from deploy.plan import DATABASE
from deploy.postgres import Postgres
from ops.fsck import CHECKS, GUARDS_TITLE, check_all

from .conftest import Breakable
from .patience import (
    SECONDS,
    book,
    ends,
    is_refused,
    publish_an_event,
    somebody,
    surely,
    tickets_of,
    when,
)

pytestmark = pytest.mark.timeout(300)  # play may meet a dozen deaths
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
# `make test-all` comes to all of them, `make test` to these.
EVERY_TIME = (failpoints.AFTER_COMMIT,)


def play(system: Breakable) -> None:
    """People register, an event goes on sale, tickets and seats are bought, refused, cancelled."""
    gateway = system.gateway
    with ExitStack() as stack:
        organizer = stack.enter_context(somebody(gateway, "ORGANIZER"))
        asha, bikram = (stack.enter_context(somebody(gateway)) for _ in range(2))
        counted = tickets_of(publish_an_event(organizer), 2)
        seated = {"event_id": system.event("SEATED"), "best_available": {"quantity": 2}}
        with ThreadPoolExecutor(4) as pool:
            made = [
                pool.submit(book, asha, counted),
                pool.submit(book, asha, seated),
                pool.submit(book, bikram, counted),
                pool.submit(book, bikram, seated, "tok_declined"),
            ]
            first, second, third, refused = (one.result() for one in made)
        for who, booking in ((asha, first), (asha, second), (bikram, third)):
            ends(who, booking, "CONFIRMED")
        when(bikram, refused, is_refused)
        for who, booking in ((asha, first), (bikram, refused)):
            surely(who, f"/bookings/{booking}/cancel", {})
        ends(asha, first, "CANCELLED")
        ends(bikram, refused, "FAILED")
        tickets = asha.patiently(lambda: asha.get(f"/bookings/{second}/tickets"), seconds=SECONDS)
        assert {ticket["status"] for ticket in tickets} == {"VALID"}


def fsck(system: Breakable) -> dict[str, Any]:
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


@pytest.mark.parametrize(
    "failpoint",
    [
        pytest.param(name, marks=() if name in EVERY_TIME else pytest.mark.slow)
        for name in failpoints.NAMES
    ],
)
def test_a_kill_at_this_point_in_every_service_leaves_nothing_undone(
    breakable: Breakable, failpoint: str
) -> None:
    armed = [breakable.arm(process, failpoint) for process in REACHED[failpoint]]
    play(breakable)
    assert [file.name for file in armed if file.exists()] == []
    report = fsck(breakable)
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
    "a good ticket's seat is its booking's hold's, reserved or sold": f"""
        UPDATE inventory.seat SET hold_id = gen_random_uuid()
         WHERE (event_id, seat_no) = {_ONE_SOLD}""",
    "a confirmed booking's places are sold within a minute": """
        UPDATE inventory.hold SET status = 'RESERVED' WHERE status = 'SOLD';
        UPDATE booking.timeline SET at = at - interval '1 hour'""",
    "an event's seats and pools add up to its capacity": """
        UPDATE inventory.event SET capacity = capacity + 1 WHERE capacity > 0""",
    "the catalog's capacities are inventory's": """
        UPDATE catalog.tier SET capacity = capacity + 1;
        UPDATE catalog.event SET capacity = capacity + 1, capacity_due_at = NULL
         WHERE capacity > 0""",
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
        UPDATE payment.attempt SET refunded = refunded - 1 WHERE refunded > 0;
        UPDATE payment.ledger_transaction SET created_at = created_at - interval '1 hour'""",
    "what was given up is not confirmed": f"""
        INSERT INTO booking.timeline
        SELECT booking_id, 99, now(), 'GIVING_BACK', 'GIVE_UP', 'DONE', 1, ''
          FROM booking.saga WHERE booking_id = {_ONE_CONFIRMED}""",
    "booking's totals are payment's": f"""
        UPDATE booking.saga SET refunded = 1 WHERE booking_id = {_ONE_CONFIRMED}""",
    "a coupon counts its uses, and a confirmed booking uses its coupon": """
        INSERT INTO booking.coupon (event_id, code, kind, value, used)
        SELECT event_id, 'PLANTED', 'FIXED', 1, 1 FROM booking.event LIMIT 1""",
    "the house keeps its fees in proportion to what it keeps of the price": """
        UPDATE payment.payment SET fees = 1""",
    "no money without a booking": f"""
        UPDATE booking.booking SET payment_id = gen_random_uuid()
         WHERE booking_id = {_ONE_CONFIRMED}""",
    "no hold outlives its expiry": """
        UPDATE inventory.hold SET status = 'ACTIVE', expires_at = created_at,
               extendable_until = created_at + interval '1 hour'
         WHERE status = 'SOLD';
        UPDATE inventory.hold SET expires_at = expires_at - interval '1 hour'""",
    "no saga outlives its deadline": """
        UPDATE booking.saga SET state = 'CHARGING',
               deadline_at = clock_timestamp() - interval '1 hour'""",
    "no reserved seats of a booking that is over": """
        UPDATE inventory.hold SET status = 'RESERVED' WHERE status = 'SOLD';
        UPDATE booking.saga SET state = 'FAILED', deadline_at = NULL""",
    "a reservation without a booking is given back within two minutes": """
        UPDATE inventory.hold SET status = 'RESERVED', booking_id = gen_random_uuid(),
               reserved_at = reserved_at - interval '1 hour'
         WHERE status = 'SOLD'""",
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
    "no message is parked that this version knows": """
        INSERT INTO payment.parked (queue, message_id, awaits, type, content_type, headers, payload,
                                    due_at)
        VALUES ('payment.commands', gen_random_uuid(), 'parterre.messages.v1.ChargePayment',
                'parterre.messages.v1.ChargePayment', '', '{}', '',
                clock_timestamp() - interval '1 hour')""",
    "tickets are good if and only if their booking is confirmed": f"""
        UPDATE booking.ticket SET status = 'REVOKED' WHERE booking_id = {_ONE_CONFIRMED}""",
    "a seat's journal is a legal history": f"""
        DELETE FROM inventory.seat_journal
         WHERE version = 1 AND (event_id, seat_no) = {_ONE_SOLD}""",
    "a seat is as its journal says last": """
        UPDATE inventory.seat SET version = version + 1 WHERE status = 'SOLD'""",
    GUARDS_TITLE: "ALTER TABLE booking.booking DROP CONSTRAINT booking_hold",
}


@pytest.mark.slow
def test_fsck_finds_every_kind_of_wrong(breakable: Breakable) -> None:
    assert PLANTED.keys() == {check.title for check in CHECKS} | {GUARDS_TITLE}
    play(breakable)
    assert breakable.command("down").returncode == 0
    # Nobody mends anything now, and each wrong is undone before the next.
    with Postgres(breakable.home / "postgres") as server:
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
