"""What other services tell of events; of what is told of one thing, the newest counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class EventCounts:
    """How much is left of an event, and how much is sold."""

    event_id: UUID
    available: int
    capacity: int
    sold: int
    version: int


@dataclass(frozen=True, slots=True)
class Attendance:
    """How a booking ended."""

    booking_id: UUID
    event_id: UUID
    customer_id: UUID
    status: str
    tickets: int
    version: int


class _Versioned(Protocol):
    @property
    def version(self) -> int: ...


V = TypeVar("V", bound=_Versioned)


def newest(told: Iterable[V], of: Callable[[V], UUID]) -> Sequence[V]:
    """For each thing that `of` names the newest that is told; the others could have no effect."""
    found: dict[UUID, V] = {}
    for each in told:
        known = found.setdefault(of(each), each)
        if known.version < each.version:
            found[of(each)] = each
    return list(found.values())
