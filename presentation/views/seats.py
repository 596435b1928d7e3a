"""Seats, holds, and seats kept back."""

from __future__ import annotations

from typing import Literal

from parterre.inventory.v1 import inventory_pb2
from parterre.types.v1 import types_pb2
from typing_extensions import TypedDict

from presentation.views.base import Money, money, time


class Seat(TypedDict):
    """A seat; nothing of it changes while the event is on sale."""

    id: str
    number: str
    x: float
    y: float


class SeatRow(TypedDict):
    """A row of seats, side by side."""

    label: str
    seats: list[Seat]


class SeatedPlaces(TypedDict):
    """A section of numbered rows."""

    id: str
    name: str
    kind: Literal["SEATED"]
    tier_id: str
    rows: list[SeatRow]


class StandingPlaces(TypedDict):
    """A section that counts."""

    id: str
    name: str
    kind: Literal["STANDING"]
    tier_id: str
    capacity: int
    available: int


class SeatMap(TypedDict):
    """The places of an event; in `taken` the seats of each status, and a seat in none is free."""

    event_id: str
    version: int
    sections: list[SeatedPlaces | StandingPlaces]
    taken: dict[str, list[str]]


class Line(TypedDict):
    """A numbered seat, or a count of tickets (`seat_id`, `row` and `number` are null)."""

    seat_id: str | None
    section_id: str
    section: str
    row: str | None
    number: str | None
    tier_id: str
    tier: str
    quantity: int
    price: Money


class Hold(TypedDict):
    """What somebody has in hand while they decide."""

    id: str
    event_id: str
    status: str
    lines: list[Line]
    total: Money
    expires_at: str
    extendable_until: str


def places(part: inventory_pb2.SeatMap.Section) -> SeatedPlaces | StandingPlaces:
    """A section with its places."""
    if part.kind == "STANDING":
        return {
            "id": part.id,
            "name": part.name,
            "kind": "STANDING",
            "tier_id": part.tier_id,
            "capacity": part.capacity,
            "available": part.available,
        }
    return {
        "id": part.id,
        "name": part.name,
        "kind": "SEATED",
        "tier_id": part.tier_id,
        "rows": [
            {
                "label": row.label,
                "seats": [
                    {"id": seat.id, "number": seat.number, "x": seat.x, "y": seat.y}
                    for seat in row.seats
                ],
            }
            for row in part.rows
        ],
    }


def line(bought: types_pb2.Line) -> Line:
    """A line of a hold or of a booking."""
    return {
        "seat_id": bought.seat_id or None,
        "section_id": bought.section_id,
        "section": bought.section,
        "row": bought.row or None,
        "number": bought.number or None,
        "tier_id": bought.tier_id,
        "tier": bought.tier,
        "quantity": bought.quantity,
        "price": money(bought.price.amount, bought.price.currency),
    }


def hold(held: inventory_pb2.Hold) -> Hold:
    """A hold, as its owner sees it."""
    return {
        "id": held.id,
        "event_id": held.event_id,
        "status": held.status,
        "lines": [line(each) for each in held.lines],
        "total": money(held.total.amount, held.total.currency),
        "expires_at": time(held.expires_at),
        "extendable_until": time(held.extendable_until),
    }


class Block(TypedDict):
    """Seats an organizer keeps back: those that still are."""

    id: str
    seat_ids: list[str]
    note: str
    created_at: str
    created_by: str


def block(it: inventory_pb2.Block) -> Block:
    """A block, as its organizer sees it."""
    return {
        "id": it.id,
        "seat_ids": list(it.seat_ids),
        "note": it.note,
        "created_at": time(it.created_at),
        "created_by": it.created_by,
    }
