"""Mails: what they say, and to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


class NotificationError(Exception):
    """A refusal of notification_service."""

    kind = "INVALID"
    reason = "INVALID_NOTIFICATION"

    def __init__(self, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.metadata: Mapping[str, str] = metadata


class MailboxClosedError(NotificationError):
    """The mailbox is read in the local profile only."""

    kind = "NOT_FOUND"
    reason = "MAILBOX_CLOSED"


class UnknownPersonError(Exception):
    """A message speaks of somebody whose address has not arrived yet; it will be tried again."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail to be written."""

    to: str
    kind: str
    subject: str
    body: str
    expires_at: datetime | None = None  # of no use after that, and gone once it is sent


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to write to."""

    id: UUID
    email: str
    name: str
    version: int  # rises with every change


@dataclass(frozen=True, slots=True)
class Code:
    """A one-time code that was asked for."""

    email: str
    purpose: str
    code: str
    expires_at: datetime
    is_wanted: bool  # else it is written and told of, so that asking costs the same, but not mailed


@dataclass(frozen=True, slots=True)
class MailsWritten:
    """Noted when there are mails to be sent."""


@dataclass(frozen=True, slots=True)
class EndedBooking:
    """A booking that came to an end."""

    booking_id: UUID
    version: int  # rises with every ending of the booking
    reference: str
    customer_id: UUID
    event_title: str
    when: str  # it starts, in words
    status: str  # CONFIRMED, FAILED, EXPIRED, CANCELLED
    reason: str
    amount: str  # in words
    places: Sequence[str]


_PURPOSES = {"REGISTER": "finish your registration", "PASSWORD_RESET": "set a new password"}
_ENDINGS = {
    "CONFIRMED": (
        "Your tickets for {title}",
        "Your booking {reference} is confirmed: {title}, {when}.\n\n{places}\n\n"
        "Paid: {amount}. Your tickets are with your booking.",
    ),
    "FAILED": (
        "Your booking for {title} did not go through",
        "Your booking {reference} for {title} could not be completed ({reason}). Nothing was kept"
        " of your money, and the seats are free again.",
    ),
    "EXPIRED": (
        "Your booking for {title} has expired",
        "Your booking {reference} for {title} was not paid in time ({reason}). Nothing was kept of"
        " your money, and the seats are free again.",
    ),
    "CANCELLED": (
        "Your booking for {title} is cancelled",
        "Your booking {reference} for {title}, {when}, is cancelled ({reason})."
        " {amount} goes back the way it came.",
    ),
}


def code_mail(code: Code, now: datetime) -> Draft:
    """The mail that brings a one-time code, and says for how many minutes it is good."""
    minutes = max(1, round((code.expires_at - now).total_seconds() / 60))
    body = (
        f"Your code to {_PURPOSES[code.purpose]} is {code.code}.\n\n"
        f"It can be used once, within {minutes} minutes. If you did not ask for it, ignore this."
    )
    return Draft(code.email, "code", "Your Parterre code", body, code.expires_at)


def ending_mail(person: Person, booking: EndedBooking) -> Draft:
    """The mail that tells a buyer how their booking ended."""
    subject, body = _ENDINGS[booking.status]
    facts = {
        "title": booking.event_title,
        "reference": booking.reference,
        "when": booking.when,
        "places": "\n".join(f"- {place}" for place in booking.places),
        "amount": booking.amount,
        "reason": booking.reason.replace("_", " ").lower(),
    }
    text = f"Dear {person.name},\n\n{body.format(**facts)}\n\nParterre"
    return Draft(person.email, f"booking_{booking.status.lower()}", subject.format(**facts), text)
