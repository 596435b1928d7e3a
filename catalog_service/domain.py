"""Venues, sections, events: what is sound, where every seat stands, what others are told."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID
from zoneinfo import available_timezones

from catalog_service.codes import COUNTRIES, CURRENCIES

CATEGORIES = (
    "CONCERT",
    "THEATRE",
    "DANCE",
    "COMEDY",
    "SPORT",
    "FILM",
    "FESTIVAL",
    "CONFERENCE",
    "FAMILY",
    "OTHER",
)
SORTS = ("starts_at", "-starts_at", "price", "-price")
PUBLIC_STATUSES = ("PUBLISHED", "CANCELLED", "COMPLETED")
STATUSES = ("DRAFT", "PUBLISHING", *PUBLIC_STATUSES)

MAX_SEATS = 100_000  # of a venue
MAX_SECTIONS = 200  # of a venue; also in the table's constraint
MAX_PRICE = 10**12
DEFAULT_PAGE = 20
MAX_PAGE = 100
DEFAULT_MAX_PER_CUSTOMER = 10
# A list shows the beginning of a description, so that a page always fits a message.
SUMMARY_CHARACTERS = 500
_LONGEST = timedelta(days=366)
_FURTHEST = timedelta(days=3660)
# Findings travel in an HTTP/2 trailer, which must stay small.
_MAX_FINDINGS = 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_IN_THE_FUTURE = "must be in the future"


class CatalogError(Exception):
    """A refusal of catalog_service."""

    kind = "INVALID"
    reason = "INVALID_EVENT"

    def __init__(self, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.metadata: Mapping[str, str] = metadata


class InvalidVenueError(CatalogError):
    """A venue can't be like that."""

    reason = "INVALID_VENUE"


class InvalidSectionError(CatalogError):
    """A section can't be like that."""

    reason = "INVALID_SECTION"


class InvalidEventError(CatalogError):
    """An event can't be like that."""

    reason = "INVALID_EVENT"


class InvalidFilterError(CatalogError):
    """There is nothing to search by that."""

    reason = "INVALID_FILTER"


class InvalidCursorError(CatalogError):
    """No page was ever given with that cursor."""

    reason = "INVALID_CURSOR"

    def __init__(self) -> None:
        super().__init__(
            "This cursor belongs to no page of this list.", cursor="is not one of this list's"
        )


class VenueNotFoundError(CatalogError):
    """No such venue, or it is another person's."""

    kind = "NOT_FOUND"
    reason = "VENUE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such venue.")


class SectionNotFoundError(CatalogError):
    """The venue has no such section."""

    kind = "NOT_FOUND"
    reason = "SECTION_NOT_FOUND"


class EventNotFoundError(CatalogError):
    """No such event, or it is another person's."""

    kind = "NOT_FOUND"
    reason = "EVENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such event.")


class SectionNameTakenError(CatalogError):
    """The venue has a section of that name."""

    kind = "CONFLICT"
    reason = "SECTION_NAME_TAKEN"


class VenueFullError(CatalogError):
    """The venue can't have another section, or not so many seats more."""

    kind = "CONFLICT"
    reason = "VENUE_FULL"


class EventNotPublishableError(CatalogError):
    """Something is missing before the event can go on sale."""

    kind = "CONFLICT"
    reason = "EVENT_NOT_PUBLISHABLE"


class EventStateError(CatalogError):
    """The event's status does not allow it."""

    kind = "CONFLICT"
    reason = "EVENT_STATE"


# --- what there is -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks."""

    id: UUID
    is_admin: bool


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


@dataclass(frozen=True, slots=True)
class Layout:
    """How a seated section is drawn, in the organizer's own units; the stage is towards y = -∞."""

    origin_x: float = 0.0  # the middle of the first row
    origin_y: float = 0.0
    row_spacing: float = 1.0
    seat_spacing: float = 0.6
    curve: float = 0.0  # how far a row's ends bend towards the stage


@dataclass(frozen=True, slots=True)
class Row:
    """A row of seats, side by side."""

    label: str
    seats: Sequence[str]


