"""An event's places and the terms of their sale."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import accumulate, pairwise
from math import dist, hypot
from statistics import median
from uuid import UUID

from inventory_service.domain.errors import (
    UnknownSectionError,
    invalid_hold,
    unknown_seats,
    unknown_tier,
)


@dataclass(frozen=True, slots=True)
class Tier:
    """A price."""

    id: UUID
    name: str
    price: int  # minor units


@dataclass(frozen=True)
class Row:
    """Seats side by side, numbered within the event from `first` on."""

    label: str
    first: int
    numbers: Sequence[str]
    xs: Sequence[float]
    ys: Sequence[float]


@dataclass(frozen=True, slots=True)
class Area:
    """Where people stand: a rectangle by its middle, in the units of the seats."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Section:
    """Numbered rows, or (without rows) standing room."""

    id: UUID
    name: str
    tier_id: UUID
    rows: Sequence[Row]
    capacity: int
    area: Area | None = None  # None with rows, and where it was not told

    @property
    def kind(self) -> str:
        """SEATED or STANDING."""
        return "SEATED" if self.rows else "STANDING"


@dataclass(frozen=True, slots=True)
class Part:
    """Seats side by side: a row, or what an aisle leaves of it."""

    section_id: UUID
    tier_id: UUID
    first: int
    end: int  # one past the last
    xs: Sequence[float]  # the sum of all before each seat, and of all
    ys: Sequence[float]
    nearest: float  # no run in it has its middle nearer to the focal point


# Neighbours in a row that stand farther apart than so many of the section's usual steps have an
# aisle, a pillar or a missing seat between them.
_GAP = 1.5


@dataclass(frozen=True, slots=True)
class Terms:
    """What may change of an event while it is on sale, for the holds that are made from then on."""

    version: int
    max_per_customer: int
    tiers: Mapping[UUID, Tier]


@dataclass(frozen=True)
class Layout:
    """An event's places, which do not change while it is on sale, and its terms as of a version."""

    event_id: UUID
    currency: str
    max_per_customer: int
    focal: tuple[float, float]
    tiers: Mapping[UUID, Tier]
    sections: Sequence[Section]
    terms_version: int = 0

    def under(self, terms: Terms) -> Layout:
        """The same places under other terms."""
        return replace(
            self,
            max_per_customer=terms.max_per_customer,
            tiers=terms.tiers,
            terms_version=terms.version,
        )

    @cached_property
    def section_of(self) -> Mapping[UUID, Section]:
        """The sections by their ids."""
        return {section.id: section for section in self.sections}

    @cached_property
    def _rows(self) -> Sequence[tuple[Section, Row]]:
        return [(section, row) for section in self.sections for row in section.rows]

    @cached_property
    def _starts(self) -> Sequence[int]:
        return [row.first for _section, row in self._rows]

    @cached_property
    def seat_count(self) -> int:
        """How many numbered seats there are."""
        return sum(len(row.numbers) for _section, row in self._rows)

    @property
    def capacity(self) -> int:
        """Seats and standing places together."""
        return sum(section.capacity for section in self.sections)

    @cached_property
    def parts(self) -> Sequence[Part]:
        """All numbered seats side by side, those nearest to the focal point first."""
        parts = [
            self._part(section, row, begin, end)
            for section in self.sections
            for row, begin, end in _side_by_side(section.rows)
        ]
        return sorted(parts, key=lambda part: (part.nearest, part.first))

    def _part(self, section: Section, row: Row, begin: int, end: int) -> Part:
        xs, ys = row.xs[begin:end], row.ys[begin:end]
        x, y = self.focal
        return Part(
            section.id,
            section.tier_id,
            row.first + begin,
            row.first + end,
            tuple(accumulate(xs, initial=0.0)),
            tuple(accumulate(ys, initial=0.0)),
            hypot(max(min(xs) - x, 0.0, x - max(xs)), max(min(ys) - y, 0.0, y - max(ys))),
        )

    def locate(self, seat_no: int) -> tuple[Section, Row, int]:
        """Where a seat of this event is: section, row, index in the row."""
        section, row = self._rows[bisect_right(self._starts, seat_no) - 1]
        return section, row, seat_no - row.first

    def seat_nos(self, seat_ids: Sequence[str]) -> list[int]:
        """The seats' numbers within the event.

        Raises:
            UnknownSeatsError: some are no ids of its seats.
        """
        count = self.seat_count
        nos = [parse_seat_id(seat_id) for seat_id in seat_ids]
        unknown = [
            seat_id for seat_id, no in zip(seat_ids, nos, strict=True) if no is None or no >= count
        ]
        if unknown:
            raise unknown_seats(unknown)
        return [no for no in nos if no is not None]

    def seated(self, tier_id: UUID | None, section_id: UUID | None) -> list[Section]:
        """The sections with numbered seats, of one tier, or that one section, where given.

        Raises:
            UnknownTierError, UnknownSectionError: the event has none of that id.
        """
        if tier_id is not None and tier_id not in self.tiers:
            raise unknown_tier("best_available.tier_id")
        if section_id is not None and all(section.id != section_id for section in self.sections):
            detail = "This event has no such section."
            raise UnknownSectionError(detail, **{"best_available.section_id": detail})
        return [
            section
            for section in self.sections
            if section.rows
            and tier_id in (None, section.tier_id)
            and section_id in (None, section.id)
        ]

    def standing(self, tier_id: UUID, field: str) -> list[Section]:
        """The sections with counted tickets of a tier; `field` is what asked for it.

        Raises:
            UnknownTierError: the event has no such tier.
            InvalidHoldError: the tier has numbered seats only.
        """
        if tier_id not in self.tiers:
            raise unknown_tier(field)
        sections = [s for s in self.sections if not s.rows and s.tier_id == tier_id]
        if not sections:
            raise invalid_hold(field, "This tier has numbered seats only.")
        return sections


