"""Every page in every state is for everybody: tests/browser/states.py lists them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from clients.browser import DESKTOP, NARROW
from tests.running import System

from .accessibility import axe, fits_its_width, in_both_widths
from .examples import Answering
from .states import ALL, State

_SECONDS = 8


@pytest.fixture(scope="module")
def looked_at(chromium: Browser, system: System) -> Iterator[tuple[Page, Answering]]:
    """One page for all states: what it has loaded it need not load again."""
    context = chromium.new_context(
        base_url=system.gateway, locale="en-GB", timezone_id="Asia/Kathmandu", **DESKTOP
    )
    context.set_default_timeout(_SECONDS * 1000)
    page = context.new_page()
    page.goto("/login")
    document = httpx.get(f"{system.gateway}/login", headers={"Accept": "text/html"}).text
    yield page, Answering(page, document)
    context.close()


def _is_shown(page: Page, state: State) -> None:
    page.locator("main h1").first.wait_for(state="attached")
    if state.act:
        state.act(page)
    told = page.get_by_text(state.shows).locator("visible=true")
    expect(told.or_(page.get_by_role("button", name=state.shows)).first).to_be_attached()


def _look(looked_at: tuple[Page, Answering], state: State) -> Page:
    page, answering = looked_at
    page.unroute_all()  # what the state before has done there
    errors: list[str] = []
    note = lambda error: errors.append(str(error))  # noqa: E731 - to be taken off again
    page.on("pageerror", note)
    answering.show(state.path, state.role, state.answers)
    _is_shown(page, state)
    page.remove_listener("pageerror", note)
    assert errors == []
    return page


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(state, id=state.name, marks=[pytest.mark.slow] if state.rare else [])
        for state in ALL
    ],
)
def test_a_state_is_for_everybody(looked_at: tuple[Page, Answering], state: State) -> None:
    page = _look(looked_at, state)
    axe(page)
    page.set_viewport_size(NARROW["viewport"])
    fits_its_width(page)
    page.set_viewport_size(DESKTOP["viewport"])


@pytest.mark.slow
@pytest.mark.parametrize("state", ALL, ids=[state.name for state in ALL])
def test_a_state_is_for_everybody_in_both_widths(
    looked_at: tuple[Page, Answering], state: State
) -> None:
    in_both_widths(_look(looked_at, state))


def test_states_have_names_of_their_own() -> None:
    assert len({state.name for state in ALL}) == len(ALL)
