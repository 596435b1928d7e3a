"""Choosing places and paying: a buyer from the hall to the ticket, with a rival beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from clients.browser import MOBILE, NARROW
from ops.client import Client
from ops.seed import Account
from tests.running import System

from .accessibility import axe, fits_its_width, in_both_widths, tab_through
from .conftest import Visit


@pytest.fixture
def seats_path(system: System) -> str:
    """Where the places of the seated demo event are chosen."""
    return f"/events/{system.event('SEATED')}/seats"


def _first_section(visitor: Client, event_id: str) -> tuple[str, list[dict[str, Any]]]:
    """A section's name, and the free seats of a row of it that has many side by side."""
    places = visitor.get(f"/events/{event_id}/seats")
    taken = {seat for seats in places["taken"].values() for seat in seats}
    section = next(section for section in places["sections"] if section["kind"] == "SEATED")
    for row in section["rows"]:
        seats = [{**seat, "row": row["label"]} for seat in row["seats"][:5]]
        if len(seats) == 5 and not any(seat["id"] in taken for seat in seats):
            return section["name"], seats
    raise AssertionError("no row has five free seats at its beginning")


def _lines(page: Page) -> Locator:
    return page.locator(".chosen li")


def test_anybody_looks_at_the_hall_and_is_led_to_log_in(visit: Visit, seats_path: str) -> None:
    page = visit(seats_path)
    expect(page.get_by_role("application", name="Map of the hall")).to_be_visible()
    log_in = page.locator("main").get_by_role("link", name="Log in")
    expect(log_in).to_have_attribute("href", f"/login?next={seats_path.replace('/', '%2F')}")
    axe(page)
    page.get_by_role("tab", name="List").click()
    expect(page.get_by_role("grid")).to_be_visible()
    axe(page)
    page.set_viewport_size(NARROW["viewport"])
    page.reload()
    expect(page.get_by_role("grid")).to_be_visible()
    fits_its_width(page)
    tab_through(page)


def test_a_buyer_chooses_with_a_rival_beside_them_and_pays(
    system: System, signed_in: Visit, newcomer: Callable[..., Account], seats_path: str
) -> None:
    event_id, other = system.event("SEATED"), newcomer()
    page = signed_in(newcomer(), seats_path)
    with Client(system.gateway).log_in(other.email, other.password) as rival:
        # The best seats in one tap: they are a hold, so they are there after a reload.
        page.get_by_role("button", name="Best 2 seats").click()
        expect(_lines(page)).to_have_count(2)
        page.reload()
        expect(_lines(page)).to_have_count(2)
        # One more by the keyboard alone, from the list.
        section, (first, second, seen, lost, _last) = _first_section(rival, event_id)

        def cell(seat: dict[str, Any]) -> Locator:
            words = f"{section}, row {seat['row']}, seat {seat['number']}:"
            return page.locator(f'[role="grid"] button[aria-label^="{words}"]')

        page.get_by_role("tab", name="List").click()
        cell(first).focus()
        page.keyboard.press("ArrowRight")
        expect(cell(second)).to_be_focused()
        page.keyboard.press("Enter")
        expect(_lines(page)).to_have_count(3)
        expect(cell(second)).to_have_attribute("aria-pressed", "true")
        # What a rival takes is seen at once.
        rival.post("/holds", {"event_id": event_id, "seat_ids": [seen["id"]]})
        expect(cell(seen)).to_have_attribute("aria-disabled", "true")

        # A rival is faster by a moment: the seat is no longer chosen, and the page says which.
        def be_faster(route: Route) -> None:
            rival.post("/holds", {"event_id": event_id, "seat_ids": [lost["id"]]})
            route.continue_()

        page.route("**/api/v1/holds/*/add", be_faster)
        cell(lost).click()
        expect(page.get_by_role("alert")).to_contain_text(f"seat {lost['number']}")
        expect(_lines(page)).to_have_count(3)
        axe(page)
        page.get_by_role("tab", name="Map").click()
        expect(page.get_by_role("application")).to_be_visible()
        axe(page)
        for seat in (seen, lost):  # so that others have them
            (held,) = [
                hold
                for hold in rival.get("/holds", event_id=event_id)["items"]
                if hold["lines"][0]["seat_id"] == seat["id"]
            ]
            rival.delete(f"/holds/{held['id']}")
    _pay(page)


