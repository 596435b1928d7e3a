"""Holds, and seats kept back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import Field, StringConstraints
from pydantic_core import PydanticCustomError

from gateway.bodies import limits
from gateway.bodies.base import UUID, UUID_SCHEMA, WHOLE, Id, Input, PageQuery, line, not_found

SeatId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Quantity = Annotated[int, Field(ge=1, le=limits.PLACES_OF_PERSON), *WHOLE]
HoldId = Annotated[
    str, not_found("HOLD_NOT_FOUND", UUID), UUID_SCHEMA, Path(description="The hold's id.")
]
# The services refuse a seat that is named twice.
_ONCE_EACH = {"uniqueItems": True}
HeldSeats = Annotated[
    list[SeatId],
    Field(min_length=1, max_length=limits.HOLD_LINES, json_schema_extra={**_ONCE_EACH}),
]
BlockedSeats = Annotated[
    list[SeatId],
    Field(min_length=1, max_length=limits.BLOCKED_SEATS, json_schema_extra={**_ONCE_EACH}),
]


class BestAvailable(Input):
    """So many seats side by side, the best there are."""

    quantity: Quantity
    """How many."""
    tier_id: Id | None = None
    """At this price; absent: at any."""
    section_id: Id | None = None
    """In this section; absent: in any."""


class General(Input):
    """Counted tickets of one tier."""

    tier_id: Id
    """The price tier."""
    quantity: Quantity
    """How many."""


class NewHold(Input):
    """Named seats or the best available, counted tickets, or both: at most a hundred lines."""

    event_id: Id
    """The event, which is on sale."""
    seat_ids: HeldSeats | None = None
    """These seats; not together with `best_available`."""
    best_available: BestAvailable | None = None
    """The best seats that are free; not together with `seat_ids`."""
    general: list[General] | None = Field(default=None, min_length=1, max_length=limits.HOLD_LINES)
    """Counted tickets, each tier named once."""

    def model_post_init(self, _context: Any) -> None:
        """Refuses a hold of nothing, and seats both named and chosen by us."""
        if self.seat_ids and self.best_available:
            raise PydanticCustomError("hold", "Must have seat_ids or best_available, not both")
        if not (self.seat_ids or self.best_available or self.general):
            raise PydanticCustomError("hold", "Must have seat_ids, best_available or general")


class Extension(Input):
    """How much longer."""

    seconds: Annotated[int, Field(ge=1, le=1200), *WHOLE] | None = None
    """More seconds, cut to `extendable_until`; absent: 300."""


class PartialRelease(Input):
    """What to give back; nothing named: all of the hold."""

    seat_ids: HeldSeats | None = None
    """Seats of the hold."""
    general: list[General] | None = Field(default=None, min_length=1, max_length=limits.HOLD_LINES)
    """So many of its counted tickets, each tier named once."""


class MorePlaces(Input):
    """What to add to a hold: named seats, counted tickets, or both."""

    seat_ids: HeldSeats | None = None
    """These seats; those the hold has already stay as they are."""
    general: list[General] | None = Field(default=None, min_length=1, max_length=limits.HOLD_LINES)
    """Counted tickets, each tier named once."""

    def model_post_init(self, _context: Any) -> None:
        """Refuses to add nothing."""
        if not (self.seat_ids or self.general):
            raise PydanticCustomError("hold", "Must have seat_ids or general")


class NewBlock(Input):
    """Seats to keep back, and why."""

    seat_ids: BlockedSeats
    """Seats that are free."""
    note: Annotated[str, *line(limits.BLOCK_NOTE)] | None = None
    """Why, for oneself."""


class BlockRelease(Input):
    """Seats that are to be sold after all."""

    seat_ids: BlockedSeats
    """Seats that are kept back."""


class HoldQuery(PageQuery):
    """Which holds."""

    event_id: Id | None = None
    """Those of this event."""
