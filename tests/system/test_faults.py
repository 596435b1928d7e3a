"""Faults on real processes, with bookings under way; afterwards everything holds.

Which fault of docs/reliability.md a test is about stands there.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from chassis import failpoints
from deploy.rabbitmq import ensure_installed
from ops.client import Client, ProblemError
from tests.contract.streams import SeatPage

from .conftest import Breakable
from .patience import (
    SECONDS,
    approve,
    book,
    ends,
    is_refused,
    publish_an_event,
    somebody,
    surely,
    tickets_of,
    until,
    wallet_page,
    when,
)

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("nothing_is_wrong_afterwards"),
]


def best(system: Breakable, quantity: int = 1) -> dict[str, Any]:
    return {"event_id": system.event("SEATED"), "best_available": {"quantity": quantity}}


def seats_of(system: Breakable, reference: str) -> list[str]:
    rows = system.sql(
        "SELECT seat_id FROM booking.booking_line JOIN booking.booking USING (booking_id)"
        " WHERE reference = %s AND seat_id <> ''",
        reference,
    )
    return [seat_id for (seat_id,) in rows]


def seats_are(system: Breakable, reference: str, status: str) -> bool:
    """Whether the public map comes to show all seats of the booking with that status."""
    seats = seats_of(system, reference)

    def so(body: Any) -> bool:
        shown = {number: status for status, numbers in body["taken"].items() for number in numbers}
        return {shown.get(number, "AVAILABLE") for number in seats} == {status}

    with Client(system.gateway) as visitor:
        try:
            visitor.wait_for(f"/events/{system.event('SEATED')}/seats", so, seconds=5)
        except TimeoutError:
            return False
    return True


def ready(system: Breakable, process: str) -> tuple[int, str]:
    """What the process says of its readiness."""
    answer = httpx.get(f"{system.run['internal'][process]}/readyz")
    return answer.status_code, answer.text


def all_ready(system: Breakable) -> bool:
    try:
        return all(ready(system, process)[0] == 200 for process in system.run["internal"])
    except httpx.HTTPError:
        return False


# --- PostgreSQL (16) ---------------------------------------------------------------------------


def test_postgres_stopped_at_once_under_load_comes_back_with_every_answer_it_gave(
    breakable: Breakable, asha: Client, bikram: Client
) -> None:
    with somebody(breakable.gateway, "ORGANIZER") as organizer:
        wanted = tickets_of(publish_an_event(organizer), 2)
    buyers = [asha, bikram] * 2
    with ThreadPoolExecutor(len(buyers)) as pool:
        made = [pool.submit(book, who, wanted) for who in buyers]
        os.kill(breakable.run["pids"]["postgres"], signal.SIGQUIT)
        references = [one.result() for one in made]
    assert len(set(references)) == len(buyers)
    for who, reference in zip(buyers, references, strict=True):
        ends(who, reference, "CONFIRMED")
        assert breakable.money(reference) == (2 * 50_000, 0)
    until(lambda: all_ready(breakable))


# --- the provider (21, 22, 23) -----------------------------------------------------------------


@pytest.mark.slow
def test_while_the_provider_can_not_be_reached_bookings_wait_and_new_ones_are_refused(
    breakable: Breakable, asha: Client, bikram: Client
) -> None:
    with breakable.standing_still("supervisor"):
        breakable.kill("sandbox")  # and nobody starts it again
        too_late, in_time = book(asha, best(breakable)), book(bikram, best(breakable))
        payment = bikram.get(f"/bookings/{in_time}")["payment"]["id"]
        with pytest.raises(ProblemError) as refused:
            until(lambda: verified(bikram, payment))
        assert (refused.value.status, refused.value.reason) == (503, "PROVIDER_UNAVAILABLE")
        until(lambda: breakable.state(too_late) == "CHARGING")
        until(lambda: breakable.sql("SELECT 1 FROM booking.provider_outage WHERE until > now()"))
        key, hold = secrets.token_hex(8), surely(asha, "/holds", best(breakable))
        card = {"payment_method": "CARD", "payment_token": "tok_ok"}
        with pytest.raises(ProblemError) as refused:
            asha.post("/bookings", {"hold_id": hold["id"], **card}, key=key)
        assert (refused.value.status, refused.value.reason) == (503, "PROVIDER_UNAVAILABLE")
        breakable.deadline_passes(too_late)
        ends(asha, too_late, "EXPIRED")
        assert seats_are(breakable, too_late, "AVAILABLE")
    ends(bikram, in_time, "CONFIRMED")
    again = surely(asha, "/bookings", {"hold_id": hold["id"], **card}, key=key)
    ends(asha, again["reference"], "CONFIRMED")
    assert breakable.money(too_late) == (0, 0)


@pytest.mark.slow
def test_seats_of_a_charge_that_may_have_been_made_wait_until_it_is_given_back(
    breakable: Breakable, asha: Client
) -> None:
    with breakable.provider("malformed"):  # it does its work, and nobody can read what it says
        reference = book(asha, best(breakable))
        until(
            lambda: breakable.sql(
                "SELECT 1 FROM payment.provider_call JOIN booking.booking USING (payment_id)"
                " WHERE look_up AND reference = %s",
                reference,
            )
        )
        breakable.deadline_passes(reference)
        until(lambda: breakable.state(reference) == "GIVING_BACK")
        assert seats_are(breakable, reference, "HELD")
    ends(asha, reference, "EXPIRED")
    assert seats_are(breakable, reference, "AVAILABLE")
    captured, refunded = breakable.money(reference)
    assert captured == refunded > 0


def verified(who: Client, payment: str) -> Any:
    """What the provider says now; None while the payment is not known to payment_service yet."""
    try:
        return who.post(f"/payments/{payment}/verify")
    except ProblemError as error:
        if error.reason == "PAYMENT_NOT_FOUND":
            return None
        raise


def expired_with_an_open_page(system: Breakable, who: Client) -> tuple[str, str]:
    """A booking whose time ran out while the wallet's page was open, and that page."""
    reference = book(who, best(system), None)
    page = wallet_page(who, reference)
    system.deadline_passes(reference)
    ends(who, reference, "EXPIRED")
    assert seats_are(system, reference, "AVAILABLE")
    return reference, page


