"""Places, holds, and what becomes of a hold."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import accumulate, pairwise
from math import dist, hypot
from statistics import median
from typing import NamedTuple
from uuid import UUID

MAX_LINES = 100

# --- refusals --------------------------------------------------------------------------------


class InventoryError(Exception):
    """A refusal of inventory_service."""

    kind = "CONFLICT"
    reason = ""

    def __init__(self, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.metadata: Mapping[str, str] = metadata


class InvalidHoldError(InventoryError):
    """What was asked for can't be meant. The metadata names fields."""

    kind = "INVALID"
    reason = "INVALID_HOLD"


class UnknownSeatsError(InventoryError):
    """Some seats are not of this event, or not of this hold."""

    kind = "INVALID"
    reason = "UNKNOWN_SEATS"


class UnknownTierError(InventoryError):
    """The event has no such tier."""

    kind = "INVALID"
    reason = "UNKNOWN_TIER"


class UnknownSectionError(InventoryError):
    """The event has no such section."""

    kind = "INVALID"
    reason = "UNKNOWN_SECTION"


class InvalidCursorError(InventoryError):
    """The cursor is not one we gave."""

    kind = "INVALID"
    reason = "INVALID_CURSOR"


class EventNotFoundError(InventoryError):
    """The event was never opened: there is none, or it is a draft, which nobody may know of."""

    kind = "NOT_FOUND"
    reason = "EVENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such event.")


class EventNotOnSaleError(InventoryError):
    """The event was called off."""

    reason = "EVENT_NOT_ON_SALE"


class SalesClosedError(InventoryError):
    """Sales have not begun, or are over."""

    reason = "SALES_CLOSED"


class SeatsUnavailableError(InventoryError):
    """Somebody else has some of the seats; `seat_ids` lists them (JSON)."""

    reason = "SEATS_UNAVAILABLE"


class NotEnoughCapacityError(InventoryError):
    """Fewer tickets are left than were asked for."""

    reason = "NOT_ENOUGH_CAPACITY"


class NoAdjacentSeatsError(InventoryError):
    """There is no run of free seats side by side as long as was asked for."""

    reason = "NO_ADJACENT_SEATS"


class CustomerLimitError(InventoryError):
    """The person would hold and have bought more than the event allows: `limit`, `held`."""

    reason = "CUSTOMER_LIMIT"


class HoldLimitError(InventoryError):
    """The person has two live holds already."""

    reason = "HOLD_LIMIT"


class HoldNotFoundError(InventoryError):
    """There is no such hold, or it is another person's."""

    kind = "NOT_FOUND"
    reason = "HOLD_NOT_FOUND"


class HoldExpiredError(InventoryError):
    """The hold's time is over."""

    reason = "HOLD_EXPIRED"


class HoldNotActiveError(InventoryError):
    """The hold was booked or released."""

    reason = "HOLD_NOT_ACTIVE"


class HoldExtensionLimitError(InventoryError):
    """The hold would not live any longer than it does."""

    reason = "HOLD_EXTENSION_LIMIT"


class InvalidBlockError(InventoryError):
    """What was asked to be kept back, or freed, can't be meant. The metadata names fields."""

    kind = "INVALID"
    reason = "INVALID_BLOCK"


class SeatsNotBlockedError(InventoryError):
    """Some of the seats are not kept back; `seat_ids` lists them (JSON)."""

    reason = "SEATS_NOT_BLOCKED"


class InvalidCapacityError(InventoryError):
    """No section has room for so many."""

    kind = "INVALID"
    reason = "INVALID_CAPACITY"


class CapacityBelowSoldError(InventoryError):
    """More are held, reserved and sold: `taken`."""

    reason = "CAPACITY_BELOW_SOLD"


class AdminsOnlyError(InventoryError):
    """Figures over everybody's events."""

    kind = "FORBIDDEN"
    reason = "FORBIDDEN"


class DueHoldsInTheWayError(Exception):
    """Refused, but things are changing: expire the `due` holds, if any, and try again.

    When that has been done often enough, `refusal` is the answer.
    """

    def __init__(self, due: Sequence[UUID], refusal: InventoryError) -> None:
        super().__init__(str(refusal))
        self.due = due
        self.refusal = refusal


