"""What others are told of an event: what is put on sale, where every seat stands, how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from catalog_service.domain import Event, Layout, Row, Section


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row with the place of each seat."""

    label: str
    numbers: Sequence[str]
    xs: Sequence[float]
    ys: Sequence[float]


@dataclass(frozen=True, slots=True)
class OpenSection:
    """Places to be put on sale together: rows, or room for so many."""

    id: UUID
    name: str
    tier_id: UUID
    rows: Sequence[PlacedRow]
    capacity: int  # 0 with rows


@dataclass(frozen=True, slots=True)
class Opening:
    """Told to inventory: put these places on sale."""

    event: Event
    sections: Sequence[OpenSection]
    focal_x: float
    focal_y: float


@dataclass(frozen=True, slots=True)
class Announcement:
    """Told to everybody: the event is on sale."""

    event: Event
    place: str


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Told to everybody: the event is called off."""

    event_id: UUID
    reason: str


def opening(event: Event, sections: Sequence[Section]) -> Opening:
    """What is put on sale: the sections that the event's tiers name, or one for each counted tier.

    Later sections of the venue are not among them, so that it is the same each time.
    """
    if event.draft.venue_id is None:
        counted = [
            OpenSection(tier.id, tier.name, tier.id, (), tier.capacity) for tier in event.tiers
        ]
        return Opening(event, counted, 0.0, 0.0)
    tier_of = {section_id: tier.id for tier in event.tiers for section_id in tier.section_ids}
    sold = [section for section in sections if section.id in tier_of]
    opened = [
        OpenSection(
            section.id,
            section.name,
            tier_of[section.id],
            placed(section.rows, section.layout),
            0 if section.rows else section.capacity,
        )
        for section in sold
    ]
    return Opening(event, opened, *stage([section.layout for section in sold if section.rows]))


def placed(rows: Sequence[Row], layout: Layout) -> Sequence[PlacedRow]:
    """Where each seat stands: rows one behind the other, each centred, its ends bent forward.

    A row bends as a parabola: by nothing in its middle and by `curve` at its ends. Coordinates are
    rounded to thousandths of a unit.
    """
    result = []
    for depth, row in enumerate(rows):
        middle = (len(row.seats) - 1) / 2
        offsets = [number - middle for number in range(len(row.seats))]
        y = layout.origin_y + depth * layout.row_spacing
        result.append(
            PlacedRow(
                row.label,
                row.seats,
                [round(layout.origin_x + offset * layout.seat_spacing, 3) for offset in offsets],
                [round(y - layout.curve * (offset / (middle or 1)) ** 2, 3) for offset in offsets],
            )
        )
    return result


def stage(layouts: Sequence[Layout]) -> tuple[float, float]:
    """The focal point (x, y): the mean of the origins' x, one row before the very first row."""
    if not layouts:
        return 0.0, 0.0
    front = min(layouts, key=lambda layout: layout.origin_y)
    x = sum(layout.origin_x for layout in layouts) / len(layouts)
    return round(x, 3), round(front.origin_y - front.row_spacing, 3)


def announcement(event: Event) -> Announcement:
    """What everybody needs to know of an event on sale."""
    return Announcement(event, event.venue.draft.name if event.venue else event.draft.location)
