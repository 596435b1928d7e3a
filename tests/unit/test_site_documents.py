"""What a page's document says before any script runs: to people, to those who index and preview."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any, cast

import brotli
import orjson
import pytest

from gateway.events import EventPage
from gateway.representations import SMALL
from gateway.site.assets import Assets
from gateway.site.documents import Documents
from gateway.site.pages import LOST, PAGES
from gateway.site.programme import Listing
from gateway.site.shell import site_of
from gateway.site.structured import event_data
from gateway.versions import tag_of
from presentation.views import base
from presentation.views.catalog import Event
from presentation.vocabulary import EventStatus

SITE = "https://tickets.example"
ID = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f01"
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
ASSETS = Assets()
IMAGE = {
    "id": ID,
    "url": f"/api/v1/media/{ID}",
    "widths": [320, 960],
    "width": 960,
    "height": 540,
}
VENUE = {
    "id": ID,
    "name": "Naach Ghar",
    "address": "Jamal",
    "city": "Kathmandu",
    "country": "NP",
    "sections": [
        {
            "id": ID,
            "name": "Stalls",
            "rows": [{"label": "A", "seats": ["1"], "xs": [0], "ys": [4]}],
        },
        {"id": ID, "name": "Floor", "rows": None},
    ],
}


def event(**changes: Any) -> Event:
    """A whole event, as GET /api/v1/events/{id} shows it."""
    usual: dict[str, Any] = {
        "id": ID,
        "organizer": {"name": "Naach Ghar Ltd."},
        "status": "PUBLISHED",
        "title": "The Tempest",
        "description": "A play\nby the sea.",
        "category": "THEATRE",
        "venue": VENUE,
        "location": None,
        "starts_at": "2027-03-01T13:15:00Z",
        "ends_at": "2027-03-01T16:15:00Z",
        "doors_at": "2027-03-01T12:30:00Z",
        "timezone": "Asia/Kathmandu",
        "currency": "NPR",
        "tiers": [
            {"id": ID, "name": "Stalls", "price": {"amount": 150050, "currency": "NPR"}},
            {"id": ID, "name": "Box", "price": {"amount": 0, "currency": "NPR"}},
        ],
        "sales": {"open": True, "from": None, "to": "2027-03-01T13:15:00Z"},
        "availability": {"available": 7, "capacity": 100},
        "tax_percent": 13.0,
        "max_per_customer": 10,
        "refund_policy": {"until_hours_before": 24, "percent": 80},
        "images": [IMAGE],
        "cancel_reason": None,
        "moved": None,
        "rating": None,
        "created_at": "2026-11-01T00:00:00Z",
    }
    return cast("Event", {**usual, **changes})


def data(**changes: Any) -> dict[str, Any]:
    return event_data(event(**changes), f"{SITE}/events/{ID}", SITE, NOW)


class Elements(HTMLParser):
    """The elements of a document as a browser would find them."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append("")

    def handle_data(self, text: str) -> None:
        if self._in_script:
            self.scripts[-1] += text

    def handle_endtag(self, _tag: str) -> None:
        self._in_script = False

    def all(self, tag: str, **having: str) -> list[dict[str, str | None]]:
        return [
            attributes
            for name, attributes in self.found
            if name == tag and having.items() <= attributes.items()
        ]

    def meta(self, name: str) -> str | None:
        found = self.all("meta", property=name) or self.all("meta", name=name)
        return found[0]["content"] if found else None

    def json(self, **having: str) -> Any:
        at = self.all("script").index(self.all("script", **having)[0])
        return json.loads(self.scripts[at])


def looked_at(text: bytes) -> EventPage:
    """An event's page, as the gateway keeps it."""
    return EventPage(
        body=text,
        tag=tag_of(text, 1),
        version=1,
        organizer_id=ID,
        organizer_name="Naach Ghar Ltd.",
        status="PUBLISHED",
        stamp="a",
        trusted_until=0,
    )


def document(
    path: str = "/events/{event_id}",
    shown: Event | None = None,
    listed: Sequence[Event] | None = None,
) -> Elements:
    return Elements(body(path, shown, listed=listed))


