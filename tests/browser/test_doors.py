"""Those who admit and operate, in the browser: a door without a network, the operator, the race."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Callable

from playwright.sync_api import Page, expect

from clients.browser import Watch
from ops.client import Client
from ops.seed import Account
from tests.running import System

from .accessibility import axe, fits_its_width, in_both_widths, unanswered
from .conftest import Visit
from .test_bookings import book


def tokens_of(system: System, account: Account, reference: str) -> list[str]:
    """What the codes of a booking's tickets say."""
    with Client(system.gateway).log_in(account.email, account.password) as buyer:
        return [ticket["token"] for ticket in buyer.get(f"/bookings/{reference}/tickets")]


def scan(page: Page, token: str, verdict: str) -> None:
    """Types a code, as hand-held scanners do, and expects what the door says."""
    page.get_by_label("Code").fill(token)
    page.keyboard.press("Enter")
    word = page.get_by_role("alert").locator(".verdict-word")
    expect(word).to_have_text(re.compile(rf"^\S {verdict}$"))


def test_a_door_lets_in_once_also_without_a_network(
    system: System, newcomer: Callable[..., Account], signed_in: Visit, watch: Watch
) -> None:
    watch.allow("ERR_INTERNET_DISCONNECTED|422|401")
    buyer = newcomer()
    reference = book(system, buyer, "CARD", "tok_ok", 3)
    with Client(system.gateway).log_in(buyer.email, buyer.password) as client:
        client.wait_for(
            f"/bookings/{reference}", lambda it: it["status"] == "CONFIRMED", seconds=15
        )
    first, second, third = tokens_of(system, buyer, reference)
    event_id = system.event("COUNTED")
    page = signed_in("ORGANIZER", "/door")
    expect(page.get_by_role("link", name=re.compile("Scan tickets ?: Himalayan"))).to_be_visible()
    in_both_widths(page)
    page.goto(f"/door/{event_id}")
    expect(page.get_by_text("Online", exact=True)).to_be_visible()
    page.get_by_label("Name of the gate").fill("North")
    scan(page, first, "Admitted")
    in_both_widths(page)
    scan(page, first, "Already admitted")
    scan(page, "nonsense", "Not a ticket")
    # Two are scanned before the first is answered: nothing green is left of whoever was before.
    with unanswered(page, "**/check-ins"):
        for code in (first, "nonsense"):
            page.get_by_label("Code").fill(code)
            page.keyboard.press("Enter")
            expect(page.get_by_label("Code")).to_have_value("")
        expect(page.get_by_role("alert")).to_have_text("Checking …")
    for told in ("Already admitted", "Not a ticket"):
        expect(page.get_by_role("alert").get_by_text(told)).to_be_visible()
    # All that the page needs has been kept when the worker is there.
    page.evaluate("() => navigator.serviceWorker.ready")
    page.wait_for_function(
        "async () => (await (await caches.open('parterre-door')).keys()).length > 20"
    )

    page.context.set_offline(True)
    page.reload()
    expect(page.get_by_text("Offline: tickets are checked by their signature")).to_be_visible()
    scan(page, first, "Already admitted")
    # Where the device can't keep who came, nobody is let in; the next code is checked all the same.
    page.evaluate(
        """() => {
          window.transaction = IDBDatabase.prototype.transaction;
          IDBDatabase.prototype.transaction = () => { throw new Error("no room"); };
        }"""
    )
    scan(page, second, "Can't check")
    page.evaluate("() => { IDBDatabase.prototype.transaction = window.transaction; }")
    scan(page, second, "Admitted")
    scan(page, second, "Already admitted")
    scan(page, third, "Admitted")
    scan(page, third[:-4] + "AAAA", "Not a ticket")
    expect(page.get_by_text("2 admissions are waiting for the network")).to_be_visible()
    axe(page)
    with system.client("ORGANIZER") as elsewhere:
        body = {"token": third, "gate": "South"}
        answer = elsewhere.post(f"/events/{event_id}/check-ins", body, key=secrets.token_hex(8))
        assert answer["result"] == "ADMITTED"

    page.context.set_offline(False)
    expect(page.get_by_text("Online", exact=True)).to_be_visible(timeout=30_000)
    expect(page.get_by_text("waiting for the network")).to_have_count(0)
    expect(page.get_by_text("already admitted elsewhere")).to_be_visible()
    fits_its_width(page)

    page.goto(f"/organizer/events/{event_id}")
    expect(page.get_by_role("heading", name="Admissions per minute")).to_be_visible()
    page.get_by_text("As a table").last.click()
    in_both_widths(page)


