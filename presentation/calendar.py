"""Events as dates for calendars (RFC 5545).

The files have no METHOD: they are dates to keep, not invitations to answer, and so need no
ORGANIZER (RFC 5546, 3.2.1). A file with the same UID and a greater SEQUENCE takes an older one's
place: both it and DTSTAMP rise with each version of the event, and once more when the date is off.
Times are UTC, the one form that every calendar reads alike; the description tells them in the
event's own zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Event
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2

from presentation.moments import format_moment
from presentation.places import address, seat_name
from presentation.plain import many_lines, one_line

_OFF = {"CANCELLING", "CANCELLED"}
_STATUSES = {"CANCELLED": "CANCELLED", "DRAFT": "TENTATIVE", "PUBLISHING": "TENTATIVE"}
_USUALLY = timedelta(hours=2)  # where the end was never told


def has_date(booking: booking_pb2.Booking) -> bool:
    """Whether the booking is, or was, one that belongs in a calendar."""
    return booking.status == "CONFIRMED" or booking.status in _OFF


def booking_calendar(booking: booking_pb2.Booking, event: catalog_pb2.Event | None = None) -> bytes:
    """The date of a booking's event; of a cancelled booking, as one that is off.

    Args:
        booking: one that `has_date`.
        event: tells the venue's address and the doors; None: they are left out.
    """
    booked = booking.event
    is_off = booking.status in _OFF
    return _calendar(
        uid=booking.id,
        version=booked.version,
        stamp=max(
            each.ToDatetime(UTC)
            for each in (booking.created_at, booking.updated_at, booked.changed_at)
        ),
        status="CANCELLED" if is_off else "CONFIRMED",
        starts_at=booked.starts_at.ToDatetime(UTC),
        ends_at=booked.ends_at.ToDatetime(UTC) if booked.HasField("ends_at") else None,
        title=booked.title,
        place=booked.place,
        event=event,
        timezone=booked.timezone,
        lines=[booking.reference, *(seat_name(line) for line in booking.lines)],
    )


def event_calendar(event: catalog_pb2.Event) -> bytes:
    """The date of an event, for whoever may come."""
    draft = event.draft
    return _calendar(
        uid=event.id,
        version=event.version,
        stamp=max(each.ToDatetime(UTC) for each in (event.created_at, event.updated_at)),
        status=_STATUSES.get(event.status, "CONFIRMED"),
        starts_at=draft.starts_at.ToDatetime(UTC),
        ends_at=draft.ends_at.ToDatetime(UTC) if draft.HasField("ends_at") else None,
        title=draft.title,
        place=event.venue.name or draft.location,
        event=event,
        timezone=draft.timezone,
        lines=[],
    )


def _calendar(
    *,
    uid: str,
    version: int,
    stamp: datetime,
    status: str,
    starts_at: datetime,
    ends_at: datetime | None,
    title: str,
    place: str,
    event: catalog_pb2.Event | None,
    timezone: str,
    lines: Sequence[str],
) -> bytes:
    told = [format_moment(starts_at, timezone)]
    if event is not None and event.draft.HasField("doors_at"):
        doors = event.draft.doors_at.ToDatetime(UTC)
        told.append(f"Doors open: {format_moment(doors, timezone)}")
    if event is not None and event.status == "CANCELLED" and event.cancel_reason:
        told.append(f"Cancelled: {event.cancel_reason}")
    where = [place, address(event) if event is not None else ""]
    date = Event()
    date.add("uid", f"{uid}@parterre")
    date.add("dtstamp", stamp)
    date.add("sequence", 2 * version + (status == "CANCELLED"))
    date.add("status", status)
    date.add("dtstart", starts_at)
    date.add("dtend", ends_at or starts_at + _USUALLY)
    date.add("summary", one_line(title))
    date.add("location", one_line(", ".join(filter(None, where))))
    date.add("description", many_lines("\n".join([*lines, *told])))
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//Parterre//Parterre//EN")
    calendar.add_component(date)
    return bytes(calendar.to_ical())
