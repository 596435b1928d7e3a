"""Limits, money and answers over real processes: late payments, shares, races, pauses, crashes."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from chassis import failpoints
from deploy.plan import MODULES
from deploy.processes import free_ports, start, stop
from ops.client import Client, ProblemError

from .conftest import Breakable
from .patience import (
    SECONDS,
    approve,
    book,
    ends,
    publish_an_event,
    somebody,
    surely,
    tickets_of,
    until,
    wallet_page,
)

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("nothing_is_wrong_afterwards"),
]


@pytest.fixture
def organizer(breakable: Breakable) -> Iterator[Client]:
    with somebody(breakable.gateway, "ORGANIZER") as person:
        yield person


# --- late payments -----------------------------------------------------------------------------

PRICE = 50_000


def offer_half_once(organizer: Client, event: dict[str, Any]) -> None:
    """A coupon of half the price, for whoever comes first."""
    coupon = {"code": "HALF", "kind": "PERCENT", "value": 50, "usage_limit": 1}
    organizer.post(f"/events/{event['id']}/coupons", coupon)


def times_used(system: Breakable, event: dict[str, Any]) -> list[int]:
    rows = system.sql("SELECT used FROM booking.coupon WHERE event_id = %s", event["id"])
    return [used for (used,) in rows]


def good_tickets(system: Breakable, event: dict[str, Any]) -> int:
    ((count,),) = system.sql(
        "SELECT count(*) FROM booking.ticket WHERE event_id = %s AND status <> 'REVOKED'",
        event["id"],
    )
    return int(count)


def approve_all(pages: Sequence[str]) -> None:
    """All at once."""
    with ThreadPoolExecutor(len(pages)) as pool:
        list(pool.map(approve, pages))


def went_back(system: Breakable, who: Client, reference: str) -> dict[str, Any]:
    """The booking once its late payment went back and its saga has ended."""
    until(lambda: (all_of := system.money(reference))[0] and all_of[0] == all_of[1])
    until(lambda: system.state(reference) in {"FAILED", "EXPIRED"})
    found: dict[str, Any] = who.get(f"/bookings/{reference}")
    return found


@pytest.mark.parametrize("ended_by", ["buyer", "organizer"])
def test_what_was_given_up_is_never_bought_by_a_late_payment(
    breakable: Breakable, organizer: Client, asha: Client, ended_by: str
) -> None:
    event = publish_an_event(organizer, max_per_customer=4)
    offer_half_once(organizer, event)
    opened = []
    for _ in range(4):
        reference = book(asha, tickets_of(event, 4), None, coupon_code="HALF")
        opened.append((reference, wallet_page(asha, reference)))
        if ended_by == "buyer":
            asha.delete(f"/bookings/{reference}")
        else:
            organizer.post(f"/bookings/{reference}/cancel", {"reason": "The wrong hall."})
        ends(asha, reference, "FAILED")
    approve_all([page for _, page in opened])
    for reference, _ in opened:
        booking = went_back(breakable, asha, reference)
        assert (booking["status"], booking["reason"]) == ("FAILED", "PAID_LATE_GIVEN_BACK")
        assert booking["payment"]["status"] == "REFUNDED"
        assert breakable.money(reference) == (2 * PRICE, 2 * PRICE)
    assert times_used(breakable, event) == [0]
    assert good_tickets(breakable, event) == 0


@pytest.mark.parametrize("short", ["limit", "coupon"])
def test_of_late_payments_for_what_expired_one_confirms_where_there_is_room_for_one(
    breakable: Breakable, organizer: Client, asha: Client, short: str
) -> None:
    event = publish_an_event(organizer, max_per_customer=4 if short == "limit" else 100)
    offer_half_once(organizer, event)
    coupon = {"coupon_code": "HALF"} if short == "coupon" else {}
    opened = []
    for _ in range(4):
        reference = book(asha, tickets_of(event, 4), None, **coupon)
        opened.append((reference, wallet_page(asha, reference)))
        breakable.deadline_passes(reference)
        ends(asha, reference, "EXPIRED")
    approve_all([page for _, page in opened])

    def settled() -> list[str] | None:
        states = [breakable.state(reference) for reference, _ in opened]
        money = [breakable.money(reference) for reference, _ in opened]
        # Whoever stays EXPIRED has the money back: until then a booking may still be confirmed.
        done = all(
            captured and (state == "CONFIRMED" or refunded == captured)
            for state, (captured, refunded) in zip(states, money, strict=True)
        )
        return states if done and set(states) <= {"CONFIRMED", "EXPIRED"} else None

    states = until(settled)
    assert sorted(states) == ["CONFIRMED", "EXPIRED", "EXPIRED", "EXPIRED"]
    why = "PAID_LATE_COUPON_USED_UP" if short == "coupon" else "PAID_LATE_CUSTOMER_LIMIT"
    for (reference, _), state in zip(opened, states, strict=True):
        captured, refunded = breakable.money(reference)
        if state == "CONFIRMED":
            assert refunded == 0
        else:
            assert captured == refunded
            assert asha.get(f"/bookings/{reference}")["reason"] == why
    assert times_used(breakable, event) == [1 if short == "coupon" else 0]
    assert good_tickets(breakable, event) == 4


# --- refunds -----------------------------------------------------------------------------------


def told_back(who: Client, reference: str) -> list[str]:
    """The mails that told the buyer of the booking's end."""
    email = who.get("/auth/me")["email"]
    mails = who.get("/dev/mailbox", to=email)["items"]
    return [
        mail["body"]
        for mail in mails
        if mail["kind"] == "booking_cancelled" and reference in mail["body"]
    ]


