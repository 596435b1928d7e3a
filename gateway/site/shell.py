"""The document that every page begins with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gateway.site.assets import Tree
from gateway.site.pages import Page
from gateway.site.structured import event_data
from presentation.amounts import format_amount
from presentation.moments import format_clock, format_moment
from presentation.views.catalog import Event

HEADERS = MappingProxyType(
    {
        # No script and no style but the page's own files; pictures that a script has fetched.
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
            "connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; "
            "media-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        # The door's scanner uses the camera; nothing else is used anywhere.
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=()",
        "Referrer-Policy": "same-origin",
    }
)
_DESCRIPTION = "Tickets for concerts, theatre, sport and more: every seat is sold once."
# More of an event's description is not shown in a preview.
_PREVIEWED_CHARACTERS = 200
# A name or an address, and a port: what else a request calls itself is not repeated to anybody.
_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What can be read of an event before any script runs."""

    title: str
    when: str
    doors: str  # by the clock there; empty: nobody said
    place: str
    organizer: str  # empty: not known
    prices: Sequence[tuple[str, str]]
    called_off: str  # in words; empty: it was not
    places: str  # where they are chosen; empty: none are sold now, or it is that page
    description: str


@dataclass(frozen=True, slots=True)
class Picture:
    """What a preview shows; sizes in pixels."""

    address: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Head:
    """What a document says of itself; addresses are whole, and empty where this host is unknown."""

    title: str
    address: str = ""
    description: str = _DESCRIPTION
    indexed: bool = False
    image: Picture | None = None
    calendar: str = ""
    structured: Mapping[str, Any] | None = None
    summary: Summary | None = None


def _data(value: Any) -> Markup:
    """JSON that can stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped a line above


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)
_ENVIRONMENT.filters["data"] = _data
_TEMPLATE = _ENVIRONMENT.get_template("shell.html")


def site_of(public_url: str, scheme: str, host: str) -> str:
    """This site's address without a slash at the end, such as https://tickets.example.

    It is the operator's setting, or where there is none the one that a request called; empty where
    that is no address.
    """
    if public_url:
        return public_url.rstrip("/")
    named = _HOST.fullmatch(host.lower())
    return f"{scheme}://{named[0]}" if named and scheme in {"http", "https"} else ""


def head_of(page: Page, site: str) -> Head:
    """What a page's document says of itself; `site` is the host's address without a slash."""
    listed = page.is_listed and not page.shows_event
    return Head(
        f"{page.title} · Parterre", site + page.path if site and listed else "", indexed=listed
    )


def event_head(page: Page, event: Event, site: str, now: datetime) -> Head:
    """What an event's document says of itself; `event` is as the API shows it.

    `now`, with an offset, tells a sale that is still to come from one that is over.
    """
    address = f"{site}/events/{event['id']}"
    zone = event["timezone"]
    start = format_moment(datetime.fromisoformat(event["starts_at"]), zone)
    doors = event["doors_at"]
    place = _place(event)
    text = " ".join(event["description"].split())
    if len(text) > _PREVIEWED_CHARACTERS:
        text = text[: _PREVIEWED_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"
    return Head(
        title=f"{event['title']} · Parterre",
        address=address if site else "",
        description=f"{start}, {place}. {text}".strip(),
        indexed=page.is_listed,
        image=_picture(event, site),
        calendar=f"/api/v1/events/{event['id']}/calendar.ics",
        structured=event_data(event, address, site, now),
        summary=Summary(
            event["title"],
            start,
            format_clock(datetime.fromisoformat(doors), zone) if doors else "",
            place,
            event["organizer"]["name"] if event["organizer"] else "",
            [
                (tier["name"], format_amount(tier["price"]["amount"], tier["price"]["currency"]))
                for tier in event["tiers"]
            ],
            _called_off(event),
            f"/events/{event['id']}/seats" if page.is_listed and _sells(event) else "",
            event["description"],
        ),
    )


def without_rows(event: Event) -> Event:
    """The event as lists show its hall: the rows of 20,000 seats have no place in a document."""
    venue = event["venue"]
    if venue is None:
        return event
    sections = venue["sections"]
    bare = [{**part, "rows": None if part["rows"] is None else []} for part in sections]
    return cast("Event", {**event, "venue": {**venue, "sections": bare}})


def _place(event: Event) -> str:
    venue = event["venue"]
    if venue is None:
        return event["location"] or ""
    return ", ".join(filter(None, (venue["name"], venue["address"], venue["city"])))


def _picture(event: Event, site: str) -> Picture | None:
    if not (site and event["images"]):
        return None
    banner = event["images"][0]
    return Picture(site + banner["url"], banner["width"], banner["height"])


def _sells(event: Event) -> bool:
    left = event["availability"]
    is_open = event["status"] == "PUBLISHED" and event["sales"]["open"]
    return is_open and (left is None or left["available"] > 0)


def _called_off(event: Event) -> str:
    if event["status"] != "CANCELLED":
        return ""
    return f"This event was called off. {event['cancel_reason'] or ''}".strip()


def document(
    head: Head,
    tree: Tree,
    page: Page,
    early: Sequence[str],
    boot: Mapping[str, Any],
) -> bytes:
    """The document; `early` are addresses of the API that are asked at once, as files are."""
    return _TEMPLATE.render(
        page=head,
        tree=tree,
        area=page.area,
        modules=tree.needed(*page.modules),
        styles=[path for path in page.styles if path in tree.files],
        early=early,
        boot=boot,
    ).encode()
