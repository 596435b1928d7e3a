"""Which message is handled how, and what goes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from uuid import UUID

from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from catalog_service.domain import Attendance, CapacityEdit, EventCounts
from catalog_service.handlers import events, projections
from catalog_service.opening import (
    Announcement,
    Cancellation,
    CapacityQuestion,
    Drafting,
    Move,
    Opening,
    place,
)
from chassis.consumer import Handlers, Together
from chassis.database import Session
from chassis.outbox import Outgoing, encoded
from chassis.timestamps import timestamp

MESSAGES = messages_pb2.DESCRIPTOR


async def on_events_opened(session: Session, messages: Sequence[messages_pb2.EventOpened]) -> None:
    """Inventory has events' places on sale."""
    await events.events_opened(
        session, {UUID(message.event_id): message.capacity for message in messages}
    )


async def on_capacity_settled(session: Session, message: messages_pb2.CapacitySettled) -> None:
    """Inventory says what an event's counted tiers have."""
    capacities = {UUID(section.section_id): section.capacity for section in message.sections}
    has = CapacityEdit(UUID(message.event_id), capacities, message.version)
    await events.capacity_settled(session, has, message.event_capacity)


async def on_facts(
    session: Session,
    messages: Sequence[messages_pb2.AvailabilityChanged | messages_pb2.BookingEnded],
) -> None:
    """Inventory tells how much is left; somebody has tickets, or has them no more."""
    await projections.availability_changed(
        session,
        [
            EventCounts(
                UUID(message.event_id),
                available=message.available,
                capacity=message.capacity,
                sold=message.sold,
                version=message.version,
            )
            for message in messages
            if isinstance(message, messages_pb2.AvailabilityChanged)
        ],
    )
    await projections.bookings_ended(
        session,
        [
            Attendance(
                UUID(message.booking_id),
                event_id=UUID(message.event_id),
                customer_id=UUID(message.customer_id),
                status=message.status,
                tickets=sum(line.quantity for line in message.lines),
                version=message.version,
            )
            for message in messages
            if isinstance(message, messages_pb2.BookingEnded)
        ],
    )


_FACTS = Together(on_facts)
QUEUES: Mapping[str, Handlers] = {
    "catalog.replies": {
        messages_pb2.EventOpened: Together(on_events_opened),
        messages_pb2.CapacitySettled: on_capacity_settled,
    },
    "catalog.events": {messages_pb2.AvailabilityChanged: _FACTS, messages_pb2.BookingEnded: _FACTS},
}


def encode(message: object) -> Outgoing:
    """The outbox's form of a message of the domain.

    Raises:
        TypeError: it is none.
    """
    match message:
        case Opening():
            return encoded(_open_event(message))
        case CapacityQuestion(event_id, version):
            return encoded(messages_pb2.SettleCapacity(event_id=str(event_id), version=version))
        case Announcement():
            return encoded(_event_published(message))
        case Drafting():
            return encoded(messages_pb2.EventDrafted(event=_event_published(message)))
        case Move():
            return encoded(_event_moved(message))
        case Cancellation():
            return encoded(
                messages_pb2.EventCancelled(
                    event_id=str(message.event_id),
                    reason=message.reason,
                    organizer_id=str(message.organizer_id),
                )
            )
    raise TypeError(f"{type(message).__name__} is no message")


def _open_event(opening: Opening) -> messages_pb2.OpenEvent:
    event, draft = opening.event, opening.event.draft
    command = messages_pb2.OpenEvent(
        event_id=str(event.id),
        organizer_id=str(event.organizer_id),
        currency=draft.currency,
        max_per_customer=draft.max_per_customer,
        starts_at=timestamp(draft.starts_at),
        sales_from=timestamp(draft.sales_from),
        sales_to=timestamp(draft.sales_to),
        focal_x=opening.focal.x,
        focal_y=opening.focal.y,
    )
    for tier in event.tiers:
        command.tiers.add(tier_id=str(tier.id), name=tier.name, price=tier.price)
    for section in opening.sections:
        places = command.sections.add(
            section_id=str(section.id),
            name=section.name,
            tier_id=str(section.tier_id),
            capacity=section.capacity,
            area=types_pb2.Area(**asdict(section.area)) if section.area else None,
        )
        for row in section.rows:
            places.rows.add(label=row.label, numbers=row.seats, xs=row.xs, ys=row.ys)
    return command


def _event_published(announcement: Announcement | Drafting) -> messages_pb2.EventPublished:
    event, draft = announcement.event, announcement.event.draft
    moved = event.moved
    return messages_pb2.EventPublished(
        event_id=str(event.id),
        organizer_id=str(event.organizer_id),
        title=draft.title,
        place=announcement.place,
        starts_at=timestamp(draft.starts_at),
        ends_at=timestamp(draft.ends_at),
        timezone=draft.timezone,
        currency=draft.currency,
        tax_basis_points=draft.tax_basis_points,
        refund_policy=types_pb2.RefundPolicy(
            until_hours_before=draft.refund_policy.until_hours_before,
            percent=draft.refund_policy.percent,
        ),
        version=event.version,
        tiers=[
            messages_pb2.OpenEvent.Tier(tier_id=str(tier.id), name=tier.name, price=tier.price)
            for tier in event.tiers
        ],
        sales_from=timestamp(draft.sales_from),
        sales_to=timestamp(draft.sales_to),
        max_per_customer=draft.max_per_customer,
        moved=messages_pb2.EventPublished.Moved(
            at=timestamp(moved.at),
            cancel_until=timestamp(moved.cancel_until),
            version=moved.version,
        )
        if moved
        else None,
    )


def _event_moved(move: Move) -> messages_pb2.EventMoved:
    event, draft, moved = move.event, move.event.draft, move.event.moved
    assert moved is not None  # noqa: S101 - that is what is told
    return messages_pb2.EventMoved(
        event_id=str(event.id),
        title=draft.title,
        place=place(event),
        starts_at=timestamp(draft.starts_at),
        starts_at_before=timestamp(move.starts_at_before),
        timezone=draft.timezone,
        at=timestamp(moved.at),
        cancel_until=timestamp(moved.cancel_until),
        version=moved.version,
    )
