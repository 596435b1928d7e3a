"""What an event's page says to those who index and preview it (schema.org, Open Graph).

https://schema.org/Event and what search engines ask of it: name, startDate, location, organizer,
and of each offer price, priceCurrency, availability, url and validFrom.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from presentation.amounts import major_units
from presentation.moments import at_place
from presentation.views.catalog import Event, Tier

_SCHEMA = "https://schema.org"


# What kind of event it is, where schema.org has a word for it.
_TYPES: Mapping[str, str] = {
    "CONCERT": "MusicEvent",
    "THEATRE": "TheaterEvent",
    "DANCE": "DanceEvent",
    "COMEDY": "ComedyEvent",
    "SPORT": "SportsEvent",
    "FILM": "ScreeningEvent",
    "FESTIVAL": "Festival",
    "CONFERENCE": "BusinessEvent",
    "FAMILY": "ChildrensEvent",
}


def event_data(event: Event, address: str, site: str, now: datetime) -> dict[str, Any]:
    """An event as JSON-LD.

    `event` is the event as the API shows it; `address` is its page's, `site` the host's, both whole
    and without a slash at the end. `now`, with an offset, tells a sale that is still to come from
    one that is over.
    """
    data: dict[str, Any] = {
        "@context": _SCHEMA,
        "@type": _TYPES.get(event["category"], "Event"),
        "name": event["title"],
        "description": event["description"] or event["title"],
        "url": address,
        "startDate": _local(event["starts_at"], event["timezone"]),
        "endDate": _local(event["ends_at"], event["timezone"]),
        "eventStatus": f"{_SCHEMA}/{_status(event)}",
        "eventAttendanceMode": f"{_SCHEMA}/OfflineEventAttendanceMode",
        "location": _place(event),
        **_organizer(event),
        "offers": [_offer(event, tier, address, now) for tier in event["tiers"]],
    }
    if event["images"]:
        data["image"] = [site + image["url"] for image in event["images"]]
    if event["doors_at"]:
        data["doorTime"] = _local(event["doors_at"], event["timezone"])
    if event["rating"]:
        data["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": event["rating"]["average"],
            "ratingCount": event["rating"]["count"],
            "bestRating": 5,
            "worstRating": 1,
        }
    return data


def _organizer(event: Event) -> dict[str, Any]:
    """Who sells it; nothing, where that is not known."""
    organizer = event["organizer"]
    if organizer is None:
        return {}
    return {"organizer": {"@type": "Organization", "name": organizer["name"]}}


def _status(event: Event) -> str:
    if event["status"] == "CANCELLED":
        return "EventCancelled"
    return "EventRescheduled" if event["moved"] else "EventScheduled"


def _local(time: str, zone: str) -> str:
    """A time with the event's own offset, as search engines want it."""
    return at_place(datetime.fromisoformat(time), zone).isoformat(timespec="seconds")


def _place(event: Event) -> dict[str, Any]:
    venue = event["venue"]
    if venue is None:
        words = event["location"] or event["title"]  # a place has to have a name
        return {"@type": "Place", "name": words, "address": words}
    return {
        "@type": "Place",
        "name": venue["name"],
        "address": {
            "@type": "PostalAddress",
            "streetAddress": venue["address"],
            "addressLocality": venue["city"],
            "addressCountry": venue["country"],
        },
    }


def _offer(event: Event, tier: Tier, address: str, now: datetime) -> dict[str, Any]:
    price, sales = tier["price"], event["sales"]
    return {
        "@type": "Offer",
        "name": tier["name"],
        "url": address,
        "price": major_units(price["amount"], price["currency"]),
        "priceCurrency": price["currency"],
        "availability": f"{_SCHEMA}/{_availability(event, now)}",
        "validFrom": _local(sales["from"] or event["created_at"], event["timezone"]),
        "validThrough": _local(sales["to"], event["timezone"]),
    }


def _availability(event: Event, now: datetime) -> str:
    left, sales = event["availability"], event["sales"]
    if event["status"] != "PUBLISHED" or left is None or not left["available"]:
        return "SoldOut"
    if sales["open"]:
        return "InStock"
    begins = sales["from"]
    return "PreOrder" if begins and now < datetime.fromisoformat(begins) else "SoldOut"
