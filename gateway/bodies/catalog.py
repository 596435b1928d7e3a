"""Venues with their sections and rows, events with their tiers, pictures and reviews."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from chassis import text
from gateway.bodies import limits
from gateway.bodies.base import (
    UUID,
    UUID_SCHEMA,
    WHOLE,
    Country,
    Id,
    Input,
    PageQuery,
    Time,
    Zone,
    absent,
    line,
    lines,
    not_found,
    sound,
)
from presentation.vocabulary import (
    EventCategory,
    EventSort,
    EventStatus,
    Numbering,
    PublicEventStatus,
)


def _percent(value: Any) -> Decimal:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            percent = Decimal(str(value))
            if 0 <= percent <= 100 and percent == round(percent, 2):
                return percent
        except InvalidOperation:
            pass
    raise PydanticCustomError("percent", "Must be 0 to 100, with at most two decimals")


def _seat_numbers(value: Any) -> int | list[str]:
    """A row's places as printed: a whole number of them, or each by name, empty where a gap is."""
    if isinstance(value, list) and all(isinstance(number, str) for number in value):
        return _named_seats([text.line(number) for number in value])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and 1 <= value <= limits.PLACES_IN_ROW
    ):
        return value
    raise _no_seats()


def _named_seats(numbers: list[str]) -> list[str]:
    fits = all(len(number) <= limits.SEAT_NUMBER for number in numbers)
    if not fits or not 1 <= len(numbers) <= limits.PLACES_IN_ROW:
        raise _no_seats()
    for number in numbers:
        sound(number, text.flaw_in_line(number))
    return numbers


def _no_seats() -> PydanticCustomError:
    return PydanticCustomError(
        "seats",
        f"Must be a number from 1 to {limits.PLACES_IN_ROW}, or a list of 1 to "
        f"{limits.PLACES_IN_ROW} texts of up to {limits.SEAT_NUMBER} characters",
    )


Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
MinorUnits = Annotated[int, Field(ge=0, le=limits.AMOUNT), *WHOLE]
Coordinate = Annotated[
    float,
    Field(strict=True, ge=-limits.COORDINATE, le=limits.COORDINATE, allow_inf_nan=False),
]
Spacing = Annotated[
    float, Field(strict=True, ge=limits.SPACING_LEAST, le=limits.SPACING, allow_inf_nan=False)
]
Side = Annotated[
    float, Field(strict=True, ge=limits.SIDE_LEAST, le=limits.SIDE, allow_inf_nan=False)
]
Curve = Annotated[float, Field(strict=True, ge=-limits.CURVE, le=limits.CURVE, allow_inf_nan=False)]
Percent = Annotated[
    Decimal,
    BeforeValidator(_percent),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100, "multipleOf": 0.01}),
]
SeatNumbers = Annotated[
    int | list[str],
    BeforeValidator(_seat_numbers),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": limits.PLACES_IN_ROW},
                {
                    "type": "array",
                    "items": {"type": "string", "maxLength": limits.SEAT_NUMBER},
                    "minItems": 1,
                    "maxItems": limits.PLACES_IN_ROW,
                },
            ]
        }
    ),
]
VenueName = Annotated[str, *line(limits.VENUE_NAME)]
Address = Annotated[str, *line(limits.ADDRESS)]
City = Annotated[str, *line(limits.CITY)]
Capacity = Annotated[int, Field(ge=1, le=limits.VENUE_CAPACITY), *WHOLE]
Amenities = Annotated[
    list[Annotated[str, *line(limits.AMENITY)]], Field(max_length=limits.AMENITIES)
]
SectionName = Annotated[str, *line(limits.SECTION_NAME)]
Standing = Annotated[int, Field(ge=1, le=limits.STANDING), *WHOLE]
Label = Annotated[str, *line(limits.ROW_LABEL)]
SeatNumber = Annotated[str, *line(limits.SEAT_NUMBER)]
Title = Annotated[str, *line(limits.TITLE)]
Location = Annotated[str, *line(limits.LOCATION)]
Prose = Annotated[str, *lines(limits.PROSE)]
PlacesOfPerson = Annotated[int, Field(ge=1, le=limits.PLACES_OF_PERSON), *WHOLE]

