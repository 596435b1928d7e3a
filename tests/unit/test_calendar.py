"""Dates for calendars, read back by two parsers that know nothing of each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ical.calendar_stream import IcsCalendarStream
from ical.event import Event as OtherEvent
from icalendar import Calendar, Event
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2

from presentation.calendar import booking_calendar, event_calendar
from tests.contract import samples

HEARD = datetime(2026, 11, 21, 9, tzinfo=UTC)


def booking(status: str = "CONFIRMED", version: int = 7) -> booking_pb2.Booking:
    made = samples.booking(status)
    made.event.version = version
    made.event.changed_at.FromDatetime(HEARD + timedelta(hours=version))
    if status != "CONFIRMED":
        made.updated_at.FromDatetime(HEARD + timedelta(hours=9, minutes=30))
    made.event.starts_at.CopyFrom(samples.at("2027-03-01T13:15:00Z"))
    made.event.ends_at.CopyFrom(samples.at("2027-03-01T16:15:00Z"))
    made.event.timezone = "Asia/Kathmandu"
    return made


def read(file: bytes) -> tuple[Event, OtherEvent]:
    """The one date of a file, as each parser has it; what one of them doubts is an error."""
    calendar = Calendar.from_ical(file)
    assert not calendar.errors
    [one] = calendar.walk("VEVENT")
    assert isinstance(one, Event)
    assert not one.errors
    [other] = IcsCalendarStream.calendar_from_ics(file.decode()).events
    return one, other


def test_both_parsers_read_the_same_date() -> None:
    event = samples.event()
    event.draft.doors_at.CopyFrom(samples.at("2027-03-01T12:15:00Z"))
    one, other = read(booking_calendar(booking(), event))
    starts = datetime(2027, 3, 1, 13, 15, tzinfo=UTC)
    where = "Naach Ghar, Jamal, Kathmandu, Nepal"
    assert (one.start, one.end) == (starts, starts + timedelta(hours=3))
    assert (other.dtstart, other.dtend) == (one.start, one.end)
    assert (str(one["summary"]), str(one["location"])) == ("The Tempest", where)
    assert (other.summary, other.location) == ("The Tempest", where)
    assert (str(one["status"]), other.status) == ("CONFIRMED", "CONFIRMED")
    assert str(one["uid"]) == other.uid == f"{samples.BOOKING}@parterre"
    told = str(one["description"]).split("\n")
    assert other.description == "\n".join(told)
    assert told[0] == samples.REFERENCE
    assert told[-2] == "Monday, 1 March 2027, 19:00 Nepal Time"
    assert told[-1] == "Doors open: Monday, 1 March 2027, 18:00 Nepal Time"


def test_a_date_to_keep_is_no_invitation() -> None:
    assert b"METHOD" not in booking_calendar(booking())
    assert b"METHOD" not in event_calendar(samples.event())


def test_each_change_of_the_event_has_a_greater_sequence_and_a_later_stamp() -> None:
    files = [
        booking_calendar(booking(version=7)),
        booking_calendar(booking(version=8)),
        booking_calendar(booking(version=9)),
        booking_calendar(booking("CANCELLED", version=9)),
        booking_calendar(booking("CANCELLED", version=10)),
    ]
    dates = [read(file) for file in files]
    sequences = [int(one["sequence"]) for one, _ in dates]
    stamps = [one["dtstamp"].dt for one, _ in dates]
    assert sequences == sorted(set(sequences)) == [other.sequence for _, other in dates]
    assert stamps == sorted(set(stamps)) == [other.dtstamp for _, other in dates]
    assert len({str(one["uid"]) for one, _ in dates}) == 1


@pytest.mark.parametrize("status", ["CANCELLING", "CANCELLED"])
def test_a_cancelled_booking_takes_its_date_back(status: str) -> None:
    one, other = read(booking_calendar(booking(status)))
    assert (str(one["status"]), other.status) == ("CANCELLED", "CANCELLED")


def test_without_the_catalog_the_date_says_what_booking_knows() -> None:
    bare = booking()
    bare.event.ClearField("ends_at")
    bare.event.ClearField("changed_at")
    one, other = read(booking_calendar(bare))
    assert (str(one["location"]), other.location) == ("Naach Ghar", "Naach Ghar")
    assert one.end - one.start == timedelta(hours=2)
    assert one["dtstamp"].dt == bare.updated_at.ToDatetime(UTC).replace(microsecond=0)


def test_an_event_can_be_saved_by_whoever_may_come() -> None:
    one, other = read(event_calendar(samples.event()))
    assert str(one["uid"]) == other.uid == f"{samples.EVENT}@parterre"
    assert (int(one["sequence"]), other.sequence) == (14, 14)
    assert str(one["location"]) == "Rastriya Naach Ghar, Jamal, Kathmandu, Nepal"
    assert other.status == "CONFIRMED"


def test_a_cancelled_event_says_why() -> None:
    event = samples.event()
    event.status, event.cancel_reason = "CANCELLED", "The roof; it leaks, badly"
    one, other = read(event_calendar(event))
    assert (str(one["status"]), other.status) == ("CANCELLED", "CANCELLED")
    assert "Cancelled: The roof; it leaks, badly" in (other.description or "")


def test_a_draft_is_tentative() -> None:
    event = samples.event()
    event.status = "DRAFT"
    one, other = read(event_calendar(event))
    assert (str(one["status"]), other.status) == ("TENTATIVE", "TENTATIVE")


TEXTS = [
    "Ionesco; or, the Chairs\nlive",
    "back\\slash \\n \\, \\;",
    '"quoted": and:colons;X=Y',
    "東京の夜" * 30,
    "नेपाली लोक साँझ " * 20,
    "👩‍👩‍👧" * 40,
    "BEGIN:VEVENT\r\nEND:VCALENDAR",
    "\x00\x07\u2028\u202eevil",
    "é" * 75,
]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_escaped_folded_and_read_back(text: str) -> None:
    made = booking()
    made.event.title = made.event.place = text
    file = booking_calendar(made)
    one, other = read(file)
    kept = " ".join(text.replace("\x00\x07", "").replace("\u202e", "").splitlines())
    assert str(one["summary"]) == other.summary == kept
    assert str(one["location"]) == other.location == kept
    assert all(len(line) <= 75 for line in file.split(b"\r\n"))
    assert b"\n" not in file.replace(b"\r\n", b"")


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_no_text_breaks_a_file(text: str) -> None:
    event = catalog_pb2.Event(id=samples.EVENT, status="PUBLISHED", version=1)
    event.draft.title = event.draft.location = event.cancel_reason = text
    event.draft.starts_at.CopyFrom(samples.at())
    file = event_calendar(event)
    one, other = read(file)
    assert str(one["summary"]) == (other.summary or "")
    assert all(len(line) <= 75 for line in file.split(b"\r\n"))
