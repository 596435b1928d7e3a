"""The commands of bookings' sagas."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Session
from chassis.logs import get_logger
from inventory_service.domain import (
    SEATS_OF,
    Command,
    HoldState,
    Outcome,
    SeatsAnswer,
    SeatsOrder,
    Step,
    step,
)
from inventory_service.handlers.expiring import expire_holds
from inventory_service.handlers.moving import move, move_places
from inventory_service.storage import events, holds, limits, pools, saga, seats

log = get_logger(__name__)


async def carry_out(session: Session, order: SeatsOrder) -> None:
    """Does what the booking's saga asks for and answers it; a second time it only answers.

    A command older than one that was seen before has no effect and no answer.
    """
    hold = await saga.lock_or_bury(session, order.event_id, order.hold_id)
    reserves = order.command is Command.RESERVE
    sale = await events.find_sale(session, order.event_id) if reserves else None
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
    await saga.note_step(session, hold, order)
    done = planned if planned.to is None else await _advance(session, order, hold, planned)
    session.send(SeatsAnswer(order.booking_id, order.saga_step, done.outcome, done.reason))


async def _advance(session: Session, order: SeatsOrder, hold: HoldState, planned: Step) -> Step:
    assert planned.to is not None  # noqa: S101 - narrows the type; checked by the caller
    if order.command is Command.RESERVE:
        if not await saga.reserve_hold(session, hold, order.expires_at):
            return Step(None, Outcome.RESERVE_REFUSED, "HOLD_EXPIRED")
        await move_places(session, hold, planned.to)
    elif order.command is Command.RECLAIM and SEATS_OF[hold.status] == "AVAILABLE":
        if not await _take_back(session, hold):
            return Step(None, Outcome.RECLAIM_REFUSED, "SEATS_UNAVAILABLE")
        await holds.move_hold(session, hold, planned.to)
    else:
        await move(session, hold, planned.to)
    return planned


async def _take_back(session: Session, hold: HoldState) -> bool:
    """Takes the very places a hold had, all or none, beyond the person's limit if need be.

    Due holds that are in the way are expired first: this is the one place that locks other holds
    while it has locked one, and no active one, so nobody who waits for a due hold waits for it.
    """
    lines = await holds.find_lines(session, hold)
    seat_nos = [line.seat_no for line in lines if line.seat_no is not None]
    tickets = {line.section_id: line.quantity for line in lines if line.seat_no is None}
    if not lines or hold.customer_id is None:
        return False
    due = {due for due in (await _due_for(session, hold, seat_nos, tickets)) if due}
    await expire_holds(session, hold.event_id, sorted(due))
    savepoint = session.savepoint()
    taken = not seat_nos or await seats.claim_seats(
        session, hold.event_id, hold.hold_id, seat_nos, "SOLD"
    )
    if taken:
        await limits.count_places(
            session, hold.event_id, hold.customer_id, hold.seats + hold.tickets, most=None
        )
        if tickets:
            await pools.lock_pools(session, hold.event_id, tickets)
            taken = await pools.claim_pools(session, hold.event_id, tickets, status="SOLD")
    savepoint.release() if taken else savepoint.rollback()
    return taken


async def _due_for(
    session: Session, hold: HoldState, seat_nos: Sequence[int], tickets: dict[UUID, int]
) -> list[UUID | None]:
    due: list[UUID | None] = []
    if seat_nos:
        due += (await seats.taken_seats(session, hold.event_id, seat_nos)).values()
    if tickets:
        due += (await pools.free_in_pools(session, hold.event_id))[1]
    return due
