"""What every page owes to everybody: it loads without a fault, and everybody can use it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from clients.browser import NARROW, Watch
from tests.running import System

from .accessibility import axe, fits_its_width, settle, tab_through
from .conftest import Visit


@pytest.fixture
def event_path(system: System) -> str:
    """The seated demo event's page."""
    return f"/events/{system.event('SEATED')}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_home_and_event_are_for_everybody(visit: Visit, event_path: str, scheme: str) -> None:
    for path in ("/", event_path):
        page = visit(path, color_scheme=scheme)
        settle(page)
        axe(page)
        assert tab_through(page)[0] == "a Skip to the content"
        page.set_viewport_size(NARROW["viewport"])
        axe(page)
        fits_its_width(page)
        tab_through(page)


def test_a_fault_in_a_page_is_noticed(page: Page, watch: Watch) -> None:
    page.goto("/")
    settle(page)
    assert watch.unexpected == []
    page.evaluate("() => { setTimeout(() => { throw new Error('planted'); }); }")
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.injected = true";
          document.body.append(script);
          return fetch("https://elsewhere.invalid").catch(() => null);
        }"""
    )
    page.evaluate("() => import('/assets/none/none.js').catch(() => null)")
    told = "\n".join(watch.unexpected)
    for expected in ("planted", "script-src", "connect-src", "none.js"):
        assert expected in told
    assert page.evaluate("() => window.injected") is None
    watch.faults.clear()
