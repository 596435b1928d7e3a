"""Use cases: one transaction each."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from chassis.ids import uuid7
from chassis.logs import get_logger
from inventory_service import storage
from inventory_service.domain import (
    SEATS_OF,
    BestAvailable,
    Command,
    CustomerLimitError,
    DueHoldsInTheWayError,
    EventIsOpen,
    EventNotFoundError,
    EventNotOnSaleError,
    Hold,
    HoldExpiredError,
    HoldExtensionLimitError,
    HoldLimitError,
    HoldNotActiveError,
    HoldNotFoundError,
    HoldOrder,
    HoldState,
    HoldStatus,
    HoldTerms,
    Layout,
    Line,
    NoAdjacentSeatsError,
    NotEnoughCapacityError,
    Opening,
    Outcome,
    SalesClosedError,
    SeatsAnswer,
    SeatsOrder,
    SeatsUnavailableError,
    Section,
    Step,
    spread,
    step,
    unknown_seats,
)
from inventory_service.seating import best_runs
from inventory_service.storage import Layouts

# Best available: how often a run is tried that others may be at, and how often all is read anew.
_RUNS = 20
_READS = 3

log = get_logger(__name__)

# --- events ----------------------------------------------------------------------------------


async def open_event(session: Session, opening: Opening) -> None:
    """Puts an event's places on sale and says so; a second time it only says so."""
    capacity = await storage.open_event(session, opening)
    session.send(EventIsOpen(opening.layout.event_id, capacity))


async def close_event(session: Session, event_id: UUID) -> None:
    """Lets nobody hold anything of the event any more."""
    await storage.close_event(session, event_id)


async def find_open_layout(session: Session, layouts: Layouts, event_id: UUID | None) -> Layout:
    """The layout of an event that is on sale.

    Raises:
        EventNotFoundError: there is none of that id.
        EventNotOnSaleError: it was called off.
    """
    _sale, layout = await _find_on_sale(session, layouts, event_id)
    return layout


async def _find_on_sale(
    session: Session, layouts: Layouts, event_id: UUID | None
) -> tuple[Record, Layout]:
    sale = await storage.find_sale(session, event_id) if event_id else None
    if event_id is None or sale is None:
        raise EventNotFoundError
    layout = await layouts.find(session, event_id) if sale.open else None
    if layout is None:
        raise EventNotOnSaleError("This event is not on sale.")
    return sale, layout


# --- making a hold ---------------------------------------------------------------------------


async def create_hold(
    session: Session, layouts: Layouts, terms: HoldTerms, order: HoldOrder
) -> Hold:
    """Holds what was ordered, all or nothing.

    Raises:
        InventoryError: INVALID_HOLD, EVENT_NOT_FOUND, EVENT_NOT_ON_SALE, SALES_CLOSED,
            UNKNOWN_SEATS, UNKNOWN_TIER, UNKNOWN_SECTION, CUSTOMER_LIMIT, HOLD_LIMIT;
            SEATS_UNAVAILABLE, NO_ADJACENT_SEATS, NOT_ENOUGH_CAPACITY where nothing due stands in
            the way.
        DueHoldsInTheWayError: expire those, in another transaction, and try again.
    """
    order.check()
    sale, layout = await _find_on_sale(session, layouts, order.event_id)
    if not sale.selling:
        raise SalesClosedError("Sales for this event are closed right now.")
    general = {
        tier_id: (quantity, layout.standing(tier_id, f"general.{index}.tier_id"))
        for index, (tier_id, quantity) in enumerate(order.general)
    }
    seat_nos = layout.seat_nos(order.seat_ids)
    sections = layout.seated(order.best.tier_id, order.best.section_id) if order.best else []
    if order.quantity > layout.max_per_customer:
        raise await _customer_limit(session, layout, order)

    hold_id = uuid7()
    expires_at = sale.now + terms.life
    if order.best:
        seat_nos = await _claim_best(session, layout, sections, order.best, hold_id)
    elif seat_nos:
        await _claim_seats(session, order.event_id, hold_id, seat_nos)
    if not await storage.count_places(
        session,
        order.event_id,
        order.customer_id,
        order.quantity,
        most=layout.max_per_customer,
    ):
        raise await _customer_limit(session, layout, order)
    if not await storage.take_slot(session, order.customer_id, order.event_id, hold_id, expires_at):
        raise HoldLimitError("You have two holds already: book or release one of them.")
    pools = {
        tier_id: (quantity, [section.id for section in standing])
        for tier_id, (quantity, standing) in general.items()
    }
    taken = await _claim_tickets(session, order.event_id, pools) if pools else {}

    lines = [_seat_line(layout, seat_no) for seat_no in seat_nos]
    for section in layout.sections:
        if section.id in taken:
            price = layout.tiers[section.tier_id].price
            lines.append(Line(None, section.id, section.tier_id, taken[section.id], price))
    return await storage.add_hold(
        session,
        layout,
        hold_id,
        order.customer_id,
        lines,
        created_at=sale.now,
        expires_at=expires_at,
        extendable_until=sale.now + max(terms.life, terms.limit),
    )