# --- places ----------------------------------------------------------------------------------


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
class Section:
    """Numbered rows, or (without rows) standing room."""

    id: UUID
    name: str
    tier_id: UUID
    rows: Sequence[Row]
    capacity: int

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


def unknown_seats(seat_ids: Sequence[str]) -> UnknownSeatsError:
    """The refusal of seats that are not there; it names the first few."""
    named = ", ".join(seat_id[:20] for seat_id in seat_ids[:10])
    return UnknownSeatsError("Some of these seats are not there.", seat_ids=f"Not there: {named}")


def unknown_tier(field: str) -> UnknownTierError:
    """The refusal of a tier the event does not have."""
    detail = "This event has no such tier."
    return UnknownTierError(detail, **{field: detail})


def invalid_hold(field: str, message: str) -> InvalidHoldError:
    """The refusal of one field of a request."""
    return InvalidHoldError(message, **{field: message})


# --- holds -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HoldTerms:
    """How long a hold lives, and how long when extended as often as it may be."""

    life: timedelta
    limit: timedelta


@dataclass(frozen=True, slots=True)
class BestAvailable:
    """So many seats side by side, chosen by us."""

    quantity: int
    tier_id: UUID | None
    section_id: UUID | None


@dataclass(frozen=True, slots=True)
class HoldOrder:
    """What somebody wants to hold."""

    event_id: UUID
    customer_id: UUID
    seat_ids: Sequence[str]
    best: BestAvailable | None
    general: Sequence[tuple[UUID, int]]  # tier, quantity

    @property
    def quantity(self) -> int:
        """Seats and tickets together."""
        best = self.best.quantity if self.best else 0
        return len(self.seat_ids) + best + sum(quantity for _tier, quantity in self.general)

    def check(self) -> None:
        """Raises InvalidHoldError unless the order makes sense by itself."""
        if self.seat_ids and self.best:
            raise invalid_hold("best_available", "Name seats or let us choose, not both.")
        if len(set(self.seat_ids)) < len(self.seat_ids):
            raise invalid_hold("seat_ids", "A seat is named twice.")
        if self.best and self.best.quantity < 1:
            raise invalid_hold("best_available.quantity", "At least 1.")
        for index, (_tier, quantity) in enumerate(self.general):
            if quantity < 1:
                raise invalid_hold(f"general.{index}.quantity", "At least 1.")
        if len({tier for tier, _quantity in self.general}) < len(self.general):
            raise invalid_hold("general", "A tier is named twice.")
        best = self.best.quantity if self.best else 0
        if len(self.seat_ids) + best + len(self.general) > MAX_LINES:
            field = "best_available.quantity" if self.best else "seat_ids"
            raise invalid_hold(field, f"At most {MAX_LINES} seats and kinds of tickets.")
        if not self.quantity:
            raise invalid_hold("seat_ids", "Nothing was asked for.")


@dataclass(frozen=True, slots=True)
class Line:
    """A seat, or so many tickets, as a hold keeps it."""

    seat_no: int | None
    section_id: UUID
    tier_id: UUID
    quantity: int
    price: int  # of one, minor units, as it was when the hold was made


@dataclass(frozen=True, slots=True)
class Hold:
    """What somebody has in hand, as they may see it."""

    id: UUID
    customer_id: UUID
    status: str  # ACTIVE, BOOKED, RELEASED, EXPIRED
    version: int
    expires_at: datetime
    extendable_until: datetime
    layout: Layout
    lines: Sequence[Line]

    @property
    def total(self) -> int:
        """Minor units."""
        return sum(line.quantity * line.price for line in self.lines)


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


# --- what organizers do ------------------------------------------------------------------------

