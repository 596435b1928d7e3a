"""Bookings: what they cost, and how far they are."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from parterre.booking.v1 import booking_pb2
from pydantic import WithJsonSchema

from presentation.views.base import (
    BookingReference,
    Count,
    Email,
    Id,
    Money,
    Percent,
    Time,
    View,
    money,
    time,
)
from presentation.views.catalog import Event
from presentation.views.seats import Line, line
from presentation.views.tickets import BookingTicket
from presentation.vocabulary import (
    BookingStatus,
    CancellationGround,
    PaymentMethod,
    PaymentStatus,
    SagaState,
    StepOutcome,
    word,
)


class Price(View):
    """What a booking costs."""

    subtotal: Money
    """The prices of all lines."""
    discount: Money
    """What a coupon takes off."""
    tax: Money
    """The event's tax on what is left."""
    fees: Money
    """What the box office takes for itself."""
    total: Money
    """What there is to pay."""


class Quote(Price):
    """What places would cost; without a hold `available` is a hint, for nothing is kept."""

    lines: list[Line]
    """What would be bought."""
    available: bool
    """Whether all of it could be held now."""
    unavailable_seat_ids: list[str]
    """The seats that are not free."""


class BookedEvent(View):
    """The event as the booking knows it."""

    id: Id
    """The event's id."""
    title: str
    """Its title."""
    place: str
    """Where it is, in words."""
    starts_at: Time
    """When it starts."""
    ends_at: Time | None
    """When it ends, where that is known."""
    timezone: str
    """The IANA time zone that its times are meant in."""


class ExpandedEvent(Event):
    """The event as `GET /events/{id}` shows it, in place of what the booking knows of it."""

    place: str
    """Where it is, in words."""


class Action(View):
    """What the customer has to do."""

    type: Literal["REDIRECT"]
    """REDIRECT: open the page."""
    url: Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]
    """The provider's page, where the customer agrees to pay."""


class BookingPayment(View):
    """The payment as the booking knows it."""

    id: Id
    """The payment's id."""
    status: PaymentStatus
    """How the newest attempt stands."""
    method: PaymentMethod
    """How the newest attempt pays."""
    action: Action | None
    """What the customer has to do, if anything."""
    attempt: Count
    """The number of the newest attempt; three may be made."""
    refused_because: str | None
    """Why the provider refused the last attempt, such as CARD_DECLINED."""


class Attendee(View):
    """Who goes."""

    seat_id: str | None
    """Their seat; null: any of the counted tickets."""
    name: str
    """The name on the ticket."""
    email: Email | None
    """Their own address, if it was given."""


class CancellationTerms(View):
    """What its buyer gets back by cancelling: a share of what has not gone back already."""

    until: Time
    """The last moment to cancel."""
    percent: Percent
    """The share that goes back."""
    because: CancellationGround
    """What gives the right to it."""


class Booking(View):
    """A booking; `payment` is null where there is nothing to pay."""

    id: Id
    """The booking's id."""
    reference: BookingReference
    """What people call it by, and what its paths have."""
    status: BookingStatus
    """How it stands."""
    reason: str | None
    """Why it failed, expired or was cancelled, such as PAYMENT_TIMED_OUT; else null."""
    event: ExpandedEvent | BookedEvent
    """What it is for; with `expand=event` the whole of it."""
    lines: list[Line]
    """What was bought."""
    price: Price
    """What it costs."""
    coupon_code: str | None
    """The coupon that was used."""
    payment: BookingPayment | None
    """How it is paid; null where there is nothing to pay."""
    refunded: Money
    """What has gone back to the customer."""
    cancellation: CancellationTerms | None
    """What its buyer gets back by cancelling now; null where it can't be cancelled."""
    attendees: list[Attendee]
    """Who goes, as far as that was said."""
    hold_id: Id
    """The hold it was made of."""
    created_at: Time
    """When it was made."""
    updated_at: Time
    """When it was made, or its course went on last."""
    expires_at: Time | None
    """Until when it has to be paid; null once that does not matter any more."""
    tickets: NotRequired[list[BookingTicket]]
    """Its tickets; only with `expand=tickets`."""


