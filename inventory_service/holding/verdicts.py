"""Who of those that ask together gets what. Pure: what is free and locked is given.

Orders are judged in the order in which they arrived, each on what those before it have left, all
or nothing. An order that is refused takes nothing, so a later and smaller one may still be served.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from chassis.batching import TryAgain
from inventory_service.domain import (
    CustomerLimitError,
    EventNotFoundError,
    EventNotOnSaleError,
    HoldLimitError,
    HoldOrder,
    InventoryError,
    Layout,
    Line,
    NoAdjacentSeatsError,
    NotEnoughCapacityError,
    SalesClosedError,
    SeatsUnavailableError,
    Section,
    spread,
)

SLOTS = (1, 2)


@dataclass(frozen=True, slots=True)
class Request:
    """An order, as the event's layout understands it."""

    order: HoldOrder
    seat_nos: Sequence[int]  # asked for by name
    sections: Sequence[Section]  # to choose the best seats from
    pools: Sequence[tuple[int, Sequence[UUID]]]  # so many counted tickets, of these


def understand(layout: Layout, order: HoldOrder) -> Request:
    """The order in terms of the layout.

    Raises:
        InventoryError: UNKNOWN_SEATS, UNKNOWN_TIER, UNKNOWN_SECTION, INVALID_HOLD.
    """
    pools = [
        (
            quantity,
            [section.id for section in layout.standing(tier_id, f"general.{index}.tier_id")],
        )
        for index, (tier_id, quantity) in enumerate(order.general)
    ]
    best = order.best
    return Request(
        order,
        layout.seat_nos(order.seat_ids),
        layout.seated(best.tier_id, best.section_id) if best else (),
        pools,
    )


class Sale(Protocol):
    """Whether an event sells."""

    @property
    def open(self) -> bool:
        """It is on sale at all."""

    @property
    def selling(self) -> bool:
        """Its sales window is open, by the database's clock."""


def closed_because(sale: Sale | None, layout: Layout | None) -> InventoryError | None:
    """Why nothing of the event can be held now; no `sale`: there is no such event."""
    if sale is None:
        return EventNotFoundError()
    if not sale.open or layout is None:
        return EventNotOnSaleError("This event is not on sale.")
    if not sale.selling:
        return SalesClosedError("Sales for this event are closed right now.")
    return None


@dataclass(slots=True)
class Truth:
    """What is there, under lock; a verdict takes from it what it grants."""

    free: set[int]  # of the seats that were asked for or chosen
    counted: dict[UUID, int]  # what people hold and have bought; absent: nothing
    slots: dict[UUID, set[int]]  # of their live holds; absent: none
    pools: dict[UUID, int]  # free places
    given: set[int] = field(default_factory=set)  # seats that went to earlier ones of the batch


@dataclass(frozen=True, slots=True)
class Granted:
    """It gets these."""

    seat_nos: Sequence[int]
    tickets: Mapping[UUID, int]
    slot: int

    def lines(self, layout: Layout) -> list[Line]:
        """As the hold keeps them: seats as asked, then tickets in the layout's order."""
        lines: list[Line] = []
        for seat_no in self.seat_nos:
            section, _row, _index = layout.locate(seat_no)
            price = layout.tiers[section.tier_id].price
            lines.append(Line(seat_no, section.id, section.tier_id, 1, price))
        if self.tickets:
            for section in layout.sections:
                count = self.tickets.get(section.id)
                if count:
                    price = layout.tiers[section.tier_id].price
                    lines.append(Line(None, section.id, section.tier_id, count, price))
        return lines


@dataclass(frozen=True, slots=True)
class Hindered:
    """It gets nothing, unless holds whose time is over have what it wants."""

    refusal: InventoryError
    seat_nos: Sequence[int] = ()  # these are somebody's,
    gone: Sequence[int] = ()  # and of them these went to earlier ones of the batch
    person: UUID | None = None  # holds too much
    seats: bool = False  # no run of free seats is long enough
    tickets: bool = False  # the pools have too few


@dataclass(frozen=True, slots=True)
class Outrun:
    """The seats that were chosen for it went to another process meanwhile."""


Verdict = Granted | Hindered | Outrun | InventoryError


