"""A real browser in front of the whole system.

A test asks for `page`, `mobile` or `narrow`, or makes what it needs by `visit` and `signed_in`.
Whatever goes wrong in a page fails its test, unless the test says `watch.allow(…)`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from clients import browser
from clients.browser import MOBILE, NARROW, Watch
from deploy.processes import SetupError
from ops.client import Client
from ops.seed import Account, register
from tests.running import System

Visit = Callable[..., Page]
# The first test may have to fetch a browser, to install axe, and to start the system.
_FIRST_TEST_SECONDS = 400
_SECONDS = 15


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(_FIRST_TEST_SECONDS))


# Of the package, not of the session: in a thread with an open Playwright no other test may have
# an event loop.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser that all tests here share."""
    try:
        with browser.started() as chromium:
            yield chromium
    except SetupError as error:
        pytest.skip(f"NOT run in a browser: {error}")


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What goes wrong in the test's pages; the test fails if something does."""
    watch = Watch()
    yield watch
    assert watch.unexpected == []


@pytest.fixture
def visit(chromium: Browser, system: System, watch: Watch) -> Iterator[Visit]:
    """Opens a new visitor's page: `visit("/login", **NARROW, color_scheme="dark")`.

    The words by name are those of Playwright's `new_context`.
    """
    contexts: list[BrowserContext] = []

    def open_page(path: str | None = None, **terms: Any) -> Page:
        context = chromium.new_context(
            **{"base_url": system.gateway, "locale": "en-GB", "timezone_id": "Asia/Kathmandu",
               **browser.DESKTOP, **terms}
        )  # fmt: skip
        contexts.append(context)
        context.set_default_timeout(_SECONDS * 1000)
        watch.over(context)
        page = context.new_page()
        if path is not None:
            page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(visit: Visit) -> Page:
    """A laptop's page."""
    return visit()


@pytest.fixture
def mobile(visit: Visit) -> Page:
    """A phone's page."""
    return visit(**MOBILE)


@pytest.fixture
def narrow(visit: Visit) -> Page:
    """A page of 320 pixels."""
    return visit(**NARROW)


@pytest.fixture
def newcomer(system: System) -> Callable[..., Account]:
    """Registers somebody: `newcomer("ORGANIZER")`."""

    def make(role: str = "CUSTOMER") -> Account:
        email = f"{secrets.token_hex(5)}@parterre.example"
        account = Account(role, email, secrets.token_urlsafe(12))
        with Client(system.gateway) as visitor:
            register(visitor, account)
        return account

    return make


@pytest.fixture
def signed_in(system: System, visit: Visit) -> Visit:
    """Opens the page of somebody who is logged in: `signed_in("ORGANIZER", "/organizer")`.

    `who` is the role of a printed account, or an account that `newcomer` made.
    """

    def enter(who: str | Account, path: str | None = None, **terms: Any) -> Page:
        account = who
        if isinstance(account, str):
            account = Account(**next(one for one in system.run["accounts"] if one["role"] == who))
        page = visit(**terms)
        browser.sign_in(page.context, system.gateway, account.email, account.password)
        if path is not None:
            page.goto(path)
        return page

    return enter
