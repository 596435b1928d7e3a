"""Venues, events, pictures and reviews."""

from __future__ import annotations

from typing import Annotated

from parterre.catalog.v1 import catalog_pb2
from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from presentation.views.base import (
    Area,
    Count,
    CountryCode,
    CurrencyCode,
    Id,
    Link,
    Money,
    Percent,
    Time,
    View,
    area,
    money,
    time,
)
from presentation.vocabulary import EventCategory, EventStatus, ImageRole, SectionKind, word


class Position(View):
    """A place in the organizer's own units."""

    x: float
    """To the right, seen from the hall towards the stage."""
    y: float
    """Away from the stage."""


class Layout(View):
    """How a seated section is drawn, in the organizer's own units."""

    origin: Position
    """The middle of the first row."""
    row_spacing: float
    """From one row to the next."""
    seat_spacing: float
    """From one seat to the next."""
    curve: float
    """How far the ends of a row bend towards the stage."""


class Row(View):
    """A row of places; `seats`, `xs` and `ys` have an entry for each, gaps included."""

    label: str
    """What is printed on the row."""
    seats: list[str]
    """What is printed on each seat; empty where a gap is."""
    xs: list[float]
    """Where each place is, to the right."""
    ys: list[float]
    """Where each place is, away from the stage."""


class Section(View):
    """A part of a hall."""

    id: Id
    """The section's id."""
    name: str
    """What people call it."""
    kind: SectionKind
    """Seats or standing room."""
    capacity: Count
    """How many it holds."""
    rows: list[Row] | None
    """Its rows, front to back; null where people stand, empty in lists."""
    layout: Layout | None
    """How it is drawn; null where people stand."""
    area: Area | None
    """How it is drawn where people stand; null where they sit."""
    area_is_default: bool
    """Whether nobody has said how it is drawn where people stand, so that it follows the rest."""


class Venue(View):
    """A hall."""

    id: Id
    """The venue's id."""
    owner_id: Id
    """Who made it, and may change it."""
    name: str
    """What people call it."""
    address: str
    """Street and number."""
    city: str
    """Its city."""
    country: CountryCode
    """ISO 3166-1 alpha-2."""
    timezone: str
    """Its IANA time zone."""
    capacity: Count
    """How many it holds: as its owner says, else what its sections add up to."""
    amenities: list[str]
    """What there is besides, in words."""
    focal: Position | None
    """Where the stage is; null: in front of the first row."""
    sections: list[Section]
    """Its parts."""
    created_at: Time
    """When it was made."""


class Tier(View):
    """A price tier; `capacity` where it counts tickets."""

    id: Id
    """The tier's id."""
    name: str
    """What people call it."""
    price: Money
    """What one place costs, before discount, tax and fees."""
    section_ids: list[Id]
    """The sections it sells; empty where it counts tickets."""
    capacity: int | None
    """How many tickets it counts; null where its sections say it."""


# `from` is no name in Python.
Sales = TypedDict(
    "Sales",
    {
        "open": Annotated[bool, Field(description="Whether it is sold now.")],
        "from": Annotated[Time | None, Field(description="When sales begin; null: at once.")],
        "to": Annotated[Time, Field(description="When sales end.")],
    },
)
Sales.__doc__ = "When an event is sold."


class Availability(View):
    """How much is left."""

    available: Count
    """Places that are free."""
    capacity: Count
    """All places."""


class RefundPolicy(View):
    """What goes back to a customer who cancels, and until when."""

    until_hours_before: Count
    """Hours before the start until which a booking may be cancelled."""
    percent: Percent
    """The share of what was paid that goes back."""


class Rating(View):
    """What its visitors say."""

    average: Annotated[float, WithJsonSchema({"type": "number", "minimum": 1, "maximum": 5})]
    """The mean, in hundredths."""
    count: Count
    """How many reviews there are."""