def _seat_line(layout: Layout, seat_no: int) -> Line:
    section, _row, _index = layout.locate(seat_no)
    return Line(seat_no, section.id, section.tier_id, 1, layout.tiers[section.tier_id].price)


async def _claim_seats(
    session: Session, event_id: UUID, hold_id: UUID, seat_nos: Sequence[int]
) -> None:
    if await storage.claim_seats(session, event_id, hold_id, seat_nos):
        return
    taken = await storage.taken_seats(session, event_id, seat_nos)
    lost = [seat_no for seat_no, due in taken.items() if due is None]
    refusal = SeatsUnavailableError(
        "Some of these seats are taken.",
        seat_ids=json.dumps([str(seat_no) for seat_no in lost or taken or seat_nos]),
    )
    if lost:
        raise refusal
    raise DueHoldsInTheWayError([due for due in taken.values() if due], refusal)


async def _claim_best(
    session: Session,
    layout: Layout,
    sections: Sequence[Section],
    best: BestAvailable,
    hold_id: UUID,
) -> list[int]:
    """Takes the best run of free seats there is.

    The best run is tried first, and one of the next few where somebody else is at it. Only when
    others are at all that is left does it wait for them.
    """
    rows = [row for section in sections for row in section.rows]
    refusal = NoAdjacentSeatsError(f"There are no {best.quantity} free seats side by side.")
    for _ in range(_READS if sections else 0):
        free, due = await storage.free_seats(session, layout.event_id, sections)
        wanted = best_runs(rows, free, layout.focal, best.quantity)
        if not wanted:
            raise DueHoldsInTheWayError(due, refusal) if due else refusal
        untouched = set(free)
        for lost in range(_RUNS):
            # Those who lost a run do not all run to the next one: they spread over the next few.
            runs = best_runs(rows, untouched, layout.focal, best.quantity, 1 + 4 * lost)
            if not runs:
                break
            run = random.choice(runs)  # noqa: S311 - spreads load, hides nothing
            # The savepoint gives back the locks of a run that could not be had whole.
            savepoint = session.savepoint()
            locked = await storage.lock_free_seats(session, layout.event_id, run)
            if len(locked) == best.quantity and await storage.claim_seats(
                session, layout.event_id, hold_id, run
            ):
                savepoint.release()
                return list(run)
            savepoint.rollback()
            untouched -= set(run) - locked
        savepoint = session.savepoint()
        if await storage.claim_seats(session, layout.event_id, hold_id, wanted[0]):
            savepoint.release()
            return list(wanted[0])
        savepoint.rollback()
    raise DueHoldsInTheWayError([], refusal) if sections else refusal


async def _claim_tickets(
    session: Session, event_id: UUID, wanted: dict[UUID, tuple[int, list[UUID]]]
) -> dict[UUID, int]:
    """Takes counted tickets: for each tier so many, of one of its pools, or of several.

    One pool is claimed by its condition alone. Several are locked first, to see what to take of
    which.
    """
    pools = [pool for _quantity, tiers_pools in wanted.values() for pool in tiers_pools]
    if len(pools) == 1:
        ((quantity, (pool,)),) = wanted.values()
        taken = {pool: quantity}
        refused = not await storage.claim_pools(session, event_id, taken)
    else:
        free = await storage.lock_pools(session, event_id, pools)
        parts = [
            spread({pool: free[pool] for pool in tiers_pools}, quantity)
            for quantity, tiers_pools in wanted.values()
        ]
        taken = {pool: count for part in parts if part for pool, count in part.items()}
        refused = None in parts or not await storage.claim_pools(session, event_id, taken)
    if not refused:
        return taken
    left, due = await storage.free_in_pools(session, event_id)
    refusal = NotEnoughCapacityError("There are not so many tickets left.")
    short = any(
        sum(left[pool] for pool in tiers_pools) < quantity
        for quantity, tiers_pools in wanted.values()
    )
    if short and not due:
        raise refusal
    raise DueHoldsInTheWayError(due, refusal)