MAX_BLOCKED = 1000
MAX_NOTE = 200
MAX_CAPACITY = 1_000_000
# Sections whose capacity one edit sets.
MAX_RESIZED = 100


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks."""

    id: UUID
    is_admin: bool


@dataclass(frozen=True, slots=True)
class Block:
    """Seats an organizer keeps back."""

    id: UUID
    seat_nos: Sequence[int]  # those that still are
    note: str
    created_at: datetime
    created_by: UUID


def check_capacity_edit(edit: CapacityEdit) -> None:
    """Holds an edit of capacities to what can be.

    Raises:
        InvalidCapacityError: a section can't have so many; there are none; they have no number.
    """
    if not 1 <= len(edit.capacities) <= MAX_RESIZED:
        raise InvalidCapacityError(f"1-{MAX_RESIZED} sections.", sections=f"1-{MAX_RESIZED}.")
    if edit.version < 1 or edit.instead_of < 0:
        raise InvalidCapacityError("An edit has a number from 1.", version="From 1.")
    for capacity in edit.capacities.values():
        if not 1 <= capacity <= MAX_CAPACITY:
            detail = f"From 1 to {MAX_CAPACITY}."
            raise InvalidCapacityError(detail, capacity=detail)


def unknown_counted_section() -> UnknownSectionError:
    """The refusal of a section that is not there, or has seats."""
    detail = "This event has no such section with counted places."
    return UnknownSectionError(detail, section_id=detail)


def check_block(seat_ids: Sequence[str], note: str = "") -> None:
    """Raises InvalidBlockError unless these can be kept back, or freed, as far as one can tell."""
    wrong = {
        "seat_ids": "A seat is named twice." if len(set(seat_ids)) < len(seat_ids) else "",
        "note": f"At most {MAX_NOTE} characters." if len(note) > MAX_NOTE else "",
    }
    if not 1 <= len(seat_ids) <= MAX_BLOCKED:
        wrong["seat_ids"] = f"From 1 to {MAX_BLOCKED} seats."
    for field, message in wrong.items():
        if message:
            raise InvalidBlockError(message, **{field: message})


# --- what becomes of a hold ------------------------------------------------------------------


class HoldStatus(StrEnum):
    """Where a hold stands."""

    ACTIVE = "ACTIVE"
    RESERVED = "RESERVED"
    SOLD = "SOLD"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


# What the seats of a hold are while it stands so. Reserving changes its row alone.
SEATS_OF: Mapping[HoldStatus, str] = {
    HoldStatus.ACTIVE: "HELD",
    HoldStatus.RESERVED: "HELD",
    HoldStatus.SOLD: "SOLD",
    HoldStatus.RELEASED: "AVAILABLE",
    HoldStatus.EXPIRED: "AVAILABLE",
}
_SHOWN: Mapping[HoldStatus, str] = {
    HoldStatus.ACTIVE: "ACTIVE",
    HoldStatus.RESERVED: "BOOKED",
    HoldStatus.SOLD: "BOOKED",
    HoldStatus.RELEASED: "RELEASED",
    HoldStatus.EXPIRED: "EXPIRED",
}


def shown_status(status: HoldStatus, *, due: bool) -> str:
    """The status as its owner sees it; `due` says that the hold's time is over."""
    return "EXPIRED" if status is HoldStatus.ACTIVE and due else _SHOWN[status]


# A reservation whose booking was not heard of for so long is asked after.
ASK_AFTER = timedelta(seconds=30)
# A payment that comes so long after the end of sales is still in time: as long as a booking waits
# for it.
PAYMENT_TIME = timedelta(minutes=10)


class Command(StrEnum):
    """What the booking's saga asks for."""

    RESERVE = "RESERVE"  # by sagas of before: those of today reserve by RPC
    SELL = "SELL"
    UNSELL = "UNSELL"  # by sagas of before, and ignored
    RELEASE = "RELEASE"
    RESTOCK = "RESTOCK"
    RECLAIM = "RECLAIM"


class Outcome(StrEnum):
    """How a command ended."""

    RESERVED = "RESERVED"
    RESERVE_REFUSED = "RESERVE_REFUSED"
    SOLD = "SOLD"
    RELEASED = "RELEASED"
    RESTOCKED = "RESTOCKED"
    RECLAIMED = "RECLAIMED"
    RECLAIM_REFUSED = "RECLAIM_REFUSED"


@dataclass(frozen=True, slots=True)
class SeatsOrder:
    """A command of the saga."""

    command: Command
    booking_id: UUID
    event_id: UUID
    hold_id: UUID
    saga_step: int
    hold_version: int = 0  # RESERVE only
    request_id: str = ""  # which the answer carries on


