"""Which message is handled how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from uuid import UUID

from parterre.messages.v1 import messages_pb2

from chassis.consumer import Handlers, Together
from chassis.database import Session
from chassis.logs import get_logger
from notification_service import handlers
from notification_service.domain import Code, EndedBooking, Person
from presentation.amounts import format_amount
from presentation.moments import format_moment

MESSAGES = messages_pb2.DESCRIPTOR

log = get_logger(__name__)


async def on_deliver_codes(session: Session, messages: Sequence[messages_pb2.DeliverCode]) -> None:
    """One-time codes were asked for."""
    await handlers.deliver_codes(
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


async def on_facts(
    session: Session, messages: Sequence[messages_pb2.UserChanged | messages_pb2.BookingEnded]
) -> None:
    """People registered or changed name or address; bookings came to an end."""
    await handlers.remember_people(
        session,
        [
            Person(UUID(message.user_id), message.email, message.name, message.version)
            for message in messages
            if isinstance(message, messages_pb2.UserChanged)
        ],
    )
    await handlers.tell_endings(
        session,
        [
            _ended_booking(message)
            for message in messages
            if isinstance(message, messages_pb2.BookingEnded)
        ],
    )


def _ended_booking(message: messages_pb2.BookingEnded) -> EndedBooking:
    places = [
        f"{line.section}, row {line.row}, seat {line.number}"
        if line.seat_id
        else f"{line.section}, {line.tier}: {line.quantity}"
        for line in message.lines
    ]
    return EndedBooking(
        booking_id=UUID(message.booking_id),
        version=message.version,
        reference=message.reference,
        customer_id=UUID(message.customer_id),
        event_title=message.event_title,
        when=format_moment(message.starts_at.ToDatetime(UTC), message.timezone),
        status=message.status,
        reason=message.reason,
        amount=format_amount(message.amount.amount, message.amount.currency),
        places=places,
    )


async def on_event_moved(_session: Session, message: messages_pb2.EventMoved) -> None:
    """An event's time or place changed: its page and its bookings say so; no mail does yet."""
    log.info("event moved", event_id=message.event_id, version=message.version)


_FACTS = Together(on_facts)
QUEUES: Mapping[str, Handlers] = {
    "notification.commands": {messages_pb2.DeliverCode: Together(on_deliver_codes)},
    "notification.events": {
        messages_pb2.UserChanged: _FACTS,
        messages_pb2.BookingEnded: _FACTS,
        messages_pb2.EventMoved: on_event_moved,
    },
}