class Image(View):
    """A picture of an event; `url` takes `?w=` for one of the widths."""

    id: Id
    """The picture's id."""
    role: ImageRole
    """Where it is shown."""
    url: Link
    """Where it is: below this host."""
    widths: list[int]
    """The widths it is kept in, pixels, ascending."""
    width: Count
    """The width of the widest, pixels."""
    height: Count
    """The height of the widest, pixels."""


class Review(View):
    """What somebody who was there says."""

    id: Id
    """The review's id."""
    event_id: Id
    """What it is about."""
    author: str
    """Who wrote it: the name of their account."""
    rating: Annotated[int, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 5})]
    """From 1, bad, to 5, good."""
    text: str | None
    """What they say; null: no more than that."""
    created_at: Time
    """When it was first written."""
    updated_at: Time
    """When it was last written."""


class Moved(View):
    """The last change of time or place; until then who had bought before may cancel in full."""

    at: Time
    """When it was changed."""
    cancel_until: Time
    """Until when who had bought before may cancel in full."""


class Organizer(View):
    """Who sells an event."""

    name: str
    """The name of the business, as an admin approved it."""


class Event(View):
    """An event; `availability`, told a few seconds late, is null until it is published."""

    id: Id
    """The event's id."""
    organizer_id: Id
    """Who sells it, and may change it."""
    organizer: Organizer | None
    """The business that sells it, by a name that may be a minute old; null in lists, and where no
    name is approved or it can't be told now."""
    status: EventStatus
    """How it stands."""
    title: str
    """Its title."""
    description: str
    """What it is; lists show the first 500 characters."""
    category: EventCategory
    """What kind of event it is."""
    venue: Venue | None
    """Where it is; null where `location` says it in words."""
    location: str | None
    """Where it is, in words; null where it has a venue."""
    starts_at: Time
    """When it starts."""
    ends_at: Time
    """When it ends."""
    doors_at: Time | None
    """When the doors open, if that was said."""
    timezone: str
    """The IANA time zone that its times are meant in."""
    currency: CurrencyCode
    """ISO 4217, of all its prices."""
    tiers: list[Tier]
    """Its prices."""
    max_per_customer: Count
    """How many places a person may have, held and bought together."""
    sales: Sales
    """When it is sold."""
    availability: Availability | None
    """How much is left, a few seconds late; null until it is published."""
    refund_policy: RefundPolicy
    """What goes back to a customer who cancels."""
    tax_percent: Annotated[float, WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100})]
    """The tax on its prices, at most two decimals."""
    terms: str
    """What a buyer agrees to; empty in lists."""
    cancel_reason: str | None
    """Why it was called off; null: it was not."""
    images: list[Image]
    """Its pictures, the banner first; lists show the banner alone."""
    rating: Rating | None
    """What its visitors say; null: nothing yet."""
    moved: Moved | None
    """The last change of its time or place while it was sold; null: none."""
    created_at: Time
    """When it was drafted."""
    updated_at: Time
    """When its version rose last."""


def section(part: catalog_pb2.Section) -> Section:
    """A part of a hall."""
    seated = part.kind == "SEATED"
    return {
        "id": part.id,
        "name": part.name,
        "kind": word(part.kind),
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
        "area": area(part.area) if part.HasField("area") else None,
        "area_is_default": part.default_area,
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
        "role": word(picture.role),
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


def organizer(name: str) -> Organizer | None:
    """Who sells an event; an empty name is none."""
    return {"name": name} if name else None


def event(it: catalog_pb2.Event, organizer_name: str = "") -> Event:
    """An event; `organizer_name` is that of the business that sells it, empty where unknown."""
    draft, left = it.draft, it.availability
    return {
        "id": it.id,
        "organizer_id": it.organizer_id,
        "organizer": organizer(organizer_name),
        "status": word(it.status),
        "title": draft.title,
        "description": draft.description,
        "category": word(draft.category),
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
        "updated_at": time(it.updated_at),
    }