@dataclass(frozen=True, slots=True)
class SeatsAnswer:
    """How a command ended, to be told to the saga."""

    booking_id: UUID
    saga_step: int
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody's hold, and the booking that is to be made of it."""

    hold_id: UUID
    customer_id: UUID
    booking_id: UUID


@dataclass(frozen=True, slots=True)
class Reservation:
    """A hold, as a booking that wants it finds it."""

    hold: Hold
    booking_id: UUID | None  # that it is reserved for
    event_open: bool


@dataclass(frozen=True, slots=True)
class AskReservation:
    """Whether the booking exists that a hold is reserved for, to be asked of booking_service."""

    booking_id: UUID
    event_id: UUID
    hold_id: UUID


@dataclass(frozen=True, slots=True)
class ReservationOrder:
    """What becomes of a reservation: its booking exists, or does not and never will."""

    booking_id: UUID
    hold_id: UUID
    exists: bool


@dataclass(frozen=True, slots=True)
class EventIsOpen:
    """The event's places are on sale, to be told to the catalog."""

    event_id: UUID
    capacity: int


@dataclass(frozen=True, slots=True)
class CapacityEdit:
    """What counted sections of an event shall have, as the catalog says."""

    capacities: Mapping[UUID, int]  # by section
    version: int  # the catalog's number of the edit
    instead_of: int = 0  # the edit that it takes back; 0: it takes none back


@dataclass(frozen=True, slots=True)
class CapacityIs:
    """What an event's counted sections have, to be told to the catalog."""

    event_id: UUID
    version: int  # of the newest edit that was heard
    event_capacity: int  # 0: the event was never opened
    sections: Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class AvailabilityIs:
    """How much of an event is left, to be told to the catalog."""

    event_id: UUID
    available: int
    capacity: int
    sold: int
    version: int  # rises with every change


class Step(NamedTuple):
    """What a command does to a hold: its next status (None: nothing changes) and the answer."""

    to: HoldStatus | None
    outcome: Outcome | None  # None: there is no answer to what can't be asked, and an alert
    reason: str = ""


_Table = Mapping[HoldStatus, Step]


def _stands(outcome: Outcome, *statuses: HoldStatus) -> dict[HoldStatus, Step]:
    return {status: Step(None, outcome) for status in statuses}


def _moves(to: HoldStatus, outcome: Outcome, *statuses: HoldStatus) -> dict[HoldStatus, Step]:
    return {status: Step(to, outcome) for status in statuses}


def _refuses(outcome: Outcome, **reasons: str) -> dict[HoldStatus, Step]:
    return {HoldStatus(status): Step(None, outcome, reason) for status, reason in reasons.items()}


_S = HoldStatus
# A reservation ends only by its own saga's Release, so a Sell always finds one.
_NOT_RESERVED = Step(None, None, "HOLD_NOT_RESERVED")
# Each command in each status. `step` lets no old command come here, so the newest has its way; one
# that was sent twice finds its effect standing and is answered so.
STEPS: Mapping[Command, _Table] = {
    Command.RESERVE: {
        **_moves(_S.RESERVED, Outcome.RESERVED, _S.ACTIVE),
        **_stands(Outcome.RESERVED, _S.RESERVED, _S.SOLD),
        **_refuses(Outcome.RESERVE_REFUSED, RELEASED="HOLD_RELEASED", EXPIRED="HOLD_EXPIRED"),
    },
    Command.SELL: {
        **_moves(_S.SOLD, Outcome.SOLD, _S.RESERVED),
        **_stands(Outcome.SOLD, _S.SOLD),
        **dict.fromkeys((_S.ACTIVE, _S.RELEASED, _S.EXPIRED), _NOT_RESERVED),
    },
    # Also what is SOLD: a Reclaim that was refused may have succeeded when it came once more.
    Command.RELEASE: {
        **_moves(_S.RELEASED, Outcome.RELEASED, _S.ACTIVE, _S.RESERVED, _S.SOLD),
        **_stands(Outcome.RELEASED, _S.RELEASED, _S.EXPIRED),
    },
    Command.RESTOCK: {
        **_moves(_S.RELEASED, Outcome.RESTOCKED, _S.ACTIVE, _S.RESERVED, _S.SOLD),
        **_stands(Outcome.RESTOCKED, _S.RELEASED, _S.EXPIRED),
    },
    # Of what was the booking's before: `step` refuses the rest.
    Command.RECLAIM: {
        **_moves(_S.SOLD, Outcome.RECLAIMED, _S.RELEASED, _S.EXPIRED, _S.RESERVED),
        **_stands(Outcome.RECLAIMED, _S.SOLD),
        **_refuses(Outcome.RECLAIM_REFUSED, ACTIVE="SEATS_UNAVAILABLE"),
    },
}
# The hold is another booking's: nothing of it changes.
_FOREIGN: Mapping[Command, Step] = {
    Command.RESERVE: Step(None, Outcome.RESERVE_REFUSED, "HOLD_NOT_ACTIVE"),
    Command.SELL: _NOT_RESERVED,
    Command.RELEASE: Step(None, Outcome.RELEASED),
    Command.RESTOCK: Step(None, Outcome.RESTOCKED),
    Command.RECLAIM: Step(None, Outcome.RECLAIM_REFUSED, "SEATS_UNAVAILABLE"),
}