def body(
    path: str, shown: Event | None, site: str = SITE, listed: Sequence[Event] | None = None
) -> bytes:
    documents = Documents(ASSETS, is_local=False, clock=lambda: NOW)
    page = PAGES.get(path, LOST)
    kept = None
    if shown is not None:
        text = orjson.dumps(shown)
        kept = looked_at(text)
    listing = None if listed is None else Listing(base.page(listed), "a")
    return documents.of(page, site, kept, listing).body


# --- what an event is, in schema.org's words ---------------------------------------------------
# https://developers.google.com/search/docs/appearance/structured-data/event: required are name,
# startDate and location with its address; the others are recommended.


def test_an_event_has_all_that_search_engines_require_and_recommend() -> None:
    told = data()
    assert told["@context"] == "https://schema.org"
    assert told["@type"] == "TheaterEvent"
    assert told["name"] == "The Tempest"
    assert told["startDate"] == "2027-03-01T19:00:00+05:45"
    assert told["endDate"] == "2027-03-01T22:00:00+05:45"
    assert told["doorTime"] == "2027-03-01T18:15:00+05:45"
    assert told["location"] == {
        "@type": "Place",
        "name": "Naach Ghar",
        "address": {
            "@type": "PostalAddress",
            "streetAddress": "Jamal",
            "addressLocality": "Kathmandu",
            "addressCountry": "NP",
        },
    }
    assert told["organizer"] == {"@type": "Organization", "name": "Naach Ghar Ltd."}
    assert told["eventStatus"] == "https://schema.org/EventScheduled"
    assert told["eventAttendanceMode"] == "https://schema.org/OfflineEventAttendanceMode"
    assert told["image"] == [f"{SITE}/api/v1/media/{ID}"]
    assert told["url"] == f"{SITE}/events/{ID}"
    stalls, box = told["offers"]
    assert stalls == {
        "@type": "Offer",
        "name": "Stalls",
        "url": f"{SITE}/events/{ID}",
        "price": "1500.50",
        "priceCurrency": "NPR",
        "availability": "https://schema.org/InStock",
        "validFrom": "2026-11-01T05:45:00+05:45",
        "validThrough": "2027-03-01T19:00:00+05:45",
    }
    assert box["price"] == "0.00"
    assert "aggregateRating" not in told


def test_a_place_in_words_has_name_and_address_too() -> None:
    told = data(venue=None, location="Tundikhel, by the gate")
    assert told["location"] == {
        "@type": "Place",
        "name": "Tundikhel, by the gate",
        "address": "Tundikhel, by the gate",
    }


def test_nobody_is_named_as_an_organizer_where_no_name_is_known() -> None:
    assert "organizer" not in data(organizer=None)
    assert b"Organizer" not in body("/events/{event_id}", event(organizer=None))


def test_an_event_that_was_called_off_or_moved_says_so() -> None:
    moved = {"at": "2026-11-10T00:00:00Z", "cancel_until": "2026-12-10T00:00:00Z"}
    assert data(moved=moved)["eventStatus"].endswith("/EventRescheduled")
    called_off = data(status="CANCELLED", moved=moved)
    assert called_off["eventStatus"].endswith("/EventCancelled")
    assert called_off["offers"][0]["availability"].endswith("/SoldOut")


def test_reviews_make_a_rating() -> None:
    assert data(rating={"average": 4.25, "count": 4})["aggregateRating"] == {
        "@type": "AggregateRating",
        "ratingValue": 4.25,
        "ratingCount": 4,
        "bestRating": 5,
        "worstRating": 1,
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "InStock"),
        ({"availability": {"available": 0, "capacity": 9}}, "SoldOut"),
        ({"begins": NOW + timedelta(days=1), "is_open": False}, "PreOrder"),
        ({"begins": NOW - timedelta(days=9), "is_open": False}, "SoldOut"),
        ({"is_open": False}, "SoldOut"),
        ({"status": "COMPLETED"}, "SoldOut"),
    ],
    ids=["on sale", "nothing left", "not yet", "sale over", "sale over, no start", "over"],
)
def test_an_offer_says_whether_it_can_be_had(changes: dict[str, Any], expected: str) -> None:
    begins = changes.pop("begins", None)
    sales = {
        "open": changes.pop("is_open", True),
        "from": begins.isoformat() if begins else None,
        "to": "2027-03-01T13:15:00Z",
    }
    offers = data(**changes, sales=sales)["offers"]
    assert {offer["availability"] for offer in offers} == {f"https://schema.org/{expected}"}


