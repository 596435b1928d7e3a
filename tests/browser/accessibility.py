"""What every page owes to everybody: WCAG 2.2 AA as far as a program can tell."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, Route, expect

from clients import node
from clients.browser import NARROW

_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_MOST_STOPS = 300
# What the keyboard is to reach: of several radio buttons one, and nothing that is shut away.
_REACHABLE = """() => {
  const isShown = (it) =>
    it.checkVisibility({ visibilityProperty: true }) && !it.closest("[inert]");
  const radios = new Set();
  return [...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [tabindex]"
  )].filter((it) => {
    if (it.disabled || it.tabIndex < 0 || !isShown(it)) return false;
    if (it.type !== "radio") return true;
    const isFirst = !radios.has(it.name);
    radios.add(it.name);
    return isFirst;
  }).length;
}"""
_FOCUSED = """() => {
  const it = document.activeElement;
  if (!it || it === document.body) return null;
  // A date's field has several stops: day, month, year.
  if (it === window.stop) return {};
  window.stop = it;
  if (window.stops.has(it)) return null;
  window.stops.add(it);
  const box = it.getBoundingClientRect();
  const style = getComputedStyle(it);
  return {
    name: `${it.localName} ${(it.innerText || it.ariaLabel || it.name || "").trim().slice(0, 40)}`,
    // A ring, a shadow, or the browser's own mark.
    marked: style.outlineStyle !== "none" || style.boxShadow !== "none",
    shown: box.width > 0 && box.height > 0,
  };
}"""
# What is hidden from the eye on purpose has no size; what listeners are not told is decoration.
_CUT_OFF = """() => [...document.querySelectorAll("#app *")].filter((it) => {
  if (it.closest("[aria-hidden=true]")) return false;
  const style = getComputedStyle(it);
  return ["hidden", "clip"].includes(style.overflowX) && it.clientWidth > 1 && it.innerText
    && (it.scrollWidth > it.clientWidth + 1 || it.scrollHeight > it.clientHeight + 1);
}).slice(0, 5).map((it) => it.outerHTML.slice(0, 160))"""


@functools.cache
def _source() -> str:
    node.install()
    return (node.CACHE / "node_modules" / "axe-core" / "axe.min.js").read_text()


def axe(page: Page, *, rules: Sequence[str] = ()) -> None:
    """Asserts that axe finds nothing wrong with what the page shows now; by these rules alone."""
    # Colours that are on their way to others would be taken for too pale.
    page.evaluate(
        """() => Promise.allSettled(document.getAnimations()
          .filter((it) => it.effect.getComputedTiming().endTime !== Infinity)
          .map((it) => it.finished))"""
    )
    page.evaluate(_source())
    found: list[dict[str, Any]] = page.evaluate(
        """async (runOnly) => (await axe.run(document, { runOnly, resultTypes: ["violations"] }))
          .violations""",
        {"type": "rule", "values": list(rules)} if rules else list(_TAGS),
    )
    told = [
        f"{one['id']} ({one['impact']}): {one['help']}\n    {place['html'][:200]}\n"
        f"    {place['failureSummary']}"
        for one in found
        for place in one["nodes"][:5]
    ]
    assert not told, f"{page.url}:\n" + "\n".join(told)


def fits_its_width(page: Page) -> None:
    """Asserts that nothing of the page lies beside what is seen of it."""
    wide: list[str] = page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= width) return [];
          return [...document.body.querySelectorAll("*")]
            .filter((it) => it.getBoundingClientRect().right > width + 1)
            .slice(0, 5).map((it) => it.outerHTML.slice(0, 160));
        }"""
    )
    assert not wide, f"{page.url} is wider than the window:\n" + "\n".join(wide)


def tab_through(page: Page) -> list[str]:
    """Goes through the page by the tab key; gives the names of its stops.

    Asserts that everything is reached that can be used, and can be seen where it has the focus.
    """
    reachable: int = page.evaluate(_REACHABLE)
    page.evaluate(
        "() => { window.stops = new Set(); window.stop = null; document.activeElement?.blur(); }"
    )
    stops: list[dict[str, Any]] = []
    for _ in range(_MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUSED)
        if stop is None:
            break
        if stop:
            stops.append(stop)
    names = [str(stop["name"]) for stop in stops]
    unseen = [stop["name"] for stop in stops if not (stop["marked"] and stop["shown"])]
    assert not unseen, f"{page.url}: the focus can't be seen at {unseen}"
    assert len(stops) >= reachable, f"{page.url}: {len(stops)} of {reachable} reached: {names}"
    return names


def settle(page: Page) -> None:
    """Waits until the page shows what it is about, and its scripts have drawn it."""
    expect(page.locator("footer.site")).to_be_visible()
    expect(page.locator("main h1").first).to_be_visible()
    expect(page.locator("main[aria-busy=true], main .spinner")).to_have_count(0)


def in_both_widths(page: Page) -> None:
    """Nobody is shut out of what the page shows: wide and narrow, light and dark, large text."""
    axe(page)
    page.emulate_media(color_scheme="dark")
    axe(page, rules=["color-contrast"])
    page.emulate_media(color_scheme="light")
    size = page.viewport_size
    assert size is not None
    with _large_text(page):
        fits_its_width(page)
        nothing_is_cut_off(page)
        page.set_viewport_size(NARROW["viewport"])
        fits_its_width(page)
        nothing_is_cut_off(page)
    fits_its_width(page)
    axe(page)
    page.set_viewport_size(size)


@contextmanager
def _large_text(page: Page) -> Iterator[None]:
    """Text is twice as large as usual (WCAG 2.2, 1.4.4), as somebody's browser is set."""
    page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    yield
    page.evaluate("() => { document.documentElement.style.fontSize = ''; }")


def nothing_is_cut_off(page: Page) -> None:
    """Asserts that no text runs out of a frame that hides what runs out of it."""
    cut: list[str] = page.evaluate(_CUT_OFF)
    assert not cut, f"{page.url} cuts text off:\n" + "\n".join(cut)


@contextmanager
def unanswered(page: Page, pattern: str) -> Iterator[None]:
    """Requests of that pattern get no answer until the end of the block: the page is loading."""
    waiting: list[Route] = []

    def wait(route: Route) -> None:
        waiting.append(route)

    page.route(pattern, wait)
    yield
    for route in waiting:
        route.continue_()
    page.unroute(pattern)