@pytest.mark.slow
def test_a_wallet_paid_late_takes_its_seats_back_where_they_are_free(
    breakable: Breakable, asha: Client
) -> None:
    reference, page = expired_with_an_open_page(breakable, asha)
    approve(page)
    ends(asha, reference, "CONFIRMED")
    assert seats_are(breakable, reference, "SOLD")
    captured, refunded = breakable.money(reference)
    assert (captured > 0, refunded) == (True, 0)


def test_a_wallet_paid_late_for_seats_of_another_goes_back_in_full(
    breakable: Breakable, asha: Client, bikram: Client
) -> None:
    reference, page = expired_with_an_open_page(breakable, asha)
    same = {"event_id": breakable.event("SEATED"), "seat_ids": seats_of(breakable, reference)}
    theirs = book(bikram, same)
    ends(bikram, theirs, "CONFIRMED")
    approve(page)
    booking = when(asha, reference, lambda it: it["payment"]["status"] == "REFUNDED")
    assert booking["status"] != "CONFIRMED"
    captured, refunded = breakable.money(reference)
    assert captured == refunded > 0
    assert bikram.get(f"/bookings/{theirs}")["status"] == "CONFIRMED"


# --- the saga (7, 35) --------------------------------------------------------------------------


@pytest.mark.slow
def test_the_saga_goes_on_backwards_whichever_step_it_is_killed_at(
    breakable: Breakable, asha: Client
) -> None:
    reference = book(asha, best(breakable), None)
    wallet_page(asha, reference)
    armed = [
        breakable.arm("booking", failpoint)
        # It dies as it gives up, as it hears of the void, and once more after that.
        for failpoint in (failpoints.AFTER_COMMIT, failpoints.AFTER_CONSUME, failpoints.BEFORE_ACK)
    ]
    surely(asha, f"/bookings/{reference}/cancel")
    ends(asha, reference, "FAILED")
    until(lambda: not any(file.exists() for file in armed))
    assert seats_are(breakable, reference, "AVAILABLE")
    assert breakable.money(reference) == (0, 0)


def test_an_event_called_off_while_its_bookings_run_gives_every_rupee_back(
    breakable: Breakable, asha: Client, bikram: Client
) -> None:
    with ExitStack() as stack:
        organizer = stack.enter_context(somebody(breakable.gateway, "ORGANIZER"))
        chandra = stack.enter_context(somebody(breakable.gateway))
        event = publish_an_event(organizer)
        wanted = tickets_of(event, 2)
        confirmed = book(asha, wanted)
        ends(asha, confirmed, "CONFIRMED")
        another = book(asha, wanted)
        ends(asha, another, "CONFIRMED")
        declined = book(bikram, wanted, "tok_declined")
        when(bikram, declined, is_refused)
        open_page = book(bikram, wanted, None)
        page = wallet_page(bikram, open_page)
        slow = book(chandra, wanted, "tok_slow")
        until(lambda: breakable.state(slow) == "CHARGING")
        killed = breakable.arm("booking", failpoints.AFTER_CONSUME)
        organizer.patiently(
            lambda: organizer.post(f"/events/{event['id']}/cancel", {"reason": "The hall burned."}),
            seconds=SECONDS,
        )
        for reference in (confirmed, another):
            ends(asha, reference, "CANCELLED")
        for who, reference in ((bikram, declined), (bikram, open_page)):
            ends(who, reference, "FAILED")
        ends(chandra, slow, "FAILED", "CANCELLED")
        assert not killed.exists()
        approve(page)  # too late: nobody wants that money any more
        until(lambda: breakable.money(open_page)[1])
        for reference in (confirmed, another, declined, open_page, slow):
            captured, refunded = breakable.money(reference)
            assert captured == refunded
        assert breakable.money(confirmed)[0] == 2 * 50_000
        with pytest.raises(ProblemError) as refused:
            chandra.post("/holds", wanted)
        assert refused.value.reason == "EVENT_NOT_ON_SALE"


