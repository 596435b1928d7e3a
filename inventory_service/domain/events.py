"""What organizers do with events and their places, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.text import flaw_in_line
from inventory_service.domain.errors import InvalidBlockError, InvalidCapacityError

MAX_BLOCKED = 1000
MAX_NOTE = 200
MAX_CAPACITY = 1_000_000
# Sections whose capacity one edit sets.
MAX_RESIZED = 100


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks."""

    id: UUID
    is_admin: bool


@dataclass(frozen=True, slots=True)
class Block:
    """Seats an organizer keeps back."""

    id: UUID
    seat_nos: Sequence[int]  # those that still are
    note: str
    created_at: datetime
    created_by: UUID


def check_capacity_edit(edit: CapacityEdit) -> None:
    """Holds an edit of capacities to what can be.

    Raises:
        InvalidCapacityError: a section can't have so many; there are none; they have no number.
    """
    if not 1 <= len(edit.capacities) <= MAX_RESIZED:
        raise InvalidCapacityError(f"1-{MAX_RESIZED} sections.", sections=f"1-{MAX_RESIZED}.")
    if edit.version < 1 or edit.instead_of < 0:
        raise InvalidCapacityError("An edit has a number from 1.", version="Must be at least 1")
    for capacity in edit.capacities.values():
        if not 1 <= capacity <= MAX_CAPACITY:
            detail = f"From 1 to {MAX_CAPACITY}."
            raise InvalidCapacityError(detail, capacity=detail)


def check_block(seat_ids: Sequence[str], note: str = "") -> None:
    """Raises InvalidBlockError unless these can be kept back, or freed, as far as one can tell."""
    wrong = {
        "seat_ids": "A seat is named twice." if len(set(seat_ids)) < len(seat_ids) else "",
        "note": f"At most {MAX_NOTE} characters." if len(note) > MAX_NOTE else flaw_in_line(note),
    }
    if not 1 <= len(seat_ids) <= MAX_BLOCKED:
        wrong["seat_ids"] = f"From 1 to {MAX_BLOCKED} seats."
    for field, message in wrong.items():
        if message:
            raise InvalidBlockError(message, **{field: message})


@dataclass(frozen=True, slots=True)
class EventIsOpen:
    """The event's places are on sale, to be told to the catalog."""

    event_id: UUID
    capacity: int


@dataclass(frozen=True, slots=True)
class CapacityEdit:
    """What counted sections of an event shall have, as the catalog says."""

    capacities: Mapping[UUID, int]  # by section
    version: int  # the catalog's number of the edit
    instead_of: int = 0  # the edit that it takes back; 0: it takes none back


@dataclass(frozen=True, slots=True)
class CapacityIs:
    """What an event's counted sections have, to be told to the catalog."""

    event_id: UUID
    version: int  # of the newest edit that was heard
    event_capacity: int  # 0: the event was never opened
    sections: Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class AvailabilityIs:
    """How much of an event is left, to be told to the catalog."""

    event_id: UUID
    available: int
    capacity: int
    sold: int
    version: int  # rises with every change