@dataclass(frozen=True, slots=True)
class Opening:
    """An event whose places go on sale."""

    layout: Layout
    organizer_id: UUID
    sales_from: datetime | None  # None: at once
    sales_to: datetime
    starts_at: datetime


def _side_by_side(rows: Sequence[Row]) -> Iterator[tuple[Row, int, int]]:
    """What gaps leave of the rows of a section: row, and the first and one past the last in it."""
    places = [list(zip(row.xs, row.ys, strict=True)) for row in rows]
    steps = [[dist(*two) for two in pairwise(row)] for row in places]
    every = [step for row in steps for step in row]
    usual = median(every) if every else 0.0
    for row, row_steps in zip(rows, steps, strict=True):
        begin = 0
        for at, width in enumerate(row_steps, 1):
            if usual and width > usual * _GAP:
                yield row, begin, at
                begin = at
        yield row, begin, len(row.numbers)


@dataclass(frozen=True, slots=True)
class TermsChange:
    """The organizer changed the terms of an event."""

    event_id: UUID
    terms: Terms
    sales_from: datetime | None  # None: at once
    sales_to: datetime
    starts_at: datetime


def parse_seat_id(seat_id: str) -> int | None:
    """The seat's number within its event, or None where the text is no seat's id."""
    plain = seat_id.isascii() and seat_id.isdigit() and len(seat_id) < 10
    return int(seat_id) if plain and str(int(seat_id)) == seat_id else None


def spread(free: Mapping[UUID, int], quantity: int) -> Mapping[UUID, int] | None:
    """How many to take of each pool: all of the first where they fit, else as few as can be.

    None where all pools together have too few.
    """
    for pool, left in free.items():
        if left >= quantity:
            return {pool: quantity}
    if sum(free.values()) < quantity:
        return None
    taken: dict[UUID, int] = {}
    for pool, left in sorted(free.items(), key=lambda item: -item[1]):
        taken[pool] = min(left, quantity - sum(taken.values()))
        if sum(taken.values()) == quantity:
            break
    return taken
