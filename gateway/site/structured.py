"""What an event's page says to those who index and preview it (schema.org, Open Graph).

https://schema.org/Event and what search engines ask of it: name, startDate, location, and of each
offer price, priceCurrency, availability, url and validFrom.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from presentation.amounts import major_units

_SCHEMA = "https://schema.org"


def event_data(event: Mapping[str, Any], address: str, site: str) -> dict[str, Any]:
    """An event as JSON-LD.

    `event` is the event as the API shows it; `address` is its page's, `site` the host's, both whole
    and without a slash at the end.
    """
    data: dict[str, Any] = {
        "@context": _SCHEMA,
        "@type": "Event",
        "name": event["title"],
        "description": event["description"],
        "url": address,
        "startDate": _local(event["starts_at"], event["timezone"]),
        "endDate": _local(event["ends_at"], event["timezone"]),
        "eventStatus": f"{_SCHEMA}/{_status(event)}",
        "eventAttendanceMode": f"{_SCHEMA}/OfflineEventAttendanceMode",
        "location": _place(event),
        "offers": [_offer(event, tier, address) for tier in event["tiers"]],
        "image": [site + image["url"] for image in event["images"]],
    }
    if event["doors_at"]:
        data["doorTime"] = _local(event["doors_at"], event["timezone"])
    if event["rating"]:
        data["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": event["rating"]["average"],
            "reviewCount": event["rating"]["count"],
        }
    return data


def _status(event: Mapping[str, Any]) -> str:
    if event["status"] == "CANCELLED":
        return "EventCancelled"
    return "EventRescheduled" if event["moved"] else "EventScheduled"


def _local(time: str, zone: str) -> str:
    """A time with the event's own offset, as search engines want it."""
    return datetime.fromisoformat(time).astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")


def _place(event: Mapping[str, Any]) -> dict[str, Any]:
    venue = event["venue"]
    if not venue:
        return {"@type": "Place", "name": event["location"], "address": event["location"]}
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


def _offer(event: Mapping[str, Any], tier: Mapping[str, Any], address: str) -> dict[str, Any]:
    price = tier["price"]
    return {
        "@type": "Offer",
        "name": tier["name"],
        "url": address,
        "price": major_units(price["amount"], price["currency"]),
        "priceCurrency": price["currency"],
        "availability": f"{_SCHEMA}/{_availability(event)}",
        "validFrom": event["sales"]["from"] or event["created_at"],
        "validThrough": event["sales"]["to"],
    }


def _availability(event: Mapping[str, Any]) -> str:
    left = event["availability"]
    if event["status"] != "PUBLISHED":
        return "Discontinued"
    if left and not left["available"]:
        return "SoldOut"
    return "InStock" if event["sales"]["open"] else "PreOrder"
