"""Tickets in the forms people keep them in."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from icalendar import Calendar
from parterre.booking.v1 import booking_pb2

from tests.contract import samples
from tests.contract.conftest import Edge

PATH = f"/bookings/{samples.REFERENCE}"


def listed(edge: Edge, *tickets: booking_pb2.Ticket) -> None:
    edge.booking.answers["ListTickets"] = booking_pb2.ListTicketsResponse(tickets=tickets)


async def test_tickets_link_to_their_pictures(edge: Edge) -> None:
    listed(edge, samples.ticket())
    edge.booking.answers["GetTicket"] = booking_pb2.GetTicketResponse(ticket=samples.ticket())
    [ticket] = (await edge.get(f"{PATH}/tickets")).json()
    picture = await edge.get(ticket["qr_url"].removeprefix("/api/v1"))
    assert (ticket["row"], ticket["number"]) == ("A", "1")
    assert (ticket["admitted_at"], ticket["booking_reference"]) == (None, samples.REFERENCE)
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    assert picture.headers["cache-control"] == "no-store"


async def test_a_code_is_drawn_too(edge: Edge) -> None:
    edge.booking.answers["GetTicket"] = booking_pb2.GetTicketResponse(ticket=samples.ticket())
    drawing = await edge.get(f"/tickets/{samples.TICKET}/qr.svg")
    assert drawing.headers["content-type"] == "image/svg+xml"
    assert drawing.headers["x-content-type-options"] == "nosniff"
    assert ET.fromstring(drawing.content).tag == "{http://www.w3.org/2000/svg}svg"


async def test_tickets_are_printed_a_page_each_without_the_revoked(edge: Edge) -> None:
    listed(edge, samples.ticket(), samples.ticket("REVOKED"), samples.ticket("ADMITTED"))
    answer = await edge.get(f"{PATH}/tickets.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert samples.REFERENCE in answer.headers["content-disposition"]
    assert answer.content.startswith(b"%PDF")
    assert answer.content.count(b"/Type /Page\n") == 2
    assert b"NotoSans" in answer.content


@pytest.mark.parametrize("statuses", [[], ["REVOKED"]])
async def test_with_nothing_good_there_is_nothing_to_print(edge: Edge, statuses: list[str]) -> None:
    listed(edge, *map(samples.ticket, statuses))
    answer = await edge.get(f"{PATH}/tickets.pdf")
    assert (answer.status_code, answer.json()["reason"]) == (409, "BOOKING_STATE")


@pytest.mark.parametrize(
    ("status", "says"), [("CONFIRMED", "CONFIRMED"), ("CANCELLED", "CANCELLED")]
)
async def test_the_date_is_saved_and_taken_out_again(edge: Edge, status: str, says: str) -> None:
    booking = samples.booking(status)
    booking.event.title = "Ionesco; or, the Chairs\nlive"
    booking.event.ends_at.CopyFrom(samples.at("2026-11-20T12:00:00Z"))
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=booking)
    answer = await edge.get(f"{PATH}/calendar.ics")
    assert answer.headers["content-type"].startswith("text/calendar")
    [date] = Calendar.from_ical(answer.content).walk("VEVENT")
    assert (str(date["summary"]), str(date["status"])) == (booking.event.title, says)
    assert str(date["uid"]).startswith(booking.id)
    assert (date.end - date.start).total_seconds() == 7200
    assert all(len(line) <= 75 for line in answer.content.split(b"\r\n"))


async def test_what_is_not_confirmed_is_no_date(edge: Edge) -> None:
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=samples.booking())
    answer = await edge.get(f"{PATH}/calendar.ics")
    assert (answer.status_code, answer.json()["reason"]) == (409, "BOOKING_STATE")


async def test_ticket_keys_are_public(edge: Edge) -> None:
    key = booking_pb2.ListTicketKeysResponse.TicketKey(key_id="k1", public_key=bytes(32))
    edge.booking.answers["ListTicketKeys"] = booking_pb2.ListTicketKeysResponse(keys=[key])
    [shown] = (await edge.get("/tickets/keys.json", role=None)).json()["keys"]
    assert (shown["kid"], shown["x"]) == ("k1", "A" * 43)
    assert edge.booking.calls[0].identity.subject == "gateway"