@dataclass(frozen=True, slots=True)
class HoldState:
    """A hold as the saga's commands find it, its row locked."""

    event_id: UUID
    hold_id: UUID
    customer_id: UUID | None  # None: a tombstone
    status: HoldStatus
    due: bool
    version: int
    seats: int
    tickets: int
    booking_id: UUID | None  # whose commands it has seen
    saga_step: int  # the newest of them; 0: none

    def moves(self, to: HoldStatus) -> Move:
        """Its going to another status."""
        return Move(
            self.event_id,
            self.hold_id,
            self.customer_id,
            self.seats,
            self.tickets,
            self.status,
            to,
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A hold goes from one status to another, and what it has goes along."""

    event_id: UUID
    hold_id: UUID
    customer_id: UUID | None  # None: a tombstone
    seats: int
    tickets: int
    was: HoldStatus
    to: HoldStatus

    @property
    def changes_places(self) -> bool:
        """Whether its places are something else afterwards."""
        return SEATS_OF[self.was] != SEATS_OF[self.to]

    @property
    def gives_back(self) -> bool:
        """Whether its places are free afterwards, and were not before."""
        return self.changes_places and SEATS_OF[self.to] == "AVAILABLE"


_REFUSED = {
    Command.RESERVE: Outcome.RESERVE_REFUSED,
    Command.RECLAIM: Outcome.RECLAIM_REFUSED,
}


def step(
    order: SeatsOrder, hold: HoldState, *, event_open: bool, still_sells: bool = True
) -> Step | None:
    """What the command does to the hold; None, no answer even, where a newer one came before.

    `event_open` matters to RESERVE, `still_sells` to RECLAIM: the event is open, and its sales
    ended no longer than `PAYMENT_TIME` ago. Whether what a RECLAIM takes back is free, and within
    the person's limit, is found where it is taken. A command without a step is older than any
    other.
    """
    if order.command is Command.UNSELL:
        return None
    if hold.booking_id not in (None, order.booking_id):
        return _FOREIGN[order.command]
    if order.saga_step < max(hold.saga_step, 1):
        return None
    refusals: Mapping[str, bool] = {}
    if order.command is Command.RESERVE and hold.status is HoldStatus.ACTIVE:
        refusals = {
            "HOLD_EXPIRED": hold.due,
            "HOLD_CHANGED": hold.version != order.hold_version,
            "EVENT_NOT_ON_SALE": not event_open,
        }
    elif order.command is Command.RECLAIM and SEATS_OF[hold.status] == "AVAILABLE":
        # What was never the booking's it can't have again.
        refusals = {"SALES_CLOSED": not still_sells, "SEATS_UNAVAILABLE": hold.booking_id is None}
    for reason, applies in refusals.items():
        if applies:
            return Step(None, _REFUSED[order.command], reason)
    return STEPS[order.command][hold.status]
