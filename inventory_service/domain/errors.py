"""Why something is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID


class InventoryError(Exception):
    """A refusal of inventory_service."""

    kind = "STATE"
    reason = ""

    def __init__(self, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.metadata: Mapping[str, str] = metadata


class InvalidHoldError(InventoryError):
    """What was asked for can't be meant. The metadata names fields."""

    kind = "INVALID"
    reason = "INVALID_HOLD"


class UnknownSeatsError(InventoryError):
    """Some seats are not of this event, or not of this hold."""

    kind = "INVALID"
    reason = "UNKNOWN_SEATS"


class UnknownTierError(InventoryError):
    """The event has no such tier."""

    kind = "INVALID"
    reason = "UNKNOWN_TIER"


class UnknownSectionError(InventoryError):
    """The event has no such section."""

    kind = "INVALID"
    reason = "UNKNOWN_SECTION"


class InvalidCursorError(InventoryError):
    """The cursor is not one we gave."""

    kind = "INVALID"
    reason = "INVALID_CURSOR"


class EventNotFoundError(InventoryError):
    """The event was never opened: there is none, or it is a draft, which nobody may know of."""

    kind = "NOT_FOUND"
    reason = "EVENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such event.")


class EventNotOnSaleError(InventoryError):
    """The event was called off."""

    reason = "EVENT_NOT_ON_SALE"


class SalesClosedError(InventoryError):
    """Sales have not begun, or are over."""

    reason = "SALES_CLOSED"


class SeatsUnavailableError(InventoryError):
    """Somebody else has some of the seats; `seat_ids` lists them (JSON)."""

    reason = "SEATS_UNAVAILABLE"


class NotEnoughCapacityError(InventoryError):
    """Fewer tickets are left than were asked for."""

    reason = "NOT_ENOUGH_CAPACITY"


class NoAdjacentSeatsError(InventoryError):
    """There is no run of free seats side by side as long as was asked for."""

    reason = "NO_ADJACENT_SEATS"


class CustomerLimitError(InventoryError):
    """The person would hold and have bought more than the event allows: `limit`, `held`."""

    reason = "CUSTOMER_LIMIT"


class HoldLimitError(InventoryError):
    """The person has two live holds already."""

    reason = "HOLD_LIMIT"


class HoldNotFoundError(InventoryError):
    """There is no such hold, or it is another person's."""

    kind = "NOT_FOUND"
    reason = "HOLD_NOT_FOUND"


class HoldExpiredError(InventoryError):
    """The hold's time is over."""

    reason = "HOLD_EXPIRED"


class HoldNotActiveError(InventoryError):
    """The hold was booked or released."""

    reason = "HOLD_NOT_ACTIVE"


class HoldExtensionLimitError(InventoryError):
    """The hold would not live any longer than it does."""

    reason = "HOLD_EXTENSION_LIMIT"


class InvalidBlockError(InventoryError):
    """What was asked to be kept back, or freed, can't be meant. The metadata names fields."""

    kind = "INVALID"
    reason = "INVALID_BLOCK"


class SeatsNotBlockedError(InventoryError):
    """Some of the seats are not kept back; `seat_ids` lists them (JSON)."""

    reason = "SEATS_NOT_BLOCKED"


class InvalidCapacityError(InventoryError):
    """No section has room for so many."""

    kind = "INVALID"
    reason = "INVALID_CAPACITY"


class CapacityBelowSoldError(InventoryError):
    """More are held, reserved and sold: `taken`."""

    reason = "CAPACITY_BELOW_SOLD"


class AdminsOnlyError(InventoryError):
    """Figures over everybody's events."""

    kind = "FORBIDDEN"
    reason = "FORBIDDEN"


class DueHoldsInTheWayError(Exception):
    """Refused, but things are changing: expire the event's `due` holds, if any, and try again.

    When that has been done often enough, `refusal` is the answer.
    """

    def __init__(self, event_id: UUID, due: Sequence[UUID], refusal: InventoryError) -> None:
        super().__init__(str(refusal))
        self.event_id = event_id
        self.due = due
        self.refusal = refusal


def unknown_seats(seat_ids: Sequence[str]) -> UnknownSeatsError:
    """The refusal of seats that are not there; it names the first few."""
    named = ", ".join(seat_id[:20] for seat_id in seat_ids[:10])
    return UnknownSeatsError("Some of these seats are not there.", seat_ids=f"Not there: {named}")


def unknown_tier(field: str) -> UnknownTierError:
    """The refusal of a tier the event does not have."""
    detail = "This event has no such tier."
    return UnknownTierError(detail, **{field: detail})


def invalid_hold(field: str, message: str) -> InvalidHoldError:
    """The refusal of one field of a request."""
    return InvalidHoldError(message, **{field: message})


def unknown_counted_section() -> UnknownSectionError:
    """The refusal of a section that is not there, or has seats."""
    detail = "This event has no such section with counted places."
    return UnknownSectionError(detail, section_id=detail)
