"""Messages that wait for a version which knows them, as the operator sees them (ADR 0031)."""

from __future__ import annotations

import psycopg
from psycopg.rows import dict_row

from ops import terminal
from ops.fsck import SCHEMAS
from ops.terminal import as_text, iso, show_any
from ops.verdicts import WELL, untold

_CONNECT_SECONDS = 10
_SELECT = " UNION ALL ".join(
    "SELECT queue, awaits, count(*) AS messages, min(parked_at) AS oldest_at"  # noqa: S608 - constants
    f" FROM {schema}.parked GROUP BY queue, awaits"
    for schema in SCHEMAS
)


def list_parked(reader_url: str, *, as_json: bool) -> int:
    """Prints how many messages wait, of which queue, and for what."""
    try:
        with psycopg.connect(
            reader_url, connect_timeout=_CONNECT_SECONDS, row_factory=dict_row
        ) as connection:
            rows = connection.execute(f"{_SELECT} ORDER BY queue, awaits".encode()).fetchall()
    except psycopg.Error as error:
        return untold(error)
    if as_json:
        print(as_text(rows))
        return WELL
    show_any(
        terminal.console(),
        ("Queue", "Waits for", "Messages", "Oldest"),
        [
            (row["queue"], row["awaits"], str(row["messages"]), iso(row["oldest_at"]))
            for row in rows
        ],
    )
    return WELL
