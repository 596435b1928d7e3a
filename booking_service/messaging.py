"""Which message is handled how, and how what leaves is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from uuid import UUID

from google.protobuf.message import Message
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from booking_service.domain import (
    AuthorizePayment,
    Booking,
    BookingEnded,
    CapturePayment,
    Event,
    Line,
    MoveSeats,
    RefundPayment,
    RefundPolicy,
    ReserveSeats,
    VoidPayment,
    refund_id_of,
)
from booking_service.handlers import bookings, sagas
from booking_service.handlers.sagas import Answer
from booking_service.saga import Facts, Happening
from booking_service.wakeups import Wakeups
from chassis.consumer import Handlers, Together
from chassis.context import request_ids
from chassis.database import Session
from chassis.outbox import Outgoing, encoded
from chassis.timestamps import timestamp

MESSAGES = messages_pb2.DESCRIPTOR

_SEATS = messages_pb2.SeatsReply
_SEATS_OUTCOMES: Mapping[int, Happening] = {
    _SEATS.OUTCOME_RESERVED: Happening.RESERVED,
    _SEATS.OUTCOME_RESERVE_REFUSED: Happening.RESERVE_REFUSED,
    _SEATS.OUTCOME_SOLD: Happening.SOLD,
    _SEATS.OUTCOME_SELL_REFUSED: Happening.SELL_REFUSED,
    _SEATS.OUTCOME_UNSOLD: Happening.UNSOLD,
    _SEATS.OUTCOME_RELEASED: Happening.RELEASED,
    _SEATS.OUTCOME_RESTOCKED: Happening.RESTOCKED,
    _SEATS.OUTCOME_RECLAIMED: Happening.RECLAIMED,
    _SEATS.OUTCOME_RECLAIM_REFUSED: Happening.RECLAIM_REFUSED,
}
_PAYMENT = messages_pb2.PaymentReply
_PAYMENT_OUTCOMES: Mapping[int, Happening] = {
    _PAYMENT.OUTCOME_AUTHORIZED: Happening.AUTHORIZED,
    _PAYMENT.OUTCOME_AUTHORIZATION_REFUSED: Happening.AUTHORIZATION_REFUSED,
    _PAYMENT.OUTCOME_ACTION_REQUIRED: Happening.ACTION_REQUIRED,
    _PAYMENT.OUTCOME_CAPTURED: Happening.CAPTURED,
    _PAYMENT.OUTCOME_CAPTURE_REFUSED: Happening.CAPTURE_REFUSED,
    _PAYMENT.OUTCOME_VOIDED: Happening.VOIDED,
    _PAYMENT.OUTCOME_REFUNDED: Happening.REFUNDED,
    _PAYMENT.OUTCOME_PAID_LATE: Happening.PAID_LATE,
}


def queues(wakeups: Wakeups) -> Mapping[str, Handlers]:
    """What each queue's messages do."""

    async def on_replies(session: Session, messages: Sequence[Message]) -> None:
        origins = request_ids(len(messages))
        await sagas.hear(session, wakeups, list(map(_answer, messages, origins)))

    together = Together(on_replies)
    return {
        "booking.replies": {
            messages_pb2.SeatsReply: together,
            messages_pb2.PaymentReply: together,
            messages_pb2.PaymentRefunded: together,
        },
        "booking.events": {
            messages_pb2.EventPublished: on_event_published,
            messages_pb2.EventCancelled: on_event_cancelled,
            messages_pb2.ProviderState: on_provider_state,
        },
    }


def _answer(message: Message, origin: str) -> Answer:
    match message:
        case messages_pb2.SeatsReply():
            happening = _SEATS_OUTCOMES[message.outcome]
            facts = Facts(step=message.step, reason=message.reason)
        case messages_pb2.PaymentReply():
            happening = _PAYMENT_OUTCOMES[message.outcome]
            facts = Facts(step=message.step, reason=message.reason, action_url=message.action_url)
        case messages_pb2.PaymentRefunded():
            happening = Happening.PAID_BACK
            kept = message.captured_amount - message.refunded_amount
            facts = Facts(kept=kept, detail=message.reason)
        case _:
            raise TypeError(f"{type(message).__name__} is no reply")
    return Answer(UUID(message.booking_id), happening, facts, origin)


