"""Which message is handled how, and how ours are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from chassis.consumer import Handlers, Together
from chassis.context import Origin, origins
from chassis.database import Session
from chassis.outbox import Outgoing, encoded
from inventory_service.changes import PlacesChange
from inventory_service.domain import (
    Area,
    AskReservation,
    AvailabilityIs,
    CapacityIs,
    Command,
    EventIsOpen,
    Layout,
    Opening,
    ReservationOrder,
    Row,
    SeatsAnswer,
    SeatsOrder,
    Section,
    Terms,
    TermsChange,
    Tier,
)
from inventory_service.handlers.events import change_terms, close_event, open_event
from inventory_service.handlers.organizing import settle_capacity
from inventory_service.handlers.reserving import settle
from inventory_service.handlers.saga import carry_out

MESSAGES = messages_pb2.DESCRIPTOR


class _SeatsMessage(Protocol):
    """Any of the saga's commands."""

    @property
    def seats(self) -> messages_pb2.SeatsCommand: ...


async def on_open_event(session: Session, message: messages_pb2.OpenEvent) -> None:
    """An event's places are to be put on sale."""
    sections: list[Section] = []
    first = 0
    for section in message.sections:
        rows: list[Row] = []
        for row in section.rows:
            rows.append(Row(row.label, first, tuple(row.numbers), tuple(row.xs), tuple(row.ys)))
            first += len(row.numbers)
        sections.append(
            Section(
                id=UUID(section.section_id),
                name=section.name,
                tier_id=UUID(section.tier_id),
                rows=rows,
                capacity=sum(len(row.numbers) for row in rows) if rows else section.capacity,
                area=_area(section.area) if section.HasField("area") else None,
            )
        )
    layout = Layout(
        event_id=UUID(message.event_id),
        currency=message.currency,
        max_per_customer=message.max_per_customer,
        focal=(message.focal_x, message.focal_y),
        tiers=_tiers(message),
        sections=sections,
    )
    await open_event(session, Opening(layout, UUID(message.organizer_id), *_times(message)))


def _area(area: types_pb2.Area) -> Area:
    return Area(area.x, area.y, area.width, area.height)


async def on_event_published(session: Session, message: messages_pb2.EventPublished) -> None:
    """An event's terms are these from now on."""
    if not message.tiers:
        return  # of a catalog that does not tell them yet
    terms = Terms(message.version, message.max_per_customer, _tiers(message))
    await change_terms(session, TermsChange(UUID(message.event_id), terms, *_times(message)))


_Event = messages_pb2.OpenEvent | messages_pb2.EventPublished


def _tiers(message: _Event) -> Mapping[UUID, Tier]:
    tiers = [Tier(UUID(tier.tier_id), tier.name, tier.price) for tier in message.tiers]
    return {tier.id: tier for tier in tiers}


def _times(message: _Event) -> tuple[datetime | None, datetime, datetime]:
    """When sales begin and end, and when the event begins, which ends them where nothing does."""
    starts_at = message.starts_at.ToDatetime(UTC)
    return (
        message.sales_from.ToDatetime(UTC) if message.HasField("sales_from") else None,
        message.sales_to.ToDatetime(UTC) if message.HasField("sales_to") else starts_at,
        starts_at,
    )


async def on_event_cancelled(session: Session, message: messages_pb2.EventCancelled) -> None:
    """The event is off."""
    await close_event(session, UUID(message.event_id))


async def on_commands(session: Session, messages: Sequence[_SeatsMessage]) -> None:
    """Bookings' sagas ask for something."""
    await carry_out(session, list(map(_order, messages, origins(len(messages)))))


def _order(message: _SeatsMessage, origin: Origin) -> SeatsOrder:
    seats = message.seats
    ids = UUID(seats.booking_id), UUID(seats.event_id), UUID(seats.hold_id)
    if isinstance(message, messages_pb2.ReserveSeats):
        return SeatsOrder(
            Command.RESERVE,
            *ids,
            seats.step,
            message.hold_version,
            origin=origin,
        )
    return SeatsOrder(_COMMANDS[type(message)], *ids, seats.step, origin=origin)


