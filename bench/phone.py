"""A slow phone at the web page: when it sees something, and when what it taps answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page

from clients import browser

# Slower than Lighthouse's "slow 4G", whose round trip takes 150 ms; its rates, and its processor,
# which is four times slower than this machine's.
ROUND_TRIP_MILLISECONDS = 400
DOWN_BITS_A_SECOND, UP_BITS_A_SECOND = 1_600_000, 750_000
TIMES_SLOWER = 4
_WAIT_MILLISECONDS = 60_000
_REST_MILLISECONDS = 2000
_BURST_GAP_MILLISECONDS, _BURST_MILLISECONDS = 1000, 5000
_RECORD = """
window.seen_ = { paint: 0, largest: 0, tasks: [], shifts: [] };
const on = (type, work) => new PerformanceObserver((list) => list.getEntries().forEach(work))
  .observe({ type, buffered: true });
on("paint", (it) => it.name === "first-contentful-paint" && (window.seen_.paint = it.startTime));
on("largest-contentful-paint", (it) => (window.seen_.largest = it.startTime));
on("longtask", (it) => window.seen_.tasks.push(it.duration));
on("layout-shift", (it) => it.hadRecentInput || window.seen_.shifts.push([it.startTime, it.value]));
"""


@dataclass(frozen=True, slots=True)
class Painted:
    """Milliseconds since the page was asked for; of tasks what is beyond 50 ms each.

    `shifted` is the worst burst of layout shifts (https://web.dev/articles/cls): the share of the
    window that moved, by how much of its height it did.
    """

    first: float
    largest: float
    blocked: float
    shifted: float


@dataclass(frozen=True, slots=True)
class Thing:
    """Something on a page that is tapped, and how it is told that it has answered."""

    selector: str
    answered: str  # JavaScript that is true from then on, also in the document it leads to
    before: str = "() => {}"  # run just before the tap


def painted(chromium: Browser, url: str, path: str, who: tuple[str, str] | None = None) -> Painted:
    """Loads a page with nothing kept from before, and leaves it alone; `who` as in `answered`."""
    with _page(chromium, url, who) as page:
        page.goto(path)
        _settle(page)
        seen = page.evaluate("() => window.seen_")
    # Nothing is long that nobody waits for: Lighthouse's "total blocking time".
    blocked = sum(duration - 50 for duration in seen["tasks"])
    return Painted(seen["paint"], seen["largest"], blocked, _worst_burst(seen["shifts"]))


def _worst_burst(shifts: Sequence[tuple[float, float]]) -> float:
    """Shifts less than a second apart are a burst, which is five seconds long at most."""
    worst = burst = began = last = 0.0
    for at, value in shifts:
        if not burst or at - last >= _BURST_GAP_MILLISECONDS or at - began >= _BURST_MILLISECONDS:
            burst, began = 0.0, at
        burst, last = burst + value, at
        worst = max(worst, burst)
    return worst


def answered(
    chromium: Browser, url: str, path: str, thing: Thing, who: tuple[str, str] | None = None
) -> float:
    """Loads a page, taps something as soon as it is there; milliseconds until it has answered.

    `who` is logged in: an e-mail address and a password.
    """
    with _page(chromium, url, who) as page:
        page.goto(path, wait_until="commit")
        began: float = page.evaluate("() => performance.timeOrigin")
        return _tap(page, thing) - began


def answered_at_rest(chromium: Browser, url: str, path: str, thing: Thing) -> float:
    """The same on a page that has loaded; milliseconds since the tap."""
    with _page(chromium, url, None) as page:
        page.goto(path)
        _settle(page)
        page.evaluate(
            "() => addEventListener('pointerdown', () => { window.name = Date.now(); }, true)"
        )
        answered = _tap(page, thing)
        tapped: str = page.evaluate("() => window.name")
        return answered - float(tapped)


@contextmanager
def _page(chromium: Browser, url: str, who: tuple[str, str] | None) -> Iterator[Page]:
    context = chromium.new_context(base_url=url, **browser.MOBILE)
    context.set_default_timeout(_WAIT_MILLISECONDS)
    try:
        if who is not None:
            browser.sign_in(context, url, *who)
        page = context.new_page()
        page.add_init_script(_RECORD)
        devtools = context.new_cdp_session(page)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": TIMES_SLOWER})
        devtools.send("Network.enable")
        conditions: dict[str, Any] = {
            "offline": False,
            "latency": ROUND_TRIP_MILLISECONDS,
            "downloadThroughput": DOWN_BITS_A_SECOND / 8,
            "uploadThroughput": UP_BITS_A_SECOND / 8,
        }
        devtools.send("Network.emulateNetworkConditions", conditions)
        yield page
    finally:
        context.close()


def _settle(page: Page) -> None:
    page.wait_for_function(browser.IS_SETTLED)
    page.wait_for_timeout(_REST_MILLISECONDS)


def _tap(page: Page, thing: Thing) -> float:
    """When it had answered, in milliseconds of the clock."""
    there = page.locator(thing.selector).first
    there.wait_for()
    page.evaluate(thing.before)
    there.tap()
    look = f"() => ({thing.answered}) && performance.timeOrigin + performance.now()"
    at: float = page.wait_for_function(look).json_value()
    return at
