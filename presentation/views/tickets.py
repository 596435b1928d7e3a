"""Tickets, the keys that verify them, and what the gate says."""

from __future__ import annotations

from collections.abc import Iterable

from parterre.booking.v1 import booking_pb2
from typing_extensions import TypedDict

from chassis.identity import encode_key
from presentation.views.base import KeySet, Money, time
from presentation.views.seats import line


class AdmittedTicket(TypedDict):
    """A ticket, as the gate sees it."""

    id: str
    booking_reference: str
    seat_id: str | None
    section_id: str
    section: str
    row: str | None
    number: str | None
    tier_id: str
    tier: str
    price: Money
    status: str
    attendee_name: str | None
    admitted_at: str | None
    gate: str | None


class Ticket(AdmittedTicket):
    """A ticket; `token` is what its QR code says."""

    token: str
    qr_url: str


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
        "status": it.status,
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


class CheckIn(TypedDict):
    """What came of a scan; `admitted_at` and `gate` are of the first admission."""

    result: str
    ticket: AdmittedTicket | None
    admitted_at: str | None
    gate: str | None


def check_in(it: booking_pb2.CheckInResponse) -> CheckIn:
    """What came of a scan."""
    return {
        "result": it.result,
        "ticket": admitted_ticket(it.ticket) if it.HasField("ticket") else None,
        "admitted_at": time(it.admitted_at) if it.HasField("admitted_at") else None,
        "gate": it.gate or None,
    }