@dataclass(frozen=True, slots=True)
class SectionDraft:
    """What an organizer says of a part of a hall."""

    name: str
    kind: str  # SEATED or STANDING
    rows: Sequence[Row]  # front to back; none where people stand
    capacity: int  # how many may stand; 0 where they sit
    layout: Layout

    @property
    def places(self) -> int:
        """Seats, or how many may stand."""
        return sum(len(row.seats) for row in self.rows) or self.capacity


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a hall. Where it was read without them, a seated one has no rows."""

    id: UUID
    name: str
    kind: str
    rows: Sequence[Row]
    capacity: int
    layout: Layout


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


@dataclass(frozen=True, slots=True)
class RefundPolicy:
    """What goes back to a customer who cancels."""

    until_hours_before: int = 24
    percent: int = 100


@dataclass(frozen=True, slots=True)
class TierDraft:
    """What an organizer says of a price tier."""

    name: str
    price: int  # minor units
    section_ids: Sequence[UUID]
    capacity: int  # counted tickets; 0 where sections say it


@dataclass(frozen=True, slots=True)
class Tier:
    """A price tier."""

    id: UUID
    name: str
    price: int
    section_ids: Sequence[UUID]
    capacity: int


@dataclass(frozen=True, slots=True)
class EventDraft:
    """What an organizer says of an event."""

    title: str
    description: str
    category: str
    venue_id: UUID | None
    location: str  # where, in words; empty with a venue
    starts_at: datetime
    ends_at: datetime
    doors_at: datetime | None
    timezone: str
    currency: str  # ISO 4217
    max_per_customer: int
    sales_from: datetime | None
    sales_to: datetime | None
    refund_policy: RefundPolicy
    tax_basis_points: int
    terms: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of an event."""

    id: UUID  # random: it names the files
    role: str  # BANNER or GALLERY
    widths: Sequence[int]  # those it is kept in, ascending
    width: int  # of the widest
    height: int

    def width_for(self, asked: int) -> int:
        """The narrowest that is at least as wide as asked, else the widest; 0 asks for that."""
        wide = [width for width in self.widths if 0 < asked <= width]
        return wide[0] if wide else self.widths[-1]


@dataclass(frozen=True, slots=True)
class Event:
    """An event."""

    id: UUID
    organizer_id: UUID
    status: str  # one of STATUSES
    draft: EventDraft
    tiers: Sequence[Tier]
    venue: Venue | None
    capacity: int
    cancel_reason: str
    version: int
    created_at: datetime
    images: Sequence[Image]  # the banner first

    def is_seen_by(self, viewer: Person | None) -> bool:
        """Whether the viewer (None: nobody in particular) may know of it."""
        return self.status != "DRAFT" or (viewer is not None and self.is_run_by(viewer))

    def is_run_by(self, person: Person) -> bool:
        """Whether the person sells it, or is an admin."""
        return person.is_admin or person.id == self.organizer_id

    def summary(self) -> Event:
        """As a list shows it: the beginning of its description, no terms, and its banner alone."""
        description = self.draft.description[:SUMMARY_CHARACTERS]
        draft = replace(self.draft, description=description, terms="")
        banner = [image for image in self.images if image.role == "BANNER"]
        return replace(self, draft=draft, images=banner)


@dataclass(frozen=True, slots=True)
class EventSearch:
    """What a list of events is narrowed by; None or empty does not narrow."""

    query: str = ""
    category: str = ""
    city: str = ""
    starts_from: datetime | None = None
    starts_before: datetime | None = None
    min_price: int | None = None
    max_price: int | None = None
    status: str = ""
    organizer_id: UUID | None = None
    sort: str = "starts_at"
    # The person whose own events are listed, in any status; None: everybody's, in public.
    owner_id: UUID | None = None

    @property
    def words(self) -> Sequence[str]:
        """The words that title, description or place must have, each."""
        return self.query.split()


def lowest_price(tiers: Sequence[Tier] | Sequence[TierDraft]) -> int:
    """What the cheapest tier costs, in minor units."""
    return min(tier.price for tier in tiers)


# --- what is sound -----------------------------------------------------------------------------


