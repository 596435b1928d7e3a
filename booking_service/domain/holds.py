"""Holds as inventory shows them, and what is reserved for bookings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from booking_service.domain.errors import (
    EventNotOnSaleError,
    HoldAlreadyBookedError,
    HoldExpiredError,
    HoldNotActiveError,
    HoldNotFoundError,
)


@dataclass(frozen=True, slots=True)
class Line:
    """A numbered seat, or a count of standing tickets."""

    seat_id: str  # empty for standing tickets
    section_id: str
    section: str
    row: str
    number: str
    tier_id: str
    tier: str
    quantity: int
    price: int  # of one, minor units


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as inventory shows it to its holder."""

    id: UUID
    event_id: UUID
    customer_id: UUID
    status: str  # ACTIVE, BOOKED, RELEASED, EXPIRED; by inventory's clock
    version: int
    currency: str
    lines: Sequence[Line]
    booking_id: UUID | None = None  # that it is reserved for
    event_open: bool = True


def check_bookable(hold: Hold, customer_id: UUID) -> None:
    """Makes sure that a quote can be given for the hold.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldAlreadyBookedError, HoldNotActiveError.
    """
    if hold.customer_id != customer_id:
        raise HoldNotFoundError("There is no such hold.")
    if hold.status == "EXPIRED":
        raise HoldExpiredError("The hold has expired.")
    if hold.status == "BOOKED":
        raise HoldAlreadyBookedError("A booking has been made of this hold already.")
    if hold.status != "ACTIVE":
        raise HoldNotActiveError("The hold was released.")


def check_reserved(hold: Hold, customer_id: UUID) -> UUID:
    """Makes sure that the hold was reserved for a booking; gives the booking's id.

    Whether that booking exists already, its own key says.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldNotActiveError, EventNotOnSaleError.
    """
    if hold.booking_id is not None and hold.customer_id == customer_id:
        return hold.booking_id
    if hold.status == "ACTIVE" and not hold.event_open:
        raise EventNotOnSaleError("This event is not on sale.")
    if hold.status == "ACTIVE":
        raise HoldExpiredError("The hold has expired.")
    check_bookable(hold, customer_id)
    raise AssertionError("unreachable: what is not active is refused")


@dataclass(frozen=True, slots=True)
class Reservation:
    """A hold that is reserved for a booking; to inventory: whether that booking exists."""

    booking_id: UUID
    event_id: UUID
    hold_id: UUID
    exists: bool = False
