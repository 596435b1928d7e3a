"""Bookings: what is bought, for whom, and how it is paid."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.bodies.base import REFERENCE, Email, Id, Input, PageQuery, Short, Words, not_found
from gateway.bodies.payments import Method, PaymentToken
from gateway.bodies.seats import SeatId

Reference = Annotated[str, not_found("BOOKING_NOT_FOUND", REFERENCE)]
BookingStatus = Literal["PENDING", "CONFIRMED", "FAILED", "EXPIRED", "CANCELLING", "CANCELLED"]


class Quotation(Input):
    """What would be bought."""

    hold_id: Id
    coupon_code: Short | None = None


class NewAttendee(Input):
    """Who will use a ticket."""

    seat_id: SeatId | None = None
    name: Short
    email: Email | None = None


class NewBooking(Input):
    """A hold, and how it is paid."""

    hold_id: Id
    payment_method: Method | None = Field(
        default=None, description="Needed where there is something to pay"
    )
    payment_token: PaymentToken | None = Field(default=None, repr=False, examples=["tok_ok"])
    coupon_code: Short | None = None
    attendees: list[NewAttendee] = Field(default=[], max_length=100)


class BookingCancellation(Input):
    """Why, if they like to say."""

    reason: Words | None = None


class BookingQuery(PageQuery):
    """Which bookings."""

    status: BookingStatus | None = None
    event_id: Id | None = None


class WaitQuery(Input):
    """How long to wait for a booking to end or to need the customer."""

    wait: int = Field(default=0, ge=0, le=20, description="Seconds")
