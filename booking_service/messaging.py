"""Which message is handled how, and how what leaves is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from booking_service.domain import (
    BookingEnded,
    Event,
    Finding,
    Line,
    Person,
    RefundPolicy,
    Reservation,
    TicketAdmitted,
    Verdict,
)
from booking_service.handlers import bookings, operating, sagas
from booking_service.handlers.sagas import Answer
from booking_service.saga import Facts, Happening
from booking_service.saga.messages import (
    ChargePayment,
    Command,
    GiveBackPayment,
    ReclaimSeats,
    RefundPayment,
    ReleaseSeats,
    RestockSeats,
    SellSeats,
)
from booking_service.wakeups import Wakeups
from chassis.consumer import Handlers, Together
from chassis.context import Origin, origins
from chassis.database import Session
from chassis.logs import get_logger
from chassis.outbox import Outgoing, encoded
from chassis.timestamps import timestamp

MESSAGES = messages_pb2.DESCRIPTOR

_SEATS = messages_pb2.SeatsReply
_PAYMENT = messages_pb2.PaymentReply
# What the version before sent besides has no name here: its sagas ask again.
_SEATS_OUTCOMES: Mapping[int, Happening] = {
    _SEATS.OUTCOME_RESERVED: Happening.RESERVED,
    _SEATS.OUTCOME_RESERVE_REFUSED: Happening.RESERVE_REFUSED,
    _SEATS.OUTCOME_SOLD: Happening.SOLD,
    _SEATS.OUTCOME_RELEASED: Happening.RELEASED,
    _SEATS.OUTCOME_RESTOCKED: Happening.RESTOCKED,
    _SEATS.OUTCOME_RECLAIMED: Happening.RECLAIMED,
    _SEATS.OUTCOME_RECLAIM_REFUSED: Happening.RECLAIM_REFUSED,
}
_PAYMENT_OUTCOMES: Mapping[int, Happening] = {
    _PAYMENT.OUTCOME_CHARGED: Happening.CHARGED,
    _PAYMENT.OUTCOME_CHARGE_REFUSED: Happening.CHARGE_REFUSED,
    _PAYMENT.OUTCOME_ACTION_REQUIRED: Happening.ACTION_REQUIRED,
    _PAYMENT.OUTCOME_GIVEN_BACK: Happening.GIVEN_BACK,
    _PAYMENT.OUTCOME_REFUNDED: Happening.REFUNDED,
    _PAYMENT.OUTCOME_PAID_LATE: Happening.PAID_LATE,
}
# Told with payment's totals; without them it is the version before that speaks.
_WITH_TOTALS = frozenset({_PAYMENT.OUTCOME_CHARGED, _PAYMENT.OUTCOME_REFUNDED})

log = get_logger(__name__)


def queues(wakeups: Wakeups) -> Mapping[str, Handlers]:
    """What each queue's messages do."""

    async def on_replies(session: Session, messages: Sequence[Message]) -> None:
        parts_of = origins(len(messages))
        asked = [each for each in messages if isinstance(each, messages_pb2.AskReservation)]
        if asked:
            await sagas.tell_reservations(session, list(map(_reservation, asked)))
        answers = [
            answer
            for message, origin in zip(messages, parts_of, strict=True)
            if (answer := _answer(message, origin)) is not None
        ]
        if answers:
            await sagas.hear(session, wakeups, answers)

    together = Together(on_replies)
    return {
        "booking.replies": {
            messages_pb2.SeatsReply: together,
            messages_pb2.PaymentReply: together,
            messages_pb2.PaymentRefunded: together,
            messages_pb2.AskReservation: together,
        },
        "booking.events": {
            messages_pb2.EventDrafted: on_event_drafted,
            messages_pb2.EventPublished: on_event_published,
            messages_pb2.EventCancelled: on_event_cancelled,
            messages_pb2.ProviderState: on_provider_state,
            messages_pb2.UserChanged: Together(on_users_changed),
            messages_pb2.InvariantsChecked: on_invariants_checked,
        },
    }


def _reservation(message: messages_pb2.AskReservation) -> Reservation:
    return Reservation(UUID(message.booking_id), UUID(message.event_id), UUID(message.hold_id))


def _answer(message: Message, origin: Origin) -> Answer | None:
    happening: Happening | None = None
    match message:
        case messages_pb2.SeatsReply():
            happening = _SEATS_OUTCOMES.get(message.outcome)
            facts = Facts(step=message.step, reason=message.reason)
        case messages_pb2.PaymentReply():
            if message.captured_amount or message.outcome not in _WITH_TOTALS:
                happening = _PAYMENT_OUTCOMES.get(message.outcome)
            facts = Facts(
                step=message.step,
                reason=message.reason,
                action_url=message.action_url,
                captured=message.captured_amount,
                refunded=message.refunded_amount,
            )
        case messages_pb2.PaymentRefunded():
            happening = Happening.PAID_BACK
            facts = Facts(
                captured=message.captured_amount,
                refunded=message.refunded_amount,
                detail=message.reason,
            )
        case _:
            return None
    if happening is None:
        log.info("reply of the version before", type=message.DESCRIPTOR.name)
        return None
    return Answer(UUID(message.booking_id), happening, facts, origin)


