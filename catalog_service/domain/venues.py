"""Venues and their sections: what is sound, and where every seat stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from math import sqrt
from typing import Any
from uuid import UUID

from catalog_service.codes import COUNTRIES
from catalog_service.domain.errors import (
    InvalidSectionError,
    InvalidVenueError,
    SectionInUseError,
)
from catalog_service.domain.findings import Findings
from chassis.text import flaw_in_line

MAX_SEATS = 100_000  # of a venue
MAX_SECTIONS = 200  # of a venue; also in the table's constraint
# What clients are told too (`gateway/bodies/limits.py`): lengths in characters.
MAX_NAME = 200
MAX_ADDRESS = 300
MAX_CITY = 100
MAX_CAPACITY = 10_000_000  # of a venue, as its owner says
MAX_AMENITIES = 30
MAX_AMENITY = 40
MAX_SECTION_NAME = 60
MAX_STANDING = 200_000
MAX_ROWS = 500
MAX_IN_ROW = 500
MAX_LABEL = 10
MAX_NUMBER = 8
MAX_START = 10_000
MAX_COORDINATE = 10_000
MIN_SPACING, MAX_SPACING = 0.1, 100
MAX_CURVE = 1_000
MIN_SIDE, MAX_SIDE = 0.1, 10_000  # of the area where people stand
# Who stands needs half the room of who sits. Fewer people are drawn as if they were so many, so
# that there is room for the name.
_ROOM = 0.5
_FEWEST_DRAWN = 50
_WIDER_THAN_DEEP = 2
# A plan is mostly seats: half as many gaps, so that a venue always fits a message.
_FREE_GAPS = 50
KINDS = ("SEATED", "STANDING")  # of a section
NUMBERINGS = ("FORWARD", "BACKWARD", "ODD", "EVEN")


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the organizer's own units; the stage is towards y = -∞."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class VenueDraft:
    """What an organizer says of a hall."""

    name: str
    address: str
    city: str
    country: str  # ISO 3166-1 alpha-2
    timezone: str  # IANA name
    capacity: int | None  # what the organizer says it holds
    amenities: Sequence[str]
    focal: Point | None = None  # the stage; None: in front of the first row


@dataclass(frozen=True, slots=True)
class Layout:
    """How a seated section is drawn, in the organizer's own units; the stage is towards y = -∞."""

    origin_x: float = 0.0  # the middle of the first row
    origin_y: float = 0.0
    row_spacing: float = 1.0
    seat_spacing: float = 0.6
    curve: float = 0.0  # how far a row's ends bend towards the stage


@dataclass(frozen=True, slots=True)
class AreaDraft:
    """What an organizer says of where people stand; None: as `areas` has room for it."""

    x: float | None = None
    y: float | None = None
    width: float | None = None
    height: float | None = None


@dataclass(frozen=True, slots=True)
class Area:
    """Where people stand: a rectangle by its middle, in the organizer's own units."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the seats of a section reach."""

    left: float
    right: float
    back: float  # y of the last one, away from the stage


@dataclass(frozen=True, slots=True)
class RowDraft:
    """A row as an organizer says it: each place by name, or so many of them and how they count."""

    label: str
    seats: Sequence[str] = ()  # side by side; an empty one is a gap
    count: int = 0  # places, where `seats` does not say them
    numbering: str = ""  # one of NUMBERINGS; empty: FORWARD
    start: int | None = None  # the lowest number; None: 1, or 2 where they are EVEN
    missing: Sequence[str] = ()  # numbers without a seat: gaps


@dataclass(frozen=True, slots=True)
class Row:
    """A row of places, side by side; an empty number is a gap where no seat is."""

    label: str
    seats: Sequence[str]
    xs: Sequence[float] = ()  # of each place, gaps included
    ys: Sequence[float] = ()

    @property
    def numbers(self) -> Sequence[str]:
        """Its seats, without the gaps."""
        return [seat for seat in self.seats if seat]


