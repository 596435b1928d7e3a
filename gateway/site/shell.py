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
from presentation.amounts import format_amount, minor_digits
from presentation.moments import format_clock, format_day_and_clock, format_moment
from presentation.views.base import Money
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
_BETWEEN_PARAGRAPHS = re.compile(r"\n\s*\n")
# A name or an address, and a port: what else a request calls itself is not repeated to anybody.
_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What can be read of an event before any script runs."""

    title: str
    address: str
    line: str  # when and where, as short as can be
    starts_at: str
    when: str
    doors: str  # by the clock there; empty: nobody said
    place: str
    organizer: str  # empty: not known
    prices: Sequence[tuple[str, str]]
    terms: Sequence[str]
    called_off: str | None  # why; None: it was not
    moved: str  # what came of that; empty: it was not, or was called off
    places: str  # where they are chosen; empty: none are sold now
    description: Sequence[str]  # its paragraphs


@dataclass(frozen=True, slots=True)
class Preview:
    """What a preview shows; sizes in pixels."""

    address: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Picture:
    """What is seen first, in several widths, of which the browser takes what fits; pixels."""

    address: str  # of the narrowest
    candidates: str
    sizes: str  # how wide it is shown
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Head:
    """What a document says of itself; addresses are whole, and empty where this host is unknown."""

    title: str
    address: str = ""
    description: str = _DESCRIPTION
    indexed: bool = False
    image: Preview | None = None
    calendar: str = ""
    structured: Mapping[str, Any] | None = None
    heading: str = ""
    summary: Summary | None = None
    picture: Picture | None = None


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


def head_of(page: Page, site: str, events: Sequence[Event] = ()) -> Head:
    """What a page's document says of itself; `site` is the host's address without a slash.

    `events` are those it begins with.
    """
    listed = page.is_listed and not page.shows_event
    return Head(
        f"{page.title} · Parterre",
        site + page.path if site and listed else "",
        indexed=listed,
        heading=page.title if listed else "",
        picture=_picture(events[0], page) if events else None,
    )


def event_head(page: Page, event: Event, site: str, now: datetime) -> Head:
    """What an event's document says of itself; `event` is as the API shows it.

    `now`, with an offset, tells a sale that is still to come from one that is over.
    """
    address = f"{site}/events/{event['id']}"
    zone = event["timezone"]
    starts_at = datetime.fromisoformat(event["starts_at"])
    start = format_moment(starts_at, zone)
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
        image=_preview(event, site),
        calendar=f"/api/v1/events/{event['id']}/calendar.ics",
        structured=event_data(event, address, site, now),
        summary=Summary(
            title=event["title"],
            address=f"/events/{event['id']}",
            line=f"{format_day_and_clock(starts_at, zone)} · {_short_place(event)}",
            starts_at=event["starts_at"],
            when=start,
            doors=format_clock(datetime.fromisoformat(doors), zone) if doors else "",
            place=place,
            organizer=event["organizer"]["name"] if event["organizer"] else "",
            prices=[(tier["name"], _price(tier["price"])) for tier in event["tiers"]],
            terms=_terms(event),
            called_off=(event["cancel_reason"] or "") if event["status"] == "CANCELLED" else None,
            moved=_moved(event),
            places=f"/events/{event['id']}/seats" if _sells(event) else "",
            description=_BETWEEN_PARAGRAPHS.split(event["description"]),
        ),
        picture=_picture(event, page) if page.is_listed else None,
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


def _short_place(event: Event) -> str:
    venue = event["venue"]
    return f"{venue['name']}, {venue['city']}" if venue else event["location"] or ""


def _moved(event: Event) -> str:
    moved, zone = event["moved"], event["timezone"]
    if moved is None or event["status"] == "CANCELLED":
        return ""
    on = format_day_and_clock(datetime.fromisoformat(moved["at"]), zone).partition(",")[0]
    until = format_day_and_clock(datetime.fromisoformat(moved["cancel_until"]), zone)
    return (
        f"The time or place changed on {on}. If you had bought before, you may cancel for a full"
        f" refund until {until}."
    )


def _price(price: Money) -> str:
    """As the scripts write it: whole amounts without their zeros."""
    if not price["amount"]:
        return "Free"
    zeros = "." + "0" * minor_digits(price["currency"])
    return format_amount(price["amount"], price["currency"]).removesuffix(zeros)


def _terms(event: Event) -> Sequence[str]:
    """What is to be known before tickets are chosen, in the scripts' words."""
    tax, most = event["tax_percent"], event["max_per_customer"]
    percent = event["refund_policy"]["percent"]
    hours = event["refund_policy"]["until_hours_before"]
    back = (
        f"Until {hours:,} {'hour' if hours == 1 else 'hours'} before the start you may cancel and"
        f" get {percent} % back."
        if percent
        else "Tickets can't be cancelled."
    )
    whole = f"Plus {tax:g} % tax; the whole price is shown before you pay."
    limit = f"At most {most:,} {'ticket' if most == 1 else 'tickets'} per person."
    return [*([whole] if tax else []), f"{limit} {back}"]


def _preview(event: Event, site: str) -> Preview | None:
    if not (site and event["images"]):
        return None
    banner = event["images"][0]
    return Preview(site + banner["url"], banner["width"], banner["height"])


def _picture(event: Event, page: Page) -> Picture | None:
    if not event["images"]:
        return None
    image = event["images"][0]
    widths = image["widths"]
    candidates = ", ".join(f"{image['url']}?w={width} {width}w" for width in widths)
    address = f"{image['url']}?w={widths[0]}"
    return Picture(address, candidates, page.picture_sizes, image["width"], image["height"])


def _sells(event: Event) -> bool:
    left = event["availability"]
    is_open = event["status"] == "PUBLISHED" and event["sales"]["open"]
    return is_open and (left is None or left["available"] > 0)


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
