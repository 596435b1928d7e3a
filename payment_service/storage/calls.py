"""The work list: which calls to providers are due, and which are in flight."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from chassis.database import Result, Row, Session, Statement
from chassis.ids import uuid7
from payment_service.domain import FINAL, Attempt, Kind, Payment, Refund
from payment_service.storage import payments, refunds

# A row that is there already becomes due at once; one in flight keeps its lease, and _FENCES tells
# whoever records its result that it was nudged. One with a kind is leased from the start, to the
# process that writes it.
_SCHEDULE = """
INSERT INTO provider_call (id, payment_id, attempt, provider, kind, look_up, asked, tries, claim,
                           due_at, leased_until)
SELECT id, payment_id, attempt, provider, kind, false,
       CASE WHEN kind = 'CHARGE' THEN 1 ELSE 0 END, (kind IS NOT NULL)::integer,
       (kind IS NOT NULL)::integer,
       CASE WHEN kind IS NULL THEN clock_timestamp()
            ELSE now() + make_interval(secs => lease_seconds) END,
       CASE WHEN kind IS NOT NULL THEN now() + make_interval(secs => lease_seconds) END
  FROM jsonb_to_recordset(CAST(:due AS jsonb))
       AS due (id uuid, payment_id uuid, attempt integer, provider text, kind text,
               lease_seconds float8)
 ORDER BY payment_id, attempt
    ON CONFLICT (payment_id, attempt) WHERE refund_id IS NULL DO UPDATE
   SET due_at = clock_timestamp()
"""
_SCHEDULE_REFUNDS = """
INSERT INTO provider_call (id, payment_id, attempt, provider, refund_id)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:payment_ids AS uuid[]),
                     CAST(:attempts AS integer[]), CAST(:providers AS text[]),
                     CAST(:refund_ids AS uuid[]))
"""
# Waits for a claim that is just being made, and then passes it by. Of a GiveBack that comes too
# late for its payment nothing is taken back.
_TAKE_BACK_UNSENT = """
DELETE FROM provider_call
 USING unnest(CAST(:payment_ids AS uuid[]), CAST(:saga_steps AS integer[]))
       AS given_back (payment_id, saga_step), payment
 WHERE provider_call.payment_id = given_back.payment_id AND payment.id = given_back.payment_id
   AND payment.saga_step <= given_back.saga_step
   AND refund_id IS NULL AND asked = 0 AND leased_until IS NULL
RETURNING provider_call.payment_id, provider_call.attempt
"""
# A lease that ran out belongs to a worker that died or was stopped: the row is claimed anew, and
# what the old one still brings is refused by the fencing token.
_CLAIM = """
UPDATE provider_call
   SET claim = claim + 1, tries = tries + 1, claimed_rank = 0,
       leased_until = now() + make_interval(secs => :lease_seconds),
       due_at = now() + make_interval(secs => :lease_seconds)
 WHERE id IN (SELECT id FROM provider_call
               WHERE provider = :provider AND due_at <= clock_timestamp()
                 AND (leased_until IS NULL OR leased_until <= clock_timestamp())
               ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id, payment_id, attempt, refund_id, look_up, asked, tries, claim
"""
_NEXT_DUE = """
SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 AS seconds
  FROM provider_call WHERE provider = :provider
"""
_NAME = """
UPDATE provider_call
   SET kind = named.kind, look_up = false,
       asked = asked + CASE WHEN named.kind = 'CHARGE' THEN 1 ELSE 0 END
  FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[])) AS named (id, kind)
 WHERE provider_call.id = named.id
"""
_DROP = "DELETE FROM provider_call WHERE id = ANY(ARRAY(SELECT unnest(CAST(:ids AS uuid[]))))"
_LOOK_AGAIN = """
INSERT INTO provider_call (id, payment_id, attempt, provider, look_up)
SELECT id, payment_id, number, provider, true
  FROM attempt
  JOIN unnest(CAST(:ids AS uuid[]), CAST(:payment_ids AS uuid[]), CAST(:numbers AS integer[]))
       AS asked (id, payment_id, number) USING (payment_id, number)
 WHERE NOT charge = ANY(:final)
 ORDER BY payment_id, number
    ON CONFLICT (payment_id, attempt) WHERE refund_id IS NULL DO UPDATE
   SET due_at = clock_timestamp(), look_up = true