def test_prices_have_the_digits_of_their_currency() -> None:
    def price(amount: int, currency: str) -> str:
        tier = {"id": ID, "name": "x", "price": {"amount": amount, "currency": currency}}
        return str(data(tiers=[tier])["offers"][0]["price"])

    assert price(500, "JPY") == "500"
    assert price(12345, "KWD") == "12.345"


# --- the document -----------------------------------------------------------------------------


def test_a_link_to_an_event_previews() -> None:
    page = document(shown=event())
    assert page.all("link", rel="canonical") == [
        {"rel": "canonical", "href": f"{SITE}/events/{ID}"}
    ]
    assert page.meta("og:url") == f"{SITE}/events/{ID}"
    assert page.meta("og:title") == "The Tempest · Parterre"
    assert page.meta("og:description") == page.meta("description")
    assert str(page.meta("description")).startswith("Monday, 1 March 2027, 19:00 Nepal Time, Naach")
    assert page.meta("og:image") == f"{SITE}/api/v1/media/{ID}"
    assert page.meta("og:image:width") == "960"
    assert page.meta("twitter:card") == "summary_large_image"
    assert page.meta("robots") is None
    calendar = page.all("link", rel="alternate", type="text/calendar")
    assert calendar[0]["href"] == f"/api/v1/events/{ID}/calendar.ics"
    assert page.json(type="application/ld+json") == data()


def test_an_event_can_be_read_before_its_scripts_run() -> None:
    text = body("/events/{event_id}", event()).decode()
    assert "<h1>The Tempest</h1>" in text
    for words in (
        "1 Mar 2027, 19:00 · Naach Ghar, Kathmandu",
        "Nepal Time",
        "Doors open at 18:15",
        "Naach Ghar, Jamal",
        "NPR\xa01,500.50",
        "Plus 13 % tax",
        "At most 10 tickets per person. Until 24 hours before the start you may cancel and",
    ):
        assert words in text
    called_off = body("/events/{event_id}", event(status="CANCELLED", cancel_reason="Rain."))
    assert b"<b>This event was cancelled.</b> Rain." in called_off
    moved = {"at": "2026-11-10T00:00:00Z", "cancel_until": "2026-12-10T00:00:00Z"}
    told = body("/events/{event_id}", event(moved=moved)).decode()
    assert "changed on 10 Nov 2026." in told
    assert "until 10 Dec 2026, 05:45." in told


def test_prices_of_an_event_are_as_short_as_its_scripts_write_them() -> None:
    def prices(amount: int, currency: str) -> str:
        tier = {"id": ID, "name": "x", "price": {"amount": amount, "currency": currency}}
        text = body("/events/{event_id}", event(tiers=[tier])).decode()
        found = re.search(r'<span class="money">(.*?)</span>', text)
        assert found
        return found[1]

    assert prices(150000, "NPR") == "NPR\xa01,500"
    assert prices(150050, "NPR") == "NPR\xa01,500.50"
    assert prices(0, "NPR") == "Free"
    assert prices(1000, "JPY") == "JP¥1,000"


def test_the_picture_that_is_seen_first_is_asked_for_before_its_scripts() -> None:
    """In the width that the page shows it: no browser fetches it twice."""
    candidates = f"/api/v1/media/{ID}?w=320 320w, /api/v1/media/{ID}?w=960 960w"
    page = document(shown=event())
    (preload,) = page.all("link", rel="preload")
    (shown,) = page.all("img")
    assert preload["imagesrcset"] == shown["srcset"] == candidates
    assert preload["imagesizes"] == shown["sizes"]
    assert preload["as"] == "image"
    assert preload["fetchpriority"] == "high"
    assert "href" not in preload  # browsers that know no widths would fetch one too many
    links = page.all("link")
    assert links.index(preload) < links.index(page.all("link", rel="modulepreload")[0])
    home = document("/", listed=[event(), event()])
    (preload,) = home.all("link", rel="preload")
    assert preload["imagesrcset"] == candidates
    for path, module in (("/", "discover"), ("/events/{event_id}", "event")):
        source = ASSETS.tree.files[f"pages/{module}/page.js"].content.decode()
        assert f'_SIZES = "{PAGES[path].picture_sizes}";' in source
    bare = document(shown=event(images=[]))
    assert not [*bare.all("link", rel="preload"), *bare.all("img")]


