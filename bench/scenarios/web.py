"""The web page in Chromium: first loads, on a slow phone too, and a map of 20,000 seats.

Frames are drawn without a GPU, on the cores that hold everything else: a laptop's are quicker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import httpx
from playwright.sync_api import Browser, CDPSession, Page

from bench import phone
from bench.figures import Report
from bench.system import PASSWORD, Person, System
from chassis.ids import uuid7
from clients import browser
from ops.posters import poster

_HALLS, _ROWS, _SEATS = 20, 20, 50
_DESCRIPTION = (
    "Two hours of songs from the hills, with a band of nine and instruments that are heard nowhere"
    " else. The second half was written for this house, and is played here for the first time."
)
# The half of what web.dev calls good.
_SHIFT = 0.05
_SECONDS = 6.0
_SETTLE_SECONDS = 30
# Moves of a mouse a second: what most of them send.
_MOVES_A_SECOND = 60
# Frames are told by their beginnings. Of a key that was not answered within 16 ms: from its press
# to the moment its handler began, and to the picture that shows what came of it. Browsers tell
# neither of the moves of a mouse or a wheel (Event Timing: "continuous events").
_RECORD = """
window.frames_ = [];
window.keys_ = [];
(function frame(at) { window.frames_.push(at); requestAnimationFrame(frame); })(performance.now());
new PerformanceObserver((list) => list.getEntries().forEach((it) =>
  it.name === "keydown" && window.keys_.push([it.processingStart - it.startTime, it.duration])
)).observe({ type: "event", durationThreshold: 16 });
"""

# What a page is for, and what comes of a tap at it.
_CARD = phone.Thing("main a[href^='/events/']", "location.pathname.startsWith('/events/')")
_BEST = phone.Thing(
    ".best .button-primary:not(:disabled)", "document.querySelector('.choice [aria-live], .chosen')"
)
_MAP = phone.Thing(
    "canvas",
    "document.querySelector('canvas').toDataURL() !== window.was_",
    "() => { window.was_ = document.querySelector('canvas').toDataURL(); }",
)
_FIELD = phone.Thing("main input[type=email]", "document.activeElement.type === 'email'")


def run(system: System, report: Report) -> None:
    """Loads the pages with nothing in the browser's memory, then moves the map."""
    event = system.on_sale(halls=_HALLS, rows=_ROWS, seats=_SEATS, description=_DESCRIPTION)
    _add_pictures(system)
    seats = f"/events/{event['id']}/seats"
    with browser.started() as chromium:
        for name, path, goal in (
            ("home", "/", None),
            ("event", f"/events/{event['id']}", 60),
            ("picker", seats, None),
            ("log-in", "/login", None),
        ):
            weight = _weight(chromium, system.url, path) / 1000
            figure = f"first load, {name}, with headers, without pictures and data"
            report.at_most(figure, weight, "kB", goal)
        _phone(chromium, system, event["id"], report)
        context = chromium.new_context(base_url=system.url, **browser.DESKTOP)
        page = context.new_page()
        page.goto(seats)
        _settle(page)
        _measure(page, report, "dragging", _drag)
        _measure(page, report, "zooming", _wheel)
        keys = _measure(page, report, "keys", _keys)
        if keys:
            delays, answers = zip(*keys, strict=True)
            report.add("keys: to their handler, p95", _percentile(delays, 0.95), "ms")
            report.add("keys: to the picture, p95", _percentile(answers, 0.95), "ms")
        context.close()


def _phone(chromium: Browser, system: System, event_id: str, report: Report) -> None:
    """Sees each page, then taps what it is for, on the slow phone; goals in milliseconds."""
    buyer, payer = system.people(2)
    who = (buyer.email, PASSWORD)
    event = f"/events/{event_id}"
    leads = "location.pathname.endsWith('/seats')"
    buy = phone.Thing(f"main a[href='{event}/seats']", leads)
    map_there = phone.Thing(buy.selector, f"{leads} && document.querySelector('canvas')")
    for page, path, visitor, first, largest in (
        ("home", "/", None, None, 2500),
        ("event", event, None, 2500, 2000),
        ("picker", f"{event}/seats", None, None, None),
        ("checkout", _checkout(system, payer, event_id), (payer.email, PASSWORD), None, None),
        ("log-in", "/login", None, None, None),
    ):
        seen = phone.painted(chromium, system.url, path, visitor)
        for figure, value, goal in (
            ("first content", seen.first, first),
            ("largest content", seen.largest, largest),
        ):
            report.at_most(f"slow phone, {page}: {figure}", value, "ms", goal)
        report.add(f"slow phone, {page}: blocked by long tasks", seen.blocked, "ms")
        report.at_most(f"slow phone, {page}: moved by itself (CLS)", seen.shifted, "", _SHIFT)
    for name, path, thing, logged_in, goal in (
        ("home: an event", "/", _CARD, None, None),
        ("event: the way to its places", event, buy, None, 4000),
        ("picker: best seats", f"{event}/seats", _BEST, who, 8000),
        ("picker: the map", f"{event}/seats", _MAP, who, 8000),
        ("log-in: the field", "/login", _FIELD, None, None),
    ):
        figure = f"slow phone, tapped as soon as it is there, {name}"
        taken = phone.answered(chromium, system.url, path, thing, logged_in)
        report.at_most(figure, taken, "ms", goal)
    taken = phone.answered_at_rest(chromium, system.url, event, map_there)
    report.add("slow phone, from a tap on a loaded event to its map", taken, "ms")


