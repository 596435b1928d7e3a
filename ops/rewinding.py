"""Moves what the demo has sold into the past.

The API sells what is to come, today. So the demo's bookings are made there, by all the rules, and
then what says when it happened is moved back: nothing else is changed, and all that must hold
(`parterre fsck`) holds as before. For the local profile: it takes the migrator's role.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg

_OF_BOOKING = "booking_id = ANY(%(bookings)s)"
_OF_PAYMENT = f"payment_id IN (SELECT id FROM payment.payment WHERE {_OF_BOOKING})"  # noqa: S608
_OF_HOLD = f"hold_id IN (SELECT hold_id FROM booking.booking WHERE {_OF_BOOKING})"  # noqa: S608
# Tables, which of their rows, and what of them says when.
_BOOKINGS = (
    ("booking.saga", _OF_BOOKING, ("pay_by", "updated_at")),
    ("booking.timeline", _OF_BOOKING, ("at",)),
    ("payment.attempt", _OF_PAYMENT, ("created_at",)),
    ("payment.ledger_transaction", _OF_PAYMENT, ("created_at",)),
    ("payment.payment", _OF_BOOKING, ("created_at",)),
    ("inventory.seat_journal", f"event_id = ANY(%(events)s) AND {_OF_HOLD}", ("at",)),
    (
        "inventory.hold",
        f"event_id = ANY(%(events)s) AND {_OF_BOOKING}",
        ("created_at", "expires_at", "extendable_until", "reserved_at"),
    ),
    ("booking.booking", _OF_BOOKING, ("created_at",)),
)
_EVENT = (
    ("catalog.event", "id = %(event)s", ("starts_at", "ends_at", "doors_at", "sales_to")),
    ("booking.event", "event_id = %(event)s", ("starts_at", "ends_at")),
    ("inventory.event", "event_id = %(event)s", ("starts_at", "sales_to")),
    ("notification.event", "event_id = %(event)s", ("starts_at", "remind_at")),
    ("booking.booking", "event_id = %(event)s", ("agreed_starts_at",)),
)
# Confirmed ones, and whether nothing moves them any more.
_CONFIRMED = """
SELECT booking.booking_id, booking.event_id, deadline_at IS NULL AND hold.status = 'SOLD'
  FROM booking.booking
  JOIN booking.saga USING (booking_id)
  JOIN inventory.hold ON hold.event_id = booking.event_id AND hold.hold_id = booking.hold_id
 WHERE reference = ANY(%(references)s) AND saga.state = 'CONFIRMED'
"""
# It is sold a moment after it was confirmed.
_REST_SECONDS = 10.0
_PAUSE_SECONDS = 0.05
_FIGURES = """
SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position),
       string_agg(format('%1$I = total.%1$I + excluded.%1$I', column_name), ', ')
  FROM information_schema.columns
 WHERE table_schema = 'booking' AND table_name = 'sale_total'
   AND column_name NOT IN ('event_id', 'day', 'tier_id', 'tier')
"""


@dataclass(frozen=True, slots=True)
class Rewinding:
    """Moves things back in the database that `url` names, as the migrator."""

    url: str

    def bookings(self, references: Sequence[str], days: int) -> None:
        """Has these bookings been made so many days ago, where they are confirmed and at rest.

        Raises:
            psycopg.Error: the database does not answer, or the role may not.
        """
        with psycopg.connect(self.url) as connection:
            found = _at_rest(connection, references)
            values = {
                "bookings": [booking for booking, _ in found],
                "events": list({event for _, event in found}),
                "days": days,
            }
            for table, rows, columns in _BOOKINGS:
                connection.execute(_moved(table, rows, columns), values)
            _move_sales(connection, values)

    def event(self, event_id: str, days: int, ahead: int) -> None:
        """Has the event taken place so many days before it would, with whom was let in there.

        It is `ahead` days away: so many fewer are what was done today moved by.

        Raises:
            psycopg.Error: the database does not answer, or the role may not.
        """
        with psycopg.connect(self.url) as connection:
            values = {"event": event_id, "days": days}
            for table, rows, columns in _EVENT:
                connection.execute(_moved(table, rows, columns), values)
            _move_sales(connection, {"events": [UUID(event_id)], "days": days - ahead})
            # One after the other, from when the doors opened on.
            connection.execute(
                "UPDATE booking.ticket SET admitted_at = starts_at - interval '40 min'"
                " + interval '17 s' * (('x' || right(ticket_id::text, 2))::bit(8)::int)"
                "  FROM booking.event WHERE event.event_id = ticket.event_id"
                "   AND ticket.event_id = %(event)s AND status = 'ADMITTED'",
                values,
            )


def _at_rest(
    connection: psycopg.Connection, references: Sequence[str]
) -> Sequence[tuple[UUID, UUID]]:
    """Those of the bookings that are confirmed, with their events, once nothing moves them."""
    deadline = time.monotonic() + _REST_SECONDS
    while True:
        found = connection.execute(_CONFIRMED, {"references": list(references)}).fetchall()
        connection.rollback()  # to see what is committed next
        if all(rests for _, _, rests in found) or time.monotonic() > deadline:
            return [(booking, event) for booking, event, rests in found if rests]
        time.sleep(_PAUSE_SECONDS)


def _moved(table: str, rows: str, columns: Sequence[str]) -> bytes:
    moved = ", ".join(
        f"{column} = {column} - make_interval(days => %(days)s)" for column in columns
    )
    return f"UPDATE {table} SET {moved} WHERE {rows}".encode()  # noqa: S608 - constants


def _move_sales(connection: psycopg.Connection, values: dict[str, object]) -> None:
    """Moves the figures of these days: what was sold before was moved before."""
    (figures, added), *_ = connection.execute(_FIGURES).fetchall()
    connection.execute(
        "UPDATE booking.sale_entry SET day = day - %(days)s"
        " WHERE event_id = ANY(%(events)s) AND day > current_date - 2",
        values,
    )
    connection.execute(
        f"WITH taken AS (DELETE FROM booking.sale_total"  # noqa: S608 - names of columns
        f" WHERE event_id = ANY(%(events)s) AND day > current_date - 2 RETURNING *)"
        f" INSERT INTO booking.sale_total AS total (event_id, day, tier_id, tier, {figures})"
        f" SELECT event_id, day - %(days)s, tier_id, tier, {figures} FROM taken"
        f" ON CONFLICT (event_id, day, tier_id) DO UPDATE SET {added}".encode(),
        values,
    )
