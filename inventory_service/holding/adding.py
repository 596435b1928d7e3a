"""Adding to a hold that somebody has: one at a time, for only its owner waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from inventory_service.changes import noted
from inventory_service.domain import (
    MAX_LINES,
    DueHoldsInTheWayError,
    EventNotFoundError,
    Hold,
    HoldOrder,
    HoldState,
    InventoryError,
    Layout,
    Line,
    NotEnoughCapacityError,
    invalid_hold,
    spread,
)
from inventory_service.handlers.owning import get_hold, lock_active
from inventory_service.holding.verdicts import (
    Granted,
    Request,
    closed_because,
    over_limit,
    seats_unavailable,
    understand,
)
from inventory_service.storage import events, holds, limits, pools, seats
from inventory_service.storage.events import Layouts


async def add_to_hold(
    session: Session,
    layouts: Layouts,
    customer_id: UUID,
    hold_id: UUID | None,
    *,
    seat_ids: Sequence[str],
    general: Sequence[tuple[UUID, int]],
) -> Hold:
    """Adds seats and tickets to a hold, all or nothing; its time stays as it was.

    Nobody waits for this hold while it waits for seats: who wants the places of a hold whose time
    is over expires that one first, and only then claims.

    Raises:
        InventoryError: HOLD_NOT_FOUND, HOLD_EXPIRED, HOLD_NOT_ACTIVE, EVENT_NOT_ON_SALE,
            SALES_CLOSED, UNKNOWN_SEATS, UNKNOWN_TIER, INVALID_HOLD, SEATS_UNAVAILABLE,
            CUSTOMER_LIMIT, NOT_ENOUGH_CAPACITY.
        DueHoldsInTheWayError: expire those, in another transaction, and try again.
    """
    hold = await lock_active(session, customer_id, hold_id)
    order = HoldOrder(hold.event_id, customer_id, tuple(seat_ids), None, tuple(general))
    order.check()
    sale = await events.find_sale(session, hold.event_id)
    layout = await layouts.find(session, hold.event_id, sale.terms_version if sale else 0)
    if closed := closed_because(sale, layout):
        raise closed
    if layout is None:
        raise EventNotFoundError
    wish = understand(layout, order)
    lines = await holds.find_lines(session, hold)
    has = {line.seat_no for line in lines if line.seat_no is not None}
    seat_nos = sorted(no for no in wish.seat_nos if no not in has)
    if len(lines) + len(seat_nos) + len(order.general) > MAX_LINES:
        raise invalid_hold("seat_ids", f"At most {MAX_LINES} seats and kinds of tickets.")
    if seat_nos or order.general:
        await _add(session, layout, hold, wish, seat_nos)
    return await get_hold(session, layouts, customer_id, hold_id)


async def _add(
    session: Session,
    layout: Layout,
    hold: HoldState,
    wish: Request,
    seat_nos: Sequence[int],
) -> None:
    """Takes what is to be added in the order in which everybody locks, and writes it down."""
    event_id, customer_id = hold.event_id, wish.order.customer_id
    count = len(seat_nos) + sum(quantity for quantity, _part in wish.pools)

    async def refused(refusal: InventoryError, *, tickets: bool = False) -> Exception:
        due = await holds.due_in_the_way(session, event_id, customer_id, (), tickets=tickets)
        return DueHoldsInTheWayError(event_id, due, refusal) if due else refusal

    taken: Sequence[Record] = ()
    if seat_nos:
        taken = await seats.claim_seats(session, event_id, hold.hold_id, seat_nos, "HELD")
        if not taken:
            others = await seats.taken_seats(session, event_id, seat_nos)
            lost = [no for no, due in others.items() if due is None]
            if lost:
                raise seats_unavailable(lost)
            due = [hold_id for hold_id in others.values() if hold_id]
            raise DueHoldsInTheWayError(event_id, due, seats_unavailable(seat_nos))
    most = layout.max_per_customer
    if not await limits.count_places(session, event_id, customer_id, count, most=most):
        has = await limits.places_of(session, event_id, customer_id)
        raise await refused(over_limit(most, has))
    tickets: dict[UUID, int] = {}
    held: Sequence[Record] = ()
    if wish.pools:
        sections = [section_id for _count, part in wish.pools for section_id in part]
        free = await pools.lock_pools(session, event_id, sections)
        for quantity, part in wish.pools:
            of_tier = spread({section_id: free[section_id] for section_id in part}, quantity)
            if of_tier is None:
                few = NotEnoughCapacityError("There are not so many tickets left.")
                raise await refused(few, tickets=True)
            tickets.update(of_tier)
        held = await pools.hold_pools(session, event_id, tickets)
    await _write_lines(session, layout, hold, seat_nos, tickets)
    noted(
        session,
        event_id,
        [(row.seat_no, "HELD", row.version) for row in taken],
        [(row.section_id, row.free, row.version, row.capacity) for row in held],
    )


async def _write_lines(
    session: Session,
    layout: Layout,
    hold: HoldState,
    seat_nos: Sequence[int],
    tickets: Mapping[UUID, int],
) -> None:
    """Adds lines; tickets that cost what others of the hold do are counted with them."""
    alike = {
        (line.section_id, line.tier_id, line.price): line
        for line in (await holds.find_ticket_lines(session, hold) if tickets else ())
    }
    more: dict[int, int] = {}
    added: list[Line] = []
    for line in Granted(seat_nos, tickets, 0).lines(layout):
        same = alike.get((line.section_id, line.tier_id, line.price))
        if line.seat_no is None and same:
            more[same.line_no] = same.quantity + line.quantity
        else:
            added.append(line)
    if more:
        grown = sum(tickets.values()) - sum(line.quantity for line in added if line.seat_no is None)
        await holds.set_quantities(session, hold, more, more=grown)
    if added:
        await holds.grow_hold(session, hold, added)