class _Findings:
    """What is wrong, by the field's path in the REST contract: each field's first finding."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def add(self, field: str, message: str, *, when: bool) -> None:
        if when and len(self.found) < _MAX_FINDINGS:
            self.found.setdefault(field, message)

    def within(self, field: str, value: float, low: float, high: float) -> None:
        # Written so that NaN is refused too.
        self.add(field, f"must be from {low:,} to {high:,}", when=not low <= value <= high)

    def text(self, field: str, value: str, low: int, high: int, *, lines: bool = False) -> None:
        self.add(
            field,
            f"must have {low} to {high:,} characters" if low else f"has more than {high:,}",
            when=not low <= len(value) <= high,
        )
        control = _CONTROL_BUT_LINES if lines else _CONTROL
        self.add(field, "has a control character", when=control.search(value) is not None)

    def zone(self, field: str, name: str) -> None:
        self.add(field, "is not an IANA time zone", when=name not in _zones())

    def refuse(self, error: Callable[..., CatalogError], what: str) -> None:
        """Raises the error if anything was found."""
        if self.found:
            said = "; ".join(f"{field} {message}" for field, message in self.found.items())
            raise error(f"{what}: {said}.", **self.found)


@cache
def _zones() -> Collection[str]:
    return available_timezones()


def check_venue(draft: VenueDraft) -> None:
    """Holds a venue to the rules.

    Raises:
        InvalidVenueError: what is wrong, by field.
    """
    wrong = _Findings()
    wrong.text("name", draft.name, 1, 200)
    wrong.text("address", draft.address, 1, 300)
    wrong.text("city", draft.city, 1, 100)
    wrong.add("country", "is not an ISO 3166-1 code", when=draft.country not in COUNTRIES)
    wrong.zone("timezone", draft.timezone)
    if draft.capacity is not None:
        wrong.within("capacity", draft.capacity, 1, 10_000_000)
    wrong.add("amenities", "has more than 30", when=len(draft.amenities) > 30)
    for number, amenity in enumerate(draft.amenities[:30]):
        wrong.text(f"amenities.{number}", amenity, 1, 40)
    wrong.refuse(InvalidVenueError, "This venue can't be")


def check_section(draft: SectionDraft) -> None:
    """Holds a section to the rules.

    Raises:
        InvalidSectionError: what is wrong, by field.
    """
    wrong = _Findings()
    wrong.text("name", draft.name, 1, 60)
    if draft.kind == "SEATED":
        wrong.add("capacity", "is what the rows add up to", when=draft.capacity != 0)
        _check_rows(wrong, draft)
        _check_layout(wrong, draft.layout)
    elif draft.kind == "STANDING":
        wrong.add("rows", "are for seats", when=bool(draft.rows))
        wrong.within("capacity", draft.capacity, 1, 200_000)
    else:
        wrong.add("kind", "must be SEATED or STANDING", when=True)
    wrong.refuse(InvalidSectionError, "This section can't be")


def _check_rows(wrong: _Findings, draft: SectionDraft) -> None:
    wrong.add("rows", "must be from 1 to 500", when=not 1 <= len(draft.rows) <= 500)
    wrong.add("rows", f"have more than {MAX_SEATS:,} seats", when=draft.places > MAX_SEATS)
    labels: set[str] = set()
    for number, row in enumerate(draft.rows[:500]):
        field = f"rows.{number}"
        wrong.text(f"{field}.label", row.label, 1, 10)
        wrong.add(f"{field}.label", "is another row's", when=row.label in labels)
        labels.add(row.label)
        seats = f"{field}.seats"
        wrong.add(seats, "must be from 1 to 500", when=not 1 <= len(row.seats) <= 500)
        wrong.add(seats, "has a number twice", when=len(set(row.seats)) < len(row.seats))
        unsound = any(not 1 <= len(seat) <= 8 or _CONTROL.search(seat) for seat in row.seats)
        wrong.add(seats, "needs numbers of 1 to 8 characters", when=unsound)


def _check_layout(wrong: _Findings, layout: Layout) -> None:
    wrong.within("origin.x", layout.origin_x, -10_000, 10_000)
    wrong.within("origin.y", layout.origin_y, -10_000, 10_000)
    wrong.within("row_spacing", layout.row_spacing, 0.1, 100)
    wrong.within("seat_spacing", layout.seat_spacing, 0.1, 100)
    wrong.within("curve", layout.curve, -1_000, 1_000)


def check_event(draft: EventDraft, tiers: Sequence[TierDraft], now: datetime) -> None:
    """Holds an event to the rules that need no venue to be read.

    Raises:
        InvalidEventError: what is wrong, by field.
    """
    wrong = _Findings()
    wrong.text("title", draft.title, 1, 200)
    wrong.text("description", draft.description, 0, 10_000, lines=True)
    wrong.add(
        "category", f"must be one of {', '.join(CATEGORIES)}", when=draft.category not in CATEGORIES
    )
    wrong.text("terms", draft.terms, 0, 10_000, lines=True)
    if draft.venue_id is None:
        wrong.text("location", draft.location, 1, 300)
    else:
        wrong.add("location", "is the venue's to say", when=draft.location != "")
    if draft.timezone:
        wrong.zone("timezone", draft.timezone)
    _check_times(wrong, draft, now)
    wrong.add("currency", "is not an ISO 4217 code", when=draft.currency not in CURRENCIES)
    wrong.within("max_per_customer", draft.max_per_customer, 1, 100)
    policy = draft.refund_policy
    wrong.within("refund_policy.until_hours_before", policy.until_hours_before, 0, 8760)
    wrong.within("refund_policy.percent", policy.percent, 0, 100)
    wrong.add(
        "tax_percent", "must be from 0 to 100", when=not 0 <= draft.tax_basis_points <= 10_000
    )
    _check_tiers(wrong, tiers, has_venue=draft.venue_id is not None)
    wrong.refuse(InvalidEventError, "This event can't be")


def _check_times(wrong: _Findings, draft: EventDraft, now: datetime) -> None:
    starts_at, ends_at, sales_to = draft.starts_at, draft.ends_at, draft.sales_to
    wrong.add("starts_at", _IN_THE_FUTURE, when=starts_at <= now)
    wrong.add("starts_at", "is more than ten years away", when=starts_at - now > _FURTHEST)
    wrong.add("ends_at", "must be after starts_at", when=ends_at <= starts_at)
    wrong.add(
        "ends_at", "is more than 366 days after starts_at", when=ends_at - starts_at > _LONGEST
    )
    if draft.doors_at:
        wrong.add("doors_at", "must not be after starts_at", when=draft.doors_at > starts_at)
    if sales_to:
        wrong.add("sales_to", _IN_THE_FUTURE, when=sales_to <= now)
        wrong.add("sales_to", "must not be after ends_at", when=sales_to > ends_at)
    if draft.sales_from:
        wrong.add(
            "sales_from",
            f"must be before {'sales_to' if sales_to else 'starts_at'}",
            when=draft.sales_from >= (sales_to or starts_at),
        )


def _check_tiers(wrong: _Findings, tiers: Sequence[TierDraft], *, has_venue: bool) -> None:
    wrong.add("tiers", "must be from 1 to 50", when=not 1 <= len(tiers) <= 50)
    names: set[str] = set()
    covered: set[UUID] = set()
    for number, tier in enumerate(tiers[:50]):
        field = f"tiers.{number}"
        name = tier.name.casefold()
        wrong.text(f"{field}.name", tier.name, 1, 60)
        wrong.add(f"{field}.name", "is another tier's", when=name in names)
        names.add(name)
        wrong.within(f"{field}.price", tier.price, 0, MAX_PRICE)
        section_ids = f"{field}.section_ids"
        if has_venue:
            unsound = not 1 <= len(tier.section_ids) <= MAX_SECTIONS
            wrong.add(section_ids, f"must be from 1 to {MAX_SECTIONS}", when=unsound)
            twice = len({*tier.section_ids} - covered) < len(tier.section_ids)
            wrong.add(section_ids, "has a section that has a tier already", when=twice)
            covered.update(tier.section_ids)
            wrong.add(f"{field}.capacity", "is what the sections say", when=tier.capacity != 0)
        else:
            wrong.add(section_ids, "needs a venue", when=bool(tier.section_ids))
            wrong.within(f"{field}.capacity", tier.capacity, 1, 1_000_000)


def check_sections(tiers: Sequence[TierDraft], sections: Sequence[Section]) -> None:
    """Holds the tiers to the sections their venue has.

    Raises:
        SectionNotFoundError: a tier names another one.
    """
    known = {section.id for section in sections}
    for number, tier in enumerate(tiers):
        if not known.issuperset(tier.section_ids):
            raise unknown_section(number)


def unknown_section(tier: int) -> SectionNotFoundError:
    """The refusal of the tier of that number, which names a section the venue does not have."""
    field = f"tiers.{tier}.section_ids"
    return SectionNotFoundError(
        f"The venue has no such section: {field}.", **{field: "has a section the venue has not"}
    )


def check_publishable(event: Event, sections: Sequence[Section], now: datetime) -> None:
    """Holds an event that is to go on sale to what that needs; `sections` are all its venue's.

    Raises:
        EventNotPublishableError: what is missing, by field.
    """
    wrong = _Findings()
    draft = event.draft
    wrong.add("starts_at", _IN_THE_FUTURE, when=draft.starts_at <= now)
    if draft.sales_to:
        wrong.add("sales_to", _IN_THE_FUTURE, when=draft.sales_to <= now)
    wrong.add("tiers", "are missing", when=not event.tiers)
    if draft.venue_id is not None:
        wrong.add("venue_id", "is a venue without sections", when=not sections)
        covered = {section_id for tier in event.tiers for section_id in tier.section_ids}
        bare = [section.name for section in sections if section.id not in covered]
        more = f" and {len(bare) - 3} more" if len(bare) > 3 else ""
        wrong.add("tiers", f"do not cover {', '.join(bare[:3])}{more}", when=bool(bare))
    wrong.refuse(EventNotPublishableError, "This event can't go on sale yet")


def check_cancel_reason(reason: str) -> None:
    """Holds the words in which an event is called off to the rules.

    Raises:
        InvalidEventError: there are none, or too many.
    """
    wrong = _Findings()
    wrong.text("reason", reason, 1, 500, lines=True)
    wrong.refuse(InvalidEventError, "Say why the event is called off")


def check_filter(search: EventSearch) -> None:
    """Holds a search to what can be searched by.

    Raises:
        InvalidFilterError: what is wrong, by query parameter.
    """
    wrong = _Findings()
    wrong.text("q", search.query, 0, 200)
    wrong.add("q", "has more than 10 words", when=len(search.words) > 10)
    wrong.text("city", search.city, 0, 100)
    unknown = bool(search.category) and search.category not in CATEGORIES
    wrong.add("category", f"must be one of {', '.join(CATEGORIES)}", when=unknown)
    statuses = PUBLIC_STATUSES if search.owner_id is None else STATUSES
    unknown = bool(search.status) and search.status not in statuses
    wrong.add("status", f"must be one of {', '.join(statuses)}", when=unknown)
    wrong.add("sort", f"must be one of {', '.join(SORTS)}", when=search.sort not in SORTS)
    wrong.refuse(InvalidFilterError, "There is nothing to search by that")


def page_size(limit: int) -> int:
    """How many to give when `limit` were asked for; 0 asks for the default.

    Raises:
        InvalidFilterError: it is not 1-100.
    """
    wrong = _Findings()
    wrong.within("limit", limit or DEFAULT_PAGE, 1, MAX_PAGE)
    wrong.refuse(InvalidFilterError, "A page can't have that size")
    return limit or DEFAULT_PAGE


# --- pages -------------------------------------------------------------------------------------


def to_cursor(*key: str) -> str:
    """The opaque form of the last key of a page."""
    return base64.urlsafe_b64encode(" ".join(key).encode()).rstrip(b"=").decode()


def from_cursor(cursor: str) -> Sequence[str]:
    """The key that `to_cursor` was given.

    Raises:
        InvalidCursorError: it was given none such.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return raw.decode("ascii").split(" ")
    except (binascii.Error, ValueError):
        raise InvalidCursorError from None


