"""What all who go to an event are told: in slices, for they may be ten thousand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chassis.text import flaw_in_line, flaw_in_lines, line, lines
from notification_service.domain.errors import InvalidMessageError
from notification_service.domain.events import Event
from notification_service.domain.mails import Draft

# On the day before, by the clock at the event.
_REMINDS_AT = time(10)
MAX_SUBJECT = 150
MAX_TEXT = 5_000


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something that all who go to an event are told."""

    fact: str  # names what is told: told once
    kind: str
    event_id: UUID
    facts: Mapping[str, Any]

    @property
    def is_of_called_off(self) -> bool:
        """Whether it is for those whose bookings ended with the event."""
        return self.kind == "event_cancelled"


@dataclass(frozen=True, slots=True)
class Guest:
    """A booking whose people are told."""

    booking_id: UUID
    reference: str
    customer_id: UUID
    emails: Sequence[str]  # of those who go


@dataclass(frozen=True, slots=True)
class MovedEvent:
    """An event whose time or place changed."""

    event_id: UUID
    title: str
    place: str
    starts_at: datetime
    starts_at_before: datetime | None  # None: the place changed
    timezone: str
    cancel_until: datetime
    version: int


def drafts(
    announcement: Announcement,
    event: Event,
    guests: Sequence[Guest],
    own_addresses: Mapping[UUID, str],
) -> Sequence[Draft]:
    """The mails to buyers, and to those who go in their names: one to each, however many bookings.

    `own_addresses`: the buyers' own, which are not written to again.
    """
    known = {
        "event_id": str(event.id),
        "title": event.title,
        "place": event.place,
        "starts_at": event.starts_at.isoformat(),
        "timezone": event.timezone,
    }
    facts = known | dict(announcement.facts)
    written: dict[str, Draft] = {}
    for guest in guests:
        own = own_addresses.get(guest.customer_id, "")
        buyer = Draft(announcement.fact, announcement.kind, facts, person_id=guest.customer_id)
        others = [
            Draft(announcement.fact, announcement.kind, facts, address=email)
            for email in map(str.lower, guest.emails)
            if email != own
        ]
        written |= {draft.addressee: draft for draft in (buyer, *others)}
    return list(written.values())


def move(moved: MovedEvent) -> Announcement:
    """That the event's time or place changed."""
    before = moved.starts_at_before
    return Announcement(
        f"moved:{moved.event_id}:{moved.version}",
        "event_changed",
        moved.event_id,
        {
            "title": moved.title,
            "place": moved.place,
            "starts_at": moved.starts_at.isoformat(),
            "timezone": moved.timezone,
            "starts_at_before": before.isoformat() if before else "",
            "cancel_until": moved.cancel_until.isoformat(),
        },
    )


def cancellation(event_id: UUID, reason: str) -> Announcement:
    """That the event is called off, with the organizer's reason."""
    return Announcement(
        f"cancelled:{event_id}", "event_cancelled", event_id, {"reason_text": reason}
    )


def reminder(event: Event, now: datetime) -> Announcement:
    """That the event is on the next day, or the same where nobody could say it in time."""
    today, day = (_at_place(each, event.timezone).date() for each in (now, event.starts_at))
    return Announcement(
        f"reminder:{event.id}:{event.starts_at.isoformat()}",
        "event_tomorrow",
        event.id,
        {"is_today": day <= today},
    )


def message(id: UUID, event_id: UUID, subject: str, text: str) -> Announcement:
    """An organizer's own words."""
    return Announcement(
        f"message:{id}", "organizer_message", event_id, {"subject": subject, "text": text}
    )


def remind_at(starts_at: datetime, timezone: str) -> datetime:
    """When those who go are reminded: at ten in the morning of the day before, at the event."""
    local = _at_place(starts_at, timezone)
    return datetime.combine(local.date() - timedelta(days=1), _REMINDS_AT, local.tzinfo)


def _at_place(moment: datetime, timezone: str) -> datetime:
    try:
        return moment.astimezone(ZoneInfo(timezone))
    except (ZoneInfoNotFoundError, ValueError, OSError, OverflowError):
        return moment.astimezone(UTC)


def parse_message(subject: str, text: str) -> tuple[str, str]:
    """An organizer's subject and text, as they are sent.

    Raises:
        InvalidMessageError: one is missing, too long, or has what text must not have.
    """
    subject, text = line(subject), lines(text)
    wrong = {}
    if not 0 < len(subject) <= MAX_SUBJECT:
        wrong["subject"] = f"A subject has 1 to {MAX_SUBJECT} characters."
    elif flaw := flaw_in_line(subject):
        wrong["subject"] = f"A subject {flaw}."
    if not 0 < len(text) <= MAX_TEXT:
        wrong["text"] = f"A text has 1 to {MAX_TEXT} characters."
    elif flaw := flaw_in_lines(text):
        wrong["text"] = f"A text {flaw}."
    if wrong:
        raise InvalidMessageError("Some fields are not right.", **wrong)
    return subject, text
