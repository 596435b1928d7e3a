"""What people ask for, and have in hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from inventory_service.domain.errors import invalid_hold
from inventory_service.domain.places import Layout

MAX_LINES = 100


@dataclass(frozen=True, slots=True)
class HoldTerms:
    """How long a hold lives, and how long when extended as often as it may be."""

    life: timedelta
    limit: timedelta


@dataclass(frozen=True, slots=True)
class BestAvailable:
    """So many seats side by side, chosen by us."""

    quantity: int
    tier_id: UUID | None
    section_id: UUID | None


@dataclass(frozen=True, slots=True)
class HoldOrder:
    """What somebody wants to hold."""

    event_id: UUID
    customer_id: UUID
    seat_ids: Sequence[str]
    best: BestAvailable | None
    general: Sequence[tuple[UUID, int]]  # tier, quantity

    @property
    def quantity(self) -> int:
        """Seats and tickets together."""
        best = self.best.quantity if self.best else 0
        return len(self.seat_ids) + best + sum(quantity for _tier, quantity in self.general)

    def check(self) -> None:
        """Raises InvalidHoldError unless the order makes sense by itself."""
        if self.seat_ids and self.best:
            raise invalid_hold("best_available", "Name seats or let us choose, not both.")
        if len(set(self.seat_ids)) < len(self.seat_ids):
            raise invalid_hold("seat_ids", "A seat is named twice.")
        if self.best and self.best.quantity < 1:
            raise invalid_hold("best_available.quantity", "At least 1.")
        for index, (_tier, quantity) in enumerate(self.general):
            if quantity < 1:
                raise invalid_hold(f"general.{index}.quantity", "At least 1.")
        if len({tier for tier, _quantity in self.general}) < len(self.general):
            raise invalid_hold("general", "A tier is named twice.")
        best = self.best.quantity if self.best else 0
        if len(self.seat_ids) + best + len(self.general) > MAX_LINES:
            field = "best_available.quantity" if self.best else "seat_ids"
            raise invalid_hold(field, f"At most {MAX_LINES} seats and kinds of tickets.")
        if not self.quantity:
            raise invalid_hold("seat_ids", "Nothing was asked for.")


@dataclass(frozen=True, slots=True)
class Line:
    """A seat, or so many tickets, as a hold keeps it."""

    seat_no: int | None
    section_id: UUID
    tier_id: UUID
    quantity: int
    price: int  # of one, minor units, as it was when the hold was made


@dataclass(frozen=True, slots=True)
class Hold:
    """What somebody has in hand, as they may see it."""

    id: UUID
    customer_id: UUID
    status: str  # ACTIVE, BOOKED, RELEASED, EXPIRED
    version: int
    expires_at: datetime
    extendable_until: datetime
    layout: Layout
    lines: Sequence[Line]

    @property
    def total(self) -> int:
        """Minor units."""
        return sum(line.quantity * line.price for line in self.lines)