def test_the_first_page_begins_with_the_next_events() -> None:
    page = document("/", listed=[event()])
    assert page.json(id="boot")["events"] == {"items": [event()], "next_cursor": None}
    assert page.all("h1")
    assert "events" not in document("/").json(id="boot")
    assert not document("/").all("link", rel="preload")


def test_places_can_be_chosen_before_its_scripts_run() -> None:
    def places(path: str, **changes: Any) -> list[Any]:
        return document(path, event(**changes)).all("a", href=f"/events/{ID}/seats")

    page = "/events/{event_id}"
    assert len(places(page)) == 1
    assert not places(f"{page}/seats")
    assert not places(page, status="CANCELLED")
    assert not places(page, sales={**event()["sales"], "open": False})
    assert not places(page, availability={"available": 0, "capacity": 2})


def test_what_the_scripts_will_ask_for_is_on_its_way_before_them() -> None:
    def early(page: Elements) -> list[Any]:
        return [link["href"] for link in page.all("link", rel="preload", **{"as": "fetch"})]

    seats = "/events/{event_id}/seats"
    assert early(document(seats, event())) == [f"/api/v1/events/{ID}/seats"]
    assert early(document(seats, event(status="CANCELLED"))) == []
    assert early(document(seats)) == []
    assert early(document("/events/{event_id}", event())) == []


def test_a_choice_of_colours_is_known_before_anything_is_drawn() -> None:
    """A script that is no module holds up the drawing until it has run."""
    page = document()
    named = [element for element in page.found if element[0] in {"script", "link"}]
    theme = next(element for element in named if "theme.js" in str(element[1].get("src")))
    assert not {"type", "async", "defer"} & {*theme[1]}
    assert theme[1]["data-area"] == "event"
    styles = page.all("link", rel="stylesheet")
    assert named.index(theme) < named.index(("link", styles[0]))


def test_the_event_comes_with_its_document_and_its_seats_do_not() -> None:
    boot = document(shown=event()).json(id="boot")
    assert boot["local"] is False
    sections = boot["event"]["venue"].pop("sections")
    assert [section["rows"] for section in sections] == [[], None]
    whole = cast("dict[str, Any]", event())
    whole["venue"] = {name: value for name, value in VENUE.items() if name != "sections"}
    assert boot["event"] == whole


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }} &lt;b&gt; \u2028 \u2029 ' \\",
]


@pytest.mark.parametrize("words", HOSTILE, ids=["script", "comment", "attribute", "template"])
def test_nothing_that_an_organizer_writes_becomes_a_part_of_the_document(words: str) -> None:
    plain = document(shown=event(status="CANCELLED"))
    tier = {"id": ID, "name": words, "price": {"amount": 1, "currency": "NPR"}}
    hostile = event(
        title=words,
        description=words,
        cancel_reason=words,
        organizer={"name": words},
        status="CANCELLED",
        venue={**VENUE, "name": words, "address": words, "city": words},
        tiers=[tier, tier],
    )
    page = document(shown=hostile)
    tags = [tag for tag, _ in page.found if tag != "p"]
    assert tags == [tag for tag, _ in plain.found if tag != "p"]
    assert page.json(id="boot")["event"]["title"] == words
    assert page.json(type="application/ld+json")["name"] == words
    assert page.meta("og:title") == f"{words} · Parterre"


def test_no_document_runs_a_script_or_has_a_style_of_its_own() -> None:
    for path in [*PAGES, ""]:
        page = document(path, event() if path.startswith("/events") else None)
        for script in page.all("script"):
            assert script.get("src") or script["type"] in {
                "application/json",
                "application/ld+json",
            }
        assert not page.all("style")
        assert not [attributes for _, attributes in page.found if "style" in attributes]
        assert not [
            name for _, attributes in page.found for name in attributes if name.startswith("on")
        ]
        assert page.all("div", id="app")
        assert page.all("noscript")