async def _customer_limit(session: Session, layout: Layout, order: HoldOrder) -> Exception:
    """The refusal of more than a person may have, or what may still be done about it."""
    held, due = await storage.counted_places(session, order.event_id, order.customer_id)
    limit = layout.max_per_customer
    refusal = CustomerLimitError(
        f"At most {limit} a person, bought ones included.", limit=str(limit), held=str(held)
    )
    changed = held + order.quantity <= limit  # since the refusal, by somebody's giving back
    if order.quantity <= limit and (due or changed):
        return DueHoldsInTheWayError(due, refusal)
    return refusal


# --- expiring --------------------------------------------------------------------------------


async def expire_holds(session: Session, event_id: UUID, hold_ids: Sequence[UUID]) -> None:
    """Expires those of the holds whose time is over, and gives back all that they had."""
    if hold_ids:
        await _give_back_expired(session, await storage.expire_holds(session, event_id, hold_ids))


async def expire_due(session: Session, *, limit: int) -> int:
    """Expires up to `limit` holds of any event whose time is over; returns how many."""
    expired = await storage.expire_some(session, limit)
    await _give_back_expired(session, expired)
    return len(expired)


async def _give_back_expired(session: Session, holds: Sequence[Record]) -> None:
    # Their slots among the live holds became free when their time was over.
    was, to = HoldStatus.ACTIVE, HoldStatus.EXPIRED
    await storage.move_seats(session, holds, was, to)
    await storage.uncount_places(
        session, [(hold.event_id, hold.customer_id, hold.seats + hold.tickets) for hold in holds]
    )
    await storage.move_tickets(session, holds, was, to)


# --- one's own holds -------------------------------------------------------------------------


async def get_hold(
    session: Session, layouts: Layouts, customer_id: UUID, hold_id: UUID | None
) -> Hold:
    """One of the person's holds.

    Raises:
        HoldNotFoundError: they have none of that id.
    """
    holds = (
        await storage.find_holds(session, layouts, customer_id, hold_id=hold_id) if hold_id else []
    )
    if not holds:
        raise _not_found()
    return holds[0]


def _not_found() -> HoldNotFoundError:
    return HoldNotFoundError("You have no such hold.")


async def _lock_active(session: Session, customer_id: UUID, hold_id: UUID | None) -> HoldState:
    hold = await storage.lock_own_hold(session, hold_id, customer_id) if hold_id else None
    if hold is None:
        raise _not_found()
    if hold.status is HoldStatus.EXPIRED or (hold.status is HoldStatus.ACTIVE and hold.due):
        raise HoldExpiredError("The time of this hold is over.")
    if hold.status is not HoldStatus.ACTIVE:
        raise HoldNotActiveError("This hold was booked or released.")
    return hold


async def extend_hold(
    session: Session,
    layouts: Layouts,
    customer_id: UUID,
    hold_id: UUID | None,
    life: timedelta,
) -> Hold:
    """Lets a hold live `life` from now, within its cap.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldNotActiveError.
        HoldExtensionLimitError: it would not live longer than it does.
    """
    hold = await _lock_active(session, customer_id, hold_id)
    if not await storage.extend_hold(session, hold, life):
        kept = await get_hold(session, layouts, customer_id, hold_id)
        if kept.status == "ACTIVE":
            raise HoldExtensionLimitError("This hold can't be extended any further.")
        raise HoldExpiredError("The time of this hold is over.")
    return await get_hold(session, layouts, customer_id, hold_id)


async def release_hold(
    session: Session,
    layouts: Layouts,
    customer_id: UUID,
    hold_id: UUID | None,
    seat_ids: Sequence[str],
) -> Hold:
    """Gives seats of a hold back, or (without `seat_ids`) all of it; all of it twice is the same.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldNotActiveError.
        UnknownSeatsError: the hold does not have some of the seats.
    """
    try:
        hold = await _lock_active(session, customer_id, hold_id)
    except HoldNotActiveError:
        kept = await get_hold(session, layouts, customer_id, hold_id)
        if seat_ids or kept.status != "RELEASED":
            raise
        return kept
    lines = await storage.find_lines(session, hold)
    held = {str(line.seat_no): line.seat_no for line in lines if line.seat_no is not None}
    unknown = [seat_id for seat_id in seat_ids if seat_id not in held]
    if unknown:
        raise unknown_seats(unknown)
    part = sorted({held[seat_id] for seat_id in seat_ids})
    if part and len(part) < hold.seats + hold.tickets:
        await storage.move_seats(session, [hold], HoldStatus.ACTIVE, HoldStatus.RELEASED, only=part)
        await storage.shrink_hold(session, hold, part)
        await storage.uncount_places(session, [(hold.event_id, customer_id, len(part))])
    else:
        await _move(session, hold, HoldStatus.RELEASED)
    return await get_hold(session, layouts, customer_id, hold_id)