@dataclass(frozen=True, slots=True)
class SectionDraft:
    """What an organizer says of a part of a hall."""

    name: str
    kind: str  # SEATED or STANDING
    rows: Sequence[Row]  # front to back; none where people stand
    capacity: int  # how many may stand; 0 where they sit
    layout: Layout
    area: AreaDraft = AreaDraft()  # where they stand

    @property
    def seats(self) -> int:
        """How many can sit."""
        return sum(len(row.numbers) for row in self.rows)

    @property
    def places(self) -> int:
        """Seats, or how many may stand."""
        return self.seats or self.capacity


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a hall. Where it was read without them, a seated one has no rows."""

    id: UUID
    name: str
    kind: str
    rows: Sequence[Row]
    capacity: int
    layout: Layout
    area: AreaDraft = AreaDraft()
    extent: Extent | None = None  # of its seats; read only where `areas` asks for it

    @property
    def draft(self) -> SectionDraft:
        """What the organizer said of it, where it was read with its rows."""
        capacity = 0 if self.rows else self.capacity
        return SectionDraft(self.name, self.kind, self.rows, capacity, self.layout, self.area)


@dataclass(frozen=True, slots=True)
class Venue:
    """A hall."""

    id: UUID
    owner_id: UUID
    draft: VenueDraft
    capacity: int  # as said, else what its sections add up to
    sections: Sequence[Section]
    version: int
    created_at: datetime


# --- rows --------------------------------------------------------------------------------------


def expanded(rows: Sequence[RowDraft]) -> Sequence[Row]:
    """The places of rows as they were said.

    FORWARD counts 1, 2, 3 from the left, BACKWARD the same numbers from the right, ODD 1, 3, 5 and
    EVEN 2, 4, 6 from the left; each from `start`. A number that is missing leaves a gap.

    Raises:
        InvalidSectionError: what is wrong, by field.
    """
    wrong = Findings()
    wrong.add("rows", f"must be from 1 to {MAX_ROWS}", when=len(rows) > MAX_ROWS)
    result = [_expanded(wrong, f"rows.{number}", row) for number, row in enumerate(rows[:MAX_ROWS])]
    wrong.refuse(InvalidSectionError, "The section is not valid")
    return result


def _expanded(wrong: Findings, field: str, row: RowDraft) -> Row:
    if row.seats:
        counted = bool(row.count or row.numbering or row.start is not None or row.missing)
        wrong.add(f"{field}.seats", "are named already, so nothing is to be counted", when=counted)
        return Row(row.label, row.seats)
    if not 1 <= row.count <= MAX_IN_ROW:
        wrong.add(f"{field}.seats", f"must be from 1 to {MAX_IN_ROW}", when=True)
        return Row(row.label, ())
    numbering = row.numbering or "FORWARD"
    known = numbering in NUMBERINGS
    wrong.add(f"{field}.numbering", f"must be one of {', '.join(NUMBERINGS)}", when=not known)
    step = 2 if numbering in {"ODD", "EVEN"} else 1
    start = row.start if row.start is not None else 2 if numbering == "EVEN" else 1
    wrong.within(f"{field}.start", start, 0, MAX_START)
    parity = {"ODD": 1, "EVEN": 0}.get(numbering, start % 2)
    wrong.add(f"{field}.start", f"must be {numbering.lower()}", when=start % 2 != parity)
    numbers = [str(start + step * place) for place in range(row.count)]
    if numbering == "BACKWARD":
        numbers.reverse()
    missing = set(row.missing)
    stray = not missing.issubset(numbers)
    wrong.add(f"{field}.missing", "must name numbers that the row has", when=stray)
    return Row(row.label, ["" if number in missing else number for number in numbers])


def placed(rows: Sequence[Row], layout: Layout) -> Sequence[Row]:
    """Where each place is: rows one behind the other, each centred, its ends bent forward.

    A row bends as a parabola: by nothing in its middle and by `curve` at its ends. Coordinates are
    rounded to thousandths of a unit.
    """
    result = []
    for depth, row in enumerate(rows):
        middle = (len(row.seats) - 1) / 2
        offsets = [number - middle for number in range(len(row.seats))]
        y = layout.origin_y + depth * layout.row_spacing
        result.append(
            replace(
                row,
                xs=[round(layout.origin_x + offset * layout.seat_spacing, 3) for offset in offsets],
                ys=[
                    round(y - layout.curve * (offset / (middle or 1)) ** 2, 3) for offset in offsets
                ],
            )
        )
    return result


def stage(layouts: Sequence[Layout]) -> Point:
    """Where the stage is taken to be: the mean of the origins' x, one row before the very first."""
    if not layouts:
        return Point(0.0, 0.0)
    front = min(layouts, key=lambda layout: layout.origin_y)
    x = sum(layout.origin_x for layout in layouts) / len(layouts)
    return Point(round(x, 3), round(front.origin_y - front.row_spacing, 3))


# --- where people stand ------------------------------------------------------------------------


