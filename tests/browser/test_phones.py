"""Phones, slow lines, fingers, and people whose device is set in another way than most."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from clients.browser import DESKTOP, MOBILE
from ops.client import Client
from ops.posters import poster
from ops.seed import Account
from tests.running import System

from .accessibility import settle, unanswered
from .conftest import Visit


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_chosen_colours_are_there_before_any_module(visit: Visit, theme: str) -> None:
    other = {"light": "dark", "dark": "light"}[theme]
    page = visit("/login", color_scheme=other)
    page.get_by_label("Colours").select_option(theme)
    with unanswered(page, "**/core/preferences.js"):
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
    with unanswered(page, "**/core/preferences.js"), page.expect_request("**/lang/ne/account.js"):
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
        # The first page's events come with it.
        read = [url for url in asked if url.endswith("/seats") or "/api/v1/events?" in url]
        assert bool(read) == (path != "/")
        assert {url: times for url, times in asked.items() if times > 1} == {}


def test_the_way_to_the_places_leads_there_before_scripts_run(visit: Visit, system: System) -> None:
    page = visit()
    with unanswered(page, "**/main.js"):
        page.goto(f"/events/{system.event('SEATED')}", wait_until="commit")
        page.get_by_role("link", name="Choose tickets").click(no_wait_after=True)
        page.wait_for_url("**/seats", wait_until="commit")


SHIFTS = """
window.shifts_ = [];
new PerformanceObserver((list) => list.getEntries().forEach((it) => window.shifts_.push(it.value)))
  .observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def pictured(system: System) -> str:
    """An event with a picture; its id."""
    id = system.event("COUNTED")
    account = next(one for one in system.run["accounts"] if one["role"] == "ORGANIZER")
    with Client(system.gateway) as api:
        api.log_in(account["email"], account["password"])
        if not api.get(f"/events/{id}")["images"]:
            files = {"file": ("poster.png", poster("A picture", "Kathmandu"))}
            api.call("POST", f"/events/{id}/images", files=files, data={"role": "BANNER"})
            api.wait_for(f"/events/{id}", lambda event: bool(event["images"]), seconds=5)
    return id


@pytest.mark.parametrize("terms", [MOBILE, DESKTOP], ids=["phone", "laptop"])
def test_scripts_go_on_from_what_the_document_shows(
    visit: Visit, pictured: str, system: System, terms: Mapping[str, Any]
) -> None:
    """Its elements stay, and where they are: nothing moves under a thumb."""
    event = ["h1", ".banner img", ".prices", "main a.button-primary", ".prose"]
    for path, kept in (
        ("/", ["h1"]),
        (f"/events/{pictured}", event),
        (f"/events/{system.event('SEATED')}/seats", ["h1", "h1 a", "main > p.muted"]),
    ):
        page = visit(**terms)
        page.add_init_script(SHIFTS)
        with unanswered(page, "**/main.js"):
            page.goto(path, wait_until="commit")
            for selector in ["header.site", "main", *kept]:
                page.locator(selector).first.wait_for()
                page.locator(selector).first.evaluate("(element) => { element.kept_ = true; }")
        settle(page)
        for selector in ["header.site", "main", *kept]:
            assert page.locator(selector).first.evaluate("(element) => element.kept_"), selector
        assert sum(page.evaluate("() => window.shifts_")) < 0.05, path


def test_the_picture_that_is_seen_first_is_fetched_once_and_before_scripts(
    visit: Visit, pictured: str
) -> None:
    page = visit(**MOBILE)
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    with unanswered(page, "**/main.js"), page.expect_request("**/media/*"):
        page.goto(f"/events/{pictured}", wait_until="commit")
    settle(page)
    seen = page.locator(".banner img").evaluate("(image) => image.currentSrc")
    assert [url for url in fetched if "/media/" in url] == [seen]


# --- fingers -------------------------------------------------------------------------------------


