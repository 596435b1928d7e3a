"""Mails as the operator sees them: those that were given up, one of them whole, tried anew.

What a mail's secret was (a one-time code) is not among what the operator's role may read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from chassis.database import Database, DatabaseError
from notification_service.storage import mails as stored
from ops import terminal
from ops.terminal import as_text, iso, show_any
from ops.verdicts import UNKNOWN, WELL, WRONG, untold

_MOST = 1_000
_CONNECT_SECONDS = 10
_SELECT = """
SELECT mail.id, mail.kind, coalesce(person.email, nullif(recipient, ''), addressee) AS recipient,
       CASE WHEN sent_at IS NOT NULL THEN 'SENT' WHEN given_up_at IS NOT NULL THEN 'GIVEN_UP'
            ELSE 'WAITING' END AS state,
       attempts, outcome, created_at, due_at, sent_at, given_up_at, fact, facts
  FROM notification.mail LEFT JOIN notification.person ON person.user_id = mail.person_id
"""
_STATES = {
    "given-up": "given_up_at IS NOT NULL AND outcome !~ '^(MOOT|UNWANTED|EXPIRED)'",
    # Nobody has to do anything: not wanted, not true any more, or of no use.
    "dropped": "outcome ~ '^(MOOT|UNWANTED|EXPIRED)'",
    "waiting": "sent_at IS NULL AND given_up_at IS NULL",
    "sent": "sent_at IS NOT NULL",
}
STATES = tuple(_STATES)


def list_mails(reader_url: str, state: str, to: str | None, *, as_json: bool) -> int:
    """Prints mails of a state, the newest first; `to`: of one address."""
    where = f" WHERE {_STATES[state]}"
    if to is not None:
        where += " AND (recipient = %(to)s OR person.email = %(to)s)"
    try:
        rows = _rows(reader_url, f"{_SELECT}{where} ORDER BY mail.id DESC LIMIT {_MOST}", to=to)
    except psycopg.Error as error:
        return untold(error)
    if as_json:
        print(as_text(rows))
        return WELL
    columns = ("Id", "Kind", "To", "Tries", "Outcome", "Written")
    show_any(
        terminal.console(),
        columns,
        [
            (
                str(row["id"]),
                row["kind"],
                row["recipient"],
                str(row["attempts"]),
                row["outcome"],
                iso(row["created_at"]),
            )
            for row in rows
        ],
    )
    return WELL


def show_mail(reader_url: str, id: UUID) -> int:
    """Prints one mail: what it was written from, to whom, and what became of it."""
    try:
        rows = _rows(reader_url, f"{_SELECT} WHERE mail.id = %(id)s", id=id)
    except psycopg.Error as error:
        return untold(error)
    for row in rows:
        print(as_text(row, indent=2))
        return WELL
    terminal.console().print(f"No mail has the id {id}.", style="red")
    return WRONG


def resend_mails(notification_url: str, ids: Sequence[UUID]) -> int:
    """Has mails that were given up tried anew, for another day."""
    console = terminal.console()
    try:
        done = asyncio.run(_resend(notification_url, ids))
    except DatabaseError as error:
        console.print(f"Nothing was sent again: {error.__class__.__name__}", style="red")
        return UNKNOWN
    for id in ids:
        if id not in done:
            console.print(f"{id} was not given up, or is of no use any more.", style="red")
    console.print(f"{len(done)} will be sent again.")
    return WELL if len(done) == len(ids) else WRONG


async def _resend(url: str, ids: Sequence[UUID]) -> Sequence[UUID]:
    database = Database(url, "notification", pool_size=1)
    try:
        async with database.transaction() as session:
            return await stored.resend(session, ids)
    finally:
        await database.close()


def _rows(url: str, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    with (
        psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        return cursor.execute(sql.encode(), parameters).fetchall()
