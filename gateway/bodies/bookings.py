"""Bookings: what is bought, for whom, and how it is paid."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic_core import PydanticCustomError

from gateway.bodies.base import REFERENCE, Email, Id, Input, PageQuery, Short, Words, not_found
from gateway.bodies.payments import Method, PaymentToken
from gateway.bodies.seats import General, SeatId

Reference = Annotated[str, not_found("BOOKING_NOT_FOUND", REFERENCE)]
BookingStatus = Literal["PENDING", "CONFIRMED", "FAILED", "EXPIRED", "CANCELLING", "CANCELLED"]


class Quotation(Input):
    """What would be bought: a hold, or places of an event that are not held yet.

    Which seats are the best available is decided when they are held: they have no quote before.
    """

    hold_id: Id | None = Field(default=None, description="One's own hold; else `event_id`")
    event_id: Id | None = Field(
        default=None, description="Without a hold, with `seat_ids` or `general` or both"
    )
    seat_ids: list[SeatId] | None = Field(default=None, min_length=1, max_length=100)
    general: list[General] | None = Field(default=None, min_length=1, max_length=100)
    coupon_code: Short | None = None

    def model_post_init(self, _context: Any) -> None:
        """Refuses a quote of nothing, and of a hold and other places at once."""
        if self.hold_id and (self.event_id or self.seat_ids or self.general):
            raise PydanticCustomError("quote", "Give hold_id or event_id, not both")
        if not self.hold_id and not (self.event_id and (self.seat_ids or self.general)):
            raise PydanticCustomError("quote", "Give hold_id, or event_id with seat_ids or general")


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
