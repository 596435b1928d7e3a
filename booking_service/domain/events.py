"""Events as bookings know them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, slots=True)
class RefundPolicy:
    """What goes back to a customer who cancels, and until when."""

    until_hours_before: int
    percent: int


@dataclass(frozen=True, slots=True)
class Event:
    """An event as bookings know it."""

    id: UUID
    organizer_id: UUID
    title: str
    place: str
    starts_at: datetime
    timezone: str
    currency: str
    tax_basis_points: int
    refund_policy: RefundPolicy
    version: int
    ends_at: datetime | None = None  # None: published before this was told
    # Its last change of time or place: when that was, which version of the event it made (0: there
    # was none), and until when whoever had booked before may cancel in full.
    moved_at: datetime | None = None
    moved_version: int = 0
    cancel_until: datetime | None = None
    changed_at: datetime | None = None  # when this version was heard of; None: it is not kept yet


def zone_of(timezone: str) -> tzinfo:
    """The event's zone; UTC where it is not known here."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def day_of(now: datetime, timezone: str) -> date:
    """The day it is where the event is."""
    return now.astimezone(zone_of(timezone)).date()


def is_over(event: Event, now: datetime) -> bool:
    """Whether the event has ended at `now`, or has begun where its end is not known."""
    return now >= (event.ends_at or event.starts_at)
