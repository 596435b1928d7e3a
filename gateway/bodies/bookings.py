"""Bookings: what is bought, for whom, and how it is paid."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic_core import PydanticCustomError

from gateway.bodies import limits
from gateway.bodies.base import Email, Id, Input, PageQuery, Time, line
from gateway.bodies.payments import PaymentToken
from gateway.bodies.seats import General, HeldSeats, SeatId
from presentation.vocabulary import BookingStatus, PaymentMethod

UsedCoupon = Annotated[str, *line(100)]


class Quotation(Input):
    """What would be bought: a hold, or places of an event that are not held yet.

    Which seats are the best available is decided when they are held: they have no quote before.
    """

    hold_id: Id | None = None
    """One's own hold; else `event_id`."""
    event_id: Id | None = None
    """Without a hold, with `seat_ids` or `general` or both."""
    seat_ids: HeldSeats | None = None
    """These seats of the event."""
    general: list[General] | None = Field(default=None, min_length=1, max_length=limits.HOLD_LINES)
    """Counted tickets of the event, each tier named once."""
    coupon_code: UsedCoupon | None = None
    """A coupon of the event, in any case."""

    def model_post_init(self, _context: Any) -> None:
        """Refuses a quote of nothing, and of a hold and other places at once."""
        if self.hold_id and (self.event_id or self.seat_ids or self.general):
            raise PydanticCustomError("quote", "Must have hold_id or event_id, not both")
        if not self.hold_id and not (self.event_id and (self.seat_ids or self.general)):
            raise PydanticCustomError(
                "quote", "Must have hold_id, or event_id with seat_ids or general"
            )


class NewAttendee(Input):
    """Who will use a ticket."""

    seat_id: SeatId | None = None
    """Their seat, of the hold, named once; absent: any of its counted tickets."""
    name: Annotated[str, *line(limits.ATTENDEE_NAME)]
    """The name on the ticket."""
    email: Email | None = None
    """Their own address."""


class NewBooking(Input):
    """A hold, and how it is paid."""

    hold_id: Id
    """The hold: one's own, ACTIVE."""
    payment_method: PaymentMethod | None = None
    """Needed where there is something to pay."""
    payment_token: PaymentToken | None = Field(default=None, repr=False)
    """What the provider gave for the card; for CARD alone."""
    coupon_code: UsedCoupon | None = None
    """A coupon of the event, in any case."""
    attendees: list[NewAttendee] = Field(default=[], max_length=limits.HOLD_LINES)
    """Who goes: at most one for each place."""


class BookingCancellation(Input):
    """Why, if they like to say."""

    reason: Annotated[str, *line(limits.BOOKING_REASON)] | None = None
    """In words, for the organizer."""


Expansion = Annotated[
    Literal["event", "tickets", "event,tickets", "tickets,event"],
    Field(
        description="What is shown whole with a booking: `event` as `GET /events/{id}` shows it, "
        "and `tickets`, which only their buyer can get in with; both with a comma."
    ),
]


class BookingQuery(PageQuery):
    """Which bookings."""

    status: BookingStatus | None = None
    """Those that stand so."""
    event_id: Id | None = None
    """Those of this event."""
    updated_since: Time | None = None
    """Updated then or since, the one longest ago first. Changes of the last moments are left out
    until none can be missed; ask next with the latest `updated_at` you had."""
    expand: Expansion | None = None
    """What is shown whole with each booking; with `tickets` a page has 20 at most."""


class WaitQuery(Input):
    """How long to wait for a booking to end or to need the customer, and what to show with it."""

    wait: int = Field(default=0, ge=0, le=limits.WAIT_SECONDS)
    """Seconds to wait for it to end, or to need the customer."""
    expand: Expansion | None = None
    """What is shown whole with it."""
