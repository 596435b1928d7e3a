"""Figures of what an event sold, and of who came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from booking_service.domain.events import Event, zone_of
from booking_service.domain.holds import Line

MOST_STRETCHES = 240
_STRETCH_MINUTES = (1, 2, 5, 10, 15, 30, 60, 180, 360, 1440)


@dataclass(frozen=True, slots=True)
class Sale:
    """What a step adds to an event's figures on one day, for one tier or the booking as a whole."""

    event_id: UUID
    day: date  # in the event's time zone
    tier_id: str = ""  # empty: the booking as a whole
    tier: str = ""
    bookings: int = 0  # ever confirmed
    confirmed: int = 0  # in that state now, as the next three
    failed: int = 0
    expired: int = 0
    cancelled: int = 0
    tickets: int = 0  # good now
    sold: int = 0  # tickets minted
    admitted: int = 0
    amount: int = 0  # prices of the tickets that are good now, minor units
    gross: int = 0  # paid, minor units, as the next three
    refunded: int = 0
    discount: int = 0  # that coupons took off before `gross`
    tax: int = 0  # in what of `gross` was not refunded


def ticket_sales(
    event: Event, lines: Sequence[Line], day: date, sign: int, *, minted: bool
) -> Sequence[Sale]:
    """The figures of tickets that became good (`sign` 1) or are not any more (-1), by tier."""
    tiers: dict[str, Sale] = {}
    for line in lines:
        known = tiers.get(line.tier_id) or Sale(event.id, day, line.tier_id, line.tier)
        tiers[line.tier_id] = replace(
            known,
            tickets=known.tickets + sign * line.quantity,
            sold=known.sold + (line.quantity if minted else 0),
            amount=known.amount + sign * line.quantity * line.price,
        )
    return list(tiers.values())


def admissions_over_time(
    minutes: Sequence[tuple[datetime, int]], timezone: str
) -> tuple[int, Sequence[tuple[datetime, int]]]:
    """How many were admitted in each stretch of time in which some were.

    `minutes` are those in which some were, oldest first, each with how many. Gives the stretches'
    length in minutes, the least by which there are at most 240, and when each begins: a day's first
    one at midnight in the event's zone. Of more than 240 days the newest.
    """
    zone = zone_of(timezone)
    stretches: dict[datetime, int] = {}
    length = 0
    for length in _STRETCH_MINUTES:
        stretches = {}
        for minute, tickets in minutes:
            local = minute.astimezone(zone)
            within = (local.hour * 60 + local.minute) % length
            begins_at = minute - timedelta(minutes=within)
            stretches[begins_at] = stretches.get(begins_at, 0) + tickets
        if len(stretches) <= MOST_STRETCHES:
            break
    return length, list(stretches.items())[-MOST_STRETCHES:]
