"""Making a hold."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from uuid import UUID

from chassis.database import Session
from chassis.ids import uuid7
from inventory_service.domain import (
    BestAvailable,
    CustomerLimitError,
    DueHoldsInTheWayError,
    Hold,
    HoldLimitError,
    HoldOrder,
    HoldTerms,
    Layout,
    Line,
    NoAdjacentSeatsError,
    NotEnoughCapacityError,
    SalesClosedError,
    SeatsUnavailableError,
    Section,
    spread,
)
from inventory_service.handlers.events import find_on_sale
from inventory_service.seating import best_runs
from inventory_service.storage import holds, limits, pools, seats
from inventory_service.storage.events import Layouts

# Best available: how often a run is tried that others may be at, and how often all is read anew.
_RUNS = 20

_READS = 3


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
    sale, layout = await find_on_sale(session, layouts, order.event_id)
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
    if not await limits.count_places(
        session,
        order.event_id,
        order.customer_id,
        order.quantity,
        most=layout.max_per_customer,
    ):
        raise await _customer_limit(session, layout, order)
    if not await limits.take_slot(session, order.customer_id, order.event_id, hold_id, expires_at):
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
    return await holds.add_hold(
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
    if await seats.claim_seats(session, event_id, hold_id, seat_nos):
        return
    taken = await seats.taken_seats(session, event_id, seat_nos)
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
        free, due = await seats.free_seats(session, layout.event_id, sections)
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
            locked = await seats.lock_free_seats(session, layout.event_id, run)
            if len(locked) == best.quantity and await seats.claim_seats(
                session, layout.event_id, hold_id, run
            ):
                savepoint.release()
                return list(run)
            savepoint.rollback()
            untouched -= set(run) - locked
        savepoint = session.savepoint()
        if await seats.claim_seats(session, layout.event_id, hold_id, wanted[0]):
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
    every = [pool for _quantity, tiers_pools in wanted.values() for pool in tiers_pools]
    if len(every) == 1:
        ((quantity, (pool,)),) = wanted.values()
        taken = {pool: quantity}
        refused = not await pools.claim_pools(session, event_id, taken)
    else:
        free = await pools.lock_pools(session, event_id, every)
        parts = [
            spread({pool: free[pool] for pool in tiers_pools}, quantity)
            for quantity, tiers_pools in wanted.values()
        ]
        taken = {pool: count for part in parts if part for pool, count in part.items()}
        refused = None in parts or not await pools.claim_pools(session, event_id, taken)
    if not refused:
        return taken
    left, due = await pools.free_in_pools(session, event_id)
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
    held, due = await limits.counted_places(session, order.event_id, order.customer_id)
    limit = layout.max_per_customer
    refusal = CustomerLimitError(
        f"At most {limit} a person, bought ones included.", limit=str(limit), held=str(held)
    )
    changed = held + order.quantity <= limit  # since the refusal, by somebody's giving back
    if order.quantity <= limit and (due or changed):
        return DueHoldsInTheWayError(due, refusal)
    return refusal
