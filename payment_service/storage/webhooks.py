"""What providers told, and what it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from chassis.database import Session
from chassis.ids import uuid7
from payment_service.domain import WebhookEvent, behind, rank

# One statement, and no lock on the payments. What an event claims is compared with what is known
# only to see whether looking is worth it, and only what is ahead of that is: a charge never goes
# back. While a call about the charge is in flight, its answer may well say the same, so the claim
# is only noted on the call's row, and whoever records the answer looks again if that falls short of
# it. A charge that another transaction is just moving is looked at once too often, never once too
# little: whoever records that charge's call holds the call's row until it commits, and this
# statement waits for it. Rows are taken in the order in which all others take them.
_RECEIVE = """
WITH told AS (
    SELECT * FROM jsonb_to_recordset(CAST(:events AS jsonb))
           AS each (place integer, provider text, event_id text, body text, key text, call_id uuid,
                    behind jsonb, rank smallint, signed_at float8, tolerance_seconds float8)
), timely AS (
    SELECT * FROM told
     WHERE abs(extract(epoch FROM clock_timestamp()) - signed_at) <= tolerance_seconds
), event AS (
    INSERT INTO webhook_event (provider, event_id, body)
    SELECT provider, event_id, body FROM timely ORDER BY provider, event_id, place
        ON CONFLICT DO NOTHING
    RETURNING provider, event_id
), known AS (
    SELECT place, event_id, call_id, payment_id, number, timely.provider, rank,
           behind ? charge AS is_ahead
      FROM timely JOIN attempt ON provider_key = key AND attempt.provider = timely.provider
), nudged AS (
    INSERT INTO provider_call (id, payment_id, attempt, provider, look_up, claimed_rank)
    SELECT DISTINCT ON (payment_id, number) call_id, payment_id, number, provider, true, rank
      FROM known JOIN event USING (provider, event_id)
     WHERE is_ahead ORDER BY payment_id, number, rank DESC
        ON CONFLICT (payment_id, attempt) WHERE refund_id IS NULL DO UPDATE
       SET claimed_rank = greatest(provider_call.claimed_rank, excluded.claimed_rank),
           look_up = provider_call.look_up
                  OR NOT coalesce(provider_call.leased_until > clock_timestamp(), false),
           due_at = CASE WHEN provider_call.leased_until > clock_timestamp()
                         THEN provider_call.due_at ELSE clock_timestamp() END
    RETURNING provider, due_at <= clock_timestamp() AS is_due
)
SELECT place, timely.place IS NULL AS stale, event.event_id IS NOT NULL AS fresh,
       known.place IS NOT NULL AS ours,
       EXISTS (SELECT FROM nudged
                WHERE nudged.provider = told.provider AND is_due) AS due
  FROM told LEFT JOIN timely USING (place) LEFT JOIN known USING (place)
  LEFT JOIN event ON event.provider = told.provider AND event.event_id = told.event_id
"""
_FORGET = """
DELETE FROM webhook_event WHERE ctid IN
       (SELECT ctid FROM webhook_event
         WHERE received_at < clock_timestamp() - interval '30 days' LIMIT :limit)
"""


@dataclass(frozen=True, slots=True)
class Told:
    """A provider's event, and its body as it came."""

    provider: str
    event: WebhookEvent
    body: str


@dataclass(frozen=True, slots=True)
class Received:
    """What became of an event."""

    stale: bool  # signed too long ago by the database's clock, or ahead of it: not stored
    fresh: bool  # it was not stored before
    ours: bool  # its charge is
    due: bool  # its provider may have to be called at once


async def receive(session: Session, told: Sequence[Told]) -> Sequence[Received]:
    """Stores events, each once, and has their charges looked up where that may be news; commits."""
    events = [
        {
            "place": place,
            "provider": each.provider,
            "event_id": each.event.id,
            "body": each.body,
            "key": each.event.key,
            "call_id": uuid7(),
            "behind": behind(each.event.claims),
            "rank": rank(each.event.claims),
            "signed_at": each.event.signed_at,
            "tolerance_seconds": each.event.tolerance_seconds,
        }
        for place, each in enumerate(told)
    ]
    result = await session.finish(_RECEIVE, events=orjson.dumps(events).decode())
    received: dict[int, Received] = {
        row.place: Received(stale=row.stale, fresh=row.fresh, ours=row.ours, due=row.due)
        for row in result
    }
    return [received[place] for place in range(len(told))]


async def forget(session: Session, *, limit: int) -> int:
    """Deletes webhooks older than 30 days; gives how many."""
    return (await session.execute(_FORGET, limit=limit)).rowcount
