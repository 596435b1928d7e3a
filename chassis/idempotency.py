"""Idempotency keys: the same key and request give the same reply, once and for all.

After Stripe's habit and the IETF draft `draft-ietf-httpapi-idempotency-key-header`: the key is
scoped to the caller, a person or one of their API keys; the reply, a refusal included, is stored by
the commit that made it true, and kept at least 24 hours. Refusals for want of time, room or
identity are not stored: they say nothing about the request.

Who has not said who they are has no name to scope a key to: there the service says whose it is (a
network's, say) by a `claim` of its own, and mixes a secret into the fingerprint where the request
has a password.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from prometheus_client import Counter

from chassis.context import caller
from chassis.database import Database, Result, Row, Session, Statement
from chassis.errors import DomainError, ServiceError

ReplyT = TypeVar("ReplyT", bound=Message)

REPLAYED = ("idempotency-replayed", "true")
REPLAYS = Counter(
    "parterre_idempotency_replays",
    "Requests that came again with their idempotency key, and got the answer of before",
)
# What refusals are called that were stored by the version before.
_KINDS_OF_BEFORE = {"CONFLICT": "STATE", "PRECONDITION": "STALE"}
_STORED_KINDS = frozenset({"INVALID", "NOT_FOUND", "STATE", "STALE"})

# One caller's key is worked on by one transaction at a time; the lock goes with the transaction.
_LOCK_SQL = "SELECT pg_try_advisory_xact_lock(hashtextextended(:scope, 0))"
_FIND_SQL = (
    "SELECT fingerprint, reply, refusal FROM idempotency WHERE subject = :subject AND key = :key"
)
_STORE_SQL = """
INSERT INTO idempotency (subject, key, fingerprint, reply, refusal)
VALUES (:subject, :key, :fingerprint, :reply, CAST(:refusal AS jsonb))
"""


# As the three above, for many requests at once.
_LOCK_EACH_SQL = """
SELECT pg_try_advisory_xact_lock(hashtextextended(scope, 0))
  FROM unnest(CAST(:scopes AS text[])) WITH ORDINALITY AS each (scope, place) ORDER BY place
"""
_FIND_EACH_SQL = """
SELECT subject, key, fingerprint, reply, refusal
  FROM unnest(CAST(:subjects AS text[]), CAST(:keys AS text[])) AS each (subject, key)
  JOIN idempotency USING (subject, key)
"""
_STORE_EACH_SQL = """
INSERT INTO idempotency (subject, key, fingerprint, reply, refusal)
SELECT * FROM unnest(CAST(:subjects AS text[]), CAST(:keys AS text[]),
                     CAST(:fingerprints AS bytea[]), CAST(:replies AS bytea[]),
                     CAST(:refusals AS jsonb[]))
"""


class StoredRefusalError(ServiceError):
    """A refusal that was given before, under the same key."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that came with a key."""

    subject: str
    key: str
    fingerprint: bytes


def claim(
    request: Message, subject: str, *, apart_from: Sequence[str] = (), secret: bytes = b""
) -> Claim | None:
    """The person's claim on the key of the request; None where it has none.

    What the fields `apart_from` say does not make it another request. A fingerprint of what might
    be guessed, such as a password, is made with a `secret`: it gives nothing away then.
    """
    key: str = request.idempotency_key  # type: ignore[attr-defined]  # every such request has it
    return Claim(subject, key, _fingerprint(request, apart_from, secret)) if key else None