async def _move(session: Session, hold: HoldState, to: HoldStatus) -> None:
    """Moves a locked hold on, and all that it has along."""
    await storage.move_hold(session, hold, to)
    await _move_places(session, hold, to)


async def _move_places(session: Session, hold: HoldState, to: HoldStatus) -> None:
    await storage.move_seats(session, [hold], hold.status, to)
    if SEATS_OF[to] == "AVAILABLE" != SEATS_OF[hold.status]:
        await storage.uncount_places(
            session, [(hold.event_id, hold.customer_id, hold.seats + hold.tickets)]
        )
    if hold.status is HoldStatus.ACTIVE and hold.customer_id:
        await storage.free_slot(session, hold.customer_id, hold.hold_id)
    await storage.move_tickets(session, [hold], hold.status, to)


# --- the saga's commands ---------------------------------------------------------------------


async def carry_out(session: Session, order: SeatsOrder) -> None:
    """Does what the booking's saga asks for and answers it; a second time it only answers.

    A command older than one that was seen before has no effect and no answer.
    """
    hold = await storage.lock_or_bury(session, order.event_id, order.hold_id)
    reserves = order.command is Command.RESERVE
    sale = await storage.find_sale(session, order.event_id) if reserves else None
    planned = step(order, hold, event_open=sale is not None and sale.open)
    if planned is None:
        log.info(
            "command older than the newest seen",
            command=order.command,
            saga_step=order.saga_step,
            newest=hold.saga_step,
            hold_id=hold.hold_id,
            booking_id=order.booking_id,
        )
        return
    await storage.note_step(session, hold, order)
    done = planned if planned.to is None else await _advance(session, order, hold, planned)
    session.send(SeatsAnswer(order.booking_id, order.saga_step, done.outcome, done.reason))


async def _advance(session: Session, order: SeatsOrder, hold: HoldState, planned: Step) -> Step:
    assert planned.to is not None  # noqa: S101 - narrows the type; checked by the caller
    if order.command is Command.RESERVE:
        if not await storage.reserve_hold(session, hold, order.expires_at):
            return Step(None, Outcome.RESERVE_REFUSED, "HOLD_EXPIRED")
        await _move_places(session, hold, planned.to)
    elif order.command is Command.RECLAIM and SEATS_OF[hold.status] == "AVAILABLE":
        if not await _take_back(session, hold):
            return Step(None, Outcome.RECLAIM_REFUSED, "SEATS_UNAVAILABLE")
        await storage.move_hold(session, hold, planned.to)
    else:
        await _move(session, hold, planned.to)
    return planned


async def _take_back(session: Session, hold: HoldState) -> bool:
    """Takes the very places a hold had, all or none, beyond the person's limit if need be.

    Due holds that are in the way are expired first: this is the one place that locks other holds
    while it has locked one, and no active one, so nobody who waits for a due hold waits for it.
    """
    lines = await storage.find_lines(session, hold)
    seat_nos = [line.seat_no for line in lines if line.seat_no is not None]
    tickets = {line.section_id: line.quantity for line in lines if line.seat_no is None}
    if not lines or hold.customer_id is None:
        return False
    due = {due for due in (await _due_for(session, hold, seat_nos, tickets)) if due}
    await expire_holds(session, hold.event_id, sorted(due))
    savepoint = session.savepoint()
    taken = not seat_nos or await storage.claim_seats(
        session, hold.event_id, hold.hold_id, seat_nos, "SOLD"
    )
    if taken:
        await storage.count_places(
            session, hold.event_id, hold.customer_id, hold.seats + hold.tickets, most=None
        )
        if tickets:
            await storage.lock_pools(session, hold.event_id, tickets)
            taken = await storage.claim_pools(session, hold.event_id, tickets, status="SOLD")
    savepoint.release() if taken else savepoint.rollback()
    return taken


async def _due_for(
    session: Session, hold: HoldState, seat_nos: Sequence[int], tickets: dict[UUID, int]
) -> list[UUID | None]:
    due: list[UUID | None] = []
    if seat_nos:
        due += (await storage.taken_seats(session, hold.event_id, seat_nos)).values()
    if tickets:
        due += (await storage.free_in_pools(session, hold.event_id))[1]
    return due