# --- processes that stand still or have no room (40 to 44) --------------------------------------


@pytest.mark.slow
def test_who_asks_again_after_the_gateway_gave_up_gets_what_was_done_once(
    breakable: Breakable, asha: Client
) -> None:
    key = secrets.token_hex(8)
    wanted = best(breakable, 2)
    with breakable.standing_still("inventory"), pytest.raises(ProblemError) as given_up:
        asha.post("/holds", wanted, key=key)
    assert given_up.value.status in {503, 504}
    hold = surely(asha, "/holds", wanted, key=key)
    assert [each["id"] for each in asha.get("/holds")["items"]] == [hold["id"]]
    assert surely(asha, "/holds", wanted, key=key)["id"] == hold["id"]


@pytest.mark.parametrize("process", ["inventory", "payment", "booking"])
@pytest.mark.slow
def test_what_a_process_does_after_it_stood_still_comes_too_late(
    breakable: Breakable, asha: Client, process: str
) -> None:
    reference = book(asha, best(breakable), None)
    page = wallet_page(asha, reference)
    with breakable.standing_still(process):
        # Time runs out, the customer pays, and the seats are asked for, all without it.
        breakable.deadline_passes(reference)
        approve(page)
        if process != "booking":
            until(lambda: breakable.state(reference) != "CHARGING")
    booking = ends(asha, reference, "CONFIRMED", "FAILED", "EXPIRED")
    captured, refunded = until(lambda: settled(breakable, reference))
    sold = seats_are(breakable, reference, "SOLD")
    is_bought = asha.get(f"/bookings/{reference}")["status"] == "CONFIRMED"
    assert (is_bought, is_bought) == (sold, captured > refunded), booking


def settled(system: Breakable, reference: str) -> tuple[int, int] | None:
    """The money, once a late payment was either kept or given back."""
    captured, refunded = system.money(reference)
    kept = system.state(reference) == "CONFIRMED"
    return (captured, refunded) if captured and kept is (captured > refunded) else None


