"""What organizers do with the places of their events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from chassis.ids import uuid7
from inventory_service.changes import noted
from inventory_service.domain import (
    AdminsOnlyError,
    Block,
    CapacityBelowSoldError,
    CapacityEdit,
    CapacityIs,
    DueHoldsInTheWayError,
    EventNotFoundError,
    EventNotOnSaleError,
    Layout,
    Person,
    SeatsNotBlockedError,
    SeatsUnavailableError,
    check_block,
    check_capacity_edit,
    unknown_counted_section,
)
from inventory_service.storage import blocks, events, holds, pools, seats
from inventory_service.storage.events import Layouts


async def _find_own(session: Session, person: Person, event_id: UUID | None) -> Record:
    """The person's own event, or any for an admin."""
    event = await events.find_owned(session, event_id) if event_id else None
    if event is None or not (person.is_admin or event.organizer_id == person.id):
        raise EventNotFoundError
    return event


async def _find_own_layout(
    session: Session, layouts: Layouts, person: Person, event_id: UUID | None
) -> tuple[Record, Layout]:
    event = await _find_own(session, person, event_id)
    layout = await layouts.find(session, event.event_id, event.terms_version)
    if layout is None:
        raise EventNotFoundError
    return event, layout


async def block_seats(
    session: Session,
    layouts: Layouts,
    person: Person,
    event_id: UUID | None,
    *,
    seat_ids: Sequence[str],
    note: str,
) -> Block:
    """Keeps free seats back, all or none, whether or not sales have begun.

    Raises:
        InventoryError: INVALID_BLOCK, EVENT_NOT_FOUND, EVENT_NOT_ON_SALE, UNKNOWN_SEATS,
            SEATS_UNAVAILABLE.
        DueHoldsInTheWayError: expire those, in another transaction, and try again.
    """
    check_block(seat_ids, note)
    event, layout = await _find_own_layout(session, layouts, person, event_id)
    if not event.open:
        raise EventNotOnSaleError("This event is not on sale.")
    seat_nos = sorted(layout.seat_nos(seat_ids))
    claimed = await seats.claim_seats(session, layout.event_id, None, seat_nos, "BLOCKED")
    if not claimed:
        taken = await seats.taken_seats(session, layout.event_id, seat_nos)
        lost = [seat_no for seat_no, due in taken.items() if due is None]
        refusal = SeatsUnavailableError(
            "Some of these seats are not free.", seat_ids=_listed(lost or taken or seat_nos)
        )
        if lost:
            raise refusal
        due_holds = [due for due in taken.values() if due]
        raise DueHoldsInTheWayError(layout.event_id, due_holds, refusal)
    block_id = uuid7()
    created_at = await blocks.add_block(
        session, layout.event_id, block_id, seat_nos, note=note, created_by=person.id
    )
    noted(session, layout.event_id, [(row.seat_no, "BLOCKED", row.version) for row in claimed])
    return Block(block_id, seat_nos, note, created_at, person.id)


async def unblock_seats(
    session: Session,
    layouts: Layouts,
    person: Person,
    event_id: UUID | None,
    seat_ids: Sequence[str],
) -> None:
    """Frees seats that were kept back, all or none, of whichever blocks.

    Raises:
        InventoryError: INVALID_BLOCK, EVENT_NOT_FOUND, UNKNOWN_SEATS, SEATS_NOT_BLOCKED.
    """
    check_block(seat_ids)
    _event, layout = await _find_own_layout(session, layouts, person, event_id)
    seat_nos = sorted(layout.seat_nos(seat_ids))
    freed = await blocks.free_seats(session, layout.event_id, seat_nos)
    if not freed:
        others = await blocks.not_blocked(session, layout.event_id, seat_nos)
        raise SeatsNotBlockedError(
            "Some of these seats are not kept back.", seat_ids=_listed(others or seat_nos)
        )
    noted(session, layout.event_id, [(row.seat_no, "AVAILABLE", row.version) for row in freed])


async def list_blocks(
    session: Session, person: Person, event_id: UUID | None, *, before: UUID | None, limit: int
) -> list[Block]:
    """What is kept back of an own event, newest first.

    Raises:
        EventNotFoundError: there is no own one of that id.
    """
    event = await _find_own(session, person, event_id)
    return await blocks.list_blocks(session, event.event_id, before=before, limit=limit)


async def set_capacity(
    session: Session, person: Person, event_id: UUID | None, edit: CapacityEdit
) -> tuple[int, int]:
    """Makes counted sections so large, all or none; gives the event's capacity and version.

    The version is that of the newest edit of capacities: of another one where this one came too
    late, and had no effect. Sent twice, an edit changes nothing more.

    Raises:
        InventoryError: INVALID_CAPACITY, EVENT_NOT_FOUND, EVENT_NOT_ON_SALE, UNKNOWN_SECTION,
            CAPACITY_BELOW_SOLD.
        DueHoldsInTheWayError: expire those, in another transaction, and try again.
    """
    check_capacity_edit(edit)
    event = await _find_own(session, person, event_id)
    if not event.open:
        raise EventNotOnSaleError("This event is not on sale.")
    found = await pools.lock_counts(session, event.event_id, edit.capacities)
    if len(found) < len(edit.capacities):
        raise unknown_counted_section()
    if not await events.hear_capacity_edit(
        session, event.event_id, edit.version, instead_of=edit.instead_of
    ):
        now = await events.find_capacity_version(session, event.event_id)
        assert now is not None  # noqa: S101 - it was found above, and none is ever deleted
        return now.capacity, now.capacity_version
    for pool in found:
        if pool.taken > edit.capacities[pool.section_id]:
            refusal = CapacityBelowSoldError(
                f"{pool.taken} places are held, reserved and sold.", taken=str(pool.taken)
            )
            due = await pools.due_holds(session, event.event_id)
            raise DueHoldsInTheWayError(event.event_id, due, refusal) if due else refusal
    grown = {
        pool.section_id: edit.capacities[pool.section_id] - pool.capacity
        for pool in found
        if pool.capacity != edit.capacities[pool.section_id]
    }
    if not grown:
        return await events.find_capacity(session, event.event_id), edit.version
    resized = {section_id: edit.capacities[section_id] for section_id in grown}
    rows = await pools.resize(session, event.event_id, resized)
    noted(
        session,
        event.event_id,
        pools=[(row.section_id, row.free, row.version, row.capacity) for row in rows],
    )
    whole = await events.resize(session, event.event_id, resized, by=sum(grown.values()))
    return whole, edit.version


async def settle_capacity(session: Session, event_id: UUID, version: int) -> None:
    """Lets no older edit of capacities have an effect any more, and says what there is."""
    await events.hear_capacity_edit(session, event_id, version)
    now = await events.find_capacity_version(session, event_id)
    capacities = await pools.find_capacities(session, event_id)
    heard = now.capacity_version if now else version
    session.send(CapacityIs(event_id, heard, now.capacity if now else 0, capacities))


async def count_holds(session: Session, person: Person, *, own_only: bool) -> Record:
    """How many `holds` are active, with how many `places`: of own events, or of all.

    Raises:
        AdminsOnlyError: all are an admin's to count.
    """
    if not (own_only or person.is_admin):
        raise AdminsOnlyError("Only admins see figures of all events.")
    return await holds.count_active(session, person.id if own_only else None)


def _listed(seat_nos: Iterable[int]) -> str:
    return json.dumps([str(seat_no) for seat_no in seat_nos])