def test_who_stands_is_chosen_on_the_map(
    system: System, signed_in: Visit, newcomer: Callable[..., Account]
) -> None:
    event_id, other = system.event("STANDING"), newcomer()
    page = signed_in(newcomer(), f"/events/{event_id}/seats", **MOBILE)
    hall = page.get_by_role("application", name="Map of the hall")
    dialog, hint = page.get_by_role("dialog"), page.locator(".map-hint")
    # The whole hall is one floor: whoever taps it is asked how many they are.
    hall.tap()
    for _ in range(2):
        dialog.get_by_role("button", name="More").click()
    expect(_lines(page)).to_contain_text(re.compile("Standing . 2"))
    in_both_widths(page)
    dialog.get_by_role("button", name="Back to the map").click()
    expect(dialog).to_be_hidden()
    # By the keyboard: the floor says what is left, and follows what others take.
    hall.focus()
    page.keyboard.press("ArrowDown")
    expect(hint).to_contain_text("✓ 2 yours")
    with Client(system.gateway).log_in(other.email, other.password) as rival:
        (floor,) = rival.get(f"/events/{event_id}/seats")["sections"]
        expect(hint).to_contain_text(f"{floor['available']} left")
        order = {"event_id": event_id, "general": [{"tier_id": floor["tier_id"], "quantity": 3}]}
        taken = rival.post("/holds", order)
        expect(hint).to_contain_text(f"{floor['available'] - 3} left")
        rival.delete(f"/holds/{taken['id']}")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Fewer").click()
    expect(_lines(page)).not_to_contain_text(re.compile("Standing . 2"))
    page.keyboard.press("Escape")
    expect(hall).to_be_focused()
    # The list below has the same choice.
    page.get_by_role("group", name="Standing").get_by_role("button", name="More").click()
    expect(_lines(page)).to_contain_text(re.compile("Standing . 2"))
    page.locator("aside").get_by_role("link", name="Continue").click()
    page.get_by_role("button", name="Pay ").click()
    expect(page.get_by_text("Your booking is confirmed.").first).to_be_visible()


def test_the_page_says_what_became_of_places_elsewhere(
    system: System, signed_in: Visit, newcomer: Callable[..., Account], seats_path: str
) -> None:
    someone, counted = newcomer(), system.event("COUNTED")
    page = signed_in(someone, seats_path)
    with Client(system.gateway).log_in(someone.email, someone.password) as elsewhere:
        tier = elsewhere.get(f"/events/{counted}")["tiers"][0]["id"]
        order = {"event_id": counted, "general": [{"tier_id": tier, "quantity": 1}]}
        holds = [elsewhere.post("/holds", order) for _ in range(2)]

        # Nobody has more than two holds: the page says which, and how one of them goes.
        page.get_by_role("button", name="Best 2 seats").click()
        full = page.get_by_role("alert")
        expect(full.get_by_text("Himalayan Book Days")).to_have_count(2)
        expect(full.get_by_role("link", name="Pay for them").last).to_have_attribute(
            "href", f"/checkout/{holds[0]['id']}"
        )
        in_both_widths(page)
        full.get_by_role("button", name="Release them").first.click()
        expect(full).to_have_count(0)
        page.get_by_role("button", name="Best 2 seats").click()
        expect(_lines(page)).to_have_count(2)

        # Another window lets them go, and pays for others.
        (mine,) = elsewhere.get("/holds", event_id=system.event("SEATED"))["items"]
        elsewhere.delete(f"/holds/{mine['id']}")
        page.get_by_role("button", name="More time").click()
        _comes_back(page)
        expect(page.get_by_text("These tickets were released")).to_be_visible()
        axe(page)
        page.get_by_role("button", name="Best 2 seats").click()
        expect(_lines(page)).to_have_count(2)
        page.locator("aside").get_by_role("link", name="Continue").click()
        expect(page.get_by_role("heading", name="Pay", exact=True)).to_be_visible()
        _book(page.context.new_page(), page.url)
        _comes_back(page)
        expect(page.get_by_text("These tickets are already booked")).to_be_visible()
        in_both_widths(page)
        page.locator("main").get_by_role("link", name="My tickets").click()
        expect(page.locator(".booking-card")).to_have_count(1)


def _comes_back(page: Page) -> None:
    """Somebody looks at this window again; a headless browser's are all seen all the time."""
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")


def _book(other: Page, checkout: str) -> None:
    """Pays in another tab."""
    other.goto(checkout)
    other.get_by_role("button", name="Pay ").click()
    expect(other.get_by_text("Your booking is confirmed.").first).to_be_visible()
    other.close()


def _pay(page: Page) -> None:
    """An unknown coupon, a name, the whole price, and the booking."""
    page.locator("aside").get_by_role("link", name="Continue").click()
    expect(page.get_by_role("heading", name="Pay", exact=True)).to_be_visible()
    axe(page)
    page.get_by_text("I have a coupon").click()
    page.get_by_label("Coupon code").fill("no-such-code")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_text("Add names").click()
    page.locator("details input").first.fill("Maya Rai")
    page.set_viewport_size(NARROW["viewport"])
    axe(page)
    fits_its_width(page)
    page.get_by_label("Card", exact=True).last.select_option(label="A card that is declined")
    with page.expect_request("**/api/v1/bookings") as booked:
        page.get_by_role("button", name="Pay ").click()
    page.wait_for_url("**/bookings/PT-*")
    # The places are kept for another card.
    expect(page.get_by_text("The bank declined the card.").first).to_be_visible()
    page.get_by_role("button", name="Pay ").click()
    expect(page.get_by_text("Your booking is confirmed.").first).to_be_visible()
    sent = json.loads(booked.value.post_data or "")
    assert [each["name"] for each in sent["attendees"]] == ["Maya Rai"]
