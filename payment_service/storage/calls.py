"""The work list: which calls to providers are due, and which are in flight."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from chassis.database import Session
from chassis.ids import uuid7
from payment_service.domain import FINAL, Attempt, Kind, Payment, Refund
from payment_service.storage import payments, refunds

# A row that is there already becomes due at once; one in flight keeps its lease, and _FENCES tells
# whoever records its result that it was nudged. One with a kind is leased from the start, to the
# process that writes it.
_SCHEDULE = """
INSERT INTO provider_call (id, payment_id, attempt, kind, look_up, asked, tries, claim, due_at,
                           leased_until)
SELECT id, payment_id, attempt, kind, false,
       CASE WHEN kind = 'AUTHORIZE' THEN 1 ELSE 0 END, (kind IS NOT NULL)::integer,
       (kind IS NOT NULL)::integer,
       CASE WHEN kind IS NULL THEN clock_timestamp()
            ELSE now() + make_interval(secs => :lease_seconds) END,
       CASE WHEN kind IS NOT NULL THEN now() + make_interval(secs => :lease_seconds) END
  FROM jsonb_to_recordset(CAST(:due AS jsonb))
       AS due (id uuid, payment_id uuid, attempt integer, kind text)
 ORDER BY payment_id, attempt
    ON CONFLICT (payment_id, attempt) WHERE refund_id IS NULL DO UPDATE
   SET due_at = clock_timestamp()
"""
_SCHEDULE_REFUNDS = """
INSERT INTO provider_call (id, payment_id, attempt, refund_id)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:payment_ids AS uuid[]),
                     CAST(:attempts AS integer[]), CAST(:refund_ids AS uuid[]))
"""
# Waits for a claim that is just being made, and then passes it by.
_TAKE_BACK_UNSENT = """
DELETE FROM provider_call
 USING unnest(CAST(:payment_ids AS uuid[]), CAST(:attempts AS integer[]))
       AS unsent (payment_id, attempt)
 WHERE provider_call.payment_id = unsent.payment_id AND provider_call.attempt = unsent.attempt
   AND refund_id IS NULL AND asked = 0 AND leased_until IS NULL
RETURNING provider_call.payment_id, provider_call.attempt
"""
# A lease that ran out belongs to a worker that died or was stopped: the row is claimed anew, and
# what the old one still brings is refused by the fencing token.
_CLAIM = """
UPDATE provider_call
   SET claim = claim + 1, tries = tries + 1,
       leased_until = now() + make_interval(secs => :lease_seconds),
       due_at = now() + make_interval(secs => :lease_seconds)
 WHERE id IN (SELECT id FROM provider_call
               WHERE due_at <= clock_timestamp()
                 AND (leased_until IS NULL OR leased_until <= clock_timestamp())
               ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id, payment_id, attempt, refund_id, look_up, asked, tries, claim
"""
_NAME = """
UPDATE provider_call
   SET kind = named.kind, look_up = false,
       asked = asked + CASE WHEN named.kind = 'AUTHORIZE' THEN 1 ELSE 0 END
  FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[])) AS named (id, kind)
 WHERE provider_call.id = named.id
"""
_DROP = "DELETE FROM provider_call WHERE id = ANY(:ids)"
_LOOK_AGAIN = """
INSERT INTO provider_call (id, payment_id, attempt, look_up)
SELECT id, payment_id, number, true
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
SELECT id, provider_call.claim, asked, tries, look_up, due_at < leased_until AS nudged
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
    kind: Kind | None = None  # of the call that this process makes itself


@dataclass(frozen=True, slots=True)
class Fence:
    """A call's row, if the claim is still the newest."""

    asked: int
    tries: int
    look_up: bool  # there are news since it was claimed
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
    tries: int
    asked: int
    look_up: bool
    pause_seconds: float


def schedule(session: Session, due: Sequence[Due], *, lease_seconds: float = 0.0) -> None:
    """Has the provider called about charges."""
    if due:
        session.defer(_SCHEDULE, due=orjson.dumps(due).decode(), lease_seconds=lease_seconds)


def schedule_refunds(session: Session, asked: Sequence[tuple[UUID, UUID, Refund]]) -> None:
    """Has the provider called for refunds: each with its call's id and its payment's."""
    if asked:
        session.defer(
            _SCHEDULE_REFUNDS,
            ids=[id for id, _payment, _refund in asked],
            payment_ids=[payment for _id, payment, _refund in asked],
            attempts=[refund.attempt for _id, _payment, refund in asked],
            refund_ids=[refund.id for _id, _payment, refund in asked],
        )


async def take_back_unsent(
    session: Session, charges: Collection[tuple[UUID, int]]
) -> set[tuple[UUID, int]]:
    """Takes back the calls that never went out; gives the payments and attempts they were for."""
    if not charges:
        return set()
    rows = await session.all(
        _TAKE_BACK_UNSENT,
        payment_ids=[payment_id for payment_id, _number in charges],
        attempts=[number for _payment_id, number in charges],
    )
    return {(row.payment_id, row.attempt) for row in rows}


async def claim(session: Session, *, limit: int, lease_seconds: float) -> Sequence[Claimed]:
    """Leases up to `limit` due calls."""
    rows = await session.all(_CLAIM, limit=limit, lease_seconds=lease_seconds)
    if not rows:
        return []
    known = await payments.read_payments(session, {row.payment_id for row in rows})
    asked_back = [row.refund_id for row in rows if row.refund_id is not None]
    back = await refunds.read(session, asked_back)
    return [
        Claimed(
            id=row.id,
            claim=row.claim,
            payment=known[row.payment_id],
            attempt=known[row.payment_id].attempt(row.attempt),
            refund=back.get(row.refund_id),
            look_up=row.look_up,
            tries=row.tries,
        )
        for row in rows
    ]


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
        payments.locked(rows, attempts),
        {
            (row.id, row.claim): Fence(row.asked, row.tries, row.look_up, row.nudged)
            for row in fenced
        },
        refunds.found(more[0]) if more else {},
    )


def put_off(session: Session, later: Sequence[PutOff]) -> None:
    """Ends leases; the next calls are due after their pauses."""
    if later:
        session.defer(_PUT_OFF, later=orjson.dumps(later).decode())