async def once(
    database: Database,
    request: Message,
    reply_type: type[ReplyT],
    work: Callable[[Session], Awaitable[ReplyT | DomainError]],
    call: grpc.aio.ServicerContext[Any, Any],
    *,
    of: Claim | None = None,
    unkept: Sequence[str] = (),
) -> ReplyT:
    """Runs `work` in a transaction, once for the caller's `request.idempotency_key`.

    Without a key it simply runs. A refusal that `work` raises undoes what it did; one that it
    returns is committed with what it did. A replayed reply is marked in the trailing metadata, and
    lacks its fields `unkept`.

    Args:
        of: whose key it is, where it is not the caller's.

    Raises:
        ServiceError: IDEMPOTENCY_KEY_REUSED, the key came with another request before;
            IDEMPOTENCY_IN_PROGRESS, the first request with it is still running.
    """
    whose = of or claim(request, caller().account)
    if whose is None:
        return _given(await database.run(work))

    async def guarded(session: Session) -> ReplyT | DomainError | _Replayed:
        known = await _known(session, database.schema, whose)
        if known is not None:
            return _Replayed(known)
        outcome = await _tried(session, work)
        if isinstance(outcome, Message) or outcome.kind in _STORED_KINDS:
            session.defer(
                _STORE_SQL,
                subject=whose.subject,
                key=whose.key,
                fingerprint=whose.fingerprint,
                reply=_kept(outcome, unkept) if isinstance(outcome, Message) else None,
                refusal=None if isinstance(outcome, Message) else _refusal(outcome),
            )
        return outcome

    outcome = await database.run(guarded)
    if isinstance(outcome, _Replayed):
        call.set_trailing_metadata((REPLAYED,))
        return outcome.reply(reply_type)
    return _given(outcome)


def _given(outcome: ReplyT | DomainError) -> ReplyT:
    if isinstance(outcome, Exception):
        raise outcome
    assert isinstance(outcome, Message)  # noqa: S101 - narrows the type
    return outcome


async def recalled(
    database: Database,
    of: Claim | None,
    reply_type: type[ReplyT],
    call: grpc.aio.ServicerContext[Any, Any],
) -> ReplyT | None:
    """The reply that was given before, for what takes long before its transaction begins.

    None says nothing: `once` decides.

    Raises:
        StoredRefusalError: what was given before is a refusal.
        ServiceError: IDEMPOTENCY_KEY_REUSED.
    """
    if of is None:
        return None
    async with database.transaction() as session:
        stored = await session.first(_FIND_SQL, subject=of.subject, key=of.key)
    if stored is None:
        return None
    replayed = _Replayed(_recalled(stored, of.fingerprint))
    call.set_trailing_metadata((REPLAYED,))
    return replayed.reply(reply_type)


@dataclass(frozen=True, slots=True)
class _Replayed:
    """What was answered before: the serialized reply, or the refusal."""

    answer: bytes | StoredRefusalError

    def reply(self, reply_type: type[ReplyT]) -> ReplyT:
        if isinstance(self.answer, StoredRefusalError):
            raise self.answer
        return reply_type.FromString(self.answer)


async def _known(session: Session, schema: str, whose: Claim) -> bytes | StoredRefusalError | None:
    """What was answered under the key, which is this transaction's from now on."""
    if not await session.scalar(_LOCK_SQL, scope=f"{schema}:{whose.subject}:{whose.key}"):
        raise _in_progress()
    stored = await session.first(_FIND_SQL, subject=whose.subject, key=whose.key)
    return None if stored is None else _recalled(stored, whose.fingerprint)


async def _tried(
    session: Session, work: Callable[[Session], Awaitable[ReplyT | DomainError]]
) -> ReplyT | DomainError:
    """What `work` gives; or the refusal that it raises, which undoes what it did."""
    said: Sequence[list[Any]] = (session.outgoing, session.noted, session.after_commit)
    before = [len(each) for each in said]
    try:
        async with session.savepoint():
            return await work(session)
    except Exception as error:
        if not isinstance(error, DomainError) or error.kind not in _STORED_KINDS:
            raise
        for each, length in zip(said, before, strict=True):
            del each[length:]
        return error


def _kept(reply: ReplyT, unkept: Sequence[str]) -> bytes:
    if unkept:
        whole, reply = reply, type(reply)()
        reply.CopyFrom(whole)
        for name in unkept:
            reply.ClearField(name)
    return reply.SerializeToString()