@pytest.mark.parametrize("refund", ["finished", "under way"])
def test_the_policys_share_is_of_what_was_not_promised_yet(
    breakable: Breakable, organizer: Client, asha: Client, refund: str
) -> None:
    event = publish_an_event(
        organizer,
        tiers=[{"name": "Floor", "price": 100_000, "capacity": 10}],
        refund_policy={"until_hours_before": 24, "percent": 50},
    )
    reference = book(asha, tickets_of(event))
    payment = ends(asha, reference, "CONFIRMED")["payment"]["id"]
    with ExitStack() as stack:
        if refund == "under way":
            stack.enter_context(breakable.provider("error_500"))
        organizer.post(f"/payments/{payment}/refunds", {"amount": 60_000, "reason": "Rain."})
        if refund == "finished":
            until(lambda: breakable.money(reference) == (100_000, 60_000))
        asha.delete(f"/bookings/{reference}")
        if refund == "under way":
            until(lambda: breakable.state(reference) == "REFUNDING")
            assert breakable.money(reference) == (100_000, 0)
    booking = ends(asha, reference, "CANCELLED")
    assert breakable.money(reference) == (100_000, 80_000)
    assert booking["refunded"]["amount"] == 80_000
    (mail,) = until(lambda: told_back(asha, reference))
    assert "800.00" in mail


@contextmanager
def second_booking(system: Breakable) -> Iterator[int]:
    """Another process of booking beside the system's own; gives its id."""
    raw = Path(f"/proc/{system.run['pids']['booking']}/environ").read_text()
    environment = dict(entry.split("=", 1) for entry in raw.split("\0") if "=" in entry)
    grpc, internal = free_ports(2)
    environment |= {"BOOKING_GRPC_PORT": str(grpc), "BOOKING_INTERNAL_PORT": str(internal)}
    log = system.home / "logs" / "booking-2.log"
    process = start([sys.executable, "-m", MODULES["booking"]], env=environment, log=log)
    try:

        def ready() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{internal}/readyz").status_code == 200
            except httpx.HTTPError:
                return False

        until(ready)
        yield process.pid
    finally:
        process.send_signal(signal.SIGCONT)
        stop(process, grace_seconds=20)


