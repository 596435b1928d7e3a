"""Reserving holds for bookings, asking after the bookings, and giving reservations back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from chassis.batching import rolled_back
from chassis.database import Database, DatabaseError, PoolTimeoutError, Session
from chassis.logs import get_logger
from inventory_service.domain import (
    HoldNotFoundError,
    HoldState,
    HoldStatus,
    Layout,
    Move,
    Reservation,
    ReservationOrder,
    Wanted,
)
from inventory_service.handlers.moving import move_places
from inventory_service.storage import reservations
from inventory_service.storage.events import Layouts

log = get_logger(__name__)

# By hold and customer, of those who asked.
Answers = Mapping[tuple[UUID, UUID], Reservation | Exception]


async def reserve(database: Database, layouts: Layouts, wanted: Sequence[Wanted]) -> Answers:
    """Reserves the holds that can be, together, and says of each how it stands then.

    The first booking that asks has a hold, and is named whenever it is asked for again. An answer
    is HOLD_NOT_FOUND where the person has no such hold, or what befell the hold's own transaction:
    where the set could not be had in one, each is tried by itself.
    """
    first = {(each.hold_id, each.customer_id): each for each in reversed(wanted)}
    if not first:
        return {}
    asked = list(first.values())
    try:
        rows = await database.run(partial(reservations.reserve, wanted=asked))
    except (DatabaseError, PoolTimeoutError) as error:
        if len(asked) == 1 or not rolled_back(error):
            return dict.fromkeys(first, error)
        log.warning("reserving one by one", size=len(asked), error=repr(error))
        answers = await asyncio.gather(*(reserve(database, layouts, [each]) for each in asked))
        return {key: answer for each in answers for key, answer in each.items()}
    found: dict[tuple[UUID, UUID], Reservation | Exception] = {
        key: HoldNotFoundError("You have no such hold.") for key in first
    }
    for row in rows:
        found[row.hold_id, row.customer_id] = reservations.reservation(
            row, await _layout(database, layouts, row.event_id, row.terms_version)
        )
    return found


async def _layout(
    database: Database, layouts: Layouts, event_id: UUID, terms_version: int
) -> Layout:
    """What the hold's event looks like; it is in memory but for the first that is asked."""
    layout = layouts.known(event_id, terms_version)
    if layout is None:
        async with database.transaction() as session:
            layout = await layouts.find(session, event_id, terms_version)
    if layout is None:
        raise LookupError(f"a hold is on event {event_id}, which has no layout")
    return layout


async def ask_due(session: Session, *, limit: int) -> int:
    """Asks after up to `limit` bookings that were not heard of in time; returns how many."""
    asked = await reservations.ask_due(session, limit)
    for each in asked:
        session.send(each)
    return len(asked)


async def settle(session: Session, orders: Sequence[ReservationOrder]) -> None:
    """Keeps reservations whose bookings exist, and gives back those whose bookings never will.

    A hold that is given back is its holder's again for what is left of its time, if they have no
    two others by now; else it ends, and its places are free. What is not reserved for just this
    booking stays as it is.
    """
    exists = {(each.hold_id, each.booking_id): each.exists for each in orders}
    ended: list[Move] = []
    given_back: list[tuple[HoldState, datetime]] = []
    for hold, expires_at in await reservations.lock(session, orders):
        if hold.booking_id and exists[hold.hold_id, hold.booking_id]:
            reservations.keep(session, hold)
        else:
            given_back.append((hold, expires_at))
    if not given_back:
        return
    reservations.lock_counts(session, [hold for hold, _expires_at in given_back])
    for hold, expires_at in sorted(given_back, key=lambda each: str(each[0].customer_id)):
        to = HoldStatus.EXPIRED
        if not hold.due:
            is_live = await reservations.take_slot(session, hold, expires_at)
            to = HoldStatus.ACTIVE if is_live else HoldStatus.RELEASED
        reservations.give_back(session, hold, to)
        if to is not HoldStatus.ACTIVE:
            ended.append(hold.moves(to))
        log.info("reservation given back", hold_id=hold.hold_id, booking_id=hold.booking_id, to=to)
    if ended:
        await move_places(session, ended)
