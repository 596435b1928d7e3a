"""The commands of bookings' sagas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from chassis.database import Row as Record
from chassis.database import Session
from chassis.logs import get_logger
from chassis.telemetry import alert
from inventory_service.changes import noted
from inventory_service.domain import (
    SEATS_OF,
    HoldState,
    HoldStatus,
    Outcome,
    SeatsAnswer,
    SeatsOrder,
    Step,
    step,
)
from inventory_service.handlers.expiring import expire_holds
from inventory_service.handlers.moving import free_and_uncount, note_pools
from inventory_service.storage import holds, limits, pools, saga, seats
from inventory_service.storage.saga import Found

_UNRESERVED = alert("sell_without_reservation")

log = get_logger(__name__)


async def carry_out(session: Session, orders: Sequence[SeatsOrder]) -> None:
    """Does what bookings' sagas ask for and answers each, as if they came one after the other.

    A second time it only answers. A command older than one that was seen before has no effect and
    no answer.
    """
    first, *more = _waves(orders)
    await _carry_out(session, first, await saga.lock_or_bury(session, map(_key, first)))
    for wave in more:  # of holds that the first wave has locked
        await _carry_out(session, wave, await saga.look(session, list(map(_key, wave))))


def _key(order: SeatsOrder) -> saga.Key:
    return order.event_id, order.hold_id


def _waves(orders: Sequence[SeatsOrder]) -> Sequence[Sequence[SeatsOrder]]:
    """The orders in as few parts as can be, in none of which a hold has two.

    The first has one of every hold.
    """
    waves: list[list[SeatsOrder]] = []
    count: Counter[saga.Key] = Counter()
    for order in orders:
        nth = count[_key(order)]
        count[_key(order)] += 1
        if nth == len(waves):
            waves.append([])
        waves[nth].append(order)
    return waves


async def _carry_out(
    session: Session, wave: Sequence[SeatsOrder], found: Mapping[saga.Key, Found]
) -> None:
    carried: list[tuple[SeatsOrder, Found, HoldStatus]] = []
    late: list[tuple[SeatsOrder, Found]] = []
    for order in wave:
        hold = found[_key(order)]
        planned = _planned(order, hold)
        if planned is None or planned.outcome is None:
            continue
        if planned.to is HoldStatus.SOLD and SEATS_OF[hold.state.status] == "AVAILABLE":
            late.append((order, hold))
            continue
        is_own = hold.state.booking_id in (None, order.booking_id)
        if is_own and (planned.to is not None or order.saga_step != hold.state.saga_step):
            carried.append((order, hold, planned.to or hold.state.status))
        _answer(session, order, planned.outcome, planned.reason)
    await _move(session, carried)
    for order, hold in late:
        reason = await _take_back(session, hold)
        saga.note_step(session, order, hold, hold.state.status if reason else HoldStatus.SOLD)
        outcome = Outcome.RECLAIM_REFUSED if reason else Outcome.RECLAIMED
        _answer(session, order, outcome, reason)


def _planned(order: SeatsOrder, hold: Found) -> Step | None:
    planned = step(order, hold.state, event_open=hold.event_open, still_sells=hold.still_sells)
    if planned is None:
        log.info("command without effect", **_told(order, hold.state))
    elif planned.outcome is None:
        # Somebody has a ticket, and nobody keeps their seats.
        log.error("nothing is reserved to be sold", **_told(order, hold.state))
        _UNRESERVED.inc()
    return planned


def _told(order: SeatsOrder, hold: HoldState) -> Mapping[str, object]:
    return {
        "command": order.command,
        "saga_step": order.saga_step,
        "newest": hold.saga_step,
        "hold_id": hold.hold_id,
        "status": hold.status,
        "booking_id": order.booking_id,
    }


def _answer(session: Session, order: SeatsOrder, outcome: Outcome, reason: str) -> None:
    answer = SeatsAnswer(order.booking_id, order.saga_step, outcome, reason)
    session.send(answer, origin=order.origin)


async def _move(session: Session, carried: Sequence[tuple[SeatsOrder, Found, HoldStatus]]) -> None:
    """Lets locked holds go where they are to go, and all that they have along.

    Nothing is waited for but counted tickets, whose pools are others' too.
    """
    saga.carry(session, carried)
    moved = [(found, to) for _order, found, to in carried if to is not found.state.status]
    moves = [found.state.moves(to) for found, to in moved]
    free_and_uncount(session, moves)
    for found, to in moved:
        if SEATS_OF[to] != SEATS_OF[found.state.status]:
            noted(session, found.state.event_id, found.seats_as(to))
    note_pools(session, await pools.move_tickets(session, moves))


async def _take_back(session: Session, found: Found) -> str:
    """Takes the very places a hold had, all or none, within its person's limit; or says why not.

    Due holds that are in the way are expired first: this is the one place that locks other holds
    while it has locked one, and no active one, so nobody who waits for a due hold waits for it.
    """
    hold = found.state
    lines = await holds.find_lines(session, hold)
    seat_nos = [line.seat_no for line in lines if line.seat_no is not None]
    tickets = {line.section_id: line.quantity for line in lines if line.seat_no is None}
    if not lines or hold.customer_id is None:
        return "SEATS_UNAVAILABLE"
    due = await holds.due_in_the_way(
        session, hold.event_id, hold.customer_id, seat_nos, tickets=bool(tickets)
    )
    await expire_holds(session, hold.event_id, due)
    savepoint = session.savepoint()
    refusal = ""
    seats_taken: Sequence[Record] = ()
    pools_taken: Sequence[Record] = ()
    if seat_nos:
        seats_taken = await seats.claim_seats(
            session, hold.event_id, hold.hold_id, seat_nos, "SOLD"
        )
    if len(seats_taken) < len(seat_nos):
        refusal = "SEATS_UNAVAILABLE"
    elif not await limits.count_places(
        session, hold.event_id, hold.customer_id, hold.seats + hold.tickets, most=found.most
    ):
        refusal = "CUSTOMER_LIMIT"
    elif tickets:
        await pools.lock_pools(session, hold.event_id, tickets)
        pools_taken = await pools.sell_pools(session, hold.event_id, tickets)
        if len(pools_taken) < len(tickets):
            refusal = "SEATS_UNAVAILABLE"
    if refusal:
        savepoint.rollback()
        return refusal
    savepoint.release()
    noted(
        session,
        hold.event_id,
        [(row.seat_no, "SOLD", row.version) for row in seats_taken],
        [(row.section_id, row.free, row.version, row.capacity) for row in pools_taken],
    )
    return ""
