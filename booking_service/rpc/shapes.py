"""Domain values as the contract writes them."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from parterre.booking.v1 import booking_pb2

from booking_service import saga
from booking_service.domain import Attendee, Coupon, Event, Price, cancellation
from booking_service.messaging import line_message
from booking_service.storage import events, tickets
from booking_service.storage.bookings import BookingView
from booking_service.tickets import Claims, TicketKeys
from chassis.database import Row
from chassis.timestamps import timestamp


def price(it: Price) -> booking_pb2.Price:
    """What a booking costs."""
    return booking_pb2.Price(
        subtotal=it.subtotal,
        discount=it.discount,
        tax=it.tax,
        fees=it.fees,
        total=it.total,
        currency=it.currency,
    )


def booked_event(it: Event) -> booking_pb2.BookedEvent:
    """The event as the booking knows it."""
    shown = booking_pb2.BookedEvent(
        id=str(it.id),
        title=it.title,
        place=it.place,
        starts_at=timestamp(it.starts_at),
        timezone=it.timezone,
        version=it.version,
    )
    if it.ends_at is not None:
        shown.ends_at.FromDatetime(it.ends_at)
    if it.changed_at is not None:
        shown.changed_at.FromDatetime(it.changed_at)
    return shown


def booking(view: BookingView, *, reader: UUID) -> booking_pb2.Booking:
    """A booking as `reader` may see it: only its customer is told where the payment's page is,
    for whoever has the address can approve the payment."""
    it, state = view.booking, view.saga
    status = saga.customer_status(state.state)
    shown = booking_pb2.Booking(
        id=str(it.id),
        reference=it.reference,
        status=status,
        reason=state.reason,
        event=booked_event(it.event),
        lines=[line_message(line, it.price.currency) for line in view.lines],
        price=price(it.price),
        created_at=timestamp(it.created_at),
        hold_id=str(it.hold_id),
        customer_id=str(it.customer_id),
        attendees=_people(view.attendees),
        coupon_code=it.coupon_code,
        refunded_amount=state.refunded,
        updated_at=timestamp(view.updated_at),
    )
    way = cancellation(it, view.now) if status == "CONFIRMED" else None
    if way is not None:
        shown.cancellation.CopyFrom(
            booking_pb2.Cancellation(
                until=timestamp(way.until), percent=way.percent, because=way.because
            )
        )
    if status == "PENDING":
        shown.expires_at.FromDatetime(state.pay_by)
    if state.amount:
        shown.payment.CopyFrom(
            booking_pb2.BookingPayment(
                id=str(it.payment_id),
                status=state.payment_status,
                method=view.method,
                action_url=state.action_url if reader == it.customer_id else "",
                attempt=state.attempt,
                refused_because=state.refused_because,
            )
        )
    return shown


def sold_booking(view: BookingView, *, reader: UUID) -> booking_pb2.Booking:
    """A booking as its event's organizer may see it: with its buyer."""
    shown = booking(view, reader=reader)
    if view.buyer is not None:
        shown.buyer.CopyFrom(booking_pb2.Buyer(name=view.buyer.name, email=view.buyer.email))
    return shown


def _people(attendees: Iterable[Attendee]) -> list[booking_pb2.Attendee]:
    return [
        booking_pb2.Attendee(seat_id=attendee.seat_id, name=attendee.name, email=attendee.email)
        for attendee in attendees
    ]


def ticket(row: Row, keys: TicketKeys) -> booking_pb2.Ticket:
    """A ticket with its token, signed, and its event."""
    shown = bare_ticket(row)
    shown.token = keys.sign(Claims(row.ticket_id, row.event_id, row.seat_id, row.version))
    shown.event.CopyFrom(booked_event(events.event_of(row)))
    return shown


def bare_ticket(row: Row) -> booking_pb2.Ticket:
    """A ticket as those see it who are not to get in with it."""
    shown = booking_pb2.Ticket(
        id=str(row.ticket_id),
        line=line_message(tickets.line_of(row), row.currency),
        status=row.status,
        attendee_name=row.attendee_name,
        gate=row.gate,
        booking_reference=row.reference,
    )
    if row.admitted_at is not None:
        shown.admitted_at.FromDatetime(row.admitted_at)
    return shown


def coupon(it: Coupon) -> booking_pb2.Coupon:
    """A coupon; what has no limit is absent."""
    shown = booking_pb2.Coupon(
        code=it.code,
        kind=it.kind,
        value=it.value,
        min_total=it.min_total,
        max_discount=it.max_discount,
        usage_limit=it.usage_limit,
        per_customer_limit=it.per_customer_limit,
        active=it.active,
        used=it.used,
        created_at=timestamp(it.created_at),
    )
    if it.valid_from is not None:
        shown.valid_from.FromDatetime(it.valid_from)
    if it.valid_to is not None:
        shown.valid_to.FromDatetime(it.valid_to)
    return shown
