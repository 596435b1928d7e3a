"""inventory_service: reserving holds for bookings, and giving them back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, cast
from uuid import UUID

import pytest
from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from parterre.messages.v1 import messages_pb2

from chassis.database import Database, Session
from chassis.errors import RemoteError
from chassis.ids import uuid7
from chassis.lifecycle import background
from inventory_service.handlers.reserving import ask_due
from inventory_service.loops import sweep
from inventory_service.messaging import encode
from inventory_service.rpc import SERVICE, InventoryServicer
from tests.component.conftest import Serve, Until

from .box import TERMS, Box, Place, Saga, reason
from .test_lost_commit import through_a_proxy

if TYPE_CHECKING:
    from collections.abc import Sequence


async def status(box: Box, person: str, hold_id: str) -> str:
    get = inventory_pb2.GetHoldRequest(hold_id=hold_id)
    return cast("str", (await box.call(person, "GetHold", get)).hold.status)


async def test_a_set_of_holds_is_reserved_and_no_place_moves(box: Box) -> None:
    event, other = await box.opened(), await box.opened(rows=1, seats=5)
    people, bookings = ([str(uuid7()) for _ in range(3)] for _ in range(2))
    holds = [
        await box.hold(event, people[0], seats=[3, 1], tickets=2),
        await box.hold(other, people[1], seats=[4]),
        await box.hold(event, people[2], seats=[5]),
    ]
    before = await box.sql("SELECT * FROM seat ORDER BY event_id, seat_no")
    ids = [hold.id for hold in holds]
    results = await box.reserve(*zip(people, ids, bookings, strict=True))
    for hold, booking, result in zip(holds, bookings, results, strict=True):
        assert (result.hold.status, result.booking_id) == ("BOOKED", booking)
        assert result.event_open
        assert list(result.hold.lines) == list(hold.lines)
        assert (result.hold.total, result.hold.version) == (hold.total, hold.version)
        assert result.hold.expires_at == hold.expires_at
        kept = await box.kept(hold.id)
        assert (kept.status, str(kept.booking_id), kept.saga_step) == ("RESERVED", booking, 1)
        assert kept.ask_at - kept.reserved_at >= timedelta(seconds=30)
    assert await box.sql("SELECT * FROM seat ORDER BY event_id, seat_no") == before
    assert await box.pool(event) == (2, 0, 0)
    assert await box.sql("SELECT * FROM live_hold") == []
    # Asked again, by the same or by another: the first has it.
    again = await box.reserve(*zip(people, ids, [bookings[0], str(uuid7()), "x"], strict=True))
    assert again[:2] == results[:2]
    assert again[2].refusal.reason == "INVALID_HOLD"


async def test_the_saga_goes_on_from_what_the_call_reserved(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    saga = await Saga.begun(box, event, person, seats=[1, 2], tickets=1)
    saga.step = 1
    await box.reserve((person, saga.hold.id, saga.booking_id))
    await saga.send("Sell")
    assert await box.answers() == [("SOLD", "")]
    assert await box.statuses(event) == {1: "SOLD", 2: "SOLD"}
    assert (await box.kept(saga.hold.id)).ask_at is None
    (result,) = await box.reserve((person, saga.hold.id, str(uuid7())))
    assert (result.hold.status, result.booking_id) == ("BOOKED", saga.booking_id)
    rows = await box.sql("SELECT DISTINCT from_status, to_status FROM seat_journal")
    assert {tuple(row) for row in rows} == {("AVAILABLE", "HELD"), ("HELD", "SOLD")}


async def test_what_can_not_be_reserved_is_given_as_it_stands(box: Box) -> None:
    event, closed = await box.opened(), await box.opened()
    person, other = str(uuid7()), str(uuid7())
    released = await box.hold(event, person, seats=[1])
    await box.call(person, "ReleaseHold", inventory_pb2.ReleaseHoldRequest(hold_id=released.id))
    due = await box.hold(event, person, seats=[2])
    await box.let_expire(due.id)
    theirs = await box.hold(event, other, seats=[3])
    off = await box.hold(closed, person, seats=[4])
    await box.tell(messages_pb2.EventCancelled(event_id=closed.event_id))
    ids = [released.id, due.id, theirs.id, str(uuid7()), "x", off.id]
    results = await box.reserve(*((person, id, str(uuid7())) for id in ids))
    told = [
        each.refusal.reason or (each.hold.status, each.booking_id, each.event_open)
        for each in results
    ]
    assert told == [
        ("RELEASED", "", True),
        ("EXPIRED", "", True),
        "HOLD_NOT_FOUND",
        "HOLD_NOT_FOUND",
        "HOLD_NOT_FOUND",
        ("ACTIVE", "", False),
    ]
    assert await box.statuses(event) == {2: "HELD", 3: "HELD"}
    assert await box.statuses(closed) == {4: "HELD"}


async def test_only_booking_reserves_and_only_in_peoples_own_names(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1])
    request = inventory_pb2.ReserveHoldsRequest()
    item = request.items.add(token="x", hold_id=hold.id, booking_id=str(uuid7()))
    caller = box.callers[0]
    for method, message in (
        ("ReserveHolds", request),
        ("CancelReservations", inventory_pb2.CancelReservationsRequest()),
    ):
        assert await reason(caller.as_person(person, method, message)) == "FORBIDDEN"
        assert await reason(caller.as_gateway(method, message)) == "FORBIDDEN"
    (result,) = (await caller.as_booking("ReserveHolds", request)).results
    assert result.refusal.reason == "INVALID_TOKEN"
    request.items.extend([item] * 64)
    assert await reason(caller.as_booking("ReserveHolds", request)) == "INVALID_HOLD"
    assert (await box.kept(hold.id)).status == "ACTIVE"


async def test_a_reservation_outlives_its_time(box: Box, until: Until) -> None:
    event = await box.opened(most=60)
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1], tickets=50)
    await box.reserve((person, hold.id, str(uuid7())))
    await box.let_expire(hold.id)
    due = await box.hold(event, seats=[9])
    await box.let_expire(due.id)

    async def tidied() -> bool:
        return (await box.kept(due.id)).status == "EXPIRED"

    async with background("sweeper", lambda: sweep(box.database, 0.05)):
        await until(tidied)
    assert await reason(box.hold(event, seats=[1])) == "SEATS_UNAVAILABLE"
    assert await reason(box.hold(event, tickets=1)) == "NOT_ENOUGH_CAPACITY"
    assert await status(box, person, hold.id) == "BOOKED"


async def test_one_that_can_not_be_had_holds_up_no_other(box: Box) -> None:
    event = await box.opened()
    people, bookings = ([str(uuid7()) for _ in range(3)] for _ in range(2))
    holds = [await box.hold(event, person, seats=[n]) for n, person in enumerate(people)]
    wanted = [(p, h.id, b) for p, h, b in zip(people, holds, bookings, strict=True)]
    async with box.databases[0].transaction() as session:
        await session.execute(
            "SELECT FROM hold WHERE hold_id = :id FOR UPDATE", id=UUID(holds[1].id)
        )
        results = await box.reserve(*wanted)
    assert [each.booking_id for each in results] == [bookings[0], "", bookings[2]]
    assert results[1].refusal.reason == "OVERLOADED"
    assert (await box.reserve(wanted[1]))[0].booking_id == bookings[1]


@pytest.mark.parametrize(("cuts", "is_done"), [("before", False), ("after", True)])
async def test_who_asks_again_after_a_lost_commit_has_the_reservation(
    box: Box, serve: Serve, cuts: str, *, is_done: bool
) -> None:
    event = await box.opened()
    person, booking = str(uuid7()), str(uuid7())
    hold = await box.hold(event, person, seats=[1])
    async with through_a_proxy(box.database.url) as (proxy, url):
        database = Database(url, "inventory", encode=encode)
        caller = await serve(
            "inventory",
            SERVICE,
            partial(InventoryServicer, database, TERMS),
            inventory_pb2_grpc.InventoryServiceStub,
        )
        one = Box([database], [caller, caller], [])
        proxy.cuts = cuts
        (lost,) = await one.reserve((person, hold.id, booking))
        assert lost.refusal.reason == "SERVICE_UNAVAILABLE"
        proxy.cuts = None
        assert (await box.kept(hold.id)).status == ("RESERVED" if is_done else "ACTIVE")
        (result,) = await one.reserve((person, hold.id, booking))
        assert (result.hold.status, result.booking_id) == ("BOOKED", booking)
        await database.close()


# --- bookings that never came ------------------------------------------------------------------


async def reserved(
    box: Box, event: Place, person: str, seats: Sequence[int] = (), tickets: int = 0
) -> tuple[str, str]:
    """Hold and booking of a reservation."""
    hold, booking = await box.hold(event, person, seats=seats, tickets=tickets), str(uuid7())
    await box.reserve((person, hold.id, booking))
    return hold.id, booking


async def test_a_cancelled_reservation_is_its_holders_again(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold_id, booking = await reserved(box, event, person, seats=[1, 2], tickets=1)
    await box.cancel((hold_id, str(uuid7())), ("x", booking))
    assert await status(box, person, hold_id) == "BOOKED"
    for _ in range(2):
        await box.cancel((hold_id, booking))
        assert await status(box, person, hold_id) == "ACTIVE"
    kept = await box.kept(hold_id)
    assert (kept.booking_id, kept.saga_step, kept.ask_at, kept.reserved_at) == (None, 0, None, None)
    assert kept.expires_at > datetime.now(UTC) + timedelta(minutes=9)
    await box.check()  # its slot among the rest
    (result,) = await box.reserve((person, hold_id, booking))
    assert result.booking_id == booking


async def test_a_cancelled_reservation_whose_time_is_over_has_expired(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold_id, booking = await reserved(box, event, person, seats=[1, 2], tickets=1)
    await box.let_expire(hold_id)
    await box.cancel((hold_id, booking))
    assert await status(box, person, hold_id) == "EXPIRED"
    assert (await box.statuses(event), await box.pool(event)) == ({}, (0, 0, 0))


async def test_a_cancelled_reservation_of_who_has_two_holds_by_now_ends(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    first = await reserved(box, event, person, seats=[1], tickets=1)
    second = await reserved(box, event, person, seats=[2])
    for seat in (5, 6):
        last = await box.hold(event, person, seats=[seat])
    await box.call(person, "ReleaseHold", inventory_pb2.ReleaseHoldRequest(hold_id=last.id))
    await box.cancel(first, second)  # there is room for one of them
    assert [await status(box, person, id) for id, _ in (first, second)] == ["ACTIVE", "RELEASED"]
    assert await box.statuses(event) == {1: "HELD", 5: "HELD"}


async def test_what_is_sold_or_released_is_cancelled_by_no_late_word(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    sold, released = [await Saga.begun(box, event, person, seats=[n]) for n in (1, 2)]
    for saga, command in ((sold, "Sell"), (released, "Release")):
        saga.step = 1
        await box.reserve((person, saga.hold.id, saga.booking_id))
        await saga.send(command)
        await box.cancel((saga.hold.id, saga.booking_id))
    assert await box.statuses(event) == {1: "SOLD"}
    assert (await box.kept(released.hold.id)).status == "RELEASED"


async def asked(box: Box) -> set[tuple[str, str]]:
    """Hold and booking of each that is asked after in a round."""

    async def work(session: Session) -> int:
        return await ask_due(session, limit=100)

    count = await box.database.run(work)
    messages = await box.sent(messages_pb2.AskReservation)
    assert len(messages) == count
    return {(each.hold_id, each.booking_id) for each in messages}


async def let_ask(box: Box) -> None:
    """Makes half a minute pass for all reservations."""
    await box.sql("UPDATE hold SET ask_at = ask_at - interval '30 seconds'")


def answer(reservation: tuple[str, str], *, exists: bool) -> messages_pb2.Reservation:
    hold_id, booking_id = reservation
    return messages_pb2.Reservation(hold_id=hold_id, booking_id=booking_id, exists=exists)


async def test_bookings_are_asked_after_until_they_are_heard_of(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    there, silent = [await reserved(box, event, person, seats=[n]) for n in (1, 2)]
    assert await asked(box) == set()
    await let_ask(box)
    assert await asked(box) == {there, silent}
    assert await asked(box) == set()
    await box.tell(answer(there, exists=True), answer((silent[0], str(uuid7())), exists=True))
    await let_ask(box)
    assert await asked(box) == {silent}
    await box.tell_together(answer(silent, exists=False), answer(there, exists=True))
    assert await status(box, person, silent[0]) == "ACTIVE"
    assert await status(box, person, there[0]) == "BOOKED"
    await let_ask(box)
    assert await asked(box) == set()


async def test_a_booking_that_never_came_is_found_by_the_loop(box: Box, until: Until) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold_id, booking = await reserved(box, event, person, seats=[1])
    found: list[messages_pb2.AskReservation] = []

    async def is_asked() -> bool:
        found.extend(await box.sent(messages_pb2.AskReservation))
        return bool(found)

    async with background("sweeper", lambda: sweep(box.database, 0.05)):
        await let_ask(box)
        await until(is_asked)
    (message,) = found
    assert (message.hold_id, message.booking_id) == (hold_id, booking)
    assert message.event_id == event.event_id


async def test_a_reserved_hold_is_no_longer_its_holders_to_change(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold_id, _booking = await reserved(box, event, person, seats=[1])
    for method, kind in (
        ("ExtendHold", inventory_pb2.ExtendHoldRequest),
        ("ReleaseHold", inventory_pb2.ReleaseHoldRequest),
    ):
        with pytest.raises(RemoteError, match="booked or released"):
            await box.call(person, method, kind(hold_id=hold_id))
    with pytest.raises(RemoteError, match="no such hold"):
        await box.call(str(uuid7()), "GetHold", inventory_pb2.GetHoldRequest(hold_id=hold_id))
