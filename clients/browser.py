"""A real browser at the web page: starts Chromium, and takes down what goes wrong in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Request,
    Response,
    WebError,
    sync_playwright,
)

from deploy import chromium

# A browser of a test asks nobody but the page's gateway for anything.
_FLAGS = (
    "--disable-background-networking", "--disable-component-update", "--disable-domain-reliability",
    "--disable-gpu", "--disable-quic", "--disable-sync", "--no-first-run",
)  # fmt: skip
_START_SECONDS = 30
# What the session of web/core/session.js leaves to say that a refresh is worth asking for.
_HINT = "parterre_signed_in"
# Chromium says of every answer of 400 and more that it "failed to load"; answers are judged apart.
_OF_AN_ANSWER = "Failed to load resource"
# The policy's violations come as errors of the console in most cases, and as this event in all.
_TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`the policy forbids ${event.effectiveDirective} of ${event.blockedURI}`));
"""

# Whether a page shows what it is about, instead of that it loads: drawn by its scripts, too, for
# what the gateway has written of it has no footer.
IS_SETTLED = """() => document.querySelector("main h1") && document.querySelector("footer.site")
  && document.querySelector("main[aria-busy=true], main .spinner") === null"""

# Names of what a context differs in; the rest is of Playwright's `new_context`.
DESKTOP: Mapping[str, Any] = {"viewport": {"width": 1280, "height": 800}}
MOBILE: Mapping[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
# WCAG 2.2, 1.4.10: 1280 pixels at 400 %.
NARROW: Mapping[str, Any] = {"viewport": {"width": 320, "height": 640}}


@contextmanager
def started() -> Iterator[Browser]:
    """A headless Chromium, until the end of the block.

    Raises:
        SetupError: there is none on this machine, and none can be fetched.
    """
    program = chromium.ensure_installed()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=list(_FLAGS), timeout=_START_SECONDS * 1000
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watch:
    """What went wrong in a context's pages, and what is expected to."""

    faults: list[str] = field(default_factory=list)
    _allowed: list[re.Pattern[str]] = field(default_factory=list)

    def allow(self, pattern: str) -> None:
        """Faults whose text has that pattern are part of the story."""
        self._allowed.append(re.compile(pattern))

    @property
    def unexpected(self) -> list[str]:
        """Faults that are no part of the story."""
        return [
            fault
            for fault in self.faults
            if not any(pattern.search(fault) for pattern in self._allowed)
        ]

    def over(self, context: BrowserContext) -> None:
        """Takes down the errors of all pages of the context, from now on."""
        context.add_init_script(_TELL_VIOLATIONS)
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("response", self._on_response)
        context.on("requestfailed", self._on_failure)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_OF_AN_ANSWER):
            where = message.location
            self.faults.append(f"console: {message.text} ({where['url']}:{where['lineNumber']})")

    def _on_error(self, error: WebError) -> None:
        self.faults.append(f"error: {error.error.stack or error.error}")

    def _on_response(self, response: Response) -> None:
        is_asset = response.request.resource_type not in {"document", "fetch", "xhr"}
        if response.status >= 500 or (is_asset and response.status >= 400):
            path = urlsplit(response.url).path
            self.faults.append(f"{response.status}: {response.request.method} {path}")

    def _on_failure(self, request: Request) -> None:
        # A page that is left gives up what it was loading; the rest of the failures is told.
        if request.failure != "net::ERR_ABORTED":
            path = urlsplit(request.url).path
            self.faults.append(f"no answer: {request.method} {path}: {request.failure}")


def sign_in(context: BrowserContext, gateway: str, email: str, password: str) -> None:
    """Gives the context the cookies of somebody who has logged in by the form."""
    answer = context.request.post(
        f"{gateway}/api/v1/auth/login", data={"email": email, "password": password}
    )
    if not answer.ok:
        raise RuntimeError(f"{email} can't log in: {answer.status} {answer.text()}")
    context.add_cookies([{"name": _HINT, "value": "1", "url": gateway, "sameSite": "Lax"}])
