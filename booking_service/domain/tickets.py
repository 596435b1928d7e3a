"""Tickets, and the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from booking_service.domain.bookings import Attendee
from booking_service.domain.errors import InvalidTicketError
from booking_service.domain.holds import Line
from chassis.text import flaw_in_line

GATE_LENGTH = 50


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket."""

    id: UUID
    line_no: int
    seat_id: str  # empty: standing
    attendee_name: str


@dataclass(frozen=True, slots=True)
class TicketAdmitted:
    """To whom it concerns: the gate admitted a ticket."""

    ticket_id: UUID
    booking_id: UUID
    booking_reference: str
    event_id: UUID
    organizer_id: UUID
    gate: str
    at: datetime


def check_gate(gate: str) -> None:
    """Makes sure that a gate's name is sound.

    Raises:
        InvalidTicketError: it has more than 50 characters, or what text must not have.
    """
    if len(gate) > GATE_LENGTH:
        raise InvalidTicketError(
            "The gate's name is too long.", gate=f"must have at most {GATE_LENGTH} characters"
        )
    if flaw := flaw_in_line(gate):
        raise InvalidTicketError("The gate can't have this name.", gate=flaw)


def tickets_to_mint(
    lines: Sequence[Line], attendees: Sequence[Attendee], ids: Sequence[UUID]
) -> Sequence[Ticket]:
    """One ticket for each seat and each counted place; `ids` has as many."""
    seated = {attendee.seat_id: attendee.name for attendee in attendees if attendee.seat_id}
    standing = [attendee.name for attendee in attendees if not attendee.seat_id]
    tickets = []
    fresh = iter(ids)
    for number, line in enumerate(lines):
        for _ in range(line.quantity):
            if line.seat_id:
                name = seated.get(line.seat_id, "")
            else:
                name = standing.pop(0) if standing else ""
            tickets.append(Ticket(next(fresh), number, line.seat_id, name))
    return tickets
