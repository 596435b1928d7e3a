"""What the protos and the domain call the same thing."""

from __future__ import annotations

import base64
from binascii import Error as NotBase64
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import grpc
from parterre.inventory.v1 import inventory_pb2
from parterre.types.v1 import types_pb2

from chassis.ids import parse_uuid
from inventory_service.domain import (
    BestAvailable,
    Block,
    CapacityEdit,
    Hold,
    HoldOrder,
    InvalidCursorError,
    Layout,
    Line,
    UnknownSectionError,
    invalid_hold,
    unknown_counted_section,
    unknown_tier,
)

PAGE = 20
MAX_PAGE = 100
# Of what several people ask for in one call.
MAX_ITEMS = 64

Call = grpc.aio.ServicerContext[Any, Any]


def check_items(count: int) -> None:
    """Raises InvalidHoldError unless so many may come in one call."""
    if count > MAX_ITEMS:
        raise invalid_hold("items", f"At most {MAX_ITEMS}.")


def cursor(id: UUID) -> str:
    """Where the next page begins, after `id`."""
    return base64.urlsafe_b64encode(id.bytes).rstrip(b"=").decode()


def after_cursor(cursor: str) -> UUID | None:
    """What a cursor says; None: the first page.

    Raises:
        InvalidCursorError: we gave no such cursor.
    """
    if not cursor:
        return None
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (NotBase64, ValueError) as error:
        raise InvalidCursorError("Not a cursor of ours.", cursor="Not one of ours.") from error


def read_capacity_edit(request: inventory_pb2.SetCapacityRequest) -> CapacityEdit:
    """What counted sections shall have; of one that is named twice, what is said last.

    Raises:
        UnknownSectionError: there is no such section.
    """
    capacities: dict[UUID, int] = {}
    for section in request.sections:
        section_id = parse_uuid(section.section_id)
        if section_id is None:
            raise unknown_counted_section()
        capacities[section_id] = section.capacity
    return CapacityEdit(capacities, request.version, request.instead_of)


def read_order(request: inventory_pb2.CreateHoldRequest, person: UUID) -> HoldOrder:
    """What somebody wants to hold.

    Raises:
        InventoryError: INVALID_HOLD, UNKNOWN_TIER, UNKNOWN_SECTION: an id is none.
    """
    event_id = parse_uuid(request.event_id)
    if event_id is None:
        raise invalid_hold("event_id", "Not a UUID.")
    best = None
    if request.HasField("best_available"):
        asked = request.best_available
        tier_id, section_id = parse_uuid(asked.tier_id), parse_uuid(asked.section_id)
        if asked.tier_id and tier_id is None:
            raise unknown_tier("best_available.tier_id")
        if asked.section_id and section_id is None:
            detail = "This event has no such section."
            raise UnknownSectionError(detail, **{"best_available.section_id": detail})
        best = BestAvailable(asked.quantity, tier_id, section_id)
    general = read_general(request.general)
    return HoldOrder(event_id, person, tuple(request.seat_ids), best, general)


def read_general(
    asked: Iterable[inventory_pb2.CreateHoldRequest.General],
) -> tuple[tuple[UUID, int], ...]:
    """Tiers, and how many counted tickets of each.

    Raises:
        UnknownTierError: an id is none.
    """
    general: list[tuple[UUID, int]] = []
    for index, tickets in enumerate(asked):
        tier_id = parse_uuid(tickets.tier_id)
        if tier_id is None:
            raise unknown_tier(f"general.{index}.tier_id")
        general.append((tier_id, tickets.quantity))
    return tuple(general)


# Of the ids that many holds have in common.
@lru_cache(maxsize=4096)
def _text(id: UUID) -> str:
    return str(id)


def write_hold(hold: Hold, shown: inventory_pb2.Hold | None = None) -> inventory_pb2.Hold:
    """Writes the hold, into `shown` where that is given."""
    layout = hold.layout
    shown = inventory_pb2.Hold() if shown is None else shown
    shown.id = str(hold.id)
    shown.event_id = _text(layout.event_id)
    shown.status = hold.status
    shown.total.amount = hold.total
    shown.total.currency = layout.currency
    shown.version = hold.version
    shown.customer_id = str(hold.customer_id)
    shown.expires_at.FromDatetime(hold.expires_at)
    shown.extendable_until.FromDatetime(hold.extendable_until)
    write_lines(layout, hold.lines, shown)
    return shown


def write_lines(
    layout: Layout,
    lines: Sequence[Line],
    shown: inventory_pb2.Hold | inventory_pb2.QuotePlacesResponse,
) -> None:
    """Writes the lines behind those there are."""
    for line in lines:
        part = shown.lines.add(
            section_id=_text(line.section_id),
            section=layout.section_of[line.section_id].name,
            tier_id=_text(line.tier_id),
            tier=layout.tiers[line.tier_id].name,
            quantity=line.quantity,
            price=types_pb2.Money(amount=line.price, currency=layout.currency),
        )
        if line.seat_no is not None:
            _section, row, index = layout.locate(line.seat_no)
            part.seat_id = str(line.seat_no)
            part.row = row.label
            part.number = row.numbers[index]


def write_block(block: Block) -> inventory_pb2.Block:
    """Writes the block."""
    shown = inventory_pb2.Block(
        id=str(block.id),
        seat_ids=map(str, block.seat_nos),
        note=block.note,
        created_by=str(block.created_by),
    )
    shown.created_at.FromDatetime(block.created_at)
    return shown
