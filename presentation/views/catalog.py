"""Venues, events, pictures and reviews."""

from __future__ import annotations

from parterre.catalog.v1 import catalog_pb2
from typing_extensions import TypedDict

from presentation.views.base import Money, money, time


class Position(TypedDict):
    """A place in the organizer's own units."""

    x: float
    y: float


class Layout(TypedDict):
    """How a seated section is drawn."""

    origin: Position
    row_spacing: float
    seat_spacing: float
    curve: float


class Row(TypedDict):
    """A row of places, as printed, empty where a gap is; `xs` and `ys` are of each."""

    label: str
    seats: list[str]
    xs: list[float]
    ys: list[float]


class Section(TypedDict):
    """A part of a hall."""

    id: str
    name: str
    kind: str
    capacity: int
    rows: list[Row] | None
    layout: Layout | None


class Venue(TypedDict):
    """A hall."""

    id: str
    owner_id: str
    name: str
    address: str
    city: str
    country: str
    timezone: str
    capacity: int
    amenities: list[str]
    focal: Position | None
    sections: list[Section]
    created_at: str


class Tier(TypedDict):
    """A price tier; `capacity` where it counts tickets."""

    id: str
    name: str
    price: Money
    section_ids: list[str]
    capacity: int | None


# `from` is no name in Python.
Sales = TypedDict("Sales", {"open": bool, "from": str | None, "to": str})


class Availability(TypedDict):
    """How much is left."""

    available: int
    capacity: int


class RefundPolicy(TypedDict):
    """What goes back to a customer who cancels, and until when."""

    until_hours_before: int
    percent: int


class Rating(TypedDict):
    """What its visitors say."""

    average: float
    count: int


class Image(TypedDict):
    """A picture of an event; `url` takes `?w=` for one of the widths."""

    id: str
    role: str
    url: str
    widths: list[int]
    width: int
    height: int


class Review(TypedDict):
    """What somebody who was there says."""

    id: str
    event_id: str
    author: str
    rating: int
    text: str | None
    created_at: str
    updated_at: str


class Moved(TypedDict):
    """The last change of time or place; until then who had bought before may cancel in full."""

    at: str
    cancel_until: str


class Event(TypedDict):
    """An event; `availability`, told a few seconds late, is null until it is published."""

    id: str
    organizer_id: str
    status: str
    title: str
    description: str
    category: str
    venue: Venue | None
    location: str | None
    starts_at: str
    ends_at: str
    doors_at: str | None
    timezone: str
    currency: str
    tiers: list[Tier]
    max_per_customer: int
    sales: Sales
    availability: Availability | None
    refund_policy: RefundPolicy
    tax_percent: float
    terms: str
    cancel_reason: str | None
    images: list[Image]
    rating: Rating | None
    moved: Moved | None
    created_at: str


def section(part: catalog_pb2.Section) -> Section:
    """A part of a hall."""
    seated = part.kind == "SEATED"
    return {
        "id": part.id,
        "name": part.name,
        "kind": part.kind,
        "capacity": part.capacity,
        "rows": [
            {
                "label": row.label,
                "seats": list(row.seats),
                "xs": list(row.xs),
                "ys": list(row.ys),
            }
            for row in part.rows
        ]
        if seated
        else None,
        "layout": {
            "origin": {"x": part.layout.origin_x, "y": part.layout.origin_y},
            "row_spacing": part.layout.row_spacing,
            "seat_spacing": part.layout.seat_spacing,
            "curve": part.layout.curve,
        }
        if seated
        else None,
    }


def venue(hall: catalog_pb2.Venue) -> Venue:
    """A hall."""
    return {
        "id": hall.id,
        "owner_id": hall.owner_id,
        "name": hall.name,
        "address": hall.address,
        "city": hall.city,
        "country": hall.country,
        "timezone": hall.timezone,
        "capacity": hall.capacity
        if hall.HasField("capacity")
        else sum(part.capacity for part in hall.sections),
        "amenities": list(hall.amenities),
        "focal": {"x": hall.focal.x, "y": hall.focal.y} if hall.HasField("focal") else None,
        "sections": [section(part) for part in hall.sections],
        "created_at": time(hall.created_at),
    }


def image(picture: catalog_pb2.Image) -> Image:
    """A picture of an event."""
    return {
        "id": picture.id,
        "role": picture.role,
        "url": f"/api/v1/media/{picture.id}",
        "widths": list(picture.widths),
        "width": picture.width,
        "height": picture.height,
    }


def review(it: catalog_pb2.Review) -> Review:
    """What somebody who was there says."""
    return {
        "id": it.id,
        "event_id": it.event_id,
        "author": it.author,
        "rating": it.rating,
        "text": it.text or None,
        "created_at": time(it.created_at),
        "updated_at": time(it.updated_at),
    }


def event(it: catalog_pb2.Event) -> Event:
    """An event."""
    draft, left = it.draft, it.availability
    return {
        "id": it.id,
        "organizer_id": it.organizer_id,
        "status": it.status,
        "title": draft.title,
        "description": draft.description,
        "category": draft.category,
        "venue": venue(it.venue) if it.HasField("venue") else None,
        "location": draft.location or None,
        "starts_at": time(draft.starts_at),
        "ends_at": time(draft.ends_at),
        "doors_at": time(draft.doors_at) if draft.HasField("doors_at") else None,
        "timezone": draft.timezone,
        "currency": draft.currency,
        "tiers": [
            {
                "id": tier.id,
                "name": tier.name,
                "price": money(tier.price, draft.currency),
                "section_ids": list(tier.section_ids),
                "capacity": tier.capacity or None,
            }
            for tier in it.tiers
        ],
        "max_per_customer": draft.max_per_customer,
        "sales": {
            "open": left.sales_open,
            "from": time(draft.sales_from) if draft.HasField("sales_from") else None,
            "to": time(draft.sales_to if draft.HasField("sales_to") else draft.starts_at),
        },
        "availability": {"available": left.available, "capacity": left.capacity}
        if it.HasField("availability")
        else None,
        "refund_policy": {
            "until_hours_before": draft.refund_policy.until_hours_before,
            "percent": draft.refund_policy.percent,
        },
        "tax_percent": draft.tax_basis_points / 100,
        "terms": draft.terms,
        "cancel_reason": it.cancel_reason or None,
        "images": [image(picture) for picture in it.images],
        "rating": {"average": it.rating.average_hundredths / 100, "count": it.rating.count}
        if it.HasField("rating")
        else None,
        "moved": {"at": time(it.moved.at), "cancel_until": time(it.moved.cancel_until)}
        if it.HasField("moved")
        else None,
        "created_at": time(it.created_at),
    }