class Fingers:
    """Fingers at a page's glass; places are of the window, in CSS pixels."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._devtools = page.context.new_cdp_session(page)

    def _send(self, kind: str, *at: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(at)]
        self._devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def move(self, *ways: tuple[tuple[float, float], tuple[float, float]]) -> None:
        """Each finger goes from a place to another, all at once."""
        self._send("touchStart", *(start for start, _ in ways))
        for step in range(1, _STEPS + 1):
            share = step / _STEPS
            self._send(
                "touchMove",
                *(
                    (x + (to_x - x) * share, y + (to_y - y) * share)
                    for (x, y), (to_x, to_y) in ways
                ),
            )
        self._send("touchEnd")

    def tap(self, *at: tuple[float, float], times: int = 1) -> None:
        """All these fingers at once, so many times."""
        for _ in range(times):
            self._send("touchStart", *at)
            self._send("touchEnd")

    def rest(self) -> None:
        """Until what comes is no second tap of what was."""
        self._page.wait_for_timeout(_NO_DOUBLE_TAP_MILLISECONDS)


_STEPS = 10
_NO_DOUBLE_TAP_MILLISECONDS = 350
# Where web/pages/picker/map.js puts what it tells of a seat.
_HINT_RIGHT, _HINT_UP = 90, 84


def _box(of: Locator) -> tuple[float, float, float, float]:
    """Left, top, width and height in the window."""
    box = of.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


@pytest.fixture
def map_page(visit: Visit, system: System) -> Page:
    """A phone at the map of a hall, so near that seats are drawn; nobody is logged in."""
    page = visit(f"/events/{system.event('SEATED')}/seats", **MOBILE)
    settle(page)
    page.locator("canvas").scroll_into_view_if_needed()
    page.get_by_role("button", name="Zoom in").tap()
    # A tap leads whoever is not logged in to where they do that; here the map stays where it is.
    page.evaluate("() => { Element.prototype.scrollIntoView = () => {}; }")
    return page


def _on_a_seat(page: Page, fingers: Fingers) -> tuple[float, float]:
    """The middle of a seat near the middle of the map: what is told of it is there, too."""
    left, top, width, height = _box(page.locator("canvas"))
    for down in range(0, 80, 10):
        fingers.rest()
        fingers.tap((left + width / 2, top + height / 2 + down))
        hint = page.locator(".map-hint")
        if hint.count():
            return (
                left + float(hint.evaluate("(it) => parseFloat(it.style.left)")) + _HINT_RIGHT,
                top + float(hint.evaluate("(it) => parseFloat(it.style.top)")) + _HINT_UP,
            )
    raise AssertionError("no seat is near the middle")


def _seat_at(page: Page, fingers: Fingers, x: float, y: float) -> str:
    """What the map says of the seat there, after a tap."""
    fingers.rest()
    fingers.tap((x, y))
    return page.locator(".map-hint").inner_text()


def test_two_fingers_go_nearer_around_the_place_between_them(map_page: Page) -> None:
    fingers = Fingers(map_page)
    x, y = _on_a_seat(map_page, fingers)
    seat, beside = (_seat_at(map_page, fingers, at, y) for at in (x, x + 36))
    fingers.move(((x - 30, y - 30), (x - 75, y - 75)), ((x + 30, y + 30), (x + 75, y + 75)))
    assert _seat_at(map_page, fingers, x, y) == seat
    assert _seat_at(map_page, fingers, x + 90, y) == beside
    # Two that go along together move the map, and leave its size.
    fingers.move(((x - 30, y), (x - 30, y + 50)), ((x + 30, y), (x + 30, y + 50)))
    assert _seat_at(map_page, fingers, x, y + 50) == seat
    assert _seat_at(map_page, fingers, x + 90, y + 50) == beside


def test_one_finger_moves_the_map_and_chooses_nothing(map_page: Page) -> None:
    fingers = Fingers(map_page)
    x, y = _on_a_seat(map_page, fingers)
    seat = _seat_at(map_page, fingers, x, y)
    fingers.rest()
    scrolled = map_page.evaluate("() => scrollY")
    fingers.move(((x, y), (x - 70, y - 40)))
    expect(map_page.locator(".map-hint")).to_have_count(0)
    assert map_page.evaluate("() => scrollY") == scrolled
    assert _seat_at(map_page, fingers, x - 70, y - 40) == seat


def test_two_fingers_choose_nothing_and_two_taps_one_seat_at_most(
    system: System, signed_in: Visit, newcomer: Callable[..., Account]
) -> None:
    # So narrow that all of the hall is too small for seats.
    terms = {**MOBILE, "viewport": {"width": 220, "height": 640}}
    page = signed_in(newcomer(), f"/events/{system.event('SEATED')}/seats", **terms)
    expect(page.get_by_role("button", name="Best 2 seats")).to_be_enabled()
    fingers = Fingers(page)
    canvas = page.locator("canvas")
    canvas.scroll_into_view_if_needed()
    asked: list[str] = []
    page.on("request", lambda it: asked.append(it.url) if it.method == "POST" else None)
    left, top, width, height = _box(canvas)
    x, y = left + width / 2, top + height / 2
    # From afar two taps go nearer, and choose nothing that is under the finger by then.
    fingers.tap((x, y), times=2)
    fingers.rest()
    fingers.tap((x - 20, y), (x + 20, y))
    fingers.rest()
    expect(page.locator(".map-hint")).to_have_count(0)
    assert not [url for url in asked if "/holds" in url]
    # From near the first chooses, and the second does not let go again.
    fingers.tap((x, y), times=2)
    expect(page.locator(".chosen li")).to_have_count(1)
    fingers.rest()
    expect(page.locator(".chosen li")).to_have_count(1)
    page.get_by_role("button", name="Release all").tap()
    expect(page.locator(".chosen li")).to_have_count(0)


def test_the_page_scrolls_beside_the_map(map_page: Page) -> None:
    map_page.evaluate("() => scrollTo(0, 0)")
    fingers = Fingers(map_page)
    left, top, _, _ = _box(map_page.locator("h1"))
    fingers.move(((left + 40, top + 300), (left + 40, top + 60)))
    map_page.wait_for_function("() => scrollY > 100")


def test_a_finger_moves_a_section_of_the_plan(
    system: System, signed_in: Visit, newcomer: Callable[..., Account]
) -> None:
    owner = newcomer("ORGANIZER")
    with Client(system.gateway).log_in(owner.email, owner.password) as seller:
        place = {"address": "A 1", "city": "B", "country": "NP", "timezone": "Asia/Kathmandu"}
        venue = seller.post("/venues", {"name": "The attic", **place})["id"]
        rows = [{"label": str(row), "seats": 8} for row in range(1, 5)]
        seller.post(f"/venues/{venue}/sections", {"name": "Loft", "kind": "SEATED", "rows": rows})
    page = signed_in(owner, f"/organizer/venues/{venue}", **MOBILE)
    section = page.locator(".plan-section")
    section.scroll_into_view_if_needed()
    section.tap()
    expect(section).to_have_attribute("aria-pressed", "true")
    section.scroll_into_view_if_needed()
    left, top, width, height = _box(section)
    x, y = left + width / 2, top + height / 2
    scrolled = page.evaluate("() => scrollY")
    fingers = Fingers(page)
    # A second finger that comes along changes nothing.
    fingers.move(((x, y), (x + 30, y + 40)), ((x + 20, y), (x + 20, y - 60)))
    moved_left, moved_top, _, _ = _box(section)
    assert abs(moved_left - left - 30) < _SNAP_PIXELS
    assert abs(moved_top - top - 40) < _SNAP_PIXELS
    assert page.evaluate("() => scrollY") == scrolled


# --- other settings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "paths"),
    [
        (None, ["/", "/events/{seated}", "/events/{seated}/seats", "/events/{counted}/seats"]),
        (None, ["/events/{seated}/seats?view=list", "/login"]),
        ("CUSTOMER", ["/tickets", "/account", "/notifications"]),
        ("ORGANIZER", ["/organizer", "/organizer/events/{seated}", "/door/{seated}"]),
        ("ADMIN", ["/operator"]),
    ],
    ids=["anybody", "anybody-too", "customer", "organizer", "admin"],
)
def test_whatever_is_tapped_is_large_enough(
    visit: Visit, signed_in: Visit, system: System, who: str | None, paths: list[str]
) -> None:
    """24 pixels each way (WCAG 2.5.8); links in a sentence are as high as its lines."""
    terms = {**MOBILE, "viewport": {"width": 360, "height": 740}}
    page = signed_in(who, **terms) if who else visit(**terms)
    for path in paths:
        page.goto(path.format(seated=system.event("SEATED"), counted=system.event("COUNTED")))
        settle(page)
        small = page.evaluate(_TOO_SMALL)
        assert small == [], path


def test_nothing_moves_where_the_reader_wants_it_still(visit: Visit, system: System) -> None:
    page = visit(reduced_motion="reduce")
    with unanswered(page, "**/api/v1/events?*"):
        page.goto("/?sort=starts_at")
        expect(page.locator("main .spinner")).to_be_visible()
        assert page.evaluate("() => document.getAnimations().length") == 0
        page.emulate_media(reduced_motion="no-preference")
        assert page.evaluate("() => document.getAnimations().length") > 0
        page.emulate_media(reduced_motion="reduce")
    page.goto(f"/events/{system.event('SEATED')}/seats")
    settle(page)
    page.get_by_role("button", name="Zoom in").click()
    # The map is there at once: after the tiles of the new size nothing is drawn any more.
    page.wait_for_timeout(500)
    canvas = page.locator("canvas")
    assert canvas.screenshot() == canvas.screenshot()
    assert page.evaluate("() => document.getAnimations().length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_has_the_colours_that_the_reader_forces(
    visit: Visit, system: System, scheme: str
) -> None:
    page = visit(f"/events/{system.event('SEATED')}/seats", color_scheme=scheme)
    settle(page)
    page.emulate_media(forced_colors="active")
    forced = page.evaluate(
        """() => {
          const probe = document.body.appendChild(document.createElement("i"));
          probe.style.backgroundColor = "Canvas";
          return getComputedStyle(probe).backgroundColor;
        }"""
    )
    page.wait_for_function(f"(forced) => ({_GROUND})() === forced", arg=forced)
    # What is chosen is told by more than a colour that is gone.
    price = page.locator(".legend-tier").first
    price.click()
    assert price.evaluate("(it) => getComputedStyle(it).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    focused = "() => getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(focused) != "none"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_leave_states_and_prices_to_shapes(
    visit: Visit, system: System, scheme: str
) -> None:
    page = visit(f"/events/{system.event('SEATED')}/seats",
                 color_scheme=scheme, forced_colors="active")  # fmt: skip
    settle(page)
    # A hall of six prices, and a seventh that the legend leaves out: in each row one place is free,
    # one is held, one is sold; one's own is in the last row.
    rows = [
        {"id": str(tier), "name": "", "kind": "SEATED", "tier_id": str(tier), "rows": [
            {"label": "", "seats": [
                {"id": f"{state}{tier}", "number": "8", "x": x, "y": tier}
                for x, state in enumerate(["free", "held", "sold", "mine"])
            ]},
        ]}
        for tier in range(7)
    ]  # fmt: skip
    taken = {state: [f"{state.lower()}{tier}" for tier in range(7)] for state in ("HELD", "SOLD")}
    hall = {"event_id": "e", "version": 1, "sections": rows, "taken": taken}
    drawn = page.evaluate(_DRAWN_FORCED, hall)

    system_colours = {name: _channels(colour) for name, colour in drawn["system"].items()}
    ground = system_colours.pop("Canvas")
    for colour in drawn["colours"]:
        assert any(_is_mixed(_channels(colour), ground, one) for one in system_colours.values())
    looks = drawn["looks"]
    free = [looks[f"free{tier}"] for tier in range(6)]
    assert len(set(free)) == 6
    assert {looks["held1"], looks["sold1"], looks["free6"]}.isdisjoint(free)
    assert len({looks["held1"], looks["sold1"], looks["free6"]}) == 3
    own, others = (drawn["coloursOf"][id] for id in ("mine6", "free6"))
    highlighted = {
        colour
        for colour in own
        if _is_mixed(_channels(colour), ground, system_colours["Highlight"], part=0.5)
    }
    assert highlighted.difference(others)
    # The legend tells the prices by the same shapes.
    marks = page.locator(".legend-tier .dot").evaluate_all(
        """(all) => all.map((it) => getComputedStyle(it))
             .map(({ clipPath, borderRadius }) => [clipPath, borderRadius])"""
    )
    assert len(marks) == len({tuple(mark) for mark in marks}) > 1


def _channels(colour: str) -> list[float]:
    return [float(value) for value in re.findall(r"[\d.]+", colour)][:3]


def _is_mixed(
    colour: list[float], ground: list[float], over: list[float], part: float = 0.0
) -> bool:
    """Whether a colour is another one over a ground, at the edge of a shape or as a shade of it."""
    ways = [high - low for high, low in zip(over, ground, strict=True)]
    steps = [value - low for value, low in zip(colour, ground, strict=True)]
    of = sum(a * b for a, b in zip(ways, steps, strict=True)) / (sum(a * a for a in ways) or 1)
    far = max(abs(step - of * way) for step, way in zip(steps, ways, strict=True))
    return far < _SHADE and part <= of <= 1.01


def test_who_wants_more_contrast_has_it(visit: Visit) -> None:
    page = visit("/", contrast="more")
    settle(page)
    colour = "(name) => getComputedStyle(document.querySelector(name)).color"
    assert page.evaluate(colour, ".muted") == page.evaluate(colour, "body")


# --- several tabs --------------------------------------------------------------------------------


def test_a_hidden_tab_follows_nothing_and_catches_up_when_it_is_seen(
    visit: Visit, system: System, newcomer: Callable[..., Account]
) -> None:
    """HTTP/1.1 has six connections to a host: seven open tabs would not load."""
    first = visit()
    first.context.add_init_script(_CAN_BE_HIDDEN)
    event, other = system.event("SEATED"), newcomer()
    tabs = [first, *(first.context.new_page() for _ in range(6))]
    for tab in tabs:
        tab.goto(f"/events/{event}/seats?view=list")
        expect(tab.get_by_role("grid")).to_be_visible()
        tab.evaluate("() => setSeen_(false)")
    free = first.locator('[role="grid"] button[aria-label*="available"]').first
    name = str(free.get_attribute("aria-label")).split(":")[0]
    seat = first.locator(f'[role="grid"] button[aria-label^="{name}:"]')
    label = str(seat.get_attribute("aria-label"))
    with Client(system.gateway).log_in(other.email, other.password) as rival:
        hold = rival.post("/holds", {"event_id": event, "seat_ids": [_seat_id(rival, event, name)]})
        expect(seat).to_have_attribute("aria-label", label)
        first.evaluate("() => setSeen_(true)")
        expect(seat).to_have_attribute("aria-disabled", "true")
        rival.delete(f"/holds/{hold['id']}")
        expect(seat).not_to_have_attribute("aria-disabled", "true")


def _seat_id(visitor: Client, event_id: str, name: str) -> str:
    """The id of a seat by its words: section, row and number."""
    for section in visitor.get(f"/events/{event_id}/seats")["sections"]:
        for row in section.get("rows") or []:
            for seat in row["seats"]:
                if f"{section['name']}, row {row['label']}, seat {seat['number']}" == name:
                    return str(seat["id"])
    raise AssertionError(name)


_SNAP_PIXELS = 8
_SHADE = 5  # of 255, which rounding makes
_TOO_SMALL = """() => [...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [role=button], [role=tab]"
  )].filter((it) => {
    if (!it.checkVisibility({ visibilityProperty: true })) return false;
    if (it.classList.contains("skip")) return false; // is seen by the keyboard alone
    const inline = it.localName === "a" && getComputedStyle(it).display === "inline";
    const { width, height } = it.getBoundingClientRect();
    return !inline && (width < 24 || height < 24);
  }).map((it) => it.outerHTML.slice(0, 120))"""
_GROUND = """() => {
    const [red, green, blue] =
      document.querySelector("canvas").getContext("2d").getImageData(2, 2, 1, 1).data;
    return `rgb(${red}, ${green}, ${blue})`;
  }"""
# The hall on a canvas of its own beside the map's, with what its seats look like in 44 pixels.
_DRAWN_FORCED = """async (map) => {
    const of = (name) => import(performance.getEntriesByType("resource")
      .find((it) => it.name.endsWith(`/pages/picker/${name}.js`)).name);
    const [{ Hall }, { View }] = [await of("hall"), await of("view")];
    const canvas = document.querySelector(".map").appendChild(document.createElement("canvas"));
    const hall = new Hall(map);
    const view = new View(canvas, hall, {
      mine: new Set([hall.at.get("mine6")]), pending: new Set(), stage: "",
      tierIndex: Number, isShown: (tier) => tier !== "6", words: () => ["", ""],
    });
    view.resize(600, 400, 1);
    view.show({ left: -0.5, right: 3.5, top: -0.5, bottom: 6.5 });
    // Tiles of a new scale come after the last change of it.
    await new Promise((done) => setTimeout(done, 600));
    const context = canvas.getContext("2d");
    const pixels = (x, y, width, height) => {
      const { data } = context.getImageData(x, y, width, height);
      return Array.from({ length: width * height }, (_, at) =>
        `rgb(${data[at * 4]}, ${data[at * 4 + 1]}, ${data[at * 4 + 2]})`);
    };
    const often = (all, least) => [...new Set(all)].filter((one) =>
      all.filter((other) => other === one).length >= least);
    const looks = {}, coloursOf = {};
    for (const [id, seat] of hall.at) {
      const { x, y } = view.placeOf(seat);
      const around = pixels(Math.round(x) - 22, Math.round(y) - 22, 44, 44);
      looks[id] = around.join();
      coloursOf[id] = often(around, 20);
    }
    const probe = document.body.appendChild(document.createElement("i"));
    const system = {};
    for (const name of ["Canvas", "CanvasText", "GrayText", "Highlight", "HighlightText"]) {
      probe.style.backgroundColor = name;
      system[name] = getComputedStyle(probe).backgroundColor;
    }
    // What is smoothed at an edge is of few pixels.
    return { looks, coloursOf, system, colours: often(pixels(0, 0, 600, 400), 150) };
  }"""
# A headless browser's tabs are all seen all the time.
_CAN_BE_HIDDEN = """
  let isSeen = true;
  Object.defineProperty(Document.prototype, "visibilityState",
    { get: () => (isSeen ? "visible" : "hidden") });
  Object.defineProperty(Document.prototype, "hidden", { get: () => !isSeen });
  window.setSeen_ = (seen) => {
    isSeen = seen;
    document.dispatchEvent(new Event("visibilitychange"));
  };
"""