@pytest.mark.slow
def test_without_a_free_connection_a_service_says_so_at_once_and_lives(
    breakable: Breakable, asha: Client
) -> None:
    booking = ends(asha, book(asha, best(breakable)), "CONFIRMED")
    headers = dict(asha._http.headers)
    url = f"{breakable.gateway}/api/v1/bookings"

    def look(_number: int) -> httpx.Response:
        return httpx.get(url, headers=headers, timeout=30)

    with psycopg.connect(breakable.database()) as locking:
        locking.execute("LOCK TABLE booking.booking IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(30) as pool:
            answers = pool.map(look, range(30))
            internal = breakable.run["internal"]["booking"]
            assert httpx.get(f"{internal}/healthz", timeout=30).status_code == 200
            assert httpx.get(f"{breakable.gateway}/healthz", timeout=30).status_code == 200
            for answer in answers:
                assert (answer.status_code, answer.json()["reason"]) == (503, "OVERLOADED")
                assert int(answer.headers["Retry-After"]) > 0
    again = asha.patiently(lambda: asha.get("/bookings"), seconds=SECONDS)
    assert [each["reference"] for each in again["items"]] == [booking["reference"]]


@pytest.mark.slow
def test_a_seat_page_goes_on_after_its_gateway_was_killed(
    breakable: Breakable, asha: Client
) -> None:
    event = breakable.event("SEATED")
    page = SeatPage()
    follow(breakable, page, lambda: page.snapshots)
    breakable.kill("gateway")
    hold = surely(asha, "/holds", best(breakable))
    (number,) = [line["seat_id"] for line in hold["lines"]]
    follow(breakable, page, lambda: page.taken.get(number) == "HELD")
    with Client(breakable.gateway) as visitor:
        taken = visitor.get(f"/events/{event}/seats")["taken"]
    assert page.taken == {seat: status for status, ids in taken.items() for seat in ids}


def follow(system: Breakable, page: SeatPage, enough: Callable[[], Any]) -> None:
    """Follows the stream from where the page was, until it knows enough."""
    url = f"{system.gateway}/api/v1/events/{system.event('SEATED')}/seats/stream"

    def listen() -> bool:
        with (
            suppress(httpx.HTTPError),
            httpx.stream("GET", url, headers={"Last-Event-ID": page.last_id}, timeout=5) as answer,
        ):
            if answer.status_code == 200:
                for event in events_of(answer):
                    page.take(event)
                    if enough():
                        return True
        return False

    until(listen)


def events_of(answer: httpx.Response) -> Iterator[tuple[str, str, Any]]:
    """The events of a stream; comments are left out."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif not line and "event" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}


# --- keys (47) ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_rotated_keys_log_nobody_out_anywhere(breakable: Breakable, asha: Client) -> None:
    rotated = subprocess.run(
        [
            *(sys.executable, "-m", "ops", "keys", "rotate"),
            *("--run-file", str(breakable.home / "run.json")),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert rotated.returncode == 0, rotated.stderr
    ends(asha, book(asha, best(breakable)), "CONFIRMED")
    with somebody(breakable.gateway) as newcomer:
        ends(newcomer, book(newcomer, best(breakable)), "CONFIRMED")


# --- the broker (9 to 13) ----------------------------------------------------------------------


def rabbitmqctl(system: Breakable, *words: str) -> str:
    """Commands the node, in the environment it runs in."""
    environ = Path(f"/proc/{system.run['pids']['rabbitmq']}/environ").read_text()
    variables = dict(entry.split("=", 1) for entry in environ.split("\0") if "=" in entry)
    # The tool is to find Erlang as the node's script did, not as the node was told by it.
    variables["PATH"] = f"{variables.pop('ROOTDIR')}/bin:{variables['PATH']}"
    del variables["BINDIR"]
    tool = ensure_installed() / "sbin/rabbitmqctl"
    done = subprocess.run(
        [str(tool), "-n", variables["RABBITMQ_NODENAME"], *words],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Last, for RabbitMQ 3.10 may lose a queue's leader when it is killed soon after making the queue.
@pytest.mark.slow
def test_without_a_broker_requests_are_answered_and_when_it_is_back_bookings_end(
    breakable: Breakable, asha: Client
) -> None:
    breakable.kill("rabbitmq")
    code, why = until(lambda: (told := ready(breakable, "booking"))[0] == 503 and told)
    assert (code, "broker" in why) == (503, True)
    reference = book(asha, best(breakable))
    ends(asha, reference, "CONFIRMED")
    until(lambda: all_ready(breakable))


@pytest.mark.slow
def test_a_broker_without_memory_delays_bookings_and_loses_none(
    breakable: Breakable, asha: Client
) -> None:
    rabbitmqctl(breakable, "set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        reference = book(asha, best(breakable))
        until(lambda: "block" in rabbitmqctl(breakable, "list_connections", "state"))
        assert asha.get(f"/bookings/{reference}")["status"] == "PENDING"
    finally:
        rabbitmqctl(breakable, "set_vm_memory_high_watermark", "absolute", "1GB")
    ends(asha, reference, "CONFIRMED")
    until(lambda: all_ready(breakable))


@pytest.mark.slow
def test_what_a_wiped_broker_forgot_is_asked_for_again(breakable: Breakable, asha: Client) -> None:
    unpaid = book(asha, best(breakable), None)
    wallet_page(asha, unpaid)
    hold = surely(asha, "/holds", best(breakable))
    # What they have been sent dies with them, and there is nobody to send it to again.
    with breakable.standing_still("inventory"), breakable.standing_still("payment"):
        surely(asha, f"/bookings/{unpaid}/cancel")
        until(lambda: nothing_waits(breakable, "booking"))
        rabbitmqctl(breakable, "stop_app")
        rabbitmqctl(breakable, "reset")
        rabbitmqctl(breakable, "start_app")
        breakable.kill("payment")
        breakable.kill("inventory")
    ends(asha, unpaid, "FAILED")
    assert breakable.money(unpaid) == (0, 0)
    bought = surely(
        asha,
        "/bookings",
        {"hold_id": hold["id"], "payment_method": "CARD", "payment_token": "tok_ok"},
    )
    ends(asha, bought["reference"], "CONFIRMED")
    until(lambda: all_ready(breakable))


def nothing_waits(system: Breakable, service: str) -> bool:
    return system.sql(f"SELECT 1 FROM {service}.outbox LIMIT 1") == []
