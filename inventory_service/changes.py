"""What a transaction changed of the places, told within the process once it has committed.

Nothing is written for it and nothing waits for it: the way of a hold stays as short as it was.
What is lost with the process is mended by comparing versions (ADR 0015).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from chassis.database import Session


class SeatChange(NamedTuple):
    """A seat as one commit left it."""

    seat_no: int
    status: str  # AVAILABLE, HELD, RESERVED, SOLD, BLOCKED
    version: int


class PoolChange(NamedTuple):
    """A pool as one commit left it."""

    section_id: UUID
    available: int
    version: int
    capacity: int


@dataclass(frozen=True, slots=True)
class PlacesChange:
    """What one commit changed of an event."""

    event_id: UUID
    seats: Sequence[SeatChange]
    pools: Sequence[PoolChange]


def noted(
    session: Session,
    event_id: UUID,
    seats: Iterable[tuple[int, str, int]] = (),
    pools: Iterable[tuple[UUID, int, int, int]] = (),
) -> None:
    """Tells, once the transaction has committed, how it left some places of an event.

    `seats` are (seat_no, status, version), `pools` (section_id, available, version, capacity), as
    the statements that changed them return them.
    """
    change = PlacesChange(
        event_id,
        [SeatChange(*seat) for seat in seats],
        [PoolChange(*pool) for pool in pools],
    )
    if change.seats or change.pools:
        session.note(change)
