"""Events and their price tiers: what is sound, what may still change, what is left of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from catalog_service.codes import CURRENCIES
from catalog_service.domain.errors import (
    EventNotPublishableError,
    EventStateError,
    InvalidEventError,
    SectionNotFoundError,
    StaleVersionError,
)
from catalog_service.domain.findings import IN_THE_FUTURE, Findings
from catalog_service.domain.people import Person
from catalog_service.domain.venues import MAX_SECTIONS, Section, Venue

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
PUBLIC_STATUSES = ("PUBLISHED", "CANCELLED", "COMPLETED")
STATUSES = ("DRAFT", "PUBLISHING", *PUBLIC_STATUSES)
# What may change while tickets are sold: nothing that a buyer was promised otherwise.
ON_SALE_FIELDS = frozenset(
    {
        "title",
        "description",
        "category",
        "starts_at",
        "ends_at",
        "doors_at",
        "timezone",
        "sales_from",
        "sales_to",
        "max_per_customer",
        "terms",
    }
)

MAX_PRICE = 10**12
DEFAULT_MAX_PER_CUSTOMER = 10
# What clients are told too (`gateway/bodies/limits.py`): lengths in characters.
MAX_TITLE = 200
MAX_PROSE = 10_000  # description, terms
MAX_LOCATION = 300
MAX_PER_CUSTOMER = 100
MAX_REFUND_HOURS = 8760
MAX_TIERS = 50
MAX_TIER_NAME = 60
MAX_TICKETS = 1_000_000  # counted, of a tier
MAX_REASON = 500
# A list shows the beginning of a description, so that a page always fits a message.
SUMMARY_CHARACTERS = 500
# How long whoever had bought may cancel in full once the time or the place changed.
RELEASED_FOR = timedelta(hours=72)
_LONGEST = timedelta(days=366)
_FURTHEST = timedelta(days=3660)


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
    id: UUID | None = None  # of one that is there already


@dataclass(frozen=True, slots=True)
class Tier:
    """A price tier."""

    id: UUID
    name: str
    price: int
    section_ids: Sequence[UUID]
    capacity: int

    @property
    def draft(self) -> TierDraft:
        """What the organizer said of it."""
        return TierDraft(self.name, self.price, self.section_ids, self.capacity, self.id)


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
class Availability:
    """How much is left, as inventory told last, and whether it is sold now."""

    available: int
    capacity: int
    sales_open: bool


@dataclass(frozen=True, slots=True)
class Rating:
    """What those who were there say."""

    sum: int
    count: int

    @property
    def hundredths(self) -> int:
        """The mean, in hundredths."""
        return round(self.sum * 100 / self.count)


@dataclass(frozen=True, slots=True)
class Moved:
    """The last change of time or place of an event on sale."""

    at: datetime
    cancel_until: datetime  # whoever had bought before may cancel in full until then
    version: int  # the event's that it made


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
    updated_at: datetime  # when its version rose last
    capacity_version: int = 0  # of the newest edit of capacities whose outcome is known
    moved: Moved | None = None
    availability: Availability | None = None  # None until it was opened
    rating: Rating | None = None  # None without reviews
    images: Sequence[Image] = ()  # the banner first

    def is_seen_by(self, viewer: Person | None) -> bool:
        """Whether the viewer (None: nobody in particular) may know of it."""
        return self.status != "DRAFT" or (viewer is not None and self.is_run_by(viewer))

    def is_run_by(self, person: Person) -> bool:
        """Whether the person sells it, or is an admin."""
        return person.runs(self.organizer_id)

    def summary(self) -> Event:
        """As a list shows it: the beginning of its description, no terms, and its banner alone."""
        description = self.draft.description[:SUMMARY_CHARACTERS]
        draft = replace(self.draft, description=description, terms="")
        banner = [image for image in self.images if image.role == "BANNER"]
        return replace(self, draft=draft, images=banner)


def lowest_price(tiers: Sequence[TierDraft]) -> int:
    """What the cheapest tier costs, in minor units."""
    return min(tier.price for tier in tiers)


# --- what is sound -----------------------------------------------------------------------------


def check_event(
    draft: EventDraft, tiers: Sequence[TierDraft], now: datetime, before: EventDraft | None = None
) -> None:
    """Holds an event to the rules that need no venue to be read.

    Times that it had `before` may have come meanwhile.

    Raises:
        InvalidEventError: what is wrong, by field.
    """
    wrong = Findings()
    wrong.text("title", draft.title, 1, MAX_TITLE)
    wrong.text("description", draft.description, 0, MAX_PROSE, lines=True)
    wrong.add(
        "category", f"must be one of {', '.join(CATEGORIES)}", when=draft.category not in CATEGORIES
    )
    wrong.text("terms", draft.terms, 0, MAX_PROSE, lines=True)
    if draft.venue_id is None:
        wrong.text("location", draft.location, 1, MAX_LOCATION)
    else:
        wrong.add("location", "must be left out: the venue says it", when=draft.location != "")
    if draft.timezone:
        wrong.zone("timezone", draft.timezone)
    else:
        # A venue says where it is; a place in words does not.
        wrong.add("timezone", "must be given where there is no venue", when=draft.venue_id is None)
    _check_times(wrong, draft, now, before)
    wrong.add(
        "currency",
        "must be a currency's ISO 4217 code, such as NPR",
        when=draft.currency not in CURRENCIES,
    )
    wrong.within("max_per_customer", draft.max_per_customer, 1, MAX_PER_CUSTOMER)
    policy = draft.refund_policy
    wrong.within("refund_policy.until_hours_before", policy.until_hours_before, 0, MAX_REFUND_HOURS)
    wrong.within("refund_policy.percent", policy.percent, 0, 100)
    wrong.add(
        "tax_percent", "must be from 0 to 100", when=not 0 <= draft.tax_basis_points <= 10_000
    )
    _check_tiers(wrong, tiers, has_venue=draft.venue_id is not None)
    wrong.refuse(InvalidEventError, "The event is not valid")


def _check_times(
    wrong: Findings, draft: EventDraft, now: datetime, before: EventDraft | None
) -> None:
    starts_at, ends_at, sales_to = draft.starts_at, draft.ends_at, draft.sales_to
    for field, moment in (("starts_at", starts_at), ("ends_at", ends_at), ("sales_to", sales_to)):
        is_new = before is None or moment != getattr(before, field)
        wrong.add(field, IN_THE_FUTURE, when=is_new and moment is not None and moment <= now)
    wrong.add("starts_at", "must be at most ten years away", when=starts_at - now > _FURTHEST)
    wrong.add("ends_at", "must be after starts_at", when=ends_at <= starts_at)
    wrong.add(
        "ends_at", "must be at most 366 days after starts_at", when=ends_at - starts_at > _LONGEST
    )
    if draft.doors_at:
        wrong.add("doors_at", "must not be after starts_at", when=draft.doors_at > starts_at)
    if sales_to:
        wrong.add("sales_to", "must not be after ends_at", when=sales_to > ends_at)
    if draft.sales_from:
        wrong.add(
            "sales_from",
            f"must be before {'sales_to' if sales_to else 'starts_at'}",
            when=draft.sales_from >= (sales_to or starts_at),
        )


def _check_tiers(wrong: Findings, tiers: Sequence[TierDraft], *, has_venue: bool) -> None:
    wrong.add("tiers", f"must be from 1 to {MAX_TIERS}", when=not 1 <= len(tiers) <= MAX_TIERS)
    names: set[str] = set()
    covered: set[UUID] = set()
    for number, tier in enumerate(tiers[:MAX_TIERS]):
        field = f"tiers.{number}"
        name = tier.name.casefold()
        wrong.text(f"{field}.name", tier.name, 1, MAX_TIER_NAME)
        wrong.add(f"{field}.name", "must be another: a tier has it", when=name in names)
        names.add(name)
        wrong.within(f"{field}.price", tier.price, 0, MAX_PRICE)
        section_ids = f"{field}.section_ids"
        if has_venue:
            unsound = not 1 <= len(tier.section_ids) <= MAX_SECTIONS
            wrong.add(section_ids, f"must be from 1 to {MAX_SECTIONS}", when=unsound)
            twice = len({*tier.section_ids} - covered) < len(tier.section_ids)
            wrong.add(section_ids, "must not have a section that another tier has", when=twice)
            covered.update(tier.section_ids)
            wrong.add(
                f"{field}.capacity",
                "must be left out: the sections say it",
                when=tier.capacity != 0,
            )
        else:
            wrong.add(
                section_ids, "must be left out where there is no venue", when=bool(tier.section_ids)
            )
            wrong.within(f"{field}.capacity", tier.capacity, 1, MAX_TICKETS)


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
        f"The venue has no such section: {field}.", **{field: "must be sections of the venue"}
    )


def check_publishable(event: Event, sections: Sequence[Section], now: datetime) -> None:
    """Holds an event that is to go on sale to what that needs; `sections` are all its venue's.

    Raises:
        EventNotPublishableError: what is missing, by field.
    """
    wrong = Findings()
    draft = event.draft
    wrong.add("starts_at", IN_THE_FUTURE, when=draft.starts_at <= now)
    if draft.sales_to:
        wrong.add("sales_to", IN_THE_FUTURE, when=draft.sales_to <= now)
    wrong.add("tiers", "are missing", when=not event.tiers)
    if draft.venue_id is not None:
        wrong.add("venue_id", "must be a venue with sections: add some to it", when=not sections)
        covered = {section_id for tier in event.tiers for section_id in tier.section_ids}
        bare = [section for section in sections if section.id not in covered]
        names = ", ".join(f"{section.name} ({section.id})" for section in bare[:3])
        more = f" and {len(bare) - 3} more" if len(bare) > 3 else ""
        wrong.add(
            "tiers",
            f"have no price for {names}{more}: edit the event so that a tier's section_ids name"
            " each section of the venue",
            when=bool(bare),
        )
    wrong.refuse(EventNotPublishableError, "This event can't go on sale yet")


def check_cancel_reason(reason: str) -> None:
    """Holds the words in which an event is called off to the rules.

    Raises:
        InvalidEventError: there are none, or too many.
    """
    wrong = Findings()
    wrong.text("reason", reason, 1, MAX_REASON)
    wrong.refuse(InvalidEventError, "Say why the event is called off")


# --- changes -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EventChange:
    """What shall be different: fields of the draft, and all tiers where they are among them."""

    fields: Mapping[str, Any]
    tiers: Sequence[TierDraft] | None
    expected_version: int  # 0: whichever


@dataclass(frozen=True, slots=True)
class EditedEvent:
    """An event as it shall be."""

    draft: EventDraft
    tiers: Sequence[TierDraft]
    # What inventory must have first: tickets by tier, of all that are counted; also where the
    # catalog says so already, for it may have come apart.
    capacities: Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class CapacityEdit:
    """What the counted tiers of an event on sale shall have, or have."""

    event_id: UUID
    capacities: Mapping[UUID, int]  # by tier
    version: int  # which edit: each has the next number of its event
    instead_of: int = 0  # the edit that this one takes back; 0: it takes none back


def edited(event: Event, change: EventChange, now: datetime) -> EditedEvent:
    """The event as it shall be: all of a draft may change, of one on sale some things only.

    Raises:
        StaleVersionError: it is not the version that was expected.
        EventStateError: its status does not allow that.
        InvalidEventError: it can't be like that.
    """
    check_version(event.version, change.expected_version)
    if event.status not in {"DRAFT", "PUBLISHED"}:
        raise EventStateError(
            "It is being put on sale: try again in a moment."
            if event.status == "PUBLISHING"
            else f"An event that is {event.status} can't be changed.",
            status=event.status,
        )
    draft = replace(event.draft, **change.fields)
    stored = [tier.draft for tier in event.tiers]
    tiers = stored if change.tiers is None else change.tiers
    _check_tier_ids(tiers, event.tiers)
    check_event(draft, tiers, now, event.draft)
    if event.status == "DRAFT":
        return EditedEvent(draft, tiers, {})
    settled = [
        "tax_percent" if field == "tax_basis_points" else field
        for field in change.fields
        if field not in ON_SALE_FIELDS and getattr(draft, field) != getattr(event.draft, field)
    ]
    _refuse_settled(event.status, [*settled, *_settled_in_tiers(stored, tiers)])
    counts = change.tiers is not None and draft.venue_id is None
    capacities = {tier.id: tier.capacity for tier in tiers if tier.id} if counts else {}
    return EditedEvent(draft, tiers, capacities)


def check_version(version: int, expected: int) -> None:
    """Holds what somebody read to what there is; an `expected` 0 is whichever.

    Raises:
        StaleVersionError: it has changed.
    """
    if expected not in {0, version}:
        raise StaleVersionError(version)


def _check_tier_ids(tiers: Sequence[TierDraft], stored: Sequence[Tier]) -> None:
    wrong = Findings()
    known: set[UUID | None] = {tier.id for tier in stored}
    for number, tier in enumerate(tiers[:MAX_TIERS]):
        if tier.id is not None:
            wrong.add(
                f"tiers.{number}.id",
                "must be the id of a tier of this event, or left out",
                when=tier.id not in known,
            )
            known.discard(tier.id)
    wrong.refuse(InvalidEventError, "The event is not valid")


def _settled_in_tiers(stored: Sequence[TierDraft], tiers: Sequence[TierDraft]) -> Collection[str]:
    """What of the tiers would change that can't on sale: which they are, and what they cover."""
    by_id = {tier.id: tier for tier in stored}
    if len(tiers) != len(stored) or any(tier.id not in by_id for tier in tiers):
        return ["tiers"]
    result = []
    for number, tier in enumerate(tiers):
        was = by_id[tier.id]
        if tier.name != was.name:
            result.append(f"tiers.{number}.name")
        if {*tier.section_ids} != {*was.section_ids}:
            result.append(f"tiers.{number}.section_ids")
    return result


def _refuse_settled(status: str, fields: Sequence[str]) -> None:
    if fields:
        raise EventStateError(
            f"These can't change once tickets are sold: {', '.join(fields[:20])}.",
            status=status,
            fields=json.dumps(fields[:20]),
        )
