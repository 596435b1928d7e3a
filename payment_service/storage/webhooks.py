"""What providers told, and what it leads to."""

from __future__ import annotations

from chassis.database import Session
from chassis.ids import uuid7
from payment_service.domain import FINAL, WebhookEvent

# One statement, and no lock on the payment: what the event claims is compared with what is known
# only to see whether looking is worth it. A charge only ever moves forward, so one that another
# transaction is just moving is looked at once too often, never once too little; and whoever records
# that charge's call holds the call's row until it commits, and this one waits for it.
_RECEIVE = """
WITH event AS (
    INSERT INTO webhook_event (provider, event_id, body) VALUES (:provider, :event_id, :body)
        ON CONFLICT DO NOTHING
    RETURNING event_id
), known AS (
    SELECT payment_id, number, charge FROM attempt WHERE provider_key = :key
), nudged AS (
    INSERT INTO provider_call (id, payment_id, attempt, look_up)
    SELECT CAST(:call_id AS uuid), payment_id, number, true FROM known, event
     WHERE charge <> :claims AND NOT charge = ANY(:final)
        ON CONFLICT (payment_id, attempt) WHERE refund_id IS NULL DO UPDATE
       SET due_at = clock_timestamp(), look_up = true
    RETURNING payment_id
)
SELECT EXISTS (SELECT FROM event) AS fresh, EXISTS (SELECT FROM known) AS ours,
       EXISTS (SELECT FROM nudged) AS nudged
"""
_FORGET = """
DELETE FROM webhook_event WHERE ctid IN
       (SELECT ctid FROM webhook_event
         WHERE received_at < clock_timestamp() - interval '30 days' LIMIT :limit)
"""


async def receive(
    session: Session, provider: str, event: WebhookEvent, body: str
) -> tuple[bool, bool, bool]:
    """Stores an event, once, and has its charge looked up if it may be news; commits.

    Whether the event was new, whether the charge is ours, whether it will be looked up.
    """
    result = await session.finish(
        _RECEIVE,
        provider=provider,
        event_id=event.id,
        body=body,
        key=event.key,
        claims=event.claims.value,
        final=[state.value for state in FINAL],
        call_id=uuid7(),
    )
    row = result.one()
    return row.fresh, row.ours, row.nudged


async def forget(session: Session, *, limit: int) -> int:
    """Deletes webhooks older than 30 days; gives how many."""
    return (await session.execute(_FORGET, limit=limit)).rowcount
