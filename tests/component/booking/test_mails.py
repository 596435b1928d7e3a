"""What notification_service prints in mails, and whom it tells of an event's change."""

from __future__ import annotations

from typing import Any

import pytest
from parterre.booking.v1 import booking_pb2
from parterre.messages.v1 import messages_pb2

from booking_service import loops
from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.ids import uuid7

from .box import ASHA, BIKRAM, KEYS, ORGANIZER, Box

GOING = booking_pb2.ListAudienceRequest.AUDIENCE_GOING
CALLED_OFF = booking_pb2.ListAudienceRequest.AUDIENCE_CALLED_OFF


async def refused(call: Any) -> str:
    with pytest.raises(RemoteError) as error:
        await call
    return error.value.reason


async def audience(box: Box, kind: int, after: str = "", limit: int = 100) -> Any:
    request = booking_pb2.ListAudienceRequest(
        event_id=str(box.event_id), audience=kind, after=after, limit=limit
    )
    return await box.caller.as_notification("ListAudience", request)


async def test_a_booking_is_shown_with_its_tickets_to_be_printed(box: Box) -> None:
    hold = box.hold()
    seat = box.inventory.holds[hold].lines[1].seat_id
    who = [booking_pb2.Attendee(seat_id=seat, name="Bina", email="bina@example.org")]
    booking = await box.create(ASHA, hold, attendees=who)
    await box.paid(booking, 9)  # charged
    request = booking_pb2.ShowBookingRequest(booking_id=booking.id)
    shown = await box.caller.as_notification("ShowBooking", request)

    assert (shown.booking.reference, shown.booking.status) == (booking.reference, "CONFIRMED")
    assert shown.booking.payment.action_url == ""
    assert [each.email for each in shown.booking.attendees] == ["bina@example.org"]
    assert len(shown.tickets) == 4
    assert {KEYS.verify(ticket.token).event_id for ticket in shown.tickets} == {box.event_id}
    [named] = [ticket for ticket in shown.tickets if ticket.attendee_name]
    assert (named.attendee_name, named.line.seat_id) == ("Bina", seat)


async def test_nobody_but_notification_asks_for_what_mails_print(box: Box) -> None:
    for method, request in (
        ("ShowBooking", booking_pb2.ShowBookingRequest(booking_id=str(uuid7()))),
        ("ListAudience", booking_pb2.ListAudienceRequest(event_id=str(box.event_id))),
    ):
        calls = (
            box.caller.as_gateway(method, request),
            box.caller.as_booking(method, request),
            box.caller.as_person(ORGANIZER, method, request, Role.ADMIN),
        )
        for call in calls:
            assert await refused(call) == "FORBIDDEN"
    unknown = booking_pb2.ShowBookingRequest(booking_id="no id")
    assert await refused(box.caller.as_notification("ShowBooking", unknown)) == "BOOKING_NOT_FOUND"


async def test_those_who_go_are_told_page_by_page(box: Box) -> None:
    booked = [await box.to_confirmed(who) for who in (ASHA, BIKRAM, ASHA)]
    await box.to_charging(BIKRAM)  # it is not paid
    whole = await audience(box, GOING)
    assert [item.booking_id for item in whole.items] == [each.id for each in booked]
    assert [item.customer_id for item in whole.items] == [ASHA, BIKRAM, ASHA]
    assert (whole.bookings, whole.organizer_id) == (3, ORGANIZER)
    first = await audience(box, GOING, limit=2)
    rest = await audience(box, GOING, after=first.items[-1].booking_id, limit=2)
    assert [*first.items, *rest.items] == list(whole.items)


async def test_of_an_event_called_off_those_are_told_who_had_a_booking_until_then(
    box: Box,
) -> None:
    await box.cancel(await box.to_confirmed())  # at their own wish
    stays = await box.to_confirmed()
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"))
    before = await audience(box, CALLED_OFF)
    while await loops.tell_once(box.database, box.wakeups):
        pass
    after = await audience(box, CALLED_OFF)
    assert [item.booking_id for item in before.items] == [stays.id]
    assert list(before.items) == list(after.items)
    assert list((await audience(box, GOING)).items) == []


async def test_an_audience_that_can_not_be_is_refused(box: Box) -> None:
    assert await refused(audience(box, 0)) == "INVALID_FILTER"
    assert await refused(audience(box, GOING, limit=501)) == "INVALID_FILTER"
    assert await refused(audience(box, GOING, after="no id")) == "INVALID_CURSOR"
    request = booking_pb2.ListAudienceRequest(event_id=str(uuid7()), audience=GOING, limit=1)
    assert await refused(box.caller.as_notification("ListAudience", request)) == "EVENT_NOT_FOUND"