RETURNING id
"""
_HURRY_REFUNDS = """
UPDATE provider_call SET due_at = clock_timestamp()
 WHERE payment_id = ANY(:payment_ids) AND refund_id IS NOT NULL AND leased_until IS NULL
RETURNING id
"""
# In the order in which _SCHEDULE takes them.
_FENCES = """
SELECT id, provider_call.claim, asked, tries, look_up, claimed_rank,
       due_at < leased_until AS nudged
  FROM provider_call
  JOIN unnest(CAST(:ids AS uuid[]), CAST(:claims AS bigint[])) AS made (id, claim) USING (id, claim)
 ORDER BY payment_id, attempt
   FOR UPDATE OF provider_call
"""
_PUT_OFF = """
UPDATE provider_call
   SET leased_until = NULL, tries = later.tries, asked = later.asked, look_up = later.look_up,
       due_at = clock_timestamp() + make_interval(secs => later.pause_seconds)
  FROM jsonb_to_recordset(CAST(:later AS jsonb))
       AS later (id uuid, tries integer, asked integer, look_up boolean, pause_seconds float8)
 WHERE provider_call.id = later.id
"""
# The work list is short, and longer than `most` only while a provider is away.
_UNKNOWN = """
SELECT provider_call.provider, count(*) AS calls,
       greatest(0, extract(epoch FROM clock_timestamp()
           - min(coalesce(refund.created_at, attempt.created_at)))) AS oldest_seconds
  FROM (SELECT payment_id, attempt, provider, refund_id FROM provider_call LIMIT :most)
       AS provider_call
  JOIN attempt ON attempt.payment_id = provider_call.payment_id
              AND attempt.number = provider_call.attempt
  LEFT JOIN refund ON refund.id = provider_call.refund_id
 WHERE refund.id IS NOT NULL OR attempt.charge IN ('UNKNOWN', 'AUTHORIZED')
 GROUP BY provider_call.provider
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row of the work list, leased, with what it speaks of."""

    id: UUID
    claim: int
    payment: Payment
    attempt: Attempt
    refund: Refund | None
    look_up: bool
    tries: int


@dataclass(frozen=True, slots=True)
class Due:
    """A charge that the provider is to be called about, at once."""

    id: UUID
    payment_id: UUID
    attempt: int
    provider: str
    # Of the call that this process makes itself, and how long that is its own.
    kind: Kind | None = None
    lease_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Fence:
    """A call's row, if the claim is still the newest."""

    asked: int
    tries: int
    look_up: bool  # somebody wants it looked up since it was claimed
    claimed_rank: int  # how far a webhook since then says that the charge has come
    nudged: bool  # somebody wanted it made at once since it was claimed


@dataclass(frozen=True, slots=True)
class Locked:
    """What calls speak of; `fences` without those that were claimed anew, or ended, since."""

    payments: Mapping[UUID, Payment]
    fences: Mapping[tuple[UUID, int], Fence]
    refunds: Mapping[UUID, Refund]


@dataclass(frozen=True, slots=True)
class PutOff:
    """A call that is to be made again after a pause."""

    id: UUID
    provider: str
    tries: int
    asked: int
    look_up: bool
    pause_seconds: float


def schedule(session: Session, due: Sequence[Due]) -> None:
    """Has the provider called about charges."""
    if due:
        session.defer(_SCHEDULE, due=orjson.dumps(due).decode())


def schedule_refunds(session: Session, asked: Sequence[tuple[Payment, Refund]]) -> None:
    """Has the provider called for refunds."""
    if asked:
        session.defer(
            _SCHEDULE_REFUNDS,
            ids=[uuid7() for _ in asked],
            payment_ids=[payment.id for payment, _refund in asked],
            attempts=[refund.attempt for _payment, refund in asked],
            providers=[payment.attempt(refund.attempt).provider for payment, refund in asked],
            refund_ids=[refund.id for _payment, refund in asked],
        )


