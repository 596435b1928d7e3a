"""Which message is handled how."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from uuid import UUID

from parterre.messages.v1 import messages_pb2

from chassis.consumer import Handlers
from chassis.database import Session
from notification_service import handlers
from notification_service.domain import EndedBooking

MESSAGES = messages_pb2.DESCRIPTOR


async def on_deliver_code(session: Session, message: messages_pb2.DeliverCode) -> None:
    """A one-time code is to be mailed."""
    await handlers.deliver_code(
        session,
        email=message.email,
        purpose=message.purpose,
        code=message.code,
        expires_at=message.expires_at.ToDatetime(UTC),
    )


async def on_user_changed(session: Session, message: messages_pb2.UserChanged) -> None:
    """Somebody registered or changed name or address."""
    await handlers.remember_person(
        session,
        user_id=UUID(message.user_id),
        email=message.email,
        name=message.name,
        version=message.version,
    )


async def on_booking_ended(session: Session, message: messages_pb2.BookingEnded) -> None:
    """A booking came to an end."""
    places = [
        f"{line.section}, row {line.row}, seat {line.number}"
        if line.seat_id
        else f"{line.section}, {line.tier}: {line.quantity}"
        for line in message.lines
    ]
    booking = EndedBooking(
        reference=message.reference,
        customer_id=UUID(message.customer_id),
        event_title=message.event_title,
        starts_at=message.starts_at.ToDatetime(UTC),
        timezone=message.timezone,
        status=message.status,
        reason=message.reason,
        amount=message.amount.amount,
        currency=message.amount.currency,
        places=places,
    )
    await handlers.tell_ending(session, booking)


QUEUES: Mapping[str, Handlers] = {
    "notification.commands": {messages_pb2.DeliverCode: on_deliver_code},
    "notification.events": {
        messages_pb2.UserChanged: on_user_changed,
        messages_pb2.BookingEnded: on_booking_ended,
    },
}