@pytest.mark.slow
def test_refunds_heard_in_the_other_order_add_up_to_what_payment_gave(
    breakable: Breakable, organizer: Client, asha: Client
) -> None:
    event = publish_an_event(
        organizer,
        tiers=[{"name": "Floor", "price": 100_000, "capacity": 10}],
        refund_policy={"until_hours_before": 24, "percent": 50},
    )
    reference = book(asha, tickets_of(event))
    payment = ends(asha, reference, "CONFIRMED")["payment"]["id"]
    until(lambda: "SOLD" in steps(asha, reference))
    with second_booking(breakable) as other:
        os.kill(other, signal.SIGSTOP)
        given = refund_into_hand(breakable, organizer, payment, reference)
        # The other process has the answer to that in its hand while this one hears the next.
        asha.delete(f"/bookings/{reference}")
        booking = ends(asha, reference, "CANCELLED")
        promised = given + (100_000 - given) // 2
        assert booking["refunded"]["amount"] == promised
        os.kill(other, signal.SIGCONT)
        until(lambda: len(paid_back(asha, reference)) == heard_at_least(given))
    booking = asha.get(f"/bookings/{reference}")
    assert booking["status"] == "CANCELLED"
    assert booking["refunded"]["amount"] == promised
    assert breakable.money(reference) == (100_000, promised)
    (mail,) = until(lambda: told_back(asha, reference))
    assert f"{promised / 100:.2f}" in mail


def steps(who: Client, reference: str) -> list[str]:
    return [entry["step"] for entry in who.get(f"/bookings/{reference}/timeline")["items"]]


def paid_back(who: Client, reference: str) -> list[str]:
    return [step for step in steps(who, reference) if step == "PAID_BACK"]


REFUND = 10_000


def heard_at_least(given: int) -> int:
    """How many answers there are to refunds of that much in all."""
    return given // REFUND


def refund_into_hand(system: Breakable, organizer: Client, payment: str, reference: str) -> int:
    """Refunds a part, until the answer is in the hand of the process that stands still.

    The broker gives the answers to the two in turn. Gives what was refunded in all, minor units.
    """
    for number in range(1, 6):
        organizer.post(f"/payments/{payment}/refunds", {"amount": REFUND, "reason": "Rain."})
        until(lambda given=number * REFUND: system.money(reference)[1] == given)
        until(
            lambda: (
                system.sql(
                    "SELECT 1 FROM payment.outbox"
                    " WHERE type = 'parterre.messages.v1.PaymentRefunded'"
                )
                == []
            )
        )
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            ((heard,),) = system.sql(
                "SELECT refunded FROM booking.saga JOIN booking.booking USING (booking_id)"
                " WHERE reference = %s",
                reference,
            )
            if heard == number * REFUND:
                break
            time.sleep(0.1)
        else:
            return number * REFUND
    raise AssertionError("the process that stands still was given no answer")


# --- capacities --------------------------------------------------------------------------------


def test_whatever_capacities_are_wished_at_once_catalog_says_what_inventory_sells(
    breakable: Breakable, organizer: Client
) -> None:
    event = publish_an_event(organizer)
    (tier,) = event["tiers"]
    path = f"/events/{event['id']}"

    def edit(capacity: int) -> int:
        changed = {key: tier[key] for key in ("id", "name")}
        changed |= {"price": tier["price"]["amount"], "capacity": capacity}
        answer = organizer.call("PATCH", path, json={"tiers": [changed]})
        return int(answer["tiers"][0]["capacity"])

    def said_and_sold() -> tuple[int, int]:
        ((said, sold),) = breakable.sql(
            "SELECT tier.capacity, pool.capacity FROM catalog.tier"
            "  JOIN inventory.pool ON pool.event_id = tier.event_id AND section_id = tier.id"
            " WHERE tier.event_id = %s",
            event["id"],
        )
        return said, sold

    with ThreadPoolExecutor(3) as pool:
        for number in range(20):
            wished = [100 * place + number + 7 for place in (1, 2, 3)]
            assert list(pool.map(edit, wished)) == wished
            said, sold = until(lambda: (pair := said_and_sold())[0] == pair[1] and pair)
            assert said == sold
            assert said in wished
    assert edit(said) == said
    assert said_and_sold() == (said, said)
    organizer.wait_for(path, lambda it: it["availability"]["capacity"] == said, seconds=SECONDS)


