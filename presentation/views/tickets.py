"""Tickets, the keys that verify them, and what the gate says."""

from __future__ import annotations

from collections.abc import Iterable

from parterre.booking.v1 import booking_pb2

from chassis.identity import encode_key
from presentation.views.base import BookingReference, Id, KeySet, Link, Money, Time, View, time
from presentation.views.seats import line
from presentation.vocabulary import CheckInResult, TicketStatus, word


class AdmittedTicket(View):
    """A ticket, as the gate sees it."""

    id: Id
    """The ticket's id."""
    booking_reference: BookingReference
    """The booking it is of."""
    seat_id: str | None
    """The seat's id; null: a counted ticket."""
    section_id: Id
    """The section's id; of an event without a venue the tier's."""
    section: str
    """The section's name."""
    row: str | None
    """The row; null: a counted ticket."""
    number: str | None
    """The seat; null: a counted ticket."""
    tier_id: Id
    """The price tier's id."""
    tier: str
    """The price tier's name."""
    price: Money
    """What it cost, before discount, tax and fees."""
    status: TicketStatus
    """Whether it lets one in."""
    attendee_name: str | None
    """Who goes, if that was said."""
    admitted_at: Time | None
    """When it was let in; null: not yet."""
    gate: str | None
    """Where it was let in, if that was said."""


class Ticket(AdmittedTicket):
    """A ticket; `token` is what its QR code says."""

    token: str
    """What its QR code says: whoever has it gets in."""
    qr_url: Link
    """Where its QR code is, as a picture: below this host."""


class BookingTicket(AdmittedTicket):
    """A ticket with its booking; only its buyer is told what lets one in."""

    token: str | None
    """What its QR code says: whoever has it gets in; null to anybody but its buyer."""
    qr_url: Link | None
    """Where its QR code is, as a picture: below this host; null to anybody but its buyer."""


def booking_ticket(it: booking_pb2.Ticket, qr_url: str) -> BookingTicket:
    """A ticket with its booking."""
    is_own = bool(it.token)
    return {
        **admitted_ticket(it),
        "token": it.token if is_own else None,
        "qr_url": qr_url if is_own else None,
    }


def ticket(it: booking_pb2.Ticket, qr_url: str) -> Ticket:
    """A ticket, with what its holder needs."""
    return {**admitted_ticket(it), "token": it.token, "qr_url": qr_url}


def admitted_ticket(it: booking_pb2.Ticket) -> AdmittedTicket:
    """A ticket; it is always for one."""
    place = line(it.line)
    return {
        "id": it.id,
        "booking_reference": it.booking_reference,
        "seat_id": place["seat_id"],
        "section_id": place["section_id"],
        "section": place["section"],
        "row": place["row"],
        "number": place["number"],
        "tier_id": place["tier_id"],
        "tier": place["tier"],
        "price": place["price"],
        "status": word(it.status),
        "attendee_name": it.attendee_name or None,
        "admitted_at": time(it.admitted_at) if it.HasField("admitted_at") else None,
        "gate": it.gate or None,
    }


def key_set(keys: Iterable[booking_pb2.ListTicketKeysResponse.TicketKey]) -> KeySet:
    """The keys that verify tickets."""
    return {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "kid": key.key_id,
                "x": encode_key(key.public_key),
                "alg": "EdDSA",
                "use": "sig",
            }
            for key in keys
        ]
    }


class CheckIn(View):
    """What came of a scan; `admitted_at` and `gate` are of the first admission."""

    result: CheckInResult
    """Whether to let them in."""
    ticket: AdmittedTicket | None
    """The ticket; null where it is another event's."""
    admitted_at: Time | None
    """When it was first let in."""
    gate: str | None
    """Where it was first let in, if that was said."""


def check_in(it: booking_pb2.CheckInResponse) -> CheckIn:
    """What came of a scan."""
    return {
        "result": word(it.result),
        "ticket": admitted_ticket(it.ticket) if it.HasField("ticket") else None,
        "admitted_at": time(it.admitted_at) if it.HasField("admitted_at") else None,
        "gate": it.gate or None,
    }
