"""Holds, and seats kept back."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints
from pydantic_core import PydanticCustomError

from gateway.bodies.base import UUID, Id, Input, Name, PageQuery, not_found

SeatId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Quantity = Annotated[int, Field(strict=True, ge=1, le=100)]
HoldId = Annotated[str, not_found("HOLD_NOT_FOUND", UUID)]


class BestAvailable(Input):
    """So many seats side by side, the best there are."""

    quantity: Quantity
    tier_id: Id | None = None
    section_id: Id | None = None


class General(Input):
    """Counted tickets of one tier."""

    tier_id: Id
    quantity: Quantity


class NewHold(Input):
    """Named seats or the best available, counted tickets, or both."""

    event_id: Id
    seat_ids: list[SeatId] | None = Field(default=None, min_length=1, max_length=100)
    best_available: BestAvailable | None = None
    general: list[General] | None = Field(default=None, min_length=1, max_length=100)

    def model_post_init(self, _context: Any) -> None:
        """Refuses a hold of nothing, and seats both named and chosen by us."""
        if self.seat_ids and self.best_available:
            raise PydanticCustomError("hold", "Give seat_ids or best_available, not both")
        if not (self.seat_ids or self.best_available or self.general):
            raise PydanticCustomError("hold", "Give seat_ids, best_available or general")


class Extension(Input):
    """How much longer, from now; absent: the usual ten minutes."""

    seconds: int | None = Field(default=None, strict=True, ge=1, le=1200)


class PartialRelease(Input):
    """Which seats to give back; absent: all of the hold."""

    seat_ids: list[SeatId] | None = Field(default=None, min_length=1, max_length=100)


BlockedSeats = Annotated[list[SeatId], Field(min_length=1, max_length=1000)]


class NewBlock(Input):
    """Seats to keep back, and why."""

    seat_ids: BlockedSeats
    note: Name | None = None


class BlockRelease(Input):
    """Seats that are to be sold after all."""

    seat_ids: BlockedSeats


class HoldQuery(PageQuery):
    """Which holds."""

    event_id: Id | None = None
