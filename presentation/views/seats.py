"""Seats, holds, and seats kept back."""

from __future__ import annotations

from typing import Annotated, Literal

from parterre.inventory.v1 import inventory_pb2
from parterre.types.v1 import types_pb2
from pydantic import Field

from presentation.views.base import Area, Count, Id, Money, Time, View, area, money, time
from presentation.vocabulary import HoldStatus, SeatStatus, word


class Seat(View):
    """A seat; nothing of it changes while the event is on sale."""

    id: str
    """The seat's id within the event."""
    number: str
    """What is printed on it."""
    x: float
    """Where it is, to the right."""
    y: float
    """Where it is, away from the stage."""


class SeatRow(View):
    """A row of seats, side by side."""

    label: str
    """What is printed on the row."""
    seats: list[Seat]
    """Its seats, from the left."""


class SeatedPlaces(View):
    """A section of numbered rows."""

    id: Id
    """The section's id."""
    name: str
    """What people call it."""
    kind: Literal["SEATED"]
    """It has numbered rows."""
    tier_id: Id
    """The tier that says its price."""
    rows: list[SeatRow]
    """Its rows, front to back."""


class StandingPlaces(View):
    """A section that counts."""

    id: Id
    """The section's id; of an event without a venue the tier's."""
    name: str
    """What people call it."""
    kind: Literal["STANDING"]
    """It counts people."""
    tier_id: Id
    """The tier that says its price."""
    capacity: Count
    """All places."""
    available: Count
    """Places that are free."""
    area: Area | None
    """How it is drawn, in the units of the seats; null where there is no hall to draw."""


Places = Annotated[SeatedPlaces | StandingPlaces, Field(discriminator="kind")]


class SeatMap(View):
    """The places of an event; in `taken` the seats of each status, and a seat in none is free."""

    event_id: Id
    """The event's id."""
    version: Count
    """Rises with every change."""
    sections: list[Places]
    """Where its places are."""
    taken: dict[SeatStatus, list[str]]
    """The ids of the seats that are not free, by what they are."""


class Line(View):
    """A numbered seat, or a count of tickets (`seat_id`, `row` and `number` are null)."""

    seat_id: str | None
    """The seat's id within the event; null: counted tickets."""
    section_id: Id
    """The section's id; of an event without a venue the tier's."""
    section: str
    """The section's name."""
    row: str | None
    """What is printed on the row; null: counted tickets."""
    number: str | None
    """What is printed on the seat; null: counted tickets."""
    tier_id: Id
    """The price tier's id."""
    tier: str
    """The price tier's name."""
    quantity: Count
    """How many; a seat is one."""
    price: Money
    """What one costs, as it was when it was held."""


class Hold(View):
    """What somebody has in hand while they decide."""

    id: Id
    """The hold's id: book it by `POST /bookings`."""
    event_id: Id
    """The event it has places of."""
    status: HoldStatus
    """How it stands."""
    lines: list[Line]
    """What it has."""
    total: Money
    """The prices of all lines, before discount, tax and fees."""
    expires_at: Time
    """Until when it keeps its places."""
    extendable_until: Time
    """It can be extended up to then, and no further."""


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
            "area": area(part.area) if part.HasField("area") else None,
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
        "status": word(held.status),
        "lines": [line(each) for each in held.lines],
        "total": money(held.total.amount, held.total.currency),
        "expires_at": time(held.expires_at),
        "extendable_until": time(held.extendable_until),
    }


class Block(View):
    """Seats an organizer keeps back: those that still are."""

    id: Id
    """The block's id."""
    seat_ids: list[str]
    """The seats that are still kept back."""
    note: str
    """Why; empty: that was not said."""
    created_at: Time
    """When they were taken."""
    created_by: Id
    """Who keeps them back."""


def block(it: inventory_pb2.Block) -> Block:
    """A block, as its organizer sees it."""
    return {
        "id": it.id,
        "seat_ids": list(it.seat_ids),
        "note": it.note,
        "created_at": time(it.created_at),
        "created_by": it.created_by,
    }
