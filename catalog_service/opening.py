"""What others are told of an event: what is put on sale, what it costs, how it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from catalog_service.domain import Area, Event, Point, Row, Section, areas, stage


@dataclass(frozen=True, slots=True)
class OpenSection:
    """Places to be put on sale together: rows, or room for so many."""

    id: UUID
    name: str
    tier_id: UUID
    rows: Sequence[Row]  # of seats alone: a gap shows by how far apart its neighbours stand
    capacity: int  # 0 with rows
    area: Area | None = None  # where people stand; None with rows, or without a hall


@dataclass(frozen=True, slots=True)
class Opening:
    """Told to inventory: put these places on sale."""

    event: Event
    sections: Sequence[OpenSection]
    focal: Point


@dataclass(frozen=True, slots=True)
class CapacityQuestion:
    """Asked of inventory: what do the event's counted tiers have?"""

    event_id: UUID
    version: int  # one of the edits' numbers: no older edit may have an effect any more


@dataclass(frozen=True, slots=True)
class Announcement:
    """Told to everybody: the event is on sale, and what it is by now."""

    event: Event
    place: str


@dataclass(frozen=True, slots=True)
class Drafting:
    """Told to booking: there is a draft, whose organizer may make coupons for it."""

    event: Event
    place: str


@dataclass(frozen=True, slots=True)
class Move:
    """Told to everybody: the event's time or place has changed."""

    event: Event
    starts_at_before: datetime | None = None  # None: the place changed


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Told to everybody: the event is called off."""

    event_id: UUID
    organizer_id: UUID
    reason: str


def opening(event: Event, sections: Sequence[Section]) -> Opening:
    """What is put on sale: the sections that the event's tiers name, or one for each counted tier.

    Later sections of the venue are not among them, so that it is the same each time.
    """
    if event.draft.venue_id is None:
        counted = [
            OpenSection(tier.id, tier.name, tier.id, (), tier.capacity) for tier in event.tiers
        ]
        return Opening(event, counted, Point(0.0, 0.0))
    tier_of = {section_id: tier.id for tier in event.tiers for section_id in tier.section_ids}
    sold = [section for section in sections if section.id in tier_of]
    said = event.venue.draft.focal if event.venue else None
    area_of = areas(sections, said)
    opened = [
        OpenSection(
            section.id,
            section.name,
            tier_of[section.id],
            [_seats(row) for row in section.rows],
            0 if section.rows else section.capacity,
            area_of.get(section.id),
        )
        for section in sold
    ]
    return Opening(
        event, opened, said or stage([section.layout for section in sold if section.rows])
    )


def _seats(row: Row) -> Row:
    def of_seats(values: Sequence[float]) -> Iterator[float]:
        return (value for seat, value in zip(row.seats, values, strict=True) if seat)

    return replace(row, seats=row.numbers, xs=[*of_seats(row.xs)], ys=[*of_seats(row.ys)])


def announcement(event: Event) -> Announcement:
    """What everybody needs to know of an event on sale."""
    return Announcement(event, place(event))


def drafting(event: Event) -> Drafting:
    """What booking needs to know of a draft."""
    return Drafting(event, place(event))


def place(event: Event) -> str:
    """Where it is, for people."""
    return event.venue.draft.name if event.venue else event.draft.location