async def on_reservations(session: Session, messages: Sequence[messages_pb2.Reservation]) -> None:
    """Whether bookings exist that were asked after."""
    await settle(
        session,
        [
            ReservationOrder(UUID(each.booking_id), UUID(each.hold_id), each.exists)
            for each in messages
        ],
    )


async def on_settle_capacity(session: Session, message: messages_pb2.SettleCapacity) -> None:
    """What counted sections have is to be told, and is not to change by what was asked before."""
    await settle_capacity(session, UUID(message.event_id), message.version)


_COMMANDS: Mapping[type[Any], Command] = {
    messages_pb2.SellSeats: Command.SELL,
    messages_pb2.UnsellSeats: Command.UNSELL,
    messages_pb2.ReleaseSeats: Command.RELEASE,
    messages_pb2.RestockSeats: Command.RESTOCK,
    messages_pb2.ReclaimSeats: Command.RECLAIM,
}
_TOGETHER = Together(on_commands)

QUEUES: Mapping[str, Handlers] = {
    "inventory.openings": {messages_pb2.OpenEvent: on_open_event},
    "inventory.commands": {
        # As catalogs of before send it: they had no queue for it.
        messages_pb2.OpenEvent: on_open_event,
        messages_pb2.ReserveSeats: _TOGETHER,
        messages_pb2.SellSeats: _TOGETHER,
        messages_pb2.UnsellSeats: _TOGETHER,
        messages_pb2.ReleaseSeats: _TOGETHER,
        messages_pb2.RestockSeats: _TOGETHER,
        messages_pb2.ReclaimSeats: _TOGETHER,
        messages_pb2.Reservation: Together(on_reservations),
        messages_pb2.SettleCapacity: on_settle_capacity,
    },
    "inventory.events": {
        messages_pb2.EventPublished: on_event_published,
        messages_pb2.EventCancelled: on_event_cancelled,
    },
}


# As GetSeatStates says them.
_STATES: Mapping[str, int] = {"AVAILABLE": 0, "HELD": 1, "RESERVED": 1, "SOLD": 2, "BLOCKED": 3}


def encode(message: object) -> Outgoing:
    """The outbox's form of a message of the domain."""
    match message:
        case SeatsAnswer(booking_id, saga_step, outcome, reason):
            return encoded(
                messages_pb2.SeatsReply(
                    booking_id=str(booking_id),
                    step=saga_step,
                    outcome=messages_pb2.SeatsReply.Outcome.Value(f"OUTCOME_{outcome}"),
                    reason=reason,
                )
            )
        case AskReservation(booking_id, event_id, hold_id):
            return encoded(
                messages_pb2.AskReservation(
                    booking_id=str(booking_id), event_id=str(event_id), hold_id=str(hold_id)
                )
            )
        case EventIsOpen(event_id, capacity):
            return encoded(messages_pb2.EventOpened(event_id=str(event_id), capacity=capacity))
        case CapacityIs(event_id, version, event_capacity, sections):
            return encoded(
                messages_pb2.CapacitySettled(
                    event_id=str(event_id),
                    version=version,
                    event_capacity=event_capacity,
                    sections=[
                        messages_pb2.CapacitySettled.Section(
                            section_id=str(section_id), capacity=capacity
                        )
                        for section_id, capacity in sections.items()
                    ],
                )
            )
        case AvailabilityIs(event_id, available, capacity, sold, version):
            return encoded(
                messages_pb2.AvailabilityChanged(
                    event_id=str(event_id),
                    available=available,
                    capacity=capacity,
                    sold=sold,
                    version=version,
                )
            )
        case PlacesChange(event_id, seats, pools):
            return encoded(
                messages_pb2.SeatsChanged(
                    event_id=str(event_id),
                    seats=[seat.seat_no for seat in seats],
                    states=[_STATES[seat.status] for seat in seats],
                    versions=[seat.version for seat in seats],
                    pools=[
                        messages_pb2.SeatsChanged.Pool(
                            section_id=str(pool.section_id),
                            available=pool.available,
                            version=pool.version,
                            capacity=pool.capacity,
                        )
                        for pool in pools
                    ],
                )
            )
    raise TypeError(f"inventory sends no {type(message).__name__}")
