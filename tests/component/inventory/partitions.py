"""Inventory's tables made again, each spread over partitions by its event.

What goes here goes where a database is spread by that column: a key without the event can't be
made, and `live_hold`, which is the person's, stays whole (ADR 0032).
"""

from __future__ import annotations

import psycopg
from psycopg import sql

# Parents before those that refer to them.
SPREAD = (
    "event",
    "tier",
    "section",
    "seat_place",
    "seat",
    "pool",
    "hold",
    "hold_line",
    "seat_journal",
    "customer_quota",
    "block",
    "block_seat",
    "announcement",
)
KEPT_WHOLE = ("live_hold", "outbox", "inbox", "idempotency", "parked", "alembic_version")
_PARTITIONS = 4


def spread_by_event(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Puts a partitioned table in the place of each that has nothing in it yet, as its owner."""
    connection.execute("SET search_path = inventory")
    foreign = connection.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'f' AND connamespace = 'inventory'::regnamespace ORDER BY conname"
    ).fetchall()
    for table, name, _definition in foreign:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for table in SPREAD:
        _spread(connection, table)
    for table, name, definition in foreign:
        connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def _spread(connection: psycopg.Connection[tuple[object, ...]], table: str) -> None:
    indexes = [
        str(definition).replace(f" ON inventory.{table} ", f" ON {table} ")
        for (definition,) in connection.execute(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = %s::regclass AND NOT indisprimary",
            [table],
        )
    ]
    ((key, options),) = connection.execute(
        "SELECT pg_get_constraintdef(pg_constraint.oid), coalesce(reloptions, '{}')"
        "  FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid"
        " WHERE conrelid = %s::regclass AND contype = 'p'",
        [table],
    ).fetchall()
    grants = connection.execute(
        "SELECT grantee, privilege_type FROM information_schema.role_table_grants"
        " WHERE table_schema = 'inventory' AND table_name = %s AND grantee <> current_user",
        [table],
    ).fetchall()
    assert isinstance(options, list)
    connection.execute(f"ALTER TABLE {table} RENAME TO {table}_whole")
    connection.execute(
        f"CREATE TABLE {table} (LIKE {table}_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        " PARTITION BY HASH (event_id)"
    )
    connection.execute(f"DROP TABLE {table}_whole")
    connection.execute(f"ALTER TABLE {table} ADD {key}")
    for definition in indexes:
        connection.execute(definition)
    storage = f"WITH ({', '.join(options)})" if options else ""
    for part in range(_PARTITIONS):
        connection.execute(
            f"CREATE TABLE {table}_{part} PARTITION OF {table}"
            f" FOR VALUES WITH (MODULUS {_PARTITIONS}, REMAINDER {part}) {storage}"
        )
    connection.execute(
        sql.SQL("REVOKE ALL ON {} FROM {}").format(
            sql.Identifier(table), sql.Identifier("parterre_inventory")
        )
    )
    for role, privilege in grants:
        connection.execute(
            sql.SQL("GRANT {} ON {} TO {}").format(
                sql.SQL(str(privilege)), sql.Identifier(table), sql.Identifier(str(role))
            )
        )
