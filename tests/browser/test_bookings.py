"""A booking in the browser: another card after a refusal, a wallet's page, tickets, giving back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from ops.client import Client
from ops.seed import Account
from tests.running import System

from .accessibility import axe, in_both_widths
from .conftest import Visit

Newcomer = Callable[..., Account]


def book(system: System, account: Account, method: str, token: str | None, places: int) -> str:
    """The reference of a new booking of the counted demo event."""
    event_id = system.event("COUNTED")
    with Client(system.gateway).log_in(account.email, account.password) as buyer:
        tier = buyer.get(f"/events/{event_id}")["tiers"][0]["id"]
        general = [{"tier_id": tier, "quantity": places}]
        hold = buyer.post("/holds", {"event_id": event_id, "general": general})
        order: dict[str, Any] = {"hold_id": hold["id"], "payment_method": method}
        if token:
            order["payment_token"] = token
        booking = buyer.post("/bookings", order, key=secrets.token_hex(8))
    return str(booking["reference"])


def test_a_declined_card_leads_to_another_try_and_a_booking_to_its_money_back(
    system: System, newcomer: Newcomer, signed_in: Visit
) -> None:
    buyer = newcomer()
    reference = book(system, buyer, "CARD", "tok_declined", 2)
    page = signed_in(buyer, f"/bookings/{reference}")
    expect(page.get_by_text("The bank declined the card.").first).to_be_visible()
    expect(page.get_by_role("timer")).to_contain_text(":")
    in_both_widths(page)

    page.reload()  # in the middle of it
    page.get_by_label("Card", exact=True).last.select_option(
        label="A card that takes three seconds"
    )
    page.get_by_role("button", name=re.compile("^Pay")).click()
    page.reload()  # while the bank thinks
    expect(page.get_by_text("Your booking is confirmed.").first).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Code of the ticket"))).to_have_count(2)
    in_both_widths(page)

    page.get_by_role("button", name="Show at the door").first.click()
    door = page.get_by_role("dialog", name="Ticket 1 of 2")
    expect(door).to_be_visible()
    axe(page)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("dialog", name="Ticket 2 of 2")).to_be_visible()
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as PDF").click()
    assert download.value.suggested_filename == f"{reference}.pdf"

    page.get_by_role("button", name="Cancel the booking").click()
    asked = page.get_by_role("dialog", name="Cancel this booking?")
    with Client(system.gateway).log_in(buyer.email, buyer.password) as client:
        total = client.get(f"/bookings/{reference}")["price"]["total"]["amount"]
    expect(asked).to_contain_text(f"You get NPR\u00a0{total // 100:,}")
    box, window = asked.bounding_box(), page.viewport_size
    assert box
    assert window
    assert abs(box["y"] * 2 + box["height"] - window["height"]) <= 2, "it is in the middle"
    axe(page)
    asked.get_by_role("button", name="Yes, cancel it").click()
    expect(page.get_by_text("was refunded to you").first).to_have_text(
        re.compile(
            r"^The booking was cancelled\. NPR\s[\d,]+ was refunded to you\. You cancelled it\.$"
        )
    )
    expect(page.get_by_text("The money was refunded.")).to_be_visible()

    page.goto("/tickets?tab=past")
    expect(page.get_by_role("link", name="Himalayan Book Days")).to_be_visible()
    in_both_widths(page)


def test_a_wallet_leads_to_its_page_and_back(
    system: System, newcomer: Newcomer, signed_in: Visit
) -> None:
    buyer = newcomer()
    reference = book(system, buyer, "KHALTI", None, 1)
    page = signed_in(buyer, f"/bookings/{reference}")
    page.get_by_role("link", name="Pay with Khalti").click()
    page.get_by_role("button", name="Approve").click()
    expect(page).to_have_url(re.compile(rf"/bookings/{reference}"))
    expect(page.get_by_text("Your booking is confirmed.").first).to_be_visible()
    page.goto("/tickets")
    expect(page.get_by_role("link", name="Himalayan Book Days")).to_be_visible()


def hold(system: System, account: Account, places: int) -> str:
    """The id of a new hold of the counted demo event."""
    event_id = system.event("COUNTED")
    with Client(system.gateway).log_in(account.email, account.password) as buyer:
        tier = buyer.get(f"/events/{event_id}")["tiers"][0]["id"]
        general = [{"tier_id": tier, "quantity": places}]
        return str(buyer.post("/holds", {"event_id": event_id, "general": general})["id"])


def closed_while_paying(page: Page, how: str) -> Page:
    """A new tab at "My tickets"; the other was closed as soon as "Pay" was pressed."""
    page.get_by_label("Card", exact=True).last.select_option(label=how)
    pay = page.get_by_role("button", name=re.compile("^Pay"))
    with page.expect_request(lambda it: it.url.endswith("/bookings") and it.method == "POST"):
        pay.click()
    context = page.context
    page.close()
    page = context.new_page()
    page.goto("/tickets")
    return page


def test_a_tab_that_is_closed_while_the_bank_thinks_loses_nothing(
    system: System, newcomer: Newcomer, signed_in: Visit
) -> None:
    buyer = newcomer()
    held = hold(system, buyer, 2)
    page = signed_in(buyer, f"/checkout/{held}")
    page = closed_while_paying(page, "A card that takes three seconds")
    card = page.get_by_role("article").filter(has_text="Himalayan Book Days")
    expect(card).to_contain_text("Payment in progress")
    page.goto(f"/checkout/{held}")  # by the browser's history
    expect(page.get_by_text("These tickets are already booked")).to_be_visible()
    page.goto("/tickets")
    expect(card).to_contain_text("Confirmed")  # by itself
    page.get_by_role("link", name="Himalayan Book Days").click()
    expect(page.get_by_text("Your booking is confirmed.").first).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Code of the ticket"))).to_have_count(2)


def test_who_closes_the_tab_of_a_provider_is_told_the_truth(
    system: System, newcomer: Newcomer, signed_in: Visit
) -> None:
    buyer = newcomer()
    page = signed_in(buyer, f"/checkout/{hold(system, buyer, 1)}")
    page.get_by_label("Card", exact=True).last.select_option(label="A card whose bank asks first")
    page.get_by_role("button", name=re.compile("^Pay")).click()
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    bank, context = page.url, page.context
    page.close()

    # Nothing is decided: the places are kept, and the way back to the bank is told.
    page = context.new_page()
    page.goto("/tickets")
    card = page.get_by_role("article")
    expect(card).to_contain_text("Awaiting payment")
    expect(card).to_contain_text("Your tickets are held until")
    page.get_by_role("link", name="Himalayan Book Days").click()
    expect(page.get_by_role("timer")).to_contain_text(":")
    expect(page.get_by_role("link", name="Pay with Card")).to_have_attribute("href", bank)

    # The bank hears the answer, and its page is closed before it leads back.
    page.goto("/tickets")
    assert httpx.post(bank, data={"action": "approve"}).status_code == 303
    expect(card).to_contain_text("Confirmed")

    # Time runs out while nobody looks: the places are let go, and nothing was charged.
    late = book(system, buyer, "KHALTI", None, 1)
    with Client(system.gateway).log_in(buyer.email, buyer.password) as client:
        client.wait_for(f"/bookings/{late}", lambda it: it["payment"]["action"], seconds=15)
        page.goto(f"/bookings/{late}")
        expect(page.get_by_role("link", name="Pay with Khalti")).to_be_visible()
        system.deadline_passes(late)
        expect(page.get_by_text("The time to pay ran out.").first).to_be_visible()
        expect(page.get_by_text("You were not charged")).to_be_visible()
        page.goto("/tickets")
        expect(page.get_by_role("article")).to_have_count(1)
        page.get_by_role("tab", name="Past and cancelled").click()
        expect(page.get_by_role("article")).to_contain_text("Expired")


def test_the_account_is_changed_and_its_news_are_read(
    system: System, newcomer: Newcomer, signed_in: Visit
) -> None:
    someone = newcomer()
    page = signed_in(someone, "/account")
    page.get_by_label("Your name").fill("Sita Gurung")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_role("link", name="Sita Gurung")).to_be_visible()
    in_both_widths(page)
    page.get_by_role("tab", name="Devices").click()
    expect(page.get_by_text("Current device")).to_be_visible()
    in_both_widths(page)
    page.get_by_role("tab", name="Notifications").click()
    box = page.get_by_role("checkbox", name="a booking is confirmed: in the app")
    box.click()
    expect(box).not_to_be_checked()
    in_both_widths(page)
    reference = book(system, someone, "CARD", "tok_ok", 1)
    page.goto("/notifications")
    expect(page.get_by_text("New", exact=True).first).to_be_visible()
    in_both_widths(page)
    # Any number of tabs follow one stream, and another goes on when its tab is closed.
    streams: list[str] = []
    page.context.on(
        "request", lambda it: streams.append(it.url) if it.url.endswith("/stream") else None
    )
    tabs = [page.context.new_page() for _ in range(4)]
    for tab in tabs:
        tab.goto("/tickets")
        expect(tab.get_by_role("link", name=re.compile("^Notifications [1-9]"))).to_be_visible()
    assert streams == []
    with page.context.expect_event("request", lambda it: it.url.endswith("/stream")):
        page.close()
    page = tabs.pop()
    page.goto("/notifications")
    page.get_by_role("button", name="Mark all as read").click()
    for tab in tabs:
        expect(tab.get_by_role("link", name="Notifications", exact=True)).to_be_visible()
    expect(page.get_by_text("New", exact=True)).to_have_count(0)
    page.goto(f"/bookings/{reference}")
    page.get_by_label("Language").select_option("ne")
    expect(page.locator("html")).to_have_attribute("lang", "ne")
    expect(page.get_by_text("तपाईंका टिकट").first).to_be_visible()
