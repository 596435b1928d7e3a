"""Mails to be sent: what each tells, to whom, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from notification_service.domain.accounts import ApprovedOrganizer, DeviceSignIn
from notification_service.domain.bookings import EndedBooking, ReturnedMoney
from notification_service.domain.codes import Code
from notification_service.domain.kinds import KINDS, Kind

# What money went back for where the mail about the cancelled booking says so already.
_TOLD_WITH_THE_BOOKING = frozenset(
    {"CANCELLED_BY_CUSTOMER", "CANCELLED_BY_ORGANIZER", "EVENT_MOVED"}
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail to be written: of one fact a person, or an address, gets one."""

    fact: str  # names what it tells
    kind: str
    facts: Mapping[str, Any]  # what it is written from; JSON
    person_id: UUID | None = None
    address: str = ""  # where there is no person
    language: str = "en"  # where there is no person
    expires_at: datetime | None = None  # of no use after that, and gone then
    secret: str = field(default="", repr=False)  # what it brings; gone when it is sent

    @property
    def addressee(self) -> str:
        """Who gets it: a person's id, or an address."""
        return str(self.person_id or self.address)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail that is being sent: as its draft, and where to."""

    id: UUID
    fact: str
    addressee: str
    kind: Kind
    facts: Mapping[str, Any]
    to: str  # an address
    name: str  # of the person; may be empty
    language: str
    written_at: datetime
    now: datetime  # by the database's clock
    expires_at: datetime | None = None
    secret: str = field(default="", repr=False)
    is_written: bool = False  # by a version before: `secret` is its text

    @property
    def message_key(self) -> UUID:
        """The same at every try, and of every other mail another (RFC 5322, 3.6.4)."""
        return uuid5(NAMESPACE_URL, f"parterre:{self.fact}:{self.addressee}")


@dataclass(frozen=True, slots=True)
class MailsWritten:
    """Noted when there are mails to be sent."""


def code_mail(code: Code, id: UUID) -> Draft:
    """The mail that brings a one-time code, under an id of its own.

    Nothing of the code could name it: this is kept longer than the code is good, and two may be
    asked for at once.
    """
    return Draft(
        f"code:{code.purpose}:{id}",
        "code",
        {"purpose": code.purpose},
        address=code.email,
        expires_at=code.expires_at,
        secret=code.code,
    )


def ending_mail(booking: EndedBooking) -> Draft | None:
    """The mail that tells a buyer how their booking ended; None where another mail does.

    Of an event that was called off all are told, with the organizer's words; of a payment that came
    too late, when it went back.
    """
    if booking.status == "CANCELLED" and booking.reason == "EVENT_CANCELLED":
        return None
    if booking.status != "CONFIRMED" and booking.reason.startswith("PAID_LATE"):
        return None
    kind = f"booking_{booking.status.lower()}"
    if kind not in KINDS:
        return None  # of a version to come
    return Draft(
        f"booking:{booking.booking_id}:{booking.version}",
        kind,
        {
            "booking_id": str(booking.booking_id),
            "reference": booking.reference,
            "title": booking.event_title,
            "starts_at": booking.starts_at.isoformat(),
            "timezone": booking.timezone,
            "reason": booking.reason,
            "reason_text": booking.reason_text,
            "amount": booking.amount,
            "currency": booking.currency,
        },
        person_id=booking.customer_id,
    )


def ticket_mail(booking_id: UUID, version_of: str, address: str, language: str) -> Draft:
    """The mail that brings somebody who goes their own ticket; `version_of`: the buyer's fact."""
    return Draft(
        f"{version_of}:ticket",
        "ticket",
        {"booking_id": str(booking_id), "address": address},
        address=address,
        language=language,
    )


def money_mail(money: ReturnedMoney) -> Draft | None:
    """The mail that tells of money that went back; None where the booking's own mail does."""
    if not money.paid_late and money.reason in _TOLD_WITH_THE_BOOKING:
        return None
    return Draft(
        f"refund:{money.refund_id}",
        "paid_late" if money.paid_late else "money_returned",
        {
            "booking_id": str(money.booking_id),
            "reference": money.reference,
            "amount": money.amount,
            "currency": money.currency,
            "is_all": money.refunded >= money.captured,
            "reason": money.reason,
        },
        person_id=money.customer_id,
    )


def organizer_mail(approved: ApprovedOrganizer) -> Draft:
    """The mail that tells somebody that they may sell."""
    fact = f"organizer:{approved.user_id}:{approved.at.isoformat()}"
    return Draft(fact, "organizer_approved", {}, person_id=approved.user_id)


def device_mail(signed_in: DeviceSignIn) -> Draft:
    """The mail that tells of a log-in from a device that was not known.

    One a day for what looks alike: whoever keeps no cookie logs in as a new device each time.
    """
    looks = uuid5(NAMESPACE_URL, f"{signed_in.address}\n{signed_in.user_agent}")
    return Draft(
        f"device:{signed_in.user_id}:{looks}:{signed_in.at.date().isoformat()}",
        "new_device",
        {
            "user_agent": signed_in.user_agent,
            "address": signed_in.address,
            "at": signed_in.at.isoformat(),
        },
        person_id=signed_in.user_id,
    )