EventId = Annotated[
    str, not_found("EVENT_NOT_FOUND", UUID), UUID_SCHEMA, Path(description="The event's id.")
]
SectionId = Annotated[
    str, not_found("SECTION_NOT_FOUND", UUID), UUID_SCHEMA, Path(description="The section's id.")
]
VenueId = Annotated[
    str, not_found("VENUE_NOT_FOUND", UUID), UUID_SCHEMA, Path(description="The venue's id.")
]
ImageId = Annotated[
    str, not_found("IMAGE_NOT_FOUND", UUID), UUID_SCHEMA, Path(description="The picture's id.")
]


class Point(Input):
    """A place in the organizer's own units; the stage is towards smaller `y`."""

    x: Coordinate
    """To the right, seen from the hall towards the stage."""
    y: Coordinate
    """Away from the stage."""


class NewVenue(Input):
    """A hall."""

    name: VenueName
    """What people call it."""
    address: Address
    """Street and number."""
    city: City
    """Its city."""
    country: Country
    """ISO 3166-1 alpha-2."""
    timezone: Zone
    """An IANA time zone, such as Asia/Kathmandu."""
    capacity: Capacity | None = None
    """How many it holds; absent: what its sections add up to."""
    amenities: Amenities = Field(default=[])
    """What there is besides, in words."""
    focal: Point | None = None
    """Where the stage is; absent: in front of the first row."""


class VenueChange(Input):
    """What to change of a venue; what is absent stays."""

    name: VenueName = Field(default_factory=absent)
    """What people call it."""
    address: Address = Field(default_factory=absent)
    """Street and number."""
    city: City = Field(default_factory=absent)
    """Its city."""
    country: Country = Field(default_factory=absent)
    """ISO 3166-1 alpha-2."""
    timezone: Zone = Field(default_factory=absent)
    """An IANA time zone, such as Asia/Kathmandu."""
    capacity: Capacity | None = Field(default_factory=absent)
    """How many it holds; null: what its sections add up to."""
    amenities: Amenities = Field(default_factory=absent)
    """What there is besides, in words: all of it."""
    focal: Point | None = Field(default_factory=absent)
    """Where the stage is; null: in front of the first row."""


class NewRow(Input):
    """A row of places, side by side: each by name, or how many there are and how they count."""

    label: Label
    """What is printed on the row; no other row of the section has it."""
    seats: SeatNumbers
    """What is printed on each seat, empty where a gap is; or how many there are."""
    numbering: Numbering | None = None
    """How they count; absent: FORWARD. Not where each is named."""
    start: Annotated[int, Field(ge=0, le=limits.FIRST_NUMBER), *WHOLE] | None = None
    """The lowest number; absent: 1, or 2 where they are EVEN. Not where each is named."""
    missing: list[SeatNumber] = Field(default=[], max_length=limits.PLACES_IN_ROW)
    """Numbers without a seat: gaps. Not where each is named."""


Rows = Annotated[list[NewRow], Field(min_length=1, max_length=limits.ROWS)]


class SeatedSection(Input):
    """Numbered rows, front to back."""

    kind: Literal["SEATED"]
    """It has numbered rows."""
    name: SectionName
    """What people call it; no other section of the venue has that name."""
    rows: Rows
    """Its rows, front to back."""
    origin: Point = Point(x=0, y=0)
    """The middle of the first row."""
    row_spacing: Spacing = 1
    """From one row to the next."""
    seat_spacing: Spacing = 1
    """From one seat to the next."""
    curve: Curve = 0
    """How far the ends of a row bend towards the stage."""


class Rectangle(Input):
    """How standing room is drawn: a rectangle; what is absent stays, or is where there is room."""

    x: Coordinate = Field(default_factory=absent)
    """Its middle, to the right, seen from the hall towards the stage."""
    y: Coordinate = Field(default_factory=absent)
    """Its middle, away from the stage."""
    width: Side = Field(default_factory=absent)
    """From left to right."""
    height: Side = Field(default_factory=absent)
    """From front to back."""


