"""The document that every page begins with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gateway.site.assets import Tree
from gateway.site.pages import Page
from gateway.site.structured import event_data
from presentation.amounts import format_amount
from presentation.moments import format_moment

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


@dataclass(frozen=True, slots=True)
class Summary:
    """What can be read of an event before any script runs."""

    title: str
    when: str
    place: str
    prices: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Head:
    """What a document says of itself; addresses are whole."""

    title: str
    address: str
    description: str = _DESCRIPTION
    indexed: bool = False
    image: str = ""
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


def head_of(page: Page, site: str, path: str) -> Head:
    """What a page's document says of itself; `site` is the host's address without a slash."""
    return Head(f"{page.title} · Parterre", site + path, indexed=page.is_public)


def event_head(event: Mapping[str, Any], site: str) -> Head:
    """What an event's document says of itself; `event` is as the API shows it."""
    address = f"{site}/events/{event['id']}"
    start = format_moment(datetime.fromisoformat(event["starts_at"]), event["timezone"])
    place = _place(event)
    text = " ".join(event["description"].split())
    if len(text) > _PREVIEWED_CHARACTERS:
        text = text[: _PREVIEWED_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"
    return Head(
        title=f"{event['title']} · Parterre",
        address=address,
        description=f"{start}, {place}. {text}".strip(),
        indexed=event["status"] != "DRAFT",
        image=site + event["images"][0]["url"] if event["images"] else "",
        calendar=f"{site}/api/v1/events/{event['id']}/calendar.ics",
        structured=event_data(event, address, site),
        summary=Summary(
            event["title"],
            start,
            place,
            [
                (tier["name"], format_amount(tier["price"]["amount"], tier["price"]["currency"]))
                for tier in event["tiers"]
            ],
        ),
    )


def _place(event: Mapping[str, Any]) -> str:
    venue = event["venue"]
    return f"{venue['name']}, {venue['city']}" if venue else str(event["location"])


def document(
    head: Head,
    tree: Tree,
    *,
    modules: Sequence[str],
    styles: Sequence[str],
    boot: Mapping[str, Any],
    language: str = "en",
) -> bytes:
    """The document; `modules` and `styles` are what the browser fetches at once."""
    return _TEMPLATE.render(
        page=head,
        tree=tree,
        modules=tree.needed(*modules),
        styles=[path for path in styles if path in tree.files],
        boot={"version": tree.version, **boot},
        language=language,
    ).encode()