def test_files_that_a_document_names_are_there() -> None:
    prefix = f"/assets/{ASSETS.tree.version}/"
    page = document(shown=event())
    named = [
        *(link["href"] for link in page.all("link", rel="stylesheet")),
        *(link["href"] for link in page.all("link", rel="modulepreload")),
        *(script["src"] for script in page.all("script", type="module")),
        *(link["href"] for link in page.all("link", rel="icon")),
    ]
    assert len(named) > 10
    for address in named:
        assert str(address).removeprefix(prefix) in ASSETS.tree.files
    assert f"{prefix}main.js" in named
    assert f"{prefix}pages/event/page.js" in named
    assert f"{prefix}styles/event.css" in named


def test_only_pages_for_everybody_are_indexed() -> None:
    for path in [*PAGES, ""]:
        page = document(path, event() if path.startswith("/events") else None)
        listed = path in {"/", "/events/{event_id}"}
        assert (page.meta("robots") is None) is listed, path
        if not (listed or path.startswith("/events")):
            assert not page.all("link", rel="canonical"), path
    seats = document("/events/{event_id}/seats", event())
    assert seats.all("link", rel="canonical")[0]["href"] == f"{SITE}/events/{ID}"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("tickets.example", "https://tickets.example"),
        ("Tickets.Example:8443", "https://tickets.example:8443"),
        ("127.0.0.1:8080", "https://127.0.0.1:8080"),
        ("[::1]:8080", "https://[::1]:8080"),
        ("", ""),
        ('x"><script>', ""),
        ("evil.example/path", ""),
        ("user@evil.example", ""),
        ("evil.example#", ""),
        ("a" * 300, ""),
    ],
)
def test_only_a_name_of_a_host_is_repeated(host: str, expected: str) -> None:
    assert site_of("", "https", host) == expected
    assert site_of("https://box.example/", "http", host) == "https://box.example"


def test_without_a_name_of_this_host_nothing_is_said_that_needs_one() -> None:
    text = body("/events/{event_id}", event(), site="").decode()
    assert 'rel="canonical"' not in text
    assert "og:image" not in text
    assert re.search(r'href="/api/v1/events/[^"]+/calendar.ics"', text)


def test_a_document_is_made_once_for_what_it_shows() -> None:
    documents = Documents(ASSETS, is_local=False, clock=lambda: NOW)
    pages = [
        looked_at(text) for text in (orjson.dumps(event()), orjson.dumps(event(title="Hamlet")))
    ]
    page = PAGES["/events/{event_id}"]
    first = documents.of(page, SITE, pages[0])
    assert documents.of(page, SITE, pages[0]) is first
    assert documents.of(page, SITE, pages[1]).tag != first.tag
    assert documents.of(page, "https://other.example", pages[0]).tag != first.tag
    assert documents.of(PAGES["/"], SITE).tag != documents.of(LOST, SITE).tag


def test_every_status_of_an_event_is_told_in_some_way() -> None:
    for status in EventStatus.__value__.__args__[0].__args__:
        assert data(status=status)["eventStatus"].startswith("https://schema.org/Event")


@pytest.mark.parametrize("words", [0, 700], ids=["terse", "wordy"])
async def test_the_first_load_of_an_event_is_at_most_60_kb(words: int) -> None:
    prose = " ".join(f"word{n * 7919 % 1000}" for n in range(words))
    path = "/events/{event_id}"
    page, tree = PAGES[path], ASSETS.tree
    first = [
        *page.styles,
        *tree.needed(*page.modules),
        "icons/icon.svg",
    ]
    whole = body(path, event(description=prose or "x", terms=prose))
    sizes = {"document": len(brotli.compress(whole, quality=SMALL.brotli))}
    for each in first:
        asset = tree.files[each]
        sizes[each] = len(await asset.coded(asset.coding("br")))
    assert sum(sizes.values()) <= 60_000, sorted(sizes.items(), key=lambda pair: -pair[1])
