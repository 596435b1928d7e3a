"""Finding an event in the browser: words, filters, pages, and when nothing is found."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, Route, expect

from clients.browser import Watch
from ops.client import Client
from ops.seed import Account
from tests.running import System

from .accessibility import in_both_widths, settle, unanswered
from .conftest import Visit

EVENTS = "**/api/v1/events?*"
DIGIT = "[\u0966-\u096f]"  # Devanagari


def a_concert(system: System, organizer: Account, title: str) -> str:
    """Puts an event on sale that costs more than one rupee; gives its page's path."""
    start = datetime.now(UTC) + timedelta(days=30)
    draft = {
        "title": title, "description": "Music.", "category": "CONCERT", "location": "Patan",
        "timezone": "Asia/Kathmandu",
        "starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=3)).isoformat(),
        "currency": "NPR", "tiers": [{"name": "Everybody", "price": 50_000, "capacity": 50}],
    }  # fmt: skip
    with Client(system.gateway).log_in(organizer.email, organizer.password) as seller:
        event = f"/events/{seller.post('/events', draft)['id']}"
        seller.post(f"{event}/publish")
        seller.wait_for(event, lambda one: one["status"] == "PUBLISHED", seconds=30)
    return event


def test_events_are_found_by_words_and_filters_that_the_address_keeps(
    page: Page, system: System, newcomer: Callable[..., Account], watch: Watch
) -> None:
    word = f"sarangi{secrets.token_hex(4)}"
    a_concert(system, newcomer("ORGANIZER"), f"An evening of {word}")
    cards = page.locator(".event-card")
    with unanswered(page, EVENTS):
        page.goto("/?sort=starts_at")  # without a query, the events come with the document
        expect(page.get_by_text("Loading …")).to_be_visible()
        in_both_widths(page)
    settle(page)
    all_of_them = cards.count()

    def one_a_page(route: Route) -> None:
        route.continue_(url=route.request.url.replace("limit=24", "limit=1"))

    page.route(EVENTS, one_a_page)
    page.reload()
    expect(cards).to_have_count(1)
    page.get_by_role("button", name="Show more").click()
    expect(cards).to_have_count(2)
    first, second = page.locator(".event-card h2").all_inner_texts()
    assert first != second
    page.unroute(EVENTS)

    page.get_by_label("Search").fill(word)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"[?&]q={word}"))
    expect(cards).to_have_count(1)
    page.get_by_label("Highest price").fill("1")
    page.get_by_role("button", name="Find tickets").click()
    expect(page.get_by_text("No events found.")).to_be_visible()
    in_both_widths(page)
    page.go_back()
    expect(cards).to_have_count(1)
    page.reload()
    expect(page.get_by_label("Search")).to_have_value(word)
    expect(cards).to_have_count(1)
    page.get_by_role("link", name="Clear all").click()
    expect(cards).to_have_count(all_of_them)
    page.get_by_label("Sort by").select_option(label="Most expensive first")
    expect(page).to_have_url(re.compile("sort=-price"))
    expect(cards).to_have_count(all_of_them)

    watch.allow("503: GET /api/v1/events")
    refusal = {"reason": "OVERLOADED", "status": 503, "title": "The service is busy"}
    page.route(
        EVENTS,
        lambda route: route.fulfill(status=503, headers={"Retry-After": "60"}, json=refusal),
    )
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("Very many people are here right now.")
    in_both_widths(page)
    page.unroute(EVENTS)
    page.get_by_role("button", name="Try again").click()
    expect(cards).to_have_count(all_of_them)


def test_nepali_has_its_own_dates_and_digits_in_every_browser(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Language").select_option("ne")
    expect(page.locator("html")).to_have_attribute("lang", "ne")
    when = page.locator(".event-card time").first
    date = r"^\S+, D+ \S+ D{4}, D{2}:D{2}$".replace("D", DIGIT)
    expect(when).to_have_text(re.compile(date))
    expect(page.locator(".event-card .badge").first).to_contain_text(re.compile(DIGIT))
    in_both_widths(page)


def test_an_event_names_the_business_that_sells_it_as_its_organizer_called_it(
    system: System, newcomer: Callable[..., Account], signed_in: Visit, page: Page
) -> None:
    organizer = newcomer("ORGANIZER")
    account = signed_in(organizer, "/account")
    account.get_by_label("Name of your business").fill("Rangashala & Sons")
    account.get_by_role("button", name="Save").click()
    expect(account.get_by_text("Saved.")).to_be_visible()

    page.goto(a_concert(system, organizer, "An evening of sarangi"))
    expect(page.get_by_text("Organizer: Rangashala & Sons")).to_be_visible()
    told = json.loads(page.locator('script[type="application/ld+json"]').inner_text())
    assert told["organizer"] == {"@type": "Organization", "name": "Rangashala & Sons"}
    in_both_widths(page)
    page.get_by_label("Language").select_option("ne")
    expect(page.get_by_text("आयोजक: Rangashala & Sons")).to_be_visible()