def _add_pictures(system: System) -> None:
    """Every event of the first page has one, as those of a box office have."""
    with system.organizer() as api:
        for event in api.get("/organizer/events")["items"]:
            if event["status"] == "PUBLISHED":
                files = {"file": ("poster.png", poster(event["title"], ""), "image/png")}
                form = {"role": "BANNER"}
                api.call("POST", f"/events/{event['id']}/images", files=files, data=form)


def _checkout(system: System, payer: Person, event_id: str) -> str:
    """Where a hold of this person's is paid for."""
    answer = httpx.post(
        f"{system.url}/api/v1/holds",
        json={"event_id": event_id, "best_available": {"quantity": 2}},
        headers={"Authorization": f"Bearer {payer.token}", "Idempotency-Key": str(uuid7())},
    )
    answer.raise_for_status()
    return f"/checkout/{answer.json()['id']}"


def _settle(page: Page) -> None:
    page.wait_for_function(browser.IS_SETTLED, timeout=_SETTLE_SECONDS * 1000)


def _weight(chromium: Browser, url: str, path: str) -> int:
    """Bytes of the document, its modules and style sheets, as they came; nothing was kept."""
    context = chromium.new_context(base_url=url, **browser.DESKTOP)
    page = context.new_page()
    devtools: CDPSession = context.new_cdp_session(page)
    own = {"Document", "Script", "Stylesheet", "Other"}
    ours: set[str] = set()
    bytes_: dict[str, int] = {}

    def responded(told: Mapping[str, Any]) -> None:
        if told["type"] in own and "/api/" not in told["response"]["url"]:
            ours.add(told["requestId"])

    def finished(told: Mapping[str, Any]) -> None:
        bytes_[told["requestId"]] = told["encodedDataLength"]

    devtools.on("Network.responseReceived", responded)
    devtools.on("Network.loadingFinished", finished)
    devtools.send("Network.enable")
    page.goto(path)
    _settle(page)
    context.close()
    return sum(size for request, size in bytes_.items() if request in ours)


def _measure(
    page: Page, report: Report, name: str, move: Callable[[Page], None]
) -> Sequence[tuple[float, float]]:
    """Reports the frames while the map is moved; gives the times of keys that were pressed."""
    page.reload()
    _settle(page)
    page.locator("canvas").scroll_into_view_if_needed()
    _come_near(page)
    before = page.locator("canvas").screenshot()
    page.evaluate(_RECORD)
    move(page)
    beginnings, keys = page.evaluate("() => [window.frames_, window.keys_]")
    if page.locator("canvas").screenshot() == before:
        raise RuntimeError(f"{name}: the map did not move, so nothing was measured")
    frames = [after - before for before, after in pairwise(beginnings)]
    report.add(f"{name}: frames a second", 1000 * len(frames) / sum(frames), "/s")
    for share in (0.5, 0.95, 0.99):
        report.add(f"{name}: a frame, p{share * 100:.0f}", _percentile(frames, share), "ms")
    return [(delay, answer) for delay, answer in keys]


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _middle(page: Page) -> tuple[float, float]:
    box = page.locator("canvas").bounding_box()
    if box is None:
        raise RuntimeError("the picker shows no map")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _paced(step: Callable[[int], None]) -> None:
    began = time.monotonic()
    turn = 0
    while (now := time.monotonic() - began) < _SECONDS:
        step(turn)
        turn += 1
        time.sleep(max(0.0, turn / _MOVES_A_SECOND - now))


def _come_near(page: Page) -> None:
    """So near that seats are drawn, not sections."""
    page.mouse.move(*_middle(page))
    for _ in range(4):
        page.mouse.wheel(0, -400)
    page.wait_for_timeout(500)


def _drag(page: Page) -> None:
    x, y = _middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    _paced(lambda turn: page.mouse.move(x + turn % 120 - 60, y + turn % 80 - 40))
    page.mouse.up()


def _wheel(page: Page) -> None:
    x, y = _middle(page)
    page.mouse.move(x, y)
    # It ends nearer than it began: what did not move is told by its picture.
    _paced(lambda turn: page.mouse.wheel(0, -40 if turn % 100 < 50 else 40))


def _keys(page: Page) -> None:
    page.locator("canvas").focus()
    arrows = ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowUp")
    _paced(lambda turn: page.keyboard.press(arrows[turn % len(arrows)]))