class Claims:
    """What `once` does, for many requests that share a transaction.

    Run `looks` in it first and hand the results to `read`; `store` comes last.
    """

    def __init__(self, schema: str, claims: Sequence[Claim | None]) -> None:
        self._schema = schema
        # Of the same key twice in one batch the first is the first.
        self._places: dict[tuple[str, str], int] = {}
        self._claims: dict[int, Claim] = {}
        self.answers: dict[int, bytes | ServiceError] = {}
        for place, each in enumerate(claims):
            if each is None:
                continue
            if (each.subject, each.key) in self._places:
                self.answers[place] = _in_progress()
            else:
                self._places[each.subject, each.key] = place
                self._claims[place] = each

    @property
    def looks(self) -> Sequence[Statement]:
        """What has to be run, in this order; nothing where no request came with a key."""
        if not self._claims:
            return ()
        subjects = [each.subject for each in self._claims.values()]
        keys = [each.key for each in self._claims.values()]
        scopes = [f"{self._schema}:{subject}:{key}" for subject, key in self._places]
        return (
            (_LOCK_EACH_SQL, {"scopes": scopes}),
            (_FIND_EACH_SQL, {"subjects": subjects, "keys": keys}),
        )

    def read(self, results: Sequence[Result]) -> None:
        """Takes in what `looks` gave: `answers` are the requests' that are answered by it.

        An answer is the reply that was stored, serialized; a StoredRefusalError; or a refusal of
        the key: IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_KEY_REUSED.
        """
        if not results:
            return
        locked, found = results
        for (place, _claim), (is_locked,) in zip(self._claims.items(), locked, strict=True):
            if not is_locked:
                self.answers[place] = _in_progress()
        for row in found:
            place = self._places[row.subject, row.key]
            if place in self.answers:
                continue
            try:
                self.answers[place] = _recalled(row, self._claims[place].fingerprint)
            except ServiceError as error:
                self.answers[place] = error

    def store(self, outcomes: Mapping[int, bytes | DomainError]) -> Statement | None:
        """Keeps replies, serialized, and refusals, by the requests' places."""
        kept = {
            place: outcome
            for place, outcome in outcomes.items()
            if place in self._claims
            and place not in self.answers
            and (isinstance(outcome, bytes) or outcome.kind in _STORED_KINDS)
        }
        if not kept:
            return None
        claims = [self._claims[place] for place in kept]
        return _STORE_EACH_SQL, {
            "subjects": [each.subject for each in claims],
            "keys": [each.key for each in claims],
            "fingerprints": [each.fingerprint for each in claims],
            "replies": [each if isinstance(each, bytes) else None for each in kept.values()],
            "refusals": [
                None if isinstance(each, bytes) else _refusal(each) for each in kept.values()
            ],
        }


def _in_progress() -> ServiceError:
    return ServiceError(
        "STATE",
        "IDEMPOTENCY_IN_PROGRESS",
        "The first request with this key is still running.",
    )


def _recalled(stored: Row, fingerprint: bytes) -> bytes | StoredRefusalError:
    """The reply, serialized, or the refusal that was stored.

    Raises:
        ServiceError: IDEMPOTENCY_KEY_REUSED.
    """
    if stored.fingerprint != fingerprint:
        raise ServiceError(
            "INVALID", "IDEMPOTENCY_KEY_REUSED", "This key was used with another request before."
        )
    REPLAYS.inc()
    if stored.reply is not None:
        return bytes(stored.reply)
    refusal = stored.refusal
    kind = _KINDS_OF_BEFORE.get(refusal["kind"], refusal["kind"])
    return StoredRefusalError(kind, refusal["reason"], refusal["detail"], **refusal["metadata"])


def _fingerprint(request: Message, apart_from: Sequence[str] = (), secret: bytes = b"") -> bytes:
    bare = type(request)()
    bare.CopyFrom(request)
    for name in ("idempotency_key", *apart_from):
        bare.ClearField(name)
    body = (
        request.DESCRIPTOR.full_name.encode() + b"\0" + bare.SerializeToString(deterministic=True)
    )
    return hmac.digest(secret, body, "sha256") if secret else hashlib.sha256(body).digest()


def _refusal(error: DomainError) -> str:
    return json.dumps(
        {
            "kind": error.kind,
            "reason": error.reason,
            "detail": str(error),
            "metadata": dict(error.metadata),
        }
    )
