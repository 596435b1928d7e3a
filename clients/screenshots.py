"""Pictures of every page: as the role it is for, in three widths, light and dark."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as TooLateError

from clients import browser
from deploy import local
from deploy.processes import SetupError, free_port
from gateway.site.pages import PAGES
from ops.client import Client

WIDTHS = (360, 820, 1280)
FOLDER = local.default_home() / "screenshots"
_HEIGHT = 800
_UP_SECONDS = 300
_SETTLE_SECONDS = 10
# The first of these that an address begins with says who looks at it; nobody in particular, else.
_ROLES: Mapping[str, str] = {
    "/organizer": "ORGANIZER",
    "/door": "ORGANIZER",
    "/operator": "ADMIN",
    "/checkout": "CUSTOMER",
    "/bookings": "CUSTOMER",
    "/tickets": "CUSTOMER",
    "/account": "CUSTOMER",
    "/notifications": "CUSTOMER",
}
Told = Callable[[str], None]


@contextmanager
def a_system(told: Told) -> Iterator[Mapping[str, Any]]:
    """What runs here already, as `run.json` says; else a system of its own, until the end.

    Raises:
        SetupError: it does not start.
    """
    if run := local.read_run(local.default_home()):
        yield run
        return
    with tempfile.TemporaryDirectory(prefix="parterre-pages-") as folder:
        environment = {**os.environ, "PARTERRE_HOME": folder, "PARTERRE_PORT": str(free_port())}
        told("Starting a system, which ends with the last picture ...")
        _command(environment, "up", "--detach")
        try:
            yield json.loads((Path(folder) / "run.json").read_text())
        finally:
            _command(environment, "down")


def _command(environment: Mapping[str, str], *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_UP_SECONDS,
        check=False,
    )
    if done.returncode:
        raise SetupError(done.stdout + done.stderr)


def role_of(path: str) -> str | None:
    """Who looks at a page; None: anybody."""
    roles = (role for start, role in _ROLES.items() if path.startswith(start))
    return next(roles, None)


def _account(run: Mapping[str, Any], role: str) -> Mapping[str, str]:
    account: Mapping[str, str] = next(one for one in run["accounts"] if one["role"] == role)
    return account


def shown_things(run: Mapping[str, Any]) -> Mapping[str, str]:
    """What stands for the names in pages' addresses: an event, a hold, a booking, a venue."""
    event_id = next(event["id"] for event in run["events"] if event["kind"] == "SEATED")

    def hold(buyer: Client) -> str:
        body = {"event_id": event_id, "best_available": {"quantity": 2}}
        return str(buyer.post("/holds", body)["id"])

    customer, organizer = _account(run, "CUSTOMER"), _account(run, "ORGANIZER")
    with Client(run["gateway"]).log_in(customer["email"], customer["password"]) as buyer:
        for live in buyer.get("/holds", event_id=event_id)["items"]:
            if live["status"] == "ACTIVE":
                buyer.delete(f"/holds/{live['id']}")
        bookings = buyer.get("/bookings", status="CONFIRMED", limit=1)["items"]
        if not bookings:
            order = {
                "hold_id": hold(buyer),
                "payment_method": "CARD",
                "payment_token": "tok_ok",
            }
            bookings = [buyer.post("/bookings", order, key=secrets.token_hex(8))]
        held = hold(buyer)
    with Client(run["gateway"]).log_in(organizer["email"], organizer["password"]) as seller:
        venue_id = seller.get(f"/events/{event_id}")["venue"]["id"]
    return {
        "event_id": event_id,
        "hold_id": held,
        "reference": bookings[0]["reference"],
        "venue_id": venue_id,
    }


def address(path: str, things: Mapping[str, str]) -> str:
    """A page's address, with something to show."""
    return re.sub(r"\{(\w+)\}", lambda name: things[name[1]], path)


def take_all(folder: Path, schemes: Sequence[str], told: Told) -> list[str]:
    """Takes every page's pictures; gives what went wrong in the pages meanwhile.

    Raises:
        SetupError: no browser, or no system.
    """
    folder.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    with a_system(told) as run, browser.started() as chromium:
        things = shown_things(run)
        for turn, path in enumerate(PAGES, 1):
            name = re.sub(r"\W+", "-", path).strip("-") or "home"
            told(f"{turn}/{len(PAGES)} {path}")
            for scheme in schemes:
                page, watch = _open(chromium, run, path, scheme)
                page.goto(address(path, things))
                faults += _take(page, folder, f"{name}-{scheme}")
                page.context.close()
                faults += [f"{path}: {fault}" for fault in watch.unexpected]
    return faults


def _open(
    chromium: Browser, run: Mapping[str, Any], path: str, scheme: Any
) -> tuple[Page, browser.Watch]:
    context = chromium.new_context(
        base_url=run["gateway"], color_scheme=scheme, locale="en-GB", timezone_id="Asia/Kathmandu"
    )
    watch = browser.Watch()
    watch.over(context)
    if role := role_of(path):
        account = _account(run, role)
        browser.sign_in(context, run["gateway"], account["email"], account["password"])
    return context.new_page(), watch


def _take(page: Page, folder: Path, name: str) -> Iterator[str]:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": _HEIGHT})
        try:
            page.wait_for_function(browser.IS_SETTLED, timeout=_SETTLE_SECONDS * 1000)
        except TooLateError:
            yield f"{page.url}: it still loads after {_SETTLE_SECONDS} s"
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