class StandingSection(Input):
    """Standing room."""

    kind: Literal["STANDING"]
    """It counts people."""
    name: SectionName
    """What people call it; no other section of the venue has that name."""
    capacity: Standing
    """How many it holds."""
    area: Rectangle = Field(default_factory=absent)
    """How it is drawn; absent: behind all seats, and behind what is drawn there."""


class SectionChange(Input):
    """What to change of a section: where it is seated its rows and drawing, else its room."""

    name: SectionName = Field(default_factory=absent)
    """What people call it; no other section of the venue has that name."""
    rows: Rows = Field(default_factory=absent)
    """All its rows, front to back."""
    origin: Point = Field(default_factory=absent)
    """The middle of the first row."""
    row_spacing: Spacing = Field(default_factory=absent)
    """From one row to the next."""
    seat_spacing: Spacing = Field(default_factory=absent)
    """From one seat to the next."""
    curve: Curve = Field(default_factory=absent)
    """How far the ends of a row bend towards the stage."""
    capacity: Standing = Field(default_factory=absent)
    """How many it holds, where people stand."""
    area: Rectangle | None = Field(default_factory=absent)
    """How it is drawn, where people stand; null: as if nobody had said it, where there is room."""


NewSection = Annotated[SeatedSection | StandingSection, Field(discriminator="kind")]


class NewTier(Input):
    """A price, and what it covers: sections of the venue, or so many counted tickets."""

    name: Annotated[str, *line(limits.TIER_NAME)]
    """What people call it; no other tier of the event has that name."""
    price: MinorUnits
    """What one place costs, minor units; 0 is free."""
    section_ids: list[Id] = Field(
        default=[], max_length=limits.TIER_SECTIONS, json_schema_extra={"uniqueItems": True}
    )
    """With a venue: the sections it sells, each in one tier."""
    capacity: Annotated[int, Field(ge=1, le=limits.TIER_TICKETS), *WHOLE] | None = None
    """Without a venue: how many tickets there are."""


class RefundTerms(Input):
    """What goes back to a customer who cancels, and until when."""

    until_hours_before: Annotated[int, Field(ge=0, le=limits.REFUND_HOURS), *WHOLE] = 24
    """Hours before the start until which a booking may be cancelled."""
    percent: Annotated[int, Field(ge=0, le=100), *WHOLE] = 100
    """The share of what was paid that goes back."""


class NewEvent(Input):
    """An event in a venue, or of plain counted tickets at a place told in words."""

    title: Title
    """Its title."""
    description: Prose = ""
    """What it is."""
    category: EventCategory
    """What kind of event it is."""
    venue_id: Id | None = None
    """Where it is: any venue there is; else `location` says it."""
    location: Location | None = None
    """Where it is, in words; only without a venue."""
    starts_at: Time
    """When it starts: in the future, within ten years."""
    ends_at: Time
    """When it ends: after `starts_at`, within 366 days."""
    doors_at: Time | None = None
    """When the doors open: not after `starts_at`."""
    timezone: Zone | None = None
    """An IANA time zone; absent: the venue's."""
    currency: Currency
    """ISO 4217, of all its prices."""
    tiers: list[NewTier] = Field(min_length=1, max_length=limits.TIERS)
    """Its prices."""
    max_per_customer: PlacesOfPerson = 10
    """How many places a person may have, held and bought together."""
    sales_from: Time | None = None
    """When sales begin; absent: when it is published."""
    sales_to: Time | None = None
    """When sales end; absent: when it starts."""
    refund_policy: RefundTerms = RefundTerms()
    """What goes back to a customer who cancels."""
    tax_percent: Percent = Field(default_factory=Decimal, json_schema_extra={"default": 0})
    """The tax on its prices, at most two decimals."""
    terms: Prose = ""
    """What a buyer agrees to."""


