"""Moving what holds have along with them, and telling of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from inventory_service.changes import noted
from inventory_service.domain import HoldState, HoldStatus, Move
from inventory_service.storage import holds, limits, pools, seats
from inventory_service.storage.by_event import by_event


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a line of counted tickets once some of it was given back."""

    section_id: UUID
    quantity: int
    given_back: int


async def move(session: Session, hold: HoldState, to: HoldStatus) -> None:
    """Moves a locked hold on, and all that it has along."""
    await holds.move_hold(session, hold, to)
    await move_places(session, [hold.moves(to)])


async def move_places(session: Session, moves: Sequence[Move]) -> None:
    """Moves all that locked holds have along, in the order in which everybody locks."""
    moved = await seats.move_seats(session, moves)
    free_and_uncount(session, moves)
    note_changes(session, moved, await pools.move_tickets(session, moves))


def free_and_uncount(session: Session, moves: Sequence[Move]) -> None:
    """Counts for their people what locked holds give back, and the slots of live ones."""
    limits.uncount_places(
        session,
        [
            (move.event_id, move.customer_id, move.seats + move.tickets)
            for move in moves
            if move.gives_back
        ],
    )
    limits.free_slots(
        session,
        [
            (move.customer_id, move.hold_id)
            for move in moves
            # The slot of one whose time is over is free by itself.
            if move.was is HoldStatus.ACTIVE
            and move.to is not HoldStatus.EXPIRED
            and move.customer_id
        ],
    )


async def give_back(
    session: Session, hold: HoldState, seat_nos: Sequence[int], tickets: Mapping[int, Left]
) -> None:
    """Gives back some seats of a locked, active hold, and some tickets, by its lines' numbers."""
    seats_moved: Sequence[Record] = ()
    pools_moved: Sequence[Record] = ()
    fewer: dict[UUID, int] = {}
    for line in tickets.values():
        fewer[line.section_id] = fewer.get(line.section_id, 0) + line.given_back
    count = sum(fewer.values())
    if seat_nos:
        released = hold.moves(HoldStatus.RELEASED)
        seats_moved = await seats.move_seats(session, [released], only=seat_nos)
        await holds.shrink_hold(session, hold, seat_nos)
    if tickets:
        left = {line_no: line.quantity for line_no, line in tickets.items()}
        await holds.set_quantities(session, hold, left, more=-count)
    limits.uncount_places(session, [(hold.event_id, hold.customer_id, len(seat_nos) + count)])
    if fewer:
        await pools.lock_pools(session, hold.event_id, fewer)
        less = {section_id: -n for section_id, n in fewer.items()}
        pools_moved = await pools.hold_pools(session, hold.event_id, less)
    note_changes(session, seats_moved, pools_moved)


def note_changes(session: Session, seats: Sequence[Record], pools: Sequence[Record]) -> None:
    """Lets those who show places live know how these are now."""
    for event, rows in by_event(seats, attrgetter("event_id")):
        noted(session, event, [(row.seat_no, row.status, row.version) for row in rows])
    note_pools(session, pools)


def note_pools(session: Session, pools: Sequence[Record]) -> None:
    """Lets those who show places live know how these counted ones are now."""
    for event, rows in by_event(pools, attrgetter("event_id")):
        noted(
            session,
            event,
            pools=[(row.section_id, row.free, row.version, row.capacity) for row in rows],
        )