def judge(
    layout: Layout, truth: Truth, request: Request, chosen: Sequence[int] | None = None
) -> Verdict:
    """The verdict on one request; `chosen` are its best seats, None where there are none."""
    order = request.order
    limit = layout.max_per_customer
    held = truth.counted.get(order.customer_id, 0)
    if order.quantity > limit:
        return over_limit(limit, held)
    no = _no_seats(truth, request, chosen)
    if no is not None:
        return no
    if held + order.quantity > limit:
        return Hindered(over_limit(limit, held), person=order.customer_id)
    taken_slots = truth.slots.get(order.customer_id, ())
    free_slots = [slot for slot in SLOTS if slot not in taken_slots]
    if not free_slots:
        return HoldLimitError("You have two holds already: book or release one of them.")
    tickets: dict[UUID, int] = {}
    for quantity, pools in request.pools:
        part = spread({pool: truth.pools[pool] for pool in pools}, quantity)
        if part is None:
            detail = "There are not so many tickets left."
            return Hindered(NotEnoughCapacityError(detail), tickets=True)
        tickets.update(part)
    granted = Granted(chosen or request.seat_nos, tickets, free_slots[0])
    _take(truth, order.customer_id, granted)
    return granted


def _no_seats(
    truth: Truth, request: Request, chosen: Sequence[int] | None
) -> Hindered | Outrun | InventoryError | None:
    best = request.order.best
    if best:
        if chosen is None:
            detail = f"There are no {best.quantity} free seats side by side."
            return Hindered(NoAdjacentSeatsError(detail), seats=bool(request.sections))
        return None if truth.free.issuperset(chosen) else Outrun()
    missing = [seat_no for seat_no in request.seat_nos if seat_no not in truth.free]
    if not missing:
        return None
    gone = [seat_no for seat_no in missing if seat_no in truth.given]
    refusal = seats_unavailable(missing)
    return refusal if len(gone) == len(missing) else Hindered(refusal, missing, gone)


def _take(truth: Truth, person: UUID, granted: Granted) -> None:
    truth.free.difference_update(granted.seat_nos)
    truth.given.update(granted.seat_nos)
    count = len(granted.seat_nos) + sum(granted.tickets.values())
    truth.counted[person] = truth.counted.get(person, 0) + count
    truth.slots.setdefault(person, set()).add(granted.slot)
    for pool, taken in granted.tickets.items():
        truth.pools[pool] -= taken


def seats_unavailable(seat_nos: Sequence[int]) -> SeatsUnavailableError:
    """The refusal of seats that are somebody's; it names them."""
    return SeatsUnavailableError(
        "Some of these seats are taken.",
        seat_ids=json.dumps([str(seat_no) for seat_no in seat_nos]),
    )


@dataclass(frozen=True, slots=True)
class Quoted:
    """What places would cost, and which of them could not be had just now."""

    lines: Sequence[Line]
    unavailable: Sequence[int]  # seats
    available: bool


def quoted(
    layout: Layout,
    request: Request,
    *,
    taken: Collection[int],
    held: int,
    free: Mapping[UUID, int],
) -> Quoted:
    """What the places of a request would cost, whether they are free or not.

    `taken` are the seats that somebody has, `held` is how many places the person has of the event,
    and `free` what the pools have.

    Raises:
        CustomerLimitError: they may not have so many.
    """
    order, limit = request.order, layout.max_per_customer
    if held + order.quantity > limit:
        raise over_limit(limit, held)
    tickets: dict[UUID, int] = {}
    fits = True
    for quantity, pools in request.pools:
        part = spread({pool: free.get(pool, 0) for pool in pools}, quantity)
        fits = fits and part is not None
        tickets.update(part or {pools[0]: quantity})
    unavailable = [seat_no for seat_no in request.seat_nos if seat_no in taken]
    lines = Granted(request.seat_nos, tickets, SLOTS[0]).lines(layout)
    return Quoted(lines, unavailable, fits and not unavailable)


def over_limit(limit: int, held: int) -> CustomerLimitError:
    """The refusal of places beyond what a person may have, who has `held` already."""
    return CustomerLimitError(
        f"At most {limit} a person, bought ones included.", limit=str(limit), held=str(held)
    )


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why some got nothing: who has what they wanted. A hold is named where it is due."""

    taken: Mapping[int, UUID | None]  # the seats that are not free
    of_people: Mapping[UUID, Sequence[UUID]]
    with_seats: Sequence[UUID]
    with_tickets: Sequence[UUID]


def reconsider(hindered: Hindered, reasons: Reasons) -> InventoryError | TryAgain:
    """Refuses what is hindered, unless by holds whose time is over, or by nothing any more."""
    if hindered.seat_nos:
        holders = {no: reasons.taken[no] for no in hindered.seat_nos if no in reasons.taken}
        lost = [
            no
            for no in hindered.seat_nos
            if no in hindered.gone or (no in holders and holders[no] is None)
        ]
        if lost:
            return seats_unavailable(lost)
        return TryAgain(hindered.refusal, [due for due in holders.values() if due])
    due: Sequence[UUID] = ()
    if hindered.person:
        due = reasons.of_people.get(hindered.person, ())
    elif hindered.seats:
        due = reasons.with_seats
    elif hindered.tickets:
        due = reasons.with_tickets
    return TryAgain(hindered.refusal, due) if due else hindered.refusal
