"""Tickets in the forms people keep them in."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from icalendar import Calendar
from parterre.auth.v1 import auth_pb2
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2

from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError
from tests.unit.test_pdf import pages_of

PATH = f"/bookings/{samples.REFERENCE}"


def listed(edge: Edge, *tickets: booking_pb2.Ticket) -> None:
    edge.booking.answers["ListTickets"] = booking_pb2.ListTicketsResponse(tickets=tickets)


def confirmed(edge: Edge) -> None:
    booking = samples.booking("CONFIRMED")
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=booking)


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


async def test_tickets_are_printed_a_page_each_with_all_that_is_known(edge: Edge) -> None:
    listed(edge, samples.ticket(), samples.ticket("REVOKED"), samples.ticket("ADMITTED"))
    confirmed(edge)
    event = samples.event()
    event.draft.terms = "No flash."
    edge.catalog.answers["GetEvent"] = catalog_pb2.GetEventResponse(event=event)
    edge.auth.answers["GetOrganizer"] = auth_pb2.GetOrganizerResponse(
        name="Bina Rai", business_name="Naach Ghar Ltd."
    )
    answer = await edge.get(f"{PATH}/tickets.pdf")
    assert edge.auth.asked.user_id == event.organizer_id
    assert edge.auth.calls[0].identity.subject == "gateway"
    assert "Naach Ghar Ltd." in pages_of(answer.content)[0]
    assert "Bina Rai" not in pages_of(answer.content)[0]
    assert answer.headers["content-type"] == "application/pdf"
    assert samples.REFERENCE in answer.headers["content-disposition"]
    good, revoked, admitted = pages_of(answer.content)
    assert "No flash." in good
    assert "Jamal, Kathmandu" in good
    assert "NPR 5,096.25" in good  # paid, with tax
    assert "This ticket is revoked" in revoked
    assert "This ticket is revoked" not in good + admitted


@pytest.mark.parametrize(
    "failure", [ValueError("a bug"), RefusalError("NOT_FOUND", "EVENT_NOT_FOUND", "There is none.")]
)
async def test_tickets_and_dates_are_there_without_the_catalog(
    edge: Edge, failure: Exception
) -> None:
    listed(edge, samples.ticket())
    confirmed(edge)
    edge.catalog.answers["GetEvent"] = failure
    edge.auth.answers["GetOrganizer"] = failure
    [page] = pages_of((await edge.get(f"{PATH}/tickets.pdf")).content)
    assert "The Tempest" in page
    assert (await edge.get(f"{PATH}/calendar.ics")).status_code == 200


async def test_tickets_are_printed_in_the_language_that_is_liked_best(edge: Edge) -> None:
    listed(edge, samples.ticket())
    confirmed(edge)
    answer = await edge.get(f"{PATH}/tickets.pdf", headers={"Accept-Language": "ne-NP, en;q=0.5"})
    assert answer.headers["content-language"] == "ne"
    [page] = pages_of(answer.content)
    assert "बुकिङ" in page
    assert "Paid" not in page


@pytest.mark.parametrize("statuses", [[], ["REVOKED"]])
async def test_with_nothing_good_there_is_nothing_to_print(edge: Edge, statuses: list[str]) -> None:
    listed(edge, *map(samples.ticket, statuses))
    confirmed(edge)
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
    assert (str(date["summary"]), str(date["status"])) == ("Ionesco; or, the Chairs live", says)
    assert str(date["uid"]).startswith(booking.id)
    assert (date.end - date.start).total_seconds() == 7200
    assert all(len(line) <= 75 for line in answer.content.split(b"\r\n"))


async def test_what_is_not_confirmed_is_no_date(edge: Edge) -> None:
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=samples.booking())
    answer = await edge.get(f"{PATH}/calendar.ics")
    assert (answer.status_code, answer.json()["reason"]) == (409, "BOOKING_STATE")


async def test_an_event_is_saved_by_anybody(edge: Edge) -> None:
    edge.catalog.answers["GetEvent"] = catalog_pb2.GetEventResponse(event=samples.event())
    answer = await edge.get(f"/events/{samples.EVENT}/calendar.ics", role=None)
    assert answer.headers["content-type"].startswith("text/calendar")
    [date] = Calendar.from_ical(answer.content).walk("VEVENT")
    assert str(date["summary"]) == "The Tempest"
    condition = {"If-None-Match": answer.headers["etag"]}
    again = await edge.get(f"/events/{samples.EVENT}/calendar.ics", role=None, headers=condition)
    assert (again.status_code, again.content) == (304, b"")


async def test_ticket_keys_are_public(edge: Edge) -> None:
    key = booking_pb2.ListTicketKeysResponse.TicketKey(key_id="k1", public_key=bytes(32))
    edge.booking.answers["ListTicketKeys"] = booking_pb2.ListTicketKeysResponse(keys=[key])
    [shown] = (await edge.get("/tickets/keys.json", role=None)).json()["keys"]
    assert (shown["kid"], shown["x"]) == ("k1", "A" * 43)
    assert edge.booking.calls[0].identity.subject == "gateway"
