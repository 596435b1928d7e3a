"""Makes an event that was sold out by the services into many, as they would have written them.

Every row of the event, in every schema, is copied so many times; ids, and what is unique besides,
become others. An id keeps the beginning that says when it was made, so that indexes grow as they do
when sales come one after the other. Nothing is analyzed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

# What all copies have in common.
_SHARED = frozenset({"organizer_id", "owner_id", "venue_id", "section_id"})
_OF_EVENT = "event_id = %(event)s"
_OF_BOOKING = "booking_id IN (SELECT booking_id FROM pg_temp.sold)"
_OF_PAYMENT = "payment_id IN (SELECT payment_id FROM pg_temp.sold)"
_OF_CUSTOMER = "IN (SELECT customer_id FROM pg_temp.sold)"
# Another for each copy of each booking; hexadecimal digits are some of Crockford's base 32.
_REFERENCE = (
    "(SELECT 'PT-' || upper(lpad(to_hex(place + %(sold)s * nth), 8, '0'))"
    " FROM pg_temp.sold WHERE sold.booking_id = original.booking_id)"
)
# An id that is no copy's, but for one in 65,536: others end in 32 bits of chance.
_NO_COPY = "substr({}::text, 29, 4) <> '0000'"
_TIER = "pg_temp.copied(tier_id::uuid, nth)::text"
_PROVIDER_KEY = "'charge:' || pg_temp.copied(payment_id, nth) || ':' || number"
_PAYMENT_OF_WEBHOOK = "split_part(body::jsonb #>> '{data,idempotency_key}', ':', 2)"
# The last four of an id's sixteen bytes become the copy's number.
_COPIED = """
CREATE FUNCTION pg_temp.copied(id uuid, nth integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT encode(overlay(uuid_send(id) PLACING int4send(nth) FROM 13), 'hex')::uuid $$
"""
_SOLD = """
CREATE TEMPORARY TABLE sold AS
SELECT booking_id, payment_id, customer_id, row_number() OVER (ORDER BY booking_id) AS place
  FROM booking.booking WHERE event_id = %(event)s
"""
_COLUMNS = """
SELECT column_name, udt_name FROM information_schema.columns
 WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position
"""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table, which of its rows are the event's, and columns that are not copied as they are."""

    name: str
    rows: str
    columns: Mapping[str, str] = field(default_factory=dict)


_TABLES = (
    _Table("auth.account", f"id {_OF_CUSTOMER}", {"email": "nth || '-' || email"}),
    _Table("notification.person", f"user_id {_OF_CUSTOMER}"),
    _Table("catalog.event", "id = %(event)s"),
    _Table("catalog.tier", _OF_EVENT),
    _Table("catalog.tier_section", _OF_EVENT),
    _Table("catalog.availability", _OF_EVENT),
    _Table("catalog.attendance", _OF_EVENT),
    _Table("catalog.inbox", _NO_COPY.format("message_id")),
    _Table("inventory.event", _OF_EVENT),
    _Table("inventory.tier", _OF_EVENT),
    _Table("inventory.section", _OF_EVENT),
    _Table("inventory.announcement", _OF_EVENT),
    _Table("inventory.seat_place", _OF_EVENT),
    _Table("inventory.seat", _OF_EVENT),
    _Table("inventory.seat_journal", _OF_EVENT),
    _Table("inventory.customer_quota", _OF_EVENT),
    _Table("inventory.hold", _OF_EVENT),
    _Table("inventory.hold_line", _OF_EVENT),
    _Table("booking.event", _OF_EVENT),
    _Table("booking.booking", _OF_EVENT, {"reference": _REFERENCE}),
    _Table("booking.booking_line", _OF_BOOKING, {"tier_id": _TIER}),
    _Table("booking.saga", _OF_EVENT),
    _Table("booking.timeline", _OF_BOOKING),
    _Table("booking.ticket", _OF_EVENT),
    _Table(
        "booking.sale_total",
        _OF_EVENT,
        {"tier_id": f"CASE tier_id WHEN '' THEN '' ELSE {_TIER} END"},
    ),
    _Table("payment.payment", _OF_BOOKING, {"booking_reference": _REFERENCE}),
    _Table(
        "payment.attempt",
        _OF_PAYMENT,
        {"provider_key": _PROVIDER_KEY, "charge_id": "charge_id || '-' || nth"},
    ),
    _Table("payment.ledger_transaction", _OF_PAYMENT),
    _Table(
        "payment.ledger_posting",
        f"transaction_id IN (SELECT id FROM payment.ledger_transaction WHERE {_OF_PAYMENT})",  # noqa: S608
    ),
    _Table(
        "payment.webhook_event",
        f"{_PAYMENT_OF_WEBHOOK} IN (SELECT payment_id::text FROM pg_temp.sold)"  # noqa: S608
        " AND event_id NOT LIKE '%%-%%'",
        {"event_id": "event_id || '-' || nth"},
    ),
    _Table("notification.ending", _OF_BOOKING),
    _Table("notification.inbox", _NO_COPY.format("message_id")),
    _Table(
        "notification.mail",
        f"recipient IN (SELECT email FROM auth.account WHERE id {_OF_CUSTOMER})"  # noqa: S608
        f" AND {_NO_COPY.format('id')}",
        {"sent_at": "created_at"},
    ),
)


def copy_event(admin_url: str, event_id: str, first: int, last: int) -> None:
    """Makes the copies `first` to `last` (from 1) of an event all of whose bookings have ended.

    Raises:
        psycopg.Error: PostgreSQL refused, as where a copy was made before.
    """
    with psycopg.connect(admin_url, autocommit=True) as connection:
        # No triggers: what they check holds for the copies as it does for what is copied.
        connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        connection.execute(_COPIED)
        connection.execute(_SOLD, {"event": event_id})
        connection.execute("CREATE UNIQUE INDEX ON pg_temp.sold (booking_id)")
        sold = connection.execute("SELECT count(*) FROM pg_temp.sold").fetchone()
        assert sold is not None  # noqa: S101 - a count is a row
        values = {"event": event_id, "sold": sold[0], "first": first, "last": last}
        for table in _TABLES:
            schema, _, name = table.name.partition(".")
            columns = connection.execute(_COLUMNS, [schema, name]).fetchall()
            # Read once: the rows that are written are the same table's.
            connection.execute(
                f"CREATE TEMPORARY TABLE original AS SELECT * FROM {table.name}"  # noqa: S608
                f" WHERE {table.rows}".encode(),
                values,
            )
            connection.execute(
                sql.SQL(
                    "INSERT INTO {table} ({names}) SELECT {values}"
                    " FROM generate_series(%(first)s::int, %(last)s::int) AS nth, original"
                ).format(
                    table=sql.Identifier(schema, name),
                    names=sql.SQL(", ").join(sql.Identifier(column) for column, _type in columns),
                    values=sql.SQL(", ").join(
                        sql.SQL(_written(table, column, type).replace("%(sold)s", str(sold[0])))
                        for column, type in columns
                    ),
                ),
                {"first": first, "last": last},
            )
            connection.execute("DROP TABLE pg_temp.original")


def _written(table: _Table, column: str, type: str) -> str:
    if column in table.columns:
        return table.columns[column]
    if type == "uuid" and column not in _SHARED:
        return f'pg_temp.copied("{column}", nth)'
    return f'"{column}"'
