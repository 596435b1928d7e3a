"""The ledger: it is written, and never changed."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from chassis.database import Session
from chassis.ids import uuid7
from payment_service.ledger import Entry

_POST = """
WITH entry AS (
    INSERT INTO ledger_transaction (id, kind, payment_id, attempt, refund_id)
    SELECT id, kind, payment_id, attempt, refund_id
      FROM jsonb_populate_recordset(NULL::ledger_transaction, CAST(:entries AS jsonb))
)
INSERT INTO ledger_posting (transaction_id, account, currency, amount)
SELECT transaction_id, account, currency, amount
  FROM jsonb_populate_recordset(NULL::ledger_posting, CAST(:postings AS jsonb))
"""


def post(session: Session, entries: Sequence[Entry]) -> None:
    """Enters transactions into the ledger.

    The commit raises IntegrityError where a capture or refund was entered before.
    """
    if not entries:
        return
    written, lines = [], []
    for entry in entries:
        id = uuid7()
        written.append(
            {
                "id": id,
                "kind": entry.kind,
                "payment_id": entry.payment_id,
                "attempt": entry.attempt,
                "refund_id": entry.refund_id,
            }
        )
        lines += [
            {
                "transaction_id": id,
                "account": posting.account,
                "currency": entry.currency,
                "amount": posting.amount,
            }
            for posting in entry.postings
        ]
    session.defer(
        _POST, entries=orjson.dumps(written).decode(), postings=orjson.dumps(lines).decode()
    )
