"""Phones, slow lines, fingers, and people whose device is set in another way than most."""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.sync_api import Request, expect

from tests.running import System

from .accessibility import settle, unanswered
from .conftest import Visit


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_chosen_colours_are_there_before_any_module(visit: Visit, theme: str) -> None:
    other = {"light": "dark", "dark": "light"}[theme]
    page = visit("/login", color_scheme=other)
    page.get_by_label("Colours").select_option(theme)
    with unanswered(page, "**/main.js"):
        page.reload(wait_until="commit")
        expect(page.locator("header.site")).to_be_visible()
        ground = "() => getComputedStyle(document.body).backgroundColor"
        chosen = page.evaluate(ground)
        page.evaluate("() => delete document.documentElement.dataset.theme")
        assert page.evaluate(ground) != chosen
    settle(page)


def test_a_chosen_language_is_on_its_way_before_any_module(visit: Visit) -> None:
    page = visit("/login")
    page.get_by_label("Language").select_option("ne")
    with unanswered(page, "**/main.js"), page.expect_request("**/lang/ne/account.js"):
        page.reload(wait_until="commit")
        expect(page.locator("html")).to_have_attribute("lang", "ne")
    expect(page.get_by_role("heading", level=1)).to_have_text("लगइन")


def test_a_page_asks_for_nothing_twice(visit: Visit, system: System) -> None:
    """What the document has asked for is what the scripts use."""
    for path in ("/", f"/events/{system.event('SEATED')}/seats"):
        page = visit()
        asked: Counter[str] = Counter()

        def count(request: Request, asked: Counter[str] = asked) -> None:
            asked[request.url] += 1

        page.on("request", count)
        page.goto(path)
        expect(page.locator("canvas, .event-card").first).to_be_visible()
        assert [url for url in asked if url.endswith(("/seats", "limit=24"))]
        assert {url: times for url, times in asked.items() if times > 1} == {}


def test_the_way_to_the_places_leads_there_before_scripts_run(visit: Visit, system: System) -> None:
    page = visit()
    with unanswered(page, "**/main.js"):
        page.goto(f"/events/{system.event('SEATED')}", wait_until="commit")
        page.get_by_role("link", name="Choose tickets").click(no_wait_after=True)
        page.wait_for_url("**/seats", wait_until="commit")