def areas(sections: Sequence[Section], focal: Point | None) -> Mapping[UUID, Area]:
    """How each standing section of a venue is drawn: as said, and else where there is room.

    That is behind the last of all seats (without seats: in front of the stage), side by side in the
    sections' order, about the middle of the hall, twice as wide as deep, half a seat's room for
    each person. A section that is drawn elsewhere keeps its room there, so that the others stay
    where they are; one that would lie over what is drawn is behind that instead. Rounded to
    thousandths of a unit.
    """
    standing = [section for section in sections if section.kind == "STANDING"]
    extents = [section.extent for section in sections if section.extent]
    layouts = [section.layout for section in sections if section.extent]
    # Of one seat, on average.
    room = sum(one.row_spacing * one.seat_spacing for one in layouts) / (len(layouts) or 1) or 1.0
    aisle = sqrt(room)
    if extents:
        middle = (min(one.left for one in extents) + max(one.right for one in extents)) / 2
        front = max(one.back for one in extents) + 2 * aisle
    else:
        at = focal or stage(())
        middle, front = at.x, at.y + aisle
    widths = [
        sqrt(max(section.capacity, _FEWEST_DRAWN) * room * _ROOM * _WIDER_THAN_DEEP)
        for section in standing
    ]
    all_widths = sum(widths) + aisle * max(0, len(widths) - 1)
    shrink = min(1.0, MAX_COORDINATE / (all_widths or 1))
    left = middle - all_widths * shrink / 2
    result = {}
    for section, full_width in zip(standing, widths, strict=True):
        width = full_width * shrink
        height = width / _WIDER_THAN_DEEP
        usual = (
            _coordinate(left + width / 2),
            _coordinate(front + height / 2),
            max(MIN_SIDE, round(width, 3)),
            max(MIN_SIDE, round(height, 3)),
        )
        said = astuple(section.area)
        result[section.id] = Area(
            *(
                default if value is None else value
                for value, default in zip(said, usual, strict=True)
            )
        )
        left += width + aisle * shrink
    # Each goes straight back, so those that nobody drew stay side by side.
    drawn = [result[section.id] for section in standing if section.area != AreaDraft()]
    drawn.sort(key=lambda area: area.y - area.height / 2)
    for section in standing:
        if section.area == AreaDraft():
            result[section.id] = _behind(result[section.id], drawn, aisle)
    return result


def _behind(area: Area, drawn: Sequence[Area], aisle: float) -> Area:
    """The area, or the nearest one straight behind it that lies over none of those drawn.

    These are in the order of their fronts: what was passed is never met again.
    """
    for other in drawn:
        beside = abs(area.x - other.x) * 2 >= area.width + other.width
        apart = abs(area.y - other.y) * 2 >= area.height + other.height
        if not beside and not apart:
            back = other.y + other.height / 2 + aisle + area.height / 2
            area = replace(area, y=_coordinate(back))
    return area


def _coordinate(value: float) -> float:
    return round(max(-MAX_COORDINATE, min(MAX_COORDINATE, value)), 3)


# --- what is sound -----------------------------------------------------------------------------


def check_venue(draft: VenueDraft) -> None:
    """Holds a venue to the rules.

    Raises:
        InvalidVenueError: what is wrong, by field.
    """
    wrong = Findings()
    wrong.text("name", draft.name, 1, MAX_NAME)
    wrong.text("address", draft.address, 1, MAX_ADDRESS)
    wrong.text("city", draft.city, 1, MAX_CITY)
    wrong.add(
        "country", "must be an ISO 3166-1 code, such as NP", when=draft.country not in COUNTRIES
    )
    wrong.zone("timezone", draft.timezone)
    if draft.capacity is not None:
        wrong.within("capacity", draft.capacity, 1, MAX_CAPACITY)
    excess = len(draft.amenities) > MAX_AMENITIES
    wrong.add("amenities", f"must have at most {MAX_AMENITIES}", when=excess)
    for number, amenity in enumerate(draft.amenities[:MAX_AMENITIES]):
        wrong.text(f"amenities.{number}", amenity, 1, MAX_AMENITY)
    if draft.focal:
        wrong.within("focal.x", draft.focal.x, -MAX_COORDINATE, MAX_COORDINATE)
        wrong.within("focal.y", draft.focal.y, -MAX_COORDINATE, MAX_COORDINATE)
    wrong.refuse(InvalidVenueError, "The venue is not valid")


def check_section(draft: SectionDraft) -> None:
    """Holds a section to the rules.

    Raises:
        InvalidSectionError: what is wrong, by field.
    """
    wrong = Findings()
    wrong.text("name", draft.name, 1, MAX_SECTION_NAME)
    if draft.kind == "SEATED":
        wrong.add("capacity", "is what the rows add up to", when=draft.capacity != 0)
        _check_rows(wrong, draft)
        _check_layout(wrong, draft.layout)
        wrong.add("area", "is for standing room", when=draft.area != AreaDraft())
    elif draft.kind == "STANDING":
        wrong.add("rows", "are for seats", when=bool(draft.rows))
        wrong.within("capacity", draft.capacity, 1, MAX_STANDING)
        _check_area(wrong, draft.area)
    else:
        wrong.add("kind", f"must be {' or '.join(KINDS)}", when=True)
    wrong.refuse(InvalidSectionError, "The section is not valid")


