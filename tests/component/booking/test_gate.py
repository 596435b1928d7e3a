"""The gate: each ticket admits once, and only while its booking is confirmed."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest
from parterre.booking.v1 import booking_pb2

from booking_service.tickets import Claims, TicketKeys
from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.ids import uuid7
from tests.component.conftest import MakeDatabase, Serve, one_answer

from .box import ADMIN, ASHA, BIKRAM, KEYS, ORGANIZER, Box, reasons, refused


@pytest.fixture
async def other(box: Box, make_database: MakeDatabase, serve: Serve) -> Box:
    """Another process of the service, on the same data."""
    return await box.another(make_database, serve)


async def test_a_ticket_admits_once_and_tells_where_it_did(box: Box) -> None:
    booking = await box.to_confirmed()
    [ticket, *_] = await box.tickets(booking)
    first = await box.scan(ticket, gate="North")
    assert (first.result, first.gate) == ("ADMITTED", "North")
    assert (first.ticket.status, first.ticket.booking_reference) == ("ADMITTED", booking.reference)
    again = await box.scan(ticket, gate="South")
    assert (again.result, again.gate) == ("ALREADY_ADMITTED", "North")
    assert again.admitted_at == first.admitted_at
    [shown, *others] = await box.tickets(booking)
    assert (shown.status, shown.gate, shown.token) == ("ADMITTED", "North", ticket.token)
    [told] = await box.sent_as("TicketAdmitted", booking)
    assert (told.ticket_id, told.gate, told.at) == (ticket.id, "North", first.admitted_at)
    assert (told.booking_reference, told.organizer_id) == (booking.reference, ORGANIZER)
    assert {each.status for each in others} == {"VALID"}


async def test_bookings_come_with_their_tickets_and_only_their_buyer_can_get_in_with_them(
    box: Box,
) -> None:
    confirmed, pending = await box.to_confirmed(), await box.to_charging()
    await box.to_confirmed(BIKRAM)
    own = await box.tickets(confirmed)
    await box.scan(own[0])

    request = booking_pb2.ListBookingsRequest(limit=9, with_tickets=True)
    listed = (await box.caller.as_person(ASHA, "ListBookings", request)).bookings
    assert [booking.id for booking in listed] == [pending.id, confirmed.id]
    assert [len(booking.tickets) for booking in listed] == [0, 4]
    assert [ticket.token for ticket in listed[1].tickets] == [ticket.token for ticket in own]
    assert sorted(ticket.status for ticket in listed[1].tickets) == ["ADMITTED", *["VALID"] * 3]
    one = booking_pb2.GetBookingRequest(reference=confirmed.reference, with_tickets=True)
    assert (await box.caller.as_person(ASHA, "GetBooking", one)).booking == listed[1]
    for who, role in ((ORGANIZER, Role.ORGANIZER), (ADMIN, Role.ADMIN)):
        seen = (await box.caller.as_person(who, "GetBooking", one, role=role)).booking.tickets
        assert [ticket.id for ticket in seen] == [ticket.id for ticket in own]
        page = await box.organize("ListEventBookings", who, role, limit=9, with_tickets=True)
        seen = [*seen, *(ticket for booking in page.bookings for ticket in booking.tickets)]
        assert len(seen) == 12
        assert {ticket.token for ticket in seen} == {""}
    assert not (await box.organize("ListEventBookings", limit=9)).bookings[0].tickets
    too_many = box.organize("ListEventBookings", limit=21, with_tickets=True)
    assert await refused(too_many) == "INVALID_FILTER"


async def test_of_simultaneous_scans_one_admits(box: Box, other: Box) -> None:
    for _ in range(5):
        tickets = await box.tickets(await box.to_confirmed())
        for ticket in tickets[:2]:
            gates = (f"Gate {number}" for number in range(8))
            scans = await asyncio.gather(
                *(
                    place.scan(ticket, gate=gate)
                    for gate, place in zip(gates, [box, other] * 4, strict=True)
                )
            )
            results = sorted(scan.result for scan in scans)
            assert results == ["ADMITTED", *["ALREADY_ADMITTED"] * 7]
            assert len({(scan.gate, str(scan.admitted_at)) for scan in scans}) == 1


async def test_the_ticket_of_a_cancelled_booking_admits_nobody(box: Box) -> None:
    booking = await box.to_confirmed()
    before = await box.tickets(booking)
    await box.cancel(booking)
    after = await box.tickets(booking)
    for ticket in (before[0], after[0]):
        scan = await box.scan(ticket)
        assert (scan.result, scan.HasField("admitted_at")) == ("REVOKED", False)


async def test_a_ticket_of_another_event_is_told_apart(box: Box) -> None:
    [ticket, *_] = await box.tickets(await box.to_confirmed())
    box.event_id = uuid7()
    await box.publish()
    scan = await box.scan(ticket)
    assert (scan.result, scan.HasField("ticket")) == ("WRONG_EVENT", False)


async def test_what_we_did_not_sign_is_no_ticket(box: Box) -> None:
    [ticket, *_] = await box.tickets(await box.to_confirmed())
    claims = KEYS.verify(ticket.token)
    forged = TicketKeys(secrets.token_bytes(32)).sign(claims)
    of_nobody = KEYS.sign(Claims(uuid7(), box.event_id, "", 1))
    body, _, signature = ticket.token.partition(".")
    bad = (forged, of_nobody, "", "x", ticket.token[:-1], f"{body[:-2]}AA.{signature}", body)
    for token in bad:
        assert await refused(box.organize("CheckIn", token=token)) == "INVALID_TICKET"
    too_long = box.organize("CheckIn", token=ticket.token, gate="x" * 51)
    assert await refused(too_long) == "INVALID_TICKET"
    assert (await box.scan(ticket)).result == "ADMITTED"


async def test_only_the_events_organizer_and_admins_let_people_in(box: Box) -> None:
    [ticket, second, *_] = await box.tickets(await box.to_confirmed())
    rival: dict[str, Any] = {"who": BIKRAM, "role": Role.ORGANIZER}
    assert await refused(box.scan(ticket, **rival)) == "EVENT_NOT_FOUND"
    # Whether a token is good is nobody else's to find out.
    assert await refused(box.organize("CheckIn", token="x", **rival)) == "EVENT_NOT_FOUND"
    assert (await box.scan(ticket)).result == "ADMITTED"
    assert (await box.scan(second, who=ADMIN, role=Role.ADMIN)).result == "ADMITTED"


async def test_whoever_went_in_can_not_have_the_money_back_but_the_organizer_may_give_it(
    box: Box,
) -> None:
    booking = await box.to_confirmed()
    [ticket, second, *_] = await box.tickets(booking)
    await box.scan(ticket)
    assert await refused(box.cancel(booking)) == "TICKET_ADMITTED"
    assert await box.state(booking) == "CONFIRMED"
    assert (await box.scan(second)).result == "ADMITTED"
    cancelled = await box.cancel(booking, who=ORGANIZER, role=Role.ORGANIZER)
    assert cancelled.status == "CANCELLING"
    scan = await box.scan(ticket)
    assert (scan.result, scan.gate) == ("REVOKED", "North")


async def test_of_a_scan_and_a_cancellation_at_once_one_wins(box: Box, other: Box) -> None:
    for _ in range(15):
        booking = await box.to_confirmed()
        [ticket, *_] = await box.tickets(booking)
        scan, cancelled = await asyncio.gather(
            other.scan(ticket), box.cancel(booking), return_exceptions=True
        )
        assert not isinstance(scan, BaseException)
        state = await box.state(booking)
        if isinstance(cancelled, RemoteError):
            assert (reasons([cancelled]), scan.result) == (["TICKET_ADMITTED"], "ADMITTED")
            assert state == "CONFIRMED"
        else:
            assert (scan.result, state) == ("REVOKED", "REFUNDING")


async def test_a_valid_ticket_is_always_one_of_a_confirmed_booking(box: Box, other: Box) -> None:
    """Whatever ends a booking while its tickets are scanned."""
    bookings = [await box.to_confirmed() for _ in range(6)]
    tickets = [(await box.tickets(booking))[0] for booking in bookings]
    await asyncio.gather(
        *(other.scan(ticket) for ticket in tickets),
        *(box.refunded(booking, 135_600) for booking in bookings[:2]),
        *(box.cancel(booking, ORGANIZER, role=Role.ORGANIZER) for booking in bookings[2:4]),
    )
    async with box.database.transaction() as session:
        rows = await session.all(
            "SELECT saga.state, ticket.status FROM ticket JOIN saga USING (booking_id)"
        )
    assert {row.state for row in rows if row.status != "REVOKED"} == {"CONFIRMED"}
    assert {row.status for row in rows if row.state != "CONFIRMED"} == {"REVOKED"}
    states = [await box.state(booking) for booking in bookings]
    assert states == ["RESTOCKING"] * 2 + ["REFUNDING"] * 2 + ["CONFIRMED"] * 2


async def test_a_gate_that_asks_again_with_its_key_is_answered_as_before(box: Box) -> None:
    [ticket, *_] = await box.tickets(await box.to_confirmed())
    facts = {"token": ticket.token, "gate": "North", "idempotency_key": "k"}
    scan = await one_answer(lambda: box.organize("CheckIn", **facts))
    assert scan.result == "ADMITTED"
    facts["idempotency_key"] = ""
    assert (await box.organize("CheckIn", **facts)).result == "ALREADY_ADMITTED"