def taking_back_unsent(saga_steps: Mapping[UUID, int]) -> Statement:
    """Takes back the calls for payments that never went out, up to the saga's step of each."""
    return _TAKE_BACK_UNSENT, {
        "payment_ids": list(saga_steps),
        "saga_steps": list(saga_steps.values()),
    }


def taken_back(result: Result) -> set[tuple[UUID, int]]:
    """The payments and attempts whose calls were taken back."""
    return {(row.payment_id, row.attempt) for row in result}


async def claim(
    session: Session, provider: str, *, limit: int, lease_seconds: float
) -> tuple[Sequence[Claimed], float | None]:
    """Leases up to `limit` of a provider's due calls.

    With them, in how many seconds there may be more to do; None: nothing waits.
    """
    claimed, waiting = await session.together(
        (_CLAIM, {"provider": provider, "limit": limit, "lease_seconds": lease_seconds}),
        (_NEXT_DUE, {"provider": provider}),
    )
    seconds: float | None = waiting.one().seconds
    if not claimed.rows:
        return [], seconds
    asked_back = [row.refund_id for row in claimed if row.refund_id is not None]
    rows, attempts, *back = await session.together(
        *payments.reading({row.payment_id for row in claimed}),
        *([refunds.reading(asked_back)] if asked_back else []),
    )
    known = payments.read(rows, attempts)
    refund_of = refunds.found(back[0]) if back else {}
    leased = [
        Claimed(
            id=row.id,
            claim=row.claim,
            payment=known[row.payment_id],
            attempt=known[row.payment_id].attempt(row.attempt),
            refund=refund_of.get(row.refund_id),
            look_up=row.look_up,
            tries=row.tries,
        )
        for row in claimed
    ]
    return leased, seconds


async def look_again(session: Session, charges: Sequence[tuple[UUID, int]]) -> int:
    """Has charges looked up that are not final, and waiting refunds made; gives how many."""
    payment_ids = [payment_id for payment_id, _number in charges]
    looked, hurried = await session.together(
        (
            _LOOK_AGAIN,
            {
                "ids": [uuid7() for _ in charges],
                "payment_ids": payment_ids,
                "numbers": [number for _payment_id, number in charges],
                "final": [state.value for state in FINAL],
            },
        ),
        (_HURRY_REFUNDS, {"payment_ids": payment_ids}),
    )
    return looked.rowcount + hurried.rowcount


def name(session: Session, kinds: Mapping[UUID, Kind]) -> None:
    """Notes what claimed calls are made for, before they are made."""
    if kinds:
        session.defer(_NAME, ids=list(kinds), kinds=[kind.value for kind in kinds.values()])


def drop(session: Session, ids: Collection[UUID]) -> None:
    """Takes calls off the list that have nothing to do any more."""
    if ids:
        session.defer(_DROP, ids=list(ids))


async def lock(session: Session, claimed: Sequence[Claimed]) -> Locked:
    """Locks what claimed calls speak of, and then reads it.

    Refunds too: what was claimed may have been done since.
    """
    back = [each.refund.id for each in claimed if each.refund]
    fences = {"ids": [each.id for each in claimed], "claims": [each.claim for each in claimed]}
    rows, attempts, fenced, *more = await session.together(
        *payments.locking({each.payment.id for each in claimed}),
        (_FENCES, fences),
        *([refunds.reading(back)] if back else []),
    )
    return Locked(
        payments.read(rows, attempts),
        {
            (row.id, row.claim): Fence(
                asked=row.asked,
                tries=row.tries,
                look_up=row.look_up,
                claimed_rank=row.claimed_rank,
                nudged=row.nudged,
            )
            for row in fenced
        },
        refunds.found(more[0]) if more else {},
    )


def put_off(session: Session, later: Sequence[PutOff]) -> None:
    """Ends leases; the next calls are due after their pauses."""
    if later:
        session.defer(_PUT_OFF, later=orjson.dumps(later).decode())


async def unknown(session: Session, most: int) -> Sequence[Row]:
    """By provider, how many `calls` may have moved money or not, and for how long the oldest.

    Those are charges without an answer or only set aside, and refunds that are not done; `most` of
    the work list are looked at. What waits for the customer is none of them.
    """
    return await session.all(_UNKNOWN, most=most)
