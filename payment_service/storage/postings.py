"""The ledger: it is written, and never changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import orjson
from prometheus_client import Counter

from chassis.database import Session
from chassis.ids import uuid7
from payment_service.ledger import Entry, EntryKind

CAPTURED = Counter(
    "parterre_money_captured",
    "Money taken from customers, minor units of the currency: revenue before refunds",
    ["currency"],
)
REFUNDED = Counter(
    "parterre_money_refunded", "Money given back to customers, minor units", ["currency"]
)
_MOVED = {EntryKind.CAPTURE: CAPTURED, EntryKind.REFUND: REFUNDED}

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
    session.after_commit.append(partial(_count, list(entries)))


def show(currency: str) -> None:
    """Has a currency's money shown, from 0 on."""
    for counter in _MOVED.values():
        counter.labels(currency)


def _count(entries: Sequence[Entry]) -> None:
    for entry in entries:
        moved = sum(posting.amount for posting in entry.postings if posting.amount > 0)
        _MOVED[entry.kind].labels(entry.currency).inc(moved)


# The trigger on what is inserted refuses such a transaction: one that is found got past it. The
# lateral ones go by the key, so that nothing but the newest is read.
_UNBALANCED = """
SELECT count(*)
  FROM (SELECT id FROM ledger_transaction ORDER BY id DESC LIMIT :newest) AS entry
 CROSS JOIN LATERAL (
       SELECT coalesce(bool_or(balance <> 0), true) AS is_off
         FROM (SELECT sum(amount) AS balance FROM ledger_posting
                WHERE transaction_id = entry.id GROUP BY currency) AS sums) AS judged
 WHERE is_off
"""
# From one currency to the next by the index of accounts: a look for each, however long it is.
_CURRENCIES = """
WITH RECURSIVE found AS (
    SELECT account, (SELECT min(currency) FROM ledger_posting AS posting
                      WHERE posting.account = given.account) AS currency
      FROM unnest(CAST(:accounts AS text[])) AS given (account)
    UNION ALL
    SELECT account, (SELECT min(currency) FROM ledger_posting AS posting
                      WHERE posting.account = found.account AND posting.currency > found.currency)
      FROM found WHERE currency IS NOT NULL
)
SELECT DISTINCT currency FROM found WHERE currency IS NOT NULL
"""


async def unbalanced(session: Session, newest: int) -> int:
    """How many of the newest transactions do not sum to zero, or have no postings."""
    return int(await session.scalar(_UNBALANCED, newest=newest))


async def currencies(session: Session, accounts: Collection[str]) -> Sequence[str]:
    """The currencies in which anything was ever posted to one of the accounts."""
    return [row.currency for row in await session.all(_CURRENCIES, accounts=list(accounts))]
