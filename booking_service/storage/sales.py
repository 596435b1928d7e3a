"""Figures: entries that the saga's steps add, and the totals they are folded into.

An entry is only ever inserted, so that bookings of one event never wait for each other's counters.
A moment later entries are folded into a row per event, day and tier: reading adds the totals and
the entries of the last moments, in one statement and so from one snapshot, and costs the same
however much was sold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from uuid import UUID

import orjson
from prometheus_client import Counter

from booking_service.domain import Sale
from chassis.database import Row, Session

ENDED = Counter(
    "parterre_bookings_ended",
    "Bookings that came to rest, by the state they rest in; one may do so again, when it is paid"
    " late or cancelled",
    ["state"],
)
TICKETS = Counter(
    "parterre_tickets", "Tickets: sold, revoked (the booking was cancelled), admitted", ["what"]
)
# What of a sale is counted; of those of a state only who comes to it, not who leaves.
_ENDED = {
    state: ENDED.labels(state.upper()) for state in ("confirmed", "failed", "expired", "cancelled")
}
_SOLD, _REVOKED, _ADMITTED = map(TICKETS.labels, ("sold", "revoked", "admitted"))

_KEY = ("event_id", "day", "tier_id", "tier")
_FIGURES = [field.name for field in fields(Sale) if field.name not in _KEY]
_COLUMNS = ", ".join((*_KEY, *_FIGURES))
_SUMS = ", ".join(f"sum({name}) AS {name}" for name in _FIGURES)

_ADD = f"""
INSERT INTO sale_entry ({_COLUMNS})
SELECT {_COLUMNS} FROM jsonb_populate_recordset(NULL::sale_entry, CAST(:rows AS jsonb))
"""  # noqa: S608 - put together from constants
# Rows in the order of their key, so that two that fold at once never wait for each other in turns.
_FOLD = f"""
WITH taken AS (
    DELETE FROM sale_entry
     WHERE entry_id IN (SELECT entry_id FROM sale_entry ORDER BY entry_id LIMIT :limit
                           FOR UPDATE SKIP LOCKED)
    RETURNING *
), folded AS (
    INSERT INTO sale_total AS total ({_COLUMNS})
    SELECT event_id, day, tier_id, max(tier), {_SUMS} FROM taken
     GROUP BY event_id, day, tier_id ORDER BY event_id, day, tier_id
        ON CONFLICT (event_id, day, tier_id) DO UPDATE
       SET tier = excluded.tier,
           {", ".join(f"{name} = total.{name} + excluded.{name}" for name in _FIGURES)}
)
SELECT count(*) FROM taken
"""  # noqa: S608 - put together from constants
_ALL = f"""
       (SELECT {_COLUMNS} FROM sale_total UNION ALL SELECT {_COLUMNS} FROM sale_entry) AS sale
"""  # noqa: S608 - put together from constants
_BY_TIER_AND_DAY = f"""
SELECT day, tier_id, max(tier) AS tier, {_SUMS} FROM {_ALL}
 WHERE event_id = :event_id GROUP BY day, tier_id ORDER BY day, tier_id
"""  # noqa: S608 - put together from constants
_BY_CURRENCY = f"""
SELECT event.currency, {_SUMS} FROM {_ALL} JOIN event USING (event_id)
 WHERE CAST(:organizer_id AS uuid) IS NULL OR event.organizer_id = :organizer_id
 GROUP BY event.currency ORDER BY event.currency
"""  # noqa: S608 - put together from constants
# Only those that wait for something: few, and found by the index of their deadlines. A confirmed
# one that waits for its Sell's answer is counted among the endings.
_LIVE = """
SELECT saga.state, count(*) AS sagas FROM saga JOIN event USING (event_id)
 WHERE saga.deadline_at IS NOT NULL AND saga.state <> 'CONFIRMED'
   AND (CAST(:organizer_id AS uuid) IS NULL OR event.organizer_id = :organizer_id)
 GROUP BY saga.state
"""


def add(session: Session, sales: Sequence[Sale]) -> None:
    """Adds entries, with the next statement; they are counted for operators once it is done."""
    if sales:
        session.defer(_ADD, rows=orjson.dumps(sales).decode())
        session.after_commit.append(partial(_count, sales))


def _count(sales: Sequence[Sale]) -> None:
    for sale in sales:
        for state, counter in _ENDED.items():
            counter.inc(max(0, getattr(sale, state)))
        _SOLD.inc(sale.sold)
        _REVOKED.inc(max(0, -sale.tickets))
        _ADMITTED.inc(sale.admitted)


async def fold(session: Session, limit: int) -> int:
    """Folds up to `limit` entries into the totals; returns how many."""
    return int(await session.scalar(_FOLD, limit=limit))


async def by_tier_and_day(session: Session, event_id: UUID) -> Sequence[Row]:
    """An event's figures by day and tier, oldest first."""
    return await session.all(_BY_TIER_AND_DAY, event_id=event_id)


async def by_currency(session: Session, organizer_id: UUID | None) -> Sequence[Row]:
    """Figures of an organizer's events, or of all, by currency."""
    return await session.all(_BY_CURRENCY, organizer_id=organizer_id)


async def live_sagas(session: Session, organizer_id: UUID | None) -> Sequence[Row]:
    """How many sagas of an organizer's events, or of all, wait in which state."""
    return await session.all(_LIVE, organizer_id=organizer_id)