async def on_event_published(session: Session, message: messages_pb2.EventPublished) -> None:
    """An event was published, or changed since."""
    policy = message.refund_policy
    event = Event(
        id=UUID(message.event_id),
        organizer_id=UUID(message.organizer_id),
        title=message.title,
        place=message.place,
        starts_at=message.starts_at.ToDatetime(UTC),
        timezone=message.timezone,
        currency=message.currency,
        tax_basis_points=message.tax_basis_points,
        refund_policy=RefundPolicy(policy.until_hours_before, policy.percent),
        version=message.version,
        ends_at=message.ends_at.ToDatetime(UTC) if message.HasField("ends_at") else None,
    )
    await bookings.remember_event(session, event)


async def on_event_cancelled(session: Session, message: messages_pb2.EventCancelled) -> None:
    """An event was called off."""
    await bookings.call_off(session, UUID(message.event_id), message.reason)


async def on_provider_state(session: Session, message: messages_pb2.ProviderState) -> None:
    """A provider stopped answering, still does not, or answers again."""
    await bookings.note_provider(
        session,
        message.provider,
        available=message.available,
        told_at=message.told_at.ToDatetime(UTC),
    )


def encode(message: object) -> Outgoing:
    """The outbox's form of what a handler sends."""
    return encoded(_written(message))


def _written(message: object) -> Message:
    match message:
        case ReserveSeats(booking, step, expires_at):
            written: Message = messages_pb2.ReserveSeats(
                seats=_seats(booking, step),
                hold_version=booking.hold_version,
                expires_at=timestamp(expires_at),
            )
        case MoveSeats(booking, step, verb):
            written = _MOVES[verb](seats=_seats(booking, step))
        case AuthorizePayment():
            written = _authorize(message)
        case CapturePayment(booking, step):
            written = messages_pb2.CapturePayment(
                payment_id=str(booking.payment_id), booking_id=str(booking.id), step=step
            )
        case VoidPayment(booking, step):
            written = messages_pb2.VoidPayment(
                payment_id=str(booking.payment_id), booking_id=str(booking.id), step=step
            )
        case RefundPayment(booking, step, number, amount, reason):
            written = messages_pb2.RefundPayment(
                payment_id=str(booking.payment_id),
                booking_id=str(booking.id),
                refund_id=str(refund_id_of(booking.payment_id, number)),
                amount=amount,
                reason=reason,
                step=step,
            )
        case BookingEnded():
            written = _ended(message)
        case _:
            raise TypeError(f"{type(message).__name__} is no message")
    return written


_MOVES = {
    "SELL": messages_pb2.SellSeats,
    "UNSELL": messages_pb2.UnsellSeats,
    "RELEASE": messages_pb2.ReleaseSeats,
    "RESTOCK": messages_pb2.RestockSeats,
    "RECLAIM": messages_pb2.ReclaimSeats,
}


def _seats(booking: Booking, step: int) -> messages_pb2.SeatsCommand:
    return messages_pb2.SeatsCommand(
        booking_id=str(booking.id),
        event_id=str(booking.event.id),
        hold_id=str(booking.hold_id),
        step=step,
    )


def _authorize(message: AuthorizePayment) -> messages_pb2.AuthorizePayment:
    booking = message.booking
    return messages_pb2.AuthorizePayment(
        payment_id=str(booking.payment_id),
        booking_id=str(booking.id),
        booking_reference=booking.reference,
        customer_id=str(booking.customer_id),
        attempt=message.attempt,
        amount=types_pb2.Money(amount=booking.price.total, currency=booking.price.currency),
        method=message.instrument.method,
        token=message.instrument.token,
        event_id=str(booking.event.id),
        organizer_id=str(booking.event.organizer_id),
        step=message.step,
    )


def _ended(message: BookingEnded) -> messages_pb2.BookingEnded:
    booking = message.booking
    currency = booking.price.currency
    return messages_pb2.BookingEnded(
        booking_id=str(booking.id),
        reference=booking.reference,
        customer_id=str(booking.customer_id),
        event_id=str(booking.event.id),
        event_title=booking.event.title,
        starts_at=timestamp(booking.event.starts_at),
        timezone=booking.event.timezone,
        status=message.status,
        reason=message.reason,
        amount=types_pb2.Money(amount=message.amount, currency=currency),
        lines=[line_message(line, currency) for line in message.lines],
        version=message.version,
    )


def line_message(line: Line, currency: str) -> types_pb2.Line:
    """A line as contracts write it."""
    return types_pb2.Line(
        seat_id=line.seat_id,
        section_id=line.section_id,
        section=line.section,
        row=line.row,
        number=line.number,
        tier_id=line.tier_id,
        tier=line.tier,
        quantity=line.quantity,
        price=types_pb2.Money(amount=line.price, currency=currency),
    )