# --- a reservation without its booking ---------------------------------------------------------


def booking_dies_before_it_commits(system: Breakable, who: Client, hold: str, key: str) -> None:
    """The hold is reserved then, for a booking that was never written."""
    armed = system.arm("booking", failpoints.BEFORE_COMMIT)
    with pytest.raises(ProblemError) as lost:
        who.post("/bookings", card(hold), key=key)
    assert lost.value.status in {503, 504}
    assert not armed.exists()
    ((status, written),) = system.sql(
        "SELECT hold.status, EXISTS (SELECT FROM booking.booking"
        "                             WHERE booking.booking_id = hold.booking_id)"
        "  FROM inventory.hold WHERE hold_id = %s",
        hold,
    )
    assert (status, written) == ("RESERVED", False)


def card(hold: str) -> dict[str, Any]:
    return {"hold_id": hold, "payment_method": "CARD", "payment_token": "tok_ok"}


def test_who_asks_again_after_the_booking_died_gets_the_booking(
    breakable: Breakable, organizer: Client, asha: Client
) -> None:
    wanted = tickets_of(publish_an_event(organizer))
    hold, key = surely(asha, "/holds", wanted)["id"], secrets.token_hex(8)
    booking_dies_before_it_commits(breakable, asha, hold, key)
    reference = surely(asha, "/bookings", card(hold), key=key)["reference"]
    ends(asha, reference, "CONFIRMED")
    assert breakable.money(reference) == (PRICE, 0)
    assert len(asha.get("/bookings")["items"]) == 1


def test_a_reservation_whose_booking_died_is_its_owners_hold_again(
    breakable: Breakable, organizer: Client, asha: Client
) -> None:
    wanted = tickets_of(publish_an_event(organizer))
    hold = surely(asha, "/holds", wanted)["id"]
    booking_dies_before_it_commits(breakable, asha, hold, secrets.token_hex(8))
    # Inventory asks after half a minute; nobody waits for that here.
    breakable.sql("UPDATE inventory.hold SET ask_at = clock_timestamp() WHERE hold_id = %s", hold)
    until(lambda: asha.get(f"/holds/{hold}")["status"] == "ACTIVE")
    reference = surely(asha, "/bookings", card(hold))["reference"]
    ends(asha, reference, "CONFIRMED")


# --- PostgreSQL --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A request: when it was sent and answered, seconds of the monotonic clock."""

    what: str
    sent: float
    answered: float


