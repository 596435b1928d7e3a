"""What happened to one booking, over all services: its saga, its seats, its money, its tickets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from ops.terminal import money


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened."""

    at: datetime
    where: str  # booking, inventory, payment
    what: str
    detail: str


_SUMMARY = """
SELECT reference, booking_id, booking.event_id, customer_id, payment_id, hold_id, total,
       booking.currency,
       state, saga.reason, saga.step, saga.resends, deadline_at, event.title
  FROM booking.booking JOIN booking.saga USING (booking_id)
  JOIN booking.event ON event.event_id = booking.event_id
 WHERE reference = %(reference)s
"""
# The journal tells of seats; counted tickets have none, their hold's status says it.
_MOMENTS = """
SELECT at, 'booking' AS where, step || ' -> ' || state AS what,
       concat_ws(', ', nullif(outcome, 'DONE'), 'attempt ' || attempt, nullif(detail, ''))
           AS detail,
       CAST(NULL AS jsonb) AS amounts
  FROM booking.timeline WHERE booking_id = %(booking_id)s
UNION ALL
SELECT min(at), 'inventory', from_status || ' -> ' || to_status,
       count(*) || ' seats: ' || string_agg(seat_no::text, ', ' ORDER BY seat_no), NULL
  FROM inventory.seat_journal
 WHERE event_id = %(event_id)s AND hold_id = %(hold_id)s
 GROUP BY from_status, to_status, date_trunc('milliseconds', at)
UNION ALL
SELECT created_at, 'payment', 'attempt ' || number || ' by ' || method,
       concat_ws(', ', status, nullif(reason, ''), nullif(charge_id, '')), NULL
  FROM payment.attempt WHERE payment_id = %(payment_id)s
UNION ALL
SELECT ledger_transaction.created_at, 'payment', 'ledger: ' || kind, '',
       jsonb_agg(jsonb_build_array(account, amount, currency) ORDER BY amount DESC)
  FROM payment.ledger_transaction JOIN payment.ledger_posting ON transaction_id = id
 WHERE payment_id = %(payment_id)s GROUP BY id
UNION ALL
SELECT created_at, 'payment', 'refund', CASE WHEN done THEN 'done' ELSE 'pending' END
       || ': ' || reason, jsonb_build_array(jsonb_build_array('', amount, %(currency)s::text))
  FROM payment.refund WHERE payment_id = %(payment_id)s
 ORDER BY at
"""


def timeline_of(url: str, reference: str) -> tuple[dict[str, Any], list[Moment]] | None:
    """A booking's summary and everything that happened, oldest first; None where there is none.

    `url` is of a role that may read all schemas.

    Raises:
        psycopg.Error: the database does not answer, or the role may not read.
    """
    with psycopg.connect(url, row_factory=dict_row, connect_timeout=5) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        summary = connection.execute(_SUMMARY, {"reference": reference}).fetchone()
        if summary is None:
            return None
        rows = connection.execute(_MOMENTS, summary).fetchall()
    return summary, [_moment(row) for row in rows]


def _moment(row: dict[str, Any]) -> Moment:
    amounts = "; ".join(
        f"{account} {money(amount, currency)}".strip()
        for account, amount, currency in row.pop("amounts") or ()
    )
    detail = ", ".join(filter(None, (amounts, row.pop("detail"))))
    return Moment(**row, detail=detail)
