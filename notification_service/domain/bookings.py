"""Bookings and their money, as far as people are told of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class EndedBooking:
    """A booking that came to an end."""

    booking_id: UUID
    version: int  # rises with every ending of the booking
    reference: str
    customer_id: UUID
    event_title: str
    starts_at: datetime
    timezone: str
    status: str  # CONFIRMED, FAILED, EXPIRED, CANCELLED
    reason: str
    reason_text: str  # the words of whoever cancelled it
    amount: int  # minor units
    currency: str
    event_id: str = ""
    organizer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ReturnedMoney:
    """A refund that was made. Amounts in minor units."""

    refund_id: UUID
    booking_id: UUID
    reference: str
    customer_id: UUID
    amount: int
    currency: str
    refunded: int  # of `captured`, this refund included
    captured: int
    reason: str  # ours, or the words of whoever asked for it
    paid_late: bool
    payment_id: str = ""
    event_id: str = ""
    organizer_id: UUID | None = None
    at: datetime | None = None  # when the provider said so