@dataclass(frozen=True, slots=True)
class Position:
    """Where in a sorted list the next page begins: after this key and id."""

    key: str
    id: UUID


_FIRST = UUID(int=0)
_LAST = UUID(int=2**128 - 1)
# Before the first row of each sort.
_BEGINNINGS: Mapping[str, Position] = {
    "starts_at": Position("-infinity", _FIRST),
    "-starts_at": Position("infinity", _LAST),
    "price": Position("-1", _FIRST),
    "-price": Position(str(2**63 - 1), _LAST),
}


def position_after(event: Event, sort: str) -> str:
    """The cursor of a page that ends with `event`."""
    by_price = sort.endswith("price")
    key = str(lowest_price(event.tiers)) if by_price else event.draft.starts_at.isoformat()
    return to_cursor(sort, key, str(event.id))


def position_of(cursor: str, sort: str) -> Position:
    """Where the page of `cursor` (empty: the first) begins in a list sorted by `sort`.

    Raises:
        InvalidCursorError: it is not a cursor of such a list.
    """
    if not cursor:
        return _BEGINNINGS[sort]
    try:
        cursor_sort, key, id = from_cursor(cursor)
        if cursor_sort != sort:
            raise InvalidCursorError
        if sort.endswith("price"):
            return Position(str(_bigint(key)), UUID(id))
        return Position(_aware(key).isoformat(), UUID(id))
    except ValueError:
        raise InvalidCursorError from None


def _bigint(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**63:
        raise ValueError("not a price")
    return value


def _aware(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("no zone")
    return value


def venue_after(venue: Venue) -> str:
    """The cursor of a page of venues that ends with `venue`."""
    return to_cursor("venues", str(venue.id))


def venue_of(cursor: str) -> UUID:
    """The id that the venues of the page of `cursor` (empty: the first) come before.

    Raises:
        InvalidCursorError: it is not a cursor of the venues.
    """
    if not cursor:
        return _LAST
    try:
        what, id = from_cursor(cursor)
        if what != "venues":
            raise InvalidCursorError
        return UUID(id)
    except ValueError:
        raise InvalidCursorError from None