async def on_event_drafted(session: Session, message: messages_pb2.EventDrafted) -> None:
    """A draft was made or changed: nobody books it, but it may have coupons."""
    await on_event_published(session, message.event)


async def on_event_published(session: Session, message: messages_pb2.EventPublished) -> None:
    """An event was published, or changed since."""
    policy, moved = message.refund_policy, message.moved
    was_moved = message.HasField("moved")
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
        moved_at=moved.at.ToDatetime(UTC) if was_moved else None,
        moved_version=moved.version,
        cancel_until=moved.cancel_until.ToDatetime(UTC) if was_moved else None,
    )
    await bookings.remember_event(session, event)


async def on_event_cancelled(session: Session, message: messages_pb2.EventCancelled) -> None:
    """An event was called off."""
    await bookings.call_off(session, UUID(message.event_id), message.reason)


async def on_users_changed(session: Session, messages: Sequence[messages_pb2.UserChanged]) -> None:
    """People registered, or changed name or address."""
    await bookings.remember_people(
        session,
        [
            Person(UUID(message.user_id), message.email, message.name, message.version)
            for message in messages
        ],
    )


async def on_provider_state(session: Session, message: messages_pb2.ProviderState) -> None:
    """A provider stopped answering, still does not, or answers again."""
    await bookings.note_provider(
        session,
        message.provider,
        available=message.available,
        told_at=message.told_at.ToDatetime(UTC),
    )


async def on_invariants_checked(session: Session, message: messages_pb2.InvariantsChecked) -> None:
    """Somebody had the invariants checked on live data."""
    verdict = Verdict(
        began_at=message.began_at.ToDatetime(UTC),
        milliseconds=message.milliseconds,
        version=message.version,
        checks=message.checks,
        findings=[
            Finding(finding.invariant, finding.title, finding.violations)
            for finding in message.findings
        ],
    )
    await operating.keep_verdict(session, verdict)


def encode(message: object) -> Outgoing:
    """The outbox's form of what a handler sends."""
    return encoded(_written(message))


def _written(message: object) -> Message:
    match message:
        case Command():
            return _WRITTEN[type(message)](message)
        case Reservation(booking_id, event_id, hold_id, exists):
            return messages_pb2.Reservation(
                booking_id=str(booking_id),
                event_id=str(event_id),
                hold_id=str(hold_id),
                exists=exists,
            )
        case BookingEnded():
            return _ended(message)
        case TicketAdmitted():
            return messages_pb2.TicketAdmitted(
                ticket_id=str(message.ticket_id),
                booking_id=str(message.booking_id),
                booking_reference=message.booking_reference,
                event_id=str(message.event_id),
                organizer_id=str(message.organizer_id),
                gate=message.gate,
                at=timestamp(message.at),
            )
    raise TypeError(f"{type(message).__name__} is no message")


def _seats(kind: type[Any]) -> Callable[[Any], Message]:
    def written(command: Command) -> Message:
        booking = command.booking
        message: Message = kind(
            seats=messages_pb2.SeatsCommand(
                booking_id=str(booking.id),
                event_id=str(booking.event.id),
                hold_id=str(booking.hold_id),
                step=command.step,
                booking_reference=booking.reference,
            )
        )
        return message

    return written


def _charge(message: ChargePayment) -> Message:
    booking = message.booking
    return messages_pb2.ChargePayment(
        payment_id=str(booking.payment_id),
        booking_id=str(booking.id),
        booking_reference=booking.reference,
        customer_id=str(booking.customer_id),
        attempt=message.attempt,
        amount=types_pb2.Money(amount=booking.price.total, currency=booking.price.currency),
        method=message.instrument.method or "",
        token=message.instrument.token,
        event_id=str(booking.event.id),
        organizer_id=str(booking.event.organizer_id),
        step=message.step,
        fees=booking.price.fees,
    )


def _give_back(message: GiveBackPayment) -> Message:
    return messages_pb2.GiveBackPayment(
        payment_id=str(message.booking.payment_id),
        booking_id=str(message.booking.id),
        step=message.step,
        booking_reference=message.booking.reference,
    )


def _refund(message: RefundPayment) -> Message:
    return messages_pb2.RefundPayment(
        payment_id=str(message.booking.payment_id),
        booking_id=str(message.booking.id),
        refund_id=str(message.refund_id),
        percent=message.percent,
        reason=message.reason,
        step=message.step,
        booking_reference=message.booking.reference,
    )


_WRITTEN: Mapping[type[Command], Callable[[Any], Message]] = {
    SellSeats: _seats(messages_pb2.SellSeats),
    ReleaseSeats: _seats(messages_pb2.ReleaseSeats),
    RestockSeats: _seats(messages_pb2.RestockSeats),
    ReclaimSeats: _seats(messages_pb2.ReclaimSeats),
    ChargePayment: _charge,
    GiveBackPayment: _give_back,
    RefundPayment: _refund,
}


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
        organizer_id=str(booking.event.organizer_id),
        reason_text=message.reason_text,
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
