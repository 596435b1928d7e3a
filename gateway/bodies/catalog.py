"""Venues with their sections and rows, events with their tiers, pictures and reviews."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from chassis import text
from gateway.bodies.base import (
    IS_LINE,
    IS_LINES,
    MAX_AMOUNT,
    UUID,
    Country,
    Id,
    Input,
    Name,
    PageQuery,
    Prose,
    Short,
    Time,
    Words,
    Zone,
    absent,
    not_found,
)

_MAX_SEATS_IN_ROW = 500


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
        value = [text.line(number) for number in value]
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX_SEATS_IN_ROW:
        return value
    if (
        isinstance(value, list)
        and 1 <= len(value) <= _MAX_SEATS_IN_ROW
        and all(
            isinstance(number, str) and len(number) <= 10 and not text.flaw_in_line(number)
            for number in value
        )
    ):
        return value
    raise PydanticCustomError(
        "seats",
        "Must be a number from 1 to 500, or a list of 1 to 500 texts of up to 10 characters",
    )


ReviewText = Annotated[str, StringConstraints(max_length=2000), *IS_LINES]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="ISO 4217")]
Category = Annotated[str, StringConstraints(pattern=r"^[A-Z_]{1,40}$")]
MinorUnits = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT, description="Minor units")]
Coordinate = Annotated[float, Field(strict=True, ge=-100_000, le=100_000, allow_inf_nan=False)]
Spacing = Annotated[float, Field(strict=True, gt=0, le=1_000, allow_inf_nan=False)]
Percent = Annotated[
    Decimal,
    BeforeValidator(_percent),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100}),
]
SeatNumbers = Annotated[
    int | list[str],
    BeforeValidator(_seat_numbers),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": _MAX_SEATS_IN_ROW},
                {
                    "type": "array",
                    "items": {"type": "string", "maxLength": 10},
                    "minItems": 1,
                    "maxItems": _MAX_SEATS_IN_ROW,
                },
            ]
        }
    ),
]
EventId = Annotated[str, not_found("EVENT_NOT_FOUND", UUID)]
SectionId = Annotated[str, not_found("SECTION_NOT_FOUND", UUID)]
VenueId = Annotated[str, not_found("VENUE_NOT_FOUND", UUID)]
ImageId = Annotated[str, not_found("IMAGE_NOT_FOUND", UUID)]


class Point(Input):
    """A place in the organizer's own units."""

    x: Coordinate
    y: Coordinate


class NewVenue(Input):
    """A hall; `focal` is where its stage is, absent: in front of the first row."""

    name: Name = Field(examples=["Rastriya Naach Ghar"])
    address: Name = Field(examples=["Jamal"])
    city: Short = Field(examples=["Kathmandu"])
    country: Country = Field(examples=["NP"])
    timezone: Zone
    capacity: int | None = Field(default=None, strict=True, ge=1, le=1_000_000)
    amenities: list[Short] = Field(default=[], max_length=50)
    focal: Point | None = None


class VenueChange(Input):
    """What to change of a venue; a capacity of null is what its sections add up to."""

    name: Name = Field(default_factory=absent, examples=["Rastriya Naach Ghar"])
    address: Name = Field(default_factory=absent, examples=["Jamal"])
    city: Short = Field(default_factory=absent, examples=["Kathmandu"])
    country: Country = Field(default_factory=absent, examples=["NP"])
    timezone: Zone = Field(default_factory=absent)
    capacity: int | None = Field(default_factory=absent, strict=True, ge=1, le=1_000_000)
    amenities: list[Short] = Field(default_factory=absent, max_length=50)
    focal: Point = Field(default_factory=absent)


Label = Annotated[str, StringConstraints(min_length=1, max_length=10), *IS_LINE]


class NewRow(Input):
    """A row of places, side by side: each by name, empty where a gap is; or how many, and how they
    count. FORWARD, BACKWARD, ODD and EVEN count from `start`; what is `missing` leaves a gap."""

    label: Label = Field(examples=["A"])
    seats: SeatNumbers = Field(examples=[20])
    numbering: Literal["FORWARD", "BACKWARD", "ODD", "EVEN"] | None = None
    start: int | None = Field(default=None, strict=True, ge=0, le=10_000)
    missing: list[Label] = Field(default=[], max_length=_MAX_SEATS_IN_ROW, examples=[["13"]])


class SeatedSection(Input):
    """Numbered rows, front to back."""

    kind: Literal["SEATED"]
    name: Short = Field(examples=["Stalls"])
    rows: list[NewRow] = Field(min_length=1, max_length=500)
    origin: Point = Point(x=0, y=0)
    row_spacing: Spacing = 1
    seat_spacing: Spacing = 1
    curve: Coordinate = 0


class StandingSection(Input):
    """Standing room."""

    kind: Literal["STANDING"]
    name: Short = Field(examples=["Floor"])
    capacity: int = Field(strict=True, ge=1, le=200_000, examples=[350])


