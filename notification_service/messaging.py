"""Which message is handled how, and what the service sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from parterre.messages.v1 import messages_pb2

from chassis.consumer import Handlers, Together
from chassis.database import Session
from chassis.ids import parse_uuid
from chassis.outbox import Outgoing, encoded
from notification_service.domain import (
    ApprovedOrganizer,
    Code,
    DeviceSignIn,
    EndedBooking,
    Event,
    MovedEvent,
    NoticesChanged,
    Person,
    ReturnedMoney,
)
from notification_service.domain.webhooks import Fact
from notification_service.handlers import bookings, events, people

MESSAGES = messages_pb2.DESCRIPTOR


async def on_deliver_codes(session: Session, messages: Sequence[messages_pb2.DeliverCode]) -> None:
    """One-time codes were asked for."""
    await people.deliver_codes(
        session,
        [
            Code(
                message.email,
                message.purpose,
                message.code,
                message.expires_at.ToDatetime(UTC),
                # A version before said nothing of codes that nobody is to have.
                is_wanted=message.is_wanted or not message.HasField("is_wanted"),
            )
            for message in messages
        ],
    )


def _person(message: messages_pb2.UserChanged) -> Person:
    return Person(
        UUID(message.user_id),
        message.email,
        message.name,
        message.version,
        message.language or "en",
        message.may_organize if message.HasField("may_organize") else None,
    )


def _ended_booking(message: messages_pb2.BookingEnded) -> EndedBooking:
    return EndedBooking(
        booking_id=UUID(message.booking_id),
        version=message.version,
        reference=message.reference,
        customer_id=UUID(message.customer_id),
        event_title=message.event_title,
        starts_at=message.starts_at.ToDatetime(UTC),
        timezone=message.timezone,
        status=message.status,
        reason=message.reason,
        reason_text=message.reason_text,
        amount=message.amount.amount,
        currency=message.amount.currency,
        event_id=message.event_id,
        organizer_id=parse_uuid(message.organizer_id),
    )


def _returned_money(message: messages_pb2.MoneyReturned) -> ReturnedMoney:
    return ReturnedMoney(
        refund_id=UUID(message.refund_id),
        booking_id=UUID(message.booking_id),
        reference=message.booking_reference,
        customer_id=UUID(message.customer_id),
        amount=message.amount.amount,
        currency=message.amount.currency,
        refunded=message.refunded_amount,
        captured=message.captured_amount,
        reason=message.reason,
        paid_late=message.paid_late,
        payment_id=message.payment_id,
        event_id=message.event_id,
        organizer_id=parse_uuid(message.organizer_id),
        at=message.at.ToDatetime(UTC) if message.HasField("at") else None,
    )


def _approved_organizer(message: messages_pb2.OrganizerApproved) -> ApprovedOrganizer:
    return ApprovedOrganizer(UUID(message.user_id), message.at.ToDatetime(UTC))


def _device_sign_in(message: messages_pb2.NewDeviceSignedIn) -> DeviceSignIn:
    return DeviceSignIn(
        UUID(message.user_id), message.user_agent, message.address, message.at.ToDatetime(UTC)
    )


def _admission(message: messages_pb2.TicketAdmitted) -> Fact:
    return Fact(
        f"admitted:{message.ticket_id}",
        "ticket.admitted",
        UUID(message.organizer_id),
        {
            "ticket_id": message.ticket_id,
            "booking_id": message.booking_id,
            "booking_reference": message.booking_reference,
            "event_id": message.event_id,
            "gate": message.gate or None,
        },
        message.at.ToDatetime(UTC),
    )


# Read into values of the domain, and all of a kind told by one call.
_Told = tuple[Callable[[Any], Any], Callable[[Session, Sequence[Any]], Awaitable[None]]]
_TOLD: Mapping[type[Message], _Told] = {
    messages_pb2.UserChanged: (_person, people.remember),
    messages_pb2.BookingEnded: (_ended_booking, bookings.tell_endings),
    messages_pb2.MoneyReturned: (_returned_money, bookings.tell_refunds),
    messages_pb2.OrganizerApproved: (_approved_organizer, people.tell_approvals),
    messages_pb2.NewDeviceSignedIn: (_device_sign_in, people.tell_new_devices),
    messages_pb2.TicketAdmitted: (_admission, bookings.tell_admissions),
}


async def on_facts(session: Session, messages: Sequence[Message]) -> None:
    """Something happened to people, their bookings or their money."""
    for kind, (read, tell) in _TOLD.items():
        facts = [read(message) for message in messages if isinstance(message, kind)]
        if facts:
            await tell(session, facts)


async def on_event_published(session: Session, message: messages_pb2.EventPublished) -> None:
    """An event was published, or changed since."""
    await events.remember(
        session,
        Event(
            id=UUID(message.event_id),
            organizer_id=UUID(message.organizer_id),
            title=message.title,
            place=message.place,
            starts_at=message.starts_at.ToDatetime(UTC),
            timezone=message.timezone,
            version=message.version,
        ),
    )


async def on_event_moved(session: Session, message: messages_pb2.EventMoved) -> None:
    """An event's time or place changed."""
    has_before = message.HasField("starts_at_before")
    await events.tell_move(
        session,
        MovedEvent(
            event_id=UUID(message.event_id),
            title=message.title,
            place=message.place,
            starts_at=message.starts_at.ToDatetime(UTC),
            starts_at_before=message.starts_at_before.ToDatetime(UTC) if has_before else None,
            timezone=message.timezone,
            cancel_until=message.cancel_until.ToDatetime(UTC),
            version=message.version,
        ),
    )


async def on_event_cancelled(session: Session, message: messages_pb2.EventCancelled) -> None:
    """An event was called off."""
    await events.tell_cancellation(
        session, UUID(message.event_id), message.reason, parse_uuid(message.organizer_id)
    )


_FACTS = Together(on_facts)
QUEUES: Mapping[str, Handlers] = {
    "notification.commands": {messages_pb2.DeliverCode: Together(on_deliver_codes)},
    "notification.events": {
        **dict.fromkeys(_TOLD, _FACTS),
        messages_pb2.EventPublished: on_event_published,
        messages_pb2.EventMoved: on_event_moved,
        messages_pb2.EventCancelled: on_event_cancelled,
    },
}


def encode(message: object) -> Outgoing:
    """The outbox's form of a message of the domain.

    Raises:
        TypeError: it is no message.
    """
    match message:
        case NoticesChanged():
            return encoded(messages_pb2.NoticesChanged(person_ids=map(str, message.person_ids)))
    raise TypeError(f"{type(message).__name__} is no message")
