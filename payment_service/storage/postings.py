"""The ledger: it is written, and never changed."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.database import Session
from chassis.ids import uuid7
from payment_service.ledger import Entry

_POST = """
WITH entry AS (
    INSERT INTO ledger_transaction (id, kind, payment_id, attempt, refund_id)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:payments AS uuid[]),
                         CAST(:attempts AS integer[]), CAST(:refunds AS uuid[]))
)
INSERT INTO ledger_posting (transaction_id, account, currency, amount)
SELECT * FROM unnest(CAST(:entries AS uuid[]), CAST(:accounts AS text[]),
                     CAST(:currencies AS text[]), CAST(:amounts AS bigint[]))
"""


def post(session: Session, entries: Sequence[Entry]) -> None:
    """Enters transactions into the ledger.

    The commit raises IntegrityError where a capture or refund was entered before.
    """
    if not entries:
        return
    ids = [uuid7() for _ in entries]
    lines = [
        (id, entry.currency, posting)
        for id, entry in zip(ids, entries, strict=True)
        for posting in entry.postings
    ]
    session.defer(
        _POST,
        ids=ids,
        kinds=[entry.kind.value for entry in entries],
        payments=[entry.payment_id for entry in entries],
        attempts=[entry.attempt for entry in entries],
        refunds=[entry.refund_id for entry in entries],
        entries=[id for id, _currency, _posting in lines],
        accounts=[posting.account for _id, _currency, posting in lines],
        currencies=[currency for _id, currency, _posting in lines],
        amounts=[posting.amount for _id, _currency, posting in lines],
    )