class SectionChange(Input):
    """What to change of a section: where it is seated its rows and drawing, else its room."""

    name: Short = Field(default_factory=absent, examples=["Stalls"])
    rows: list[NewRow] = Field(default_factory=absent, min_length=1, max_length=500)
    origin: Point = Field(default_factory=absent)
    row_spacing: Spacing = Field(default_factory=absent)
    seat_spacing: Spacing = Field(default_factory=absent)
    curve: Coordinate = Field(default_factory=absent)
    capacity: int = Field(default_factory=absent, strict=True, ge=1, le=200_000)


NewSection = Annotated[SeatedSection | StandingSection, Field(discriminator="kind")]


class NewTier(Input):
    """A price, and what it covers: sections of the venue, or so many counted tickets."""

    name: Short = Field(examples=["Stalls"])
    price: MinorUnits = Field(examples=[150000])
    section_ids: list[Id] = Field(default=[], max_length=500)
    capacity: int | None = Field(default=None, strict=True, ge=1, le=1_000_000)


class RefundTerms(Input):
    """What goes back to a customer who cancels, and until when."""

    until_hours_before: int = Field(default=24, strict=True, ge=0, le=8760)
    percent: int = Field(default=100, strict=True, ge=0, le=100)


class NewEvent(Input):
    """An event in a venue, or of plain counted tickets at a place told in words."""

    title: Name = Field(examples=["The Tempest"])
    description: Prose = ""
    category: Category = Field(examples=["THEATRE"])
    venue_id: Id | None = None
    location: Name | None = None
    starts_at: Time = Field(examples=["2027-03-01T13:15:00Z"])
    ends_at: Time = Field(examples=["2027-03-01T16:15:00Z"])
    doors_at: Time | None = None
    timezone: Zone | None = None
    currency: Currency = Field(examples=["NPR"])
    tiers: list[NewTier] = Field(min_length=1, max_length=100)
    max_per_customer: int = Field(default=10, strict=True, ge=1, le=100)
    sales_from: Time | None = None
    sales_to: Time | None = None
    refund_policy: RefundTerms = RefundTerms()
    tax_percent: Percent = Decimal(0)
    terms: Prose = ""


class ChangedTier(NewTier):
    """A tier as it shall be; with the id of one that is there already, else another one."""

    id: Id | None = None


class EventChange(Input):
    """What to change of an event; null takes away what may be missing."""

    title: Name = Field(default_factory=absent, examples=["The Tempest"])
    description: Prose = Field(default_factory=absent)
    category: Category = Field(default_factory=absent, examples=["THEATRE"])
    venue_id: Id | None = Field(default_factory=absent)
    location: Name | None = Field(default_factory=absent)
    starts_at: Time = Field(default_factory=absent, examples=["2027-03-01T13:15:00Z"])
    ends_at: Time = Field(default_factory=absent, examples=["2027-03-01T16:15:00Z"])
    doors_at: Time | None = Field(default_factory=absent)
    timezone: Zone | None = Field(default_factory=absent)
    currency: Currency = Field(default_factory=absent, examples=["NPR"])
    tiers: list[ChangedTier] = Field(default_factory=absent, min_length=1, max_length=100)
    max_per_customer: int = Field(default_factory=absent, strict=True, ge=1, le=100)
    sales_from: Time | None = Field(default_factory=absent)
    sales_to: Time | None = Field(default_factory=absent)
    refund_policy: RefundTerms = Field(default_factory=absent)
    tax_percent: Percent = Field(default_factory=absent)
    terms: Prose = Field(default_factory=absent)


class Cancellation(Input):
    """Why an event is called off; told to everyone who has a ticket."""

    reason: Words


class NewReview(Input):
    """What somebody who was there says."""

    rating: Annotated[int, Field(strict=True, ge=1, le=5, examples=[5])]
    text: ReviewText = Field(default="", examples=["The second act alone was worth it."])


class EventQuery(PageQuery):
    """Which events."""

    q: Name | None = Field(
        default=None, description="Words, or their beginnings, of title, place or description"
    )
    category: Category | None = None
    city: Short | None = None
    from_: Time | None = Field(default=None, alias="from", description="Starts at or after")
    to: Time | None = Field(default=None, description="Starts before")
    min_price: int | None = Field(default=None, ge=0, le=MAX_AMOUNT, description="Minor units")
    max_price: int | None = Field(default=None, ge=0, le=MAX_AMOUNT, description="Minor units")
    status: Literal["PUBLISHED", "CANCELLED", "COMPLETED"] | None = None
    organizer_id: Id | None = None
    sort: Literal["starts_at", "-starts_at", "price", "-price", "popularity", "relevance"] = Field(
        default="starts_at", description="Most sold first; best match for `q` first"
    )


class OwnEventQuery(PageQuery):
    """Which of the organizer's own events."""

    status: Literal["DRAFT", "PUBLISHING", "PUBLISHED", "CANCELLED", "COMPLETED"] | None = None


class ImageQuery(Input):
    """How wide a picture is wanted."""

    w: int = Field(default=0, ge=0, le=10_000, description="Pixels; 0 asks for the widest")