@pytest.mark.slow
def test_within_ten_seconds_of_the_databases_return_every_request_is_answered(
    breakable: Breakable, organizer: Client
) -> None:
    event = publish_an_event(
        organizer,
        max_per_customer=100,
        tiers=[{"name": "Floor", "price": PRICE, "capacity": 10_000}],
    )
    over = threading.Event()
    asked: list[Asked] = []
    made: list[tuple[Client, str]] = []
    services = {
        name: pid
        for name, pid in breakable.run["pids"].items()
        if name not in {"supervisor", "postgres", "rabbitmq", "sandbox"}
    }

    def ask(who: Client, what: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """As a good client: again with the same key while the answer is unknown."""
        key = secrets.token_hex(8)
        while not over.is_set():
            sent = time.monotonic()
            try:
                return who.post(path, body, key=key) if body else who.get(path)
            except ProblemError as refused:
                if refused.status < 429 and refused.reason != "IDEMPOTENCY_IN_PROGRESS":
                    raise
            finally:
                asked.append(Asked(what, sent, time.monotonic()))
            time.sleep(0.05)
        return None

    def buy(who: Client) -> None:
        while not over.is_set():
            hold = ask(who, "hold", "/holds", tickets_of(event))
            booking = hold and ask(who, "book", "/bookings", card(hold["id"]))
            if booking:
                made.append((who, booking["reference"]))
            ask(who, "look", "/bookings")
            ask(who, "event", f"/events/{event['id']}")

    returns: list[tuple[float, float]] = []
    with ExitStack() as stack:
        buyers = [stack.enter_context(somebody(breakable.gateway)) for _ in range(6)]
        with ThreadPoolExecutor(len(buyers)) as pool:
            running = [pool.submit(buy, who) for who in buyers]
            try:
                for _ in range(5):
                    least = len(made) + 10
                    until(
                        lambda least=least: len(made) >= least or any(one.done() for one in running)
                    )
                    stopped = time.monotonic()
                    os.kill(breakable.run["pids"]["postgres"], signal.SIGQUIT)
                    until(lambda: not answers(breakable))
                    until(lambda: answers(breakable))
                    returns.append((stopped, time.monotonic()))
            finally:
                time.sleep(1)
                over.set()
            for each in running:
                each.result()
        for who, reference in made:
            ends(who, reference, "CONFIRMED")
    late = [
        (one.what, round(one.answered - back, 1))
        for stopped, back in returns
        for one in asked
        if one.sent < back and one.answered > back + 10
    ]
    assert late == []
    assert {name: breakable.run["pids"][name] for name in services} == services
    assert overdue(breakable) == dict.fromkeys(services, 0.0)


def answers(system: Breakable) -> bool:
    try:
        system.sql("SELECT 1")
    except psycopg.Error:
        return False
    return True


def overdue(system: Breakable) -> dict[str, float]:
    """How often each process's watchdog had to look for an answer of the database."""
    found = {}
    for name, url in system.run["internal"].items():
        for line in httpx.get(f"{url}/metrics").text.splitlines():
            if line.startswith("parterre_database_answers_overdue_total"):
                found[name] = float(line.split()[-1])
    return found


# --- big halls ---------------------------------------------------------------------------------


def draft_a_hall(organizer: Client, sections: int) -> str:
    """The id of an event that is not published yet, in a hall of so many times 10,000 seats."""
    venue = organizer.post(
        "/venues",
        {
            "name": f"Arena {secrets.token_hex(3)}",
            "address": "Tundikhel",
            "city": "Kathmandu",
            "country": "NP",
            "timezone": "Asia/Kathmandu",
        },
    )["id"]
    rows = [{"label": str(number), "seats": 100} for number in range(1, 101)]
    made = [
        organizer.post(
            f"/venues/{venue}/sections", {"kind": "SEATED", "name": f"Block {number}", "rows": rows}
        )["id"]
        for number in range(sections)
    ]
    starts_at = datetime.now(UTC) + timedelta(days=30)
    event = organizer.post(
        "/events",
        {
            "title": "A night of many seats",
            "category": "CONCERT",
            "venue_id": venue,
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(hours=2)).isoformat(),
            "currency": "NPR",
            "tiers": [{"name": "All", "price": PRICE, "section_ids": made}],
        },
    )
    return str(event["id"])


