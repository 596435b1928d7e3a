"""The commands of bookings' sagas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from chassis.logs import get_logger
from inventory_service.changes import noted
from inventory_service.domain import (
    SEATS_OF,
    Command,
    HoldState,
    HoldStatus,
    Outcome,
    SeatsAnswer,
    SeatsOrder,
    Step,
    step,
)
from inventory_service.handlers.expiring import expire_holds
from inventory_service.handlers.moving import move_places
from inventory_service.storage import events, holds, limits, pools, saga, seats

log = get_logger(__name__)


async def carry_out(session: Session, orders: Sequence[SeatsOrder]) -> None:
    """Does what bookings' sagas ask for and answers each, as if they came one after the other.

    A second time it only answers. A command older than one that was seen before has no effect and
    no answer.
    """
    states = await saga.lock_or_bury(session, map(_key, orders))
    reserved = {order.event_id for order in orders if order.command is Command.RESERVE}
    open_events = await events.find_open(session, reserved) if reserved else frozenset[UUID]()
    for wave in _waves(orders):
        plans = [
            (order, states[_key(order)], planned)
            for order in wave
            if (planned := _planned(order, states[_key(order)], open_events))
        ]
        done = await _carry_out(session, plans)
        for order, hold, planned in plans:
            to, outcome, reason = done.get(_key(order), planned)
            if hold.booking_id in (None, order.booking_id):
                states[_key(order)] = replace(
                    hold,
                    booking_id=order.booking_id,
                    saga_step=order.saga_step,
                    status=to or hold.status,
                )
            answer = SeatsAnswer(order.booking_id, order.saga_step, outcome, reason)
            session.send(answer, request_id=order.request_id)


def _key(order: SeatsOrder) -> saga.Key:
    return order.event_id, order.hold_id


def _waves(orders: Sequence[SeatsOrder]) -> Iterable[Sequence[SeatsOrder]]:
    """The orders in as few parts as can be, in none of which a hold has two."""
    waves: list[list[SeatsOrder]] = []
    count: Counter[saga.Key] = Counter()
    for order in orders:
        nth = count[_key(order)]
        count[_key(order)] += 1
        if nth == len(waves):
            waves.append([])
        waves[nth].append(order)
    return waves


def _planned(order: SeatsOrder, hold: HoldState, open_events: AbstractSet[UUID]) -> Step | None:
    planned = step(order, hold, event_open=order.event_id in open_events)
    if planned is None:
        log.info(
            "command older than the newest seen",
            command=order.command,
            saga_step=order.saga_step,
            newest=hold.saga_step,
            hold_id=hold.hold_id,
            booking_id=order.booking_id,
        )
    return planned


async def _carry_out(
    session: Session, plans: Sequence[tuple[SeatsOrder, HoldState, Step]]
) -> Mapping[saga.Key, Step]:
    """Does what is planned, at most one step of each hold; returns what came of it otherwise."""
    otherwise: dict[saga.Key, Step] = {}
    carried: list[tuple[SeatsOrder, HoldState, HoldStatus]] = []
    late: list[tuple[SeatsOrder, HoldState, HoldStatus]] = []
    for order, hold, planned in plans:
        if hold.booking_id not in (None, order.booking_id) or (
            planned.to is None and order.saga_step == hold.saga_step
        ):
            continue  # there is nothing to write
        takes_back = planned.to is HoldStatus.SOLD and SEATS_OF[hold.status] == "AVAILABLE"
        (late if takes_back else carried).append((order, hold, planned.to or hold.status))
    statuses = await saga.carry(session, carried)
    for order, _hold, to in carried:
        if statuses[_key(order)] is not to:
            otherwise[_key(order)] = Step(None, Outcome.RESERVE_REFUSED, "HOLD_EXPIRED")
    await move_places(
        session,
        [
            hold.moves(to)
            for order, hold, to in carried
            if to is not hold.status and _key(order) not in otherwise
        ],
    )
    for order, hold, to in late:
        taken = await _take_back(session, hold)
        if not taken:
            otherwise[_key(order)] = Step(None, Outcome.RECLAIM_REFUSED, "SEATS_UNAVAILABLE")
        await saga.carry(session, [(order, hold, to if taken else hold.status)])
    return otherwise


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
    seats_taken: Sequence[Record] = ()
    pools_taken: Sequence[Record] = ()
    if seat_nos:
        seats_taken = await seats.claim_seats(
            session, hold.event_id, hold.hold_id, seat_nos, "SOLD"
        )
    taken = len(seats_taken) == len(seat_nos)
    if taken:
        limits.count_places(session, hold.event_id, hold.customer_id, hold.seats + hold.tickets)
    if taken and tickets:
        await pools.lock_pools(session, hold.event_id, tickets)
        pools_taken = await pools.sell_pools(session, hold.event_id, tickets)
        taken = len(pools_taken) == len(tickets)
    if not taken:
        savepoint.rollback()
        return False
    savepoint.release()
    noted(
        session,
        hold.event_id,
        [(row.seat_no, "SOLD", row.version) for row in seats_taken],
        [(row.section_id, row.free, row.version, row.capacity) for row in pools_taken],
    )
    return True


async def _due_for(
    session: Session, hold: HoldState, seat_nos: Sequence[int], tickets: dict[UUID, int]
) -> list[UUID | None]:
    due: list[UUID | None] = []
    if seat_nos:
        due += (await seats.taken_seats(session, hold.event_id, seat_nos)).values()
    if tickets:
        due += await pools.due_holds(session, hold.event_id)
    return due
