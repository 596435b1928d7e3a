"""Bookings: what they cost, and how far they are."""

from __future__ import annotations

from typing import Literal

from parterre.booking.v1 import booking_pb2
from typing_extensions import TypedDict

from presentation.views.base import Money, money, time
from presentation.views.seats import Line, line


class Price(TypedDict):
    """What a booking costs."""

    subtotal: Money
    discount: Money
    tax: Money
    fees: Money
    total: Money


class Quote(Price):
    """What places would cost; without a hold `available` is a hint, for nothing is kept."""

    lines: list[Line]
    available: bool
    unavailable_seat_ids: list[str]


class BookedEvent(TypedDict):
    """The event as the booking knows it."""

    id: str
    title: str
    place: str
    starts_at: str
    ends_at: str | None
    timezone: str


class Action(TypedDict):
    """What the customer has to do."""

    type: Literal["REDIRECT"]
    url: str


class BookingPayment(TypedDict):
    """The payment as the booking knows it."""

    id: str
    status: str
    method: str
    action: Action | None
    attempt: int
    refused_because: str | None


class Attendee(TypedDict):
    """Who goes."""

    seat_id: str | None
    name: str
    email: str | None


class Cancellation(TypedDict):
    """What its buyer gets back by cancelling: a share of what has not gone back already."""

    until: str
    percent: int
    because: Literal["REFUND_POLICY", "EVENT_MOVED"]


class Booking(TypedDict):
    """A booking; `payment` is null where there is nothing to pay."""

    id: str
    reference: str
    status: str
    reason: str | None
    event: BookedEvent
    lines: list[Line]
    price: Price
    coupon_code: str | None
    payment: BookingPayment | None
    refunded: Money
    cancellation: Cancellation | None
    attendees: list[Attendee]
    hold_id: str
    created_at: str
    expires_at: str | None


class Buyer(TypedDict):
    """Who bought, as they call themselves now."""

    name: str
    email: str


class SoldBooking(Booking):
    """A booking, as its event's organizer sees it; `buyer` is null where they are not known yet."""

    buyer: Buyer | None


class TimelineEntry(TypedDict):
    """One step of the saga as it happened."""

    at: str
    state: str
    step: str
    outcome: str
    attempt: int
    detail: str | None


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


def cancellation(it: booking_pb2.Cancellation) -> Cancellation:
    """What a buyer gets back by cancelling."""
    because: Literal["REFUND_POLICY", "EVENT_MOVED"] = (
        "EVENT_MOVED" if it.because == "EVENT_MOVED" else "REFUND_POLICY"
    )
    return {"until": time(it.until), "percent": it.percent, "because": because}


def booking(it: booking_pb2.Booking) -> Booking:
    """A booking."""
    payment = it.payment
    return {
        "id": it.id,
        "reference": it.reference,
        "status": it.status,
        "reason": it.reason or None,
        "event": booked_event(it.event),
        "lines": [line(each) for each in it.lines],
        "price": price(it.price),
        "coupon_code": it.coupon_code or None,
        "payment": {
            "id": payment.id,
            "status": payment.status,
            "method": payment.method,
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
        "state": entry.state,
        "step": entry.step,
        "outcome": entry.outcome,
        "attempt": entry.attempt,
        "detail": entry.detail or None,
    }