def answered(page: Page, path: str, body: str) -> None:
    """Lets the page have this answer of a route, whatever the gateway would say."""
    page.route(f"**{path}", lambda route: route.fulfill(body=body, content_type="application/json"))


def verdict(**facts: object) -> str:
    """What the gateway says of the last check of the invariants."""
    found = {"began_at": "2026-11-20T03:00:00Z", "milliseconds": 900, "version": "0.1.0"}
    return json.dumps({"verdict": {**found, "checks": 38, "findings": [], **facts}})


def test_an_operator_sees_what_was_checked_last(system: System, signed_in: Visit) -> None:
    page = signed_in("ADMIN")
    told = iter(
        [
            (verdict(), "This result is old"),
            ('{"verdict": null}', "Not checked yet"),
            (
                verdict(findings=[{"invariant": "I4", "title": "no hold lives", "violations": 2}]),
                "1 of 38 checks found something wrong: 2 rows",
            ),
        ]
    )
    for body, words in told:
        answered(page, "/api/v1/admin/verdict", body)
        page.goto("/operator")
        expect(page.get_by_text(words)).to_be_visible()
        in_both_widths(page)
    page.unroute_all()
    command = [sys.executable, "-m", "ops", "fsck", "--run-file", str(system.home / "run.json")]
    report = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (report.returncode in {0, 1}, report.stderr) == (True, "")
    with system.client("ADMIN") as admin:
        admin.wait_for("/admin/verdict", lambda it: it["verdict"] is not None, seconds=15)
    page.goto("/operator")
    expect(page.get_by_text("Checked just now")).to_be_visible()


def test_an_operator_sees_services_a_booking_and_accounts(
    system: System, newcomer: Callable[..., Account], signed_in: Visit
) -> None:
    buyer = newcomer()
    reference = book(system, buyer, "CARD", "tok_ok", 1)
    page = signed_in("ADMIN", "/operator")
    for service in ("auth", "booking", "catalog", "inventory", "notification", "payment"):
        expect(page.get_by_role("heading", name=f"{service} answers")).to_be_visible()
    in_both_widths(page)
    page.get_by_role("tab", name="One booking").click()
    page.get_by_label("Reference").fill(reference)
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("cell", name="CHARGED")).to_be_visible()
    in_both_widths(page)
    page.get_by_role("tab", name="Accounts").click()
    page.get_by_label("Name or address").fill(buyer.email)
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("listitem").filter(has_text=buyer.email)).to_have_count(1)
    in_both_widths(page)
    role = page.get_by_label(re.compile("^Role of "))
    expect(role).to_have_value("CUSTOMER")
    role.select_option("ORGANIZER")
    axe(page)
    page.get_by_role("button", name="No, go back").click()
    expect(role).to_have_value("CUSTOMER")
    role.select_option("ORGANIZER")
    page.get_by_role("button", name="Yes, change it").click()
    expect(role).to_have_value("ORGANIZER")
    page.get_by_role("button", name=re.compile("^Close ")).click()
    page.get_by_role("button", name="Yes, close it").click()
    expect(page.get_by_text("Closed", exact=True).last).to_be_visible()
    organizer = newcomer("ORGANIZER")
    with Client(system.gateway).log_in(organizer.email, organizer.password) as owner:
        owner.post("/api-keys", {"name": "Lost scanner", "scopes": ["check-ins:write"]})
    page.get_by_label("Name or address").fill(organizer.email)
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("listitem").filter(has_text=organizer.email)).to_have_count(1)
    page.get_by_role("button", name=re.compile("^API keys")).click()
    axe(page)
    page.get_by_role("button", name="Revoke Lost scanner").click()
    axe(page)
    page.get_by_role("button", name="Yes, revoke").click()
    expect(page.get_by_text("Revoked", exact=True)).to_be_visible()
    page.get_by_role("button", name="Close", exact=True).first.click()
    page.get_by_role("tab", name="Audit trail").click()
    page.get_by_label("Action").select_option("DISABLED")
    page.get_by_role("button", name="Find").click()
    expect(page.locator(".badge", has_text="DISABLED").first).to_be_visible()
    in_both_widths(page)
    page.locator("main a", has_text="-").last.click()  # whose account it was
    expect(page.locator(".badge", has_text="REGISTERED")).to_have_count(1)


def test_a_race_has_one_winner(page: Page, watch: Watch) -> None:
    watch.allow("409")
    page.goto("/race")
    page.get_by_label("Buyers").fill("4")
    for round_number in (1, 2):
        page.get_by_role("button", name="Start").click()
        told = f"Rounds: {round_number}, winners: {round_number}."
        expect(page.get_by_text(told)).to_be_visible(timeout=30_000)
    expect(page.get_by_text("1 buyer has the seat")).to_be_visible()
    in_both_widths(page)