class ChangedTier(NewTier):
    """A tier as it shall be; with the id of one that is there already, else another one."""

    id: Id | None = None
    """The tier's id; absent: it is a new one."""


class EventChange(Input):
    """What to change of an event; what is absent stays, null takes away what may be missing."""

    title: Title = Field(default_factory=absent)
    """Its title."""
    description: Prose = Field(default_factory=absent)
    """What it is."""
    category: EventCategory = Field(default_factory=absent)
    """What kind of event it is."""
    venue_id: Id | None = Field(default_factory=absent)
    """Where it is: any venue there is; else `location` says it."""
    location: Location | None = Field(default_factory=absent)
    """Where it is, in words; only without a venue."""
    starts_at: Time = Field(default_factory=absent)
    """When it starts: in the future, within ten years."""
    ends_at: Time = Field(default_factory=absent)
    """When it ends: after `starts_at`, within 366 days."""
    doors_at: Time | None = Field(default_factory=absent)
    """When the doors open: not after `starts_at`."""
    timezone: Zone | None = Field(default_factory=absent)
    """An IANA time zone; null: the venue's."""
    currency: Currency = Field(default_factory=absent)
    """ISO 4217, of all its prices."""
    tiers: list[ChangedTier] = Field(default_factory=absent, min_length=1, max_length=limits.TIERS)
    """All its prices: a tier that is not named goes."""
    max_per_customer: PlacesOfPerson = Field(default_factory=absent)
    """How many places a person may have, held and bought together."""
    sales_from: Time | None = Field(default_factory=absent)
    """When sales begin; null: when it is published."""
    sales_to: Time | None = Field(default_factory=absent)
    """When sales end; null: when it starts."""
    refund_policy: RefundTerms = Field(default_factory=absent)
    """What goes back to a customer who cancels."""
    tax_percent: Percent = Field(default_factory=absent)
    """The tax on its prices, at most two decimals."""
    terms: Prose = Field(default_factory=absent)
    """What a buyer agrees to."""


class EventCancellation(Input):
    """Why an event is called off; told to everyone who has a ticket."""

    reason: Annotated[str, *line(limits.CANCEL_REASON)]
    """In words, for everyone who has a ticket."""


class NewReview(Input):
    """What somebody who was there says."""

    rating: Annotated[int, Field(ge=1, le=5), *WHOLE]
    """From 1, bad, to 5, good."""
    text: Annotated[str, *lines(limits.REVIEW)] = ""
    """What there is to say."""


class EventQuery(PageQuery):
    """Which events."""

    q: Annotated[str, *line(limits.EVENT_QUERY)] | None = None
    """Up to ten words, or their beginnings, of title, place or description."""
    category: EventCategory | None = None
    """Those of this kind."""
    city: City | None = None
    """Those in this city."""
    from_: Time | None = Field(default=None, alias="from")
    """Those that start at or after this time."""
    to: Time | None = None
    """Those that start before this time."""
    min_price: MinorUnits | None = Field(default=None, strict=False)
    """Those with a price of at least this, minor units."""
    max_price: MinorUnits | None = Field(default=None, strict=False)
    """Those with a price of at most this, minor units."""
    status: PublicEventStatus | None = None
    """Those that stand so; absent: PUBLISHED."""
    organizer_id: Id | None = None
    """Those that this person sells."""
    sort: EventSort = "starts_at"
    """In which order; with `updated_since` it is `updated_at`."""
    updated_since: Time | None = None
    """Updated then or since, the one longest ago first. Changes of the last moments are left out
    until none can be missed; ask next with the latest `updated_at` you had."""


class OwnEventQuery(PageQuery):
    """Which of the organizer's own events."""

    status: EventStatus | None = None
    """Those that stand so."""
    updated_since: Time | None = None
    """Updated then or since, the one longest ago first. Changes of the last moments are left out
    until none can be missed; ask next with the latest `updated_at` you had."""


class ImageQuery(Input):
    """How wide a picture is wanted."""

    w: int = Field(default=0, ge=0, le=10_000)
    """Pixels; 0 asks for the widest."""
