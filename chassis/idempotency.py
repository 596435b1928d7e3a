"""Idempotency keys: the same key and request give the same reply, once and for all.

After Stripe's habit and the IETF draft `draft-ietf-httpapi-idempotency-key-header`: the key is
scoped to the caller; the reply, a refusal included, is stored by the commit that made it true, and
kept at least 24 hours. Refusals for want of time, room or identity are not stored: they say nothing
about the request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from chassis.context import caller
from chassis.database import Database, Session
from chassis.errors import DomainError, ServiceError

ReplyT = TypeVar("ReplyT", bound=Message)

REPLAYED = ("idempotency-replayed", "true")
_STORED_KINDS = frozenset({"INVALID", "NOT_FOUND", "CONFLICT", "PRECONDITION"})

# One caller's key is worked on by one transaction at a time; the lock goes with the transaction.
_LOCK_SQL = "SELECT pg_try_advisory_xact_lock(hashtextextended(:scope, 0))"
_FIND_SQL = (
    "SELECT fingerprint, reply, refusal FROM idempotency WHERE subject = :subject AND key = :key"
)
_STORE_SQL = """
INSERT INTO idempotency (subject, key, fingerprint, reply, refusal)
VALUES (:subject, :key, :fingerprint, :reply, CAST(:refusal AS jsonb))
"""


class StoredRefusalError(ServiceError):
    """A refusal that was given before, under the same key."""


async def once(
    database: Database,
    request: Message,
    reply_type: type[ReplyT],
    work: Callable[[Session], Awaitable[ReplyT]],
    call: grpc.aio.ServicerContext[Any, Any],
) -> ReplyT:
    """Runs `work` in a transaction, once for the caller's `request.idempotency_key`.

    Without a key it simply runs. A replayed reply is marked in the trailing metadata.

    Raises:
        ServiceError: IDEMPOTENCY_KEY_REUSED, the key came with another request before;
            IDEMPOTENCY_IN_PROGRESS, the first request with it is still running.
    """
    key: str = request.idempotency_key  # type: ignore[attr-defined]  # every such request has it
    if not key:
        return await database.run(work)
    subject = caller().subject
    fingerprint = _fingerprint(request)

    async def guarded(session: Session) -> ReplyT | StoredRefusalError | Exception:
        if not await session.scalar(_LOCK_SQL, scope=f"{database.schema}:{subject}:{key}"):
            raise ServiceError(
                "CONFLICT",
                "IDEMPOTENCY_IN_PROGRESS",
                "The first request with this key is still running.",
            )
        stored = await session.first(_FIND_SQL, subject=subject, key=key)
        if stored is not None:
            if stored.fingerprint != fingerprint:
                raise ServiceError(
                    "INVALID",
                    "IDEMPOTENCY_KEY_REUSED",
                    "This key was used with another request before.",
                )
            call.set_trailing_metadata((REPLAYED,))
            if stored.reply is not None:
                return reply_type.FromString(stored.reply)
            refusal = stored.refusal
            return StoredRefusalError(
                refusal["kind"], refusal["reason"], refusal["detail"], **refusal["metadata"]
            )
        reply: ReplyT | None = None
        refused: Exception | None = None
        sent = len(session.outgoing)
        try:
            async with session.savepoint():
                reply = await work(session)
        except Exception as error:
            if not isinstance(error, DomainError) or error.kind not in _STORED_KINDS:
                raise
            refused = error
            del session.outgoing[sent:]
        session.defer(
            _STORE_SQL,
            subject=subject,
            key=key,
            fingerprint=fingerprint,
            reply=None if reply is None else reply.SerializeToString(),
            refusal=None if refused is None else _refusal(refused),
        )
        return refused or reply  # type: ignore[return-value]  # one of them is set

    outcome = await database.run(guarded)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _fingerprint(request: Message) -> bytes:
    bare = type(request)()
    bare.CopyFrom(request)
    bare.ClearField("idempotency_key")
    body = bare.SerializeToString(deterministic=True)
    return hashlib.sha256(request.DESCRIPTOR.full_name.encode() + b"\0" + body).digest()


def _refusal(error: Exception) -> str:
    assert isinstance(error, DomainError)  # noqa: S101 - narrows the type; checked by the caller
    return json.dumps(
        {
            "kind": error.kind,
            "reason": error.reason,
            "detail": str(error),
            "metadata": dict(error.metadata),
        }
    )