@pytest.mark.slow
def test_while_big_halls_open_nobody_elses_booking_waits(
    breakable: Breakable, organizer: Client
) -> None:
    wanted = tickets_of(publish_an_event(organizer, max_per_customer=100))
    halls = [draft_a_hall(organizer, 10) for _ in range(3)]
    with ExitStack() as stack:
        buyers = [stack.enter_context(somebody(breakable.gateway)) for _ in range(3)]
        with ThreadPoolExecutor(len(halls)) as pool:
            list(pool.map(lambda hall: organizer.post(f"/events/{hall}/publish"), halls))
        made: list[tuple[Client, str]] = []
        still_opening = True
        while still_opening and len(made) < 100:
            for who in buyers:
                made.append((who, book(who, wanted)))
                ends(*made[-1], "CONFIRMED")
            statuses = [organizer.get(f"/events/{hall}")["status"] for hall in halls]
            still_opening = set(statuses) != {"PUBLISHED"}
        for who, reference in made:
            until(lambda who=who, reference=reference: "SOLD" in steps(who, reference))
        rows = breakable.sql(
            "SELECT reference, extract(epoch FROM max(at) - min(at))::float"
            "  FROM booking.timeline JOIN booking.booking USING (booking_id)"
            " WHERE reference = ANY(%s) GROUP BY reference",
            [reference for _, reference in made],
        )
    assert [row for row in rows if row[1] > 2] == []
    assert len(made) > len(buyers), "the first bookings ended when the halls were open"
    for hall in halls:
        organizer.wait_for(
            f"/events/{hall}", lambda it: it["status"] == "PUBLISHED", seconds=SECONDS
        )


# --- a process that is paused ------------------------------------------------------------------

PAUSE_SECONDS = 32  # longer than any watchdog, and than a transaction may be idle


def charges_of(system: Breakable, reference: str) -> list[dict[str, Any]]:
    """What the provider has of a booking."""
    run = system.run
    headers = {"Authorization": f"Bearer {run['provider']['api_key']}"}
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 100}
    while True:
        page = httpx.get(f"{run['sandbox']}/v1/charges", params=query, headers=headers).json()
        found += [charge for charge in page["items"] if charge["reference"] == reference]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def stands_still(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"


@pytest.mark.slow
def test_a_payment_service_paused_with_the_providers_answer_in_hand_charges_once(
    breakable: Breakable, organizer: Client, asha: Client
) -> None:
    wanted = tickets_of(publish_an_event(organizer))
    payment = breakable.run["pids"]["payment"]
    breakable.pause("payment", failpoints.AFTER_PROVIDER_ANSWER)
    reference = book(asha, wanted)
    until(lambda: stands_still(payment))
    time.sleep(PAUSE_SECONDS)
    os.kill(payment, signal.SIGCONT)
    paid_once(breakable, asha, reference, payment)


@pytest.mark.slow
def test_a_payment_service_paused_while_it_commits_charges_once(
    breakable: Breakable, organizer: Client, asha: Client
) -> None:
    wanted = tickets_of(publish_an_event(organizer))
    payment = breakable.run["pids"]["payment"]

    def commits() -> bool:
        return bool(
            breakable.sql(
                "SELECT 1 FROM pg_stat_activity"
                " WHERE application_name = 'payment' AND wait_event = 'PgSleep'"
            )
        )

    with slow_commits(breakable):
        reference = book(asha, wanted)
        until(commits)
        os.kill(payment, signal.SIGSTOP)
        try:
            until(lambda: not commits())
            time.sleep(PAUSE_SECONDS)
        finally:
            os.kill(payment, signal.SIGCONT)
    paid_once(breakable, asha, reference, payment)


@contextmanager
def slow_commits(system: Breakable) -> Iterator[None]:
    """Whatever changes an attempt to pay takes a second to commit, until the end of the block."""
    system.sql(
        """
        CREATE FUNCTION payment.linger() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER linger AFTER UPDATE ON payment.attempt
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payment.linger()
        """
    )
    try:
        yield
    finally:
        system.sql("DROP FUNCTION payment.linger() CASCADE")


def paid_once(system: Breakable, who: Client, reference: str, process: int) -> None:
    ends(who, reference, "CONFIRMED")
    assert system.run["pids"]["payment"] == process
    assert system.money(reference) == (PRICE, 0)
    (charge,) = charges_of(system, reference)
    assert (charge["status"], charge["captured_amount"]) == ("CAPTURED", PRICE)
    assert overdue(system)["payment"] == 0.0
    log = (system.home / "logs" / "payment.log").read_text()
    assert "did not answer in time" not in log