class Buyer(View):
    """Who bought, as they call themselves now."""

    name: str
    """What they are called."""
    email: Email
    """The address of their account."""


class SoldBooking(Booking):
    """A booking, as its event's organizer sees it; `buyer` is null where they are not known yet."""

    buyer: Buyer | None
    """Who bought; null where they are not known yet."""


class TimelineEntry(View):
    """One step of the saga as it happened."""

    at: Time
    """When it happened."""
    state: SagaState
    """How far the booking was after it."""
    step: str
    """What happened, such as CHARGED or DEADLINE."""
    outcome: StepOutcome
    """What came of it."""
    attempt: Count
    """The number of the attempt to pay that it belongs to; 0: to none."""
    detail: str | None
    """Why, where there is more to say."""


def price(costs: booking_pb2.Price) -> Price:
    """What a booking costs."""
    return {
        "subtotal": money(costs.subtotal, costs.currency),
        "discount": money(costs.discount, costs.currency),
        "tax": money(costs.tax, costs.currency),
        "fees": money(costs.fees, costs.currency),
        "total": money(costs.total, costs.currency),
    }


def quote(reply: booking_pb2.QuoteBookingResponse) -> Quote:
    """What places would cost."""
    return {
        "lines": [line(each) for each in reply.lines],
        "available": reply.available,
        "unavailable_seat_ids": list(reply.unavailable_seat_ids),
        **price(reply.price),
    }


def action(url: str) -> Action | None:
    """Where to send the customer, if anywhere."""
    return {"type": "REDIRECT", "url": url} if url else None


def booked_event(it: booking_pb2.BookedEvent) -> BookedEvent:
    """The event as the booking knows it."""
    return {
        "id": it.id,
        "title": it.title,
        "place": it.place,
        "starts_at": time(it.starts_at),
        "ends_at": time(it.ends_at) if it.HasField("ends_at") else None,
        "timezone": it.timezone,
    }


def cancellation(it: booking_pb2.Cancellation) -> CancellationTerms:
    """What a buyer gets back by cancelling."""
    # Of a version that did not say why there was one ground only.
    because = word(it.because or "REFUND_POLICY")
    return {"until": time(it.until), "percent": it.percent, "because": because}


def booking(it: booking_pb2.Booking) -> Booking:
    """A booking."""
    payment = it.payment
    return {
        "id": it.id,
        "reference": it.reference,
        "status": word(it.status),
        "reason": it.reason or None,
        "event": booked_event(it.event),
        "lines": [line(each) for each in it.lines],
        "price": price(it.price),
        "coupon_code": it.coupon_code or None,
        "payment": {
            "id": payment.id,
            "status": word(payment.status),
            "method": word(payment.method),
            "action": action(payment.action_url),
            "attempt": payment.attempt,
            "refused_because": payment.refused_because or None,
        }
        if it.HasField("payment")
        else None,
        "refunded": money(it.refunded_amount, it.price.currency),
        "cancellation": cancellation(it.cancellation) if it.HasField("cancellation") else None,
        "attendees": [
            {"seat_id": who.seat_id or None, "name": who.name, "email": who.email or None}
            for who in it.attendees
        ],
        "hold_id": it.hold_id,
        "created_at": time(it.created_at),
        "updated_at": time(it.updated_at),
        "expires_at": time(it.expires_at) if it.HasField("expires_at") else None,
    }


def sold_booking(it: booking_pb2.Booking) -> SoldBooking:
    """A booking, as its event's organizer sees it."""
    buyer: Buyer = {"name": it.buyer.name, "email": it.buyer.email}
    return {**booking(it), "buyer": buyer if it.HasField("buyer") else None}


def timeline_entry(entry: booking_pb2.TimelineEntry) -> TimelineEntry:
    """One step of the saga."""
    return {
        "at": time(entry.at),
        "state": word(entry.state),
        "step": entry.step,
        "outcome": word(entry.outcome),
        "attempt": entry.attempt,
        "detail": entry.detail or None,
    }