def _check_rows(wrong: Findings, draft: SectionDraft) -> None:
    wrong.add("rows", f"must be from 1 to {MAX_ROWS}", when=not 1 <= len(draft.rows) <= MAX_ROWS)
    wrong.add("rows", f"have more than {MAX_SEATS:,} seats", when=draft.seats > MAX_SEATS)
    gaps = sum(len(row.seats) for row in draft.rows) - draft.seats
    most = max(_FREE_GAPS, draft.seats // 2)
    wrong.add("rows", "have more gaps than half as many as seats", when=gaps > most)
    labels: set[str] = set()
    for number, row in enumerate(draft.rows[:MAX_ROWS]):
        field = f"rows.{number}"
        wrong.text(f"{field}.label", row.label, 1, MAX_LABEL)
        wrong.add(f"{field}.label", "must be another: a row has it", when=row.label in labels)
        labels.add(row.label)
        seats, numbers = f"{field}.seats", row.numbers
        fits = 1 <= len(row.seats) <= MAX_IN_ROW
        wrong.add(seats, f"must be from 1 to {MAX_IN_ROW}", when=not fits)
        wrong.add(seats, "must have a seat, not gaps alone", when=not numbers)
        wrong.add(seats, "must have each number once", when=len(set(numbers)) < len(numbers))
        unsound = any(len(seat) > MAX_NUMBER or flaw_in_line(seat) for seat in numbers)
        wrong.add(seats, f"must be numbers of 1 to {MAX_NUMBER} characters", when=unsound)


def _check_layout(wrong: Findings, layout: Layout) -> None:
    wrong.within("origin.x", layout.origin_x, -MAX_COORDINATE, MAX_COORDINATE)
    wrong.within("origin.y", layout.origin_y, -MAX_COORDINATE, MAX_COORDINATE)
    wrong.within("row_spacing", layout.row_spacing, MIN_SPACING, MAX_SPACING)
    wrong.within("seat_spacing", layout.seat_spacing, MIN_SPACING, MAX_SPACING)
    wrong.within("curve", layout.curve, -MAX_CURVE, MAX_CURVE)


def _check_area(wrong: Findings, area: AreaDraft) -> None:
    for field, value in (("x", area.x), ("y", area.y)):
        if value is not None:
            wrong.within(f"area.{field}", value, -MAX_COORDINATE, MAX_COORDINATE)
    for field, value in (("width", area.width), ("height", area.height)):
        if value is not None:
            wrong.within(f"area.{field}", value, MIN_SIDE, MAX_SIDE)


# --- changes -----------------------------------------------------------------------------------


def changed_venue(draft: VenueDraft, change: Mapping[str, Any]) -> VenueDraft:
    """The venue with some fields changed.

    Raises:
        InvalidVenueError: it can't be like that.
    """
    result = replace(draft, **change)
    check_venue(result)
    return result


def changed_section(draft: SectionDraft, change: Mapping[str, Any]) -> SectionDraft:
    """The section with some fields changed, of its layout or area too, and where all then stands.

    An area of None is as if nobody had said it.

    Raises:
        InvalidSectionError: it can't be like that.
    """
    wrong = Findings()
    if draft.kind == "STANDING":
        wrong.add("layout", "is for seats", when="layout" in change)
    else:
        wrong.add("area", "is for standing room", when="area" in change)
    wrong.refuse(InvalidSectionError, "The section is not valid")
    layout = replace(draft.layout, **change.get("layout", {}))
    said = change.get("area", {})
    area = AreaDraft() if said is None else replace(draft.area, **said)
    result = replace(draft, **{**change, "layout": layout, "area": area})
    check_section(result)
    return replace(result, rows=placed(result.rows, result.layout))


def check_nothing_is_lost(before: SectionDraft, after: SectionDraft) -> None:
    """Holds a section that an event on sale sells to what was opened: seats and room only grow.

    Raises:
        SectionInUseError: what would be lost.
    """
    kept = set(_seats(after))
    lost = [seat for seat in _seats(before) if seat not in kept]
    if lost:
        row, number = lost[0]
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise SectionInUseError(
            f"An event on sale sells seat {number} of row {row}{more}: it can't go.",
            lost=str(len(lost)),
        )
    if after.capacity < before.capacity:
        raise SectionInUseError(
            f"An event on sale sells room for {before.capacity:,}: it can't become less.",
            lost=str(before.capacity - after.capacity),
        )


def _seats(draft: SectionDraft) -> Iterator[tuple[str, str]]:
    return ((row.label, number) for row in draft.rows for number in row.numbers)
