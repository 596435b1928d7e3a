"""The focus: who works by keyboard, or listens, is never put back to the page's beginning."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from ops.client import Client
from ops.seed import Account
from tests.running import System

from .accessibility import unanswered
from .conftest import Visit
from .test_bookings import book
from .test_organizer import a_venue

Newcomer = Callable[..., Account]
# In words, for a failure that can be read.
_FOCUSED = """() => {
  const it = document.activeElement;
  return it === document.body ? "the body" : `${it.localName} ${it.innerText.trim().slice(0, 60)}`;
}"""


def press(target: Locator) -> None:
    """As the keyboard does: what is pressed has the focus."""
    target.focus()
    target.press("Enter")


def lands(page: Page, words: str) -> None:
    """Asserts that the focus comes to what is called so, and that the way on is near."""
    page.wait_for_function(f"() => ({_FOCUSED})().includes({json.dumps(words)})", timeout=5000)
    page.keyboard.press("Tab")
    assert page.evaluate(_FOCUSED) != "a Skip to the content"
    page.keyboard.press("Shift+Tab")


def test_another_page_begins_with_its_heading(page: Page, system: System) -> None:
    page.goto("/")
    press(page.get_by_role("link", name="The Tempest").first)
    lands(page, "h1 The Tempest")
    press(page.get_by_role("link", name="Choose tickets"))
    page.wait_for_url("**/seats")
    lands(page, "h1")
    page.go_back()
    lands(page, "h1 The Tempest")
    page.get_by_role("link", name="Log in").first.click()
    lands(page, "h1 Log in")

    # Its heading comes late: until then the focus is at one that stands for it.
    page.goto("/")
    with unanswered(page, f"**/api/v1/events/{system.event('COUNTED')}"):
        press(page.get_by_role("link", name="Himalayan Book Days").first)
        page.wait_for_function(f"() => ({_FOCUSED})() === 'h1 Events'")
    lands(page, "h1 Himalayan Book Days")


def test_the_focus_stays_in_a_booking_whose_buttons_go(
    system: System, newcomer: Newcomer, signed_in: Visit
) -> None:
    buyer = newcomer()
    page = signed_in(buyer, f"/bookings/{book(system, buyer, 'CARD', 'tok_ok', 2)}")
    show = page.get_by_role("button", name="Show at the door").last
    for shut in ("Escape", "Enter"):  # of the button that closes it
        press(show)
        page.get_by_role("dialog").get_by_role("button", name="Close").focus()
        page.keyboard.press(shut)
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(show).to_be_focused()

    cancel = page.get_by_role("button", name="Cancel the booking")
    press(cancel)
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(cancel).to_be_focused()
    press(cancel)
    press(page.get_by_role("button", name="Yes, cancel it"))
    expect(page.get_by_text("was refunded to you").first).to_be_visible()
    lands(page, "h1 Himalayan Book Days")

    waits = book(system, buyer, "KHALTI", None, 1)
    page.goto(f"/bookings/{waits}")
    press(page.get_by_role("button", name="Give up"))
    press(page.get_by_role("button", name="Yes, give up"))
    expect(page.get_by_text("It was abandoned.")).to_be_visible()
    lands(page, "h1 Himalayan Book Days")


def test_the_focus_stays_near_what_an_organizer_takes_away(
    system: System, newcomer: Newcomer, signed_in: Visit
) -> None:
    organizer = newcomer("ORGANIZER")
    with Client(system.gateway).log_in(organizer.email, organizer.password) as seller:
        for name in ("One", "Two"):
            seller.post("/api-keys", {"name": name, "scopes": ["check-ins:write"]})
            hook = {"url": f"https://hooks.parterre.example/{name}", "facts": ["booking.confirmed"]}
            seller.post("/webhook-endpoints", {**hook, "description": name})

    page = signed_in(organizer, "/organizer/keys")
    press(page.get_by_role("button", name="Revoke One"))
    press(page.get_by_role("button", name="Yes, revoke"))
    expect(page.get_by_text("Revoked")).to_be_visible()
    lands(page, "h1 API keys")

    page.goto("/organizer/webhooks")
    press(page.get_by_role("region", name="One").get_by_role("button", name="Remove"))
    press(page.get_by_role("button", name="Yes, remove"))
    expect(page.get_by_role("region", name="One")).to_have_count(0)
    lands(page, "h1 Webhooks")
    press(page.get_by_role("region", name="Two").get_by_role("button", name="New secret"))
    press(page.get_by_role("button", name="Yes, create it"))
    press(page.get_by_role("dialog").get_by_role("button", name="Done"))
    expect(page.get_by_role("button", name="New secret")).to_be_focused()

    page.goto(a_venue(system, organizer))
    press(page.get_by_role("button", name=re.compile("^The floor$")))
    press(page.get_by_role("button", name="Delete the section"))
    press(page.get_by_role("button", name="Yes, delete"))
    expect(page.get_by_text("The section is deleted.")).to_be_visible()
    lands(page, "The barn")


def test_the_focus_stays_near_seats_and_devices_that_go(
    system: System, newcomer: Newcomer, signed_in: Visit
) -> None:
    page = signed_in("ORGANIZER", f"/organizer/events/{system.event('SEATED')}?tab=blocks")
    page.get_by_role("checkbox").last.check()
    page.get_by_label("Note for yourself").fill("A guest of the house")
    press(page.get_by_role("button", name="Block them", exact=True))
    kept = page.get_by_role("listitem").filter(has_text="A guest of the house")
    expect(kept).to_be_visible()
    lands(page, "Block")
    press(kept.get_by_role("button", name="Unblock them"))
    expect(kept).to_have_count(0)
    lands(page, "No seats are blocked.")

    someone = newcomer()
    for _ in range(2):
        with Client(system.gateway) as device:
            device.log_in(someone.email, someone.password)
    page = signed_in(someone, "/account?tab=devices")
    press(page.get_by_role("button", name="Log out this device").first)
    press(page.get_by_role("button", name="Yes, log out"))
    expect(page.get_by_role("button", name="Log out this device")).to_have_count(1)
    lands(page, "Current device")
