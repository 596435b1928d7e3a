"""Tables `webhook_endpoint` and `webhook_delivery`: where organizers' facts go, and which do.

An endpoint that is deleted is passed by everywhere; its rows go a little at a time. To one whose
owner may no longer organize events nothing is sent, and nothing more is written.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson

from chassis.database import Row, Session
from chassis.ids import uuid7
from notification_service.domain import webhooks
from notification_service.domain.webhooks import (
    Answer,
    DeliveriesWritten,
    Delivery,
    Endpoint,
    EndpointChange,
    EndpointWish,
    Fact,
    Parcel,
)

# A condition on an endpoint: its owner is not known to be no organizer.
_MAY_BE_TOLD = """
NOT EXISTS (SELECT FROM person WHERE user_id = organizer_id AND NOT may_organize)
"""
_ENDPOINT = """
id, url, description, facts, status, failing_since,
CASE WHEN old_secret_until > clock_timestamp() THEN old_secret_until END AS old_secret_until,
created_at
"""
_DELIVERY = """
id, endpoint_id, fact, status, attempts, created_at,
CASE WHEN status = 'WAITING' THEN due_at END AS next_try_at, tried_at, answer_status, answer,
duration_ms, error
"""
# Of two that are asked for at once the second counts the first.
_LOCK_ORGANIZER = "SELECT pg_advisory_xact_lock(hashtextextended('webhook_endpoint:' || :id, 0))"
_ADD_ENDPOINT = f"""
INSERT INTO webhook_endpoint (id, organizer_id, url, description, facts, secret)
SELECT :id, :organizer_id, :url, :description, CAST(:facts AS text[]), :secret
 WHERE (SELECT count(*) FROM webhook_endpoint
         WHERE organizer_id = :organizer_id AND deleted_at IS NULL) < :most
RETURNING {_ENDPOINT}
"""  # noqa: S608 - put together from constants
_LIST_ENDPOINTS = f"""
SELECT {_ENDPOINT} FROM webhook_endpoint
 WHERE organizer_id = :organizer_id AND deleted_at IS NULL AND id < :before
 ORDER BY id DESC LIMIT :limit
"""  # noqa: S608 - put together from constants
# Enabled again, or led elsewhere, it begins anew.
_CHANGE_ENDPOINT = f"""
UPDATE webhook_endpoint
   SET url = coalesce(:url, url), description = coalesce(:description, description),
       facts = coalesce(CAST(:facts AS text[]), facts),
       status = CASE WHEN CAST(:is_enabled AS boolean) THEN 'ENABLED'
                     WHEN NOT CAST(:is_enabled AS boolean) AND status = 'ENABLED' THEN 'DISABLED'
                     ELSE status END,
       failing_since = CASE WHEN :begins_anew THEN NULL ELSE failing_since END,
       failures = CASE WHEN :begins_anew THEN 0 ELSE failures END,
       rests_until = CASE WHEN :begins_anew THEN NULL ELSE rests_until END
 WHERE id = :id AND organizer_id = :organizer_id AND deleted_at IS NULL
RETURNING {_ENDPOINT}
"""  # noqa: S608 - put together from constants
_DELETE_ENDPOINT = """
UPDATE webhook_endpoint SET deleted_at = clock_timestamp()
 WHERE id = :id AND organizer_id = :organizer_id AND deleted_at IS NULL
"""
_ROTATE = f"""
UPDATE webhook_endpoint SET old_secret = secret, secret = :secret,
       old_secret_until = clock_timestamp() + make_interval(secs => :seconds)
 WHERE id = :id AND organizer_id = :organizer_id AND deleted_at IS NULL
RETURNING {_ENDPOINT}
"""  # noqa: S608 - put together from constants
_STATUS = """
SELECT status FROM webhook_endpoint
 WHERE id = :id AND organizer_id = :organizer_id AND deleted_at IS NULL
"""
_LOCK_ENDPOINT = f"{_STATUS} FOR NO KEY UPDATE"
_WANTED = f"""
SELECT id, organizer_id, facts FROM webhook_endpoint
 WHERE organizer_id = ANY(CAST(:organizers AS uuid[])) AND deleted_at IS NULL
   AND status = 'ENABLED' AND {_MAY_BE_TOLD}
"""  # noqa: S608 - put together from constants
# One fact is told to one endpoint once, however often it arrives.
_ADD = """
INSERT INTO webhook_delivery (id, endpoint_id, key, fact, said, at)
SELECT id, endpoint_id, key, fact, said, coalesce(at, clock_timestamp())
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS new (
           id uuid, endpoint_id uuid, key text, fact text, said jsonb, at timestamptz)
 ORDER BY endpoint_id, key
    ON CONFLICT (endpoint_id, key) DO NOTHING
"""
# The endpoint's row is locked: of tests at the same moment no more than the limit come through.
_ADD_TEST = f"""
INSERT INTO webhook_delivery (id, endpoint_id, key, fact, said, at)
SELECT :id, :endpoint_id, 'test:' || CAST(:id AS text), :fact,
       jsonb_build_object('endpoint_id', CAST(:endpoint_id AS text)), clock_timestamp()
 WHERE (SELECT count(*) FROM webhook_delivery
         WHERE endpoint_id = :endpoint_id AND fact = :fact
           AND created_at > clock_timestamp() - interval '1 hour') < :most
RETURNING {_DELIVERY}
"""  # noqa: S608 - put together from constants
_RESEND = f"""
UPDATE webhook_delivery SET status = 'WAITING', due_at = clock_timestamp(), attempts = 0
 WHERE id = :id AND endpoint_id = :endpoint_id
RETURNING {_DELIVERY}
"""  # noqa: S608 - put together from constants
_WAKE = "UPDATE webhook_endpoint SET rests_until = NULL WHERE id = :id"
_LIST_DELIVERIES = f"""
SELECT {_DELIVERY} FROM webhook_delivery
 WHERE endpoint_id = :endpoint_id AND id < :before
   AND (CAST(:status AS text) = '' OR status = :status)
 ORDER BY id DESC LIMIT :limit
"""  # noqa: S608 - put together from constants
# Leased as mails are. A few of each endpoint, and the endpoints by lot, so that none waits for
# another; those that are being sent to already are `busy`.
_LEASE = f"""
WITH leased AS (
    UPDATE webhook_delivery SET attempts = attempts + 1, tried_at = clock_timestamp(),
           due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
     WHERE id IN (
        SELECT due.id
          FROM (SELECT id FROM webhook_endpoint
                 WHERE status = 'ENABLED' AND deleted_at IS NULL AND {_MAY_BE_TOLD}
                   AND coalesce(rests_until <= clock_timestamp(), true)
                   AND id <> ALL(CAST(:busy AS uuid[]))
                 ORDER BY random()) AS endpoint
         CROSS JOIN LATERAL (
               SELECT id FROM webhook_delivery
                WHERE endpoint_id = endpoint.id AND status = 'WAITING'
                  AND due_at <= clock_timestamp()
                ORDER BY due_at LIMIT :each FOR UPDATE SKIP LOCKED) AS due
         LIMIT :limit)
    RETURNING id, endpoint_id, fact, said, at, attempts, body
)
SELECT leased.*, clock_timestamp() AS now, organizer_id, url, secret,
       CASE WHEN old_secret_until > clock_timestamp() THEN old_secret ELSE '' END AS old_secret
  FROM leased JOIN webhook_endpoint ON webhook_endpoint.id = leased.endpoint_id
"""  # noqa: S608 - put together from constants
# Of two senders that wrote it one was first, and both send that.
_KEEP_BODY = """
UPDATE webhook_delivery SET body = coalesce(body, :body) WHERE id = :id RETURNING body
"""
# A try whose lease another took is not counted again: what that one says stands.
_NOTE = """
UPDATE webhook_delivery
   SET status = CASE WHEN CAST(:pause AS double precision) IS NULL THEN :status ELSE status END,
       due_at = clock_timestamp() + make_interval(secs => coalesce(:pause, 0)),
       answer_status = :answer_status, answer = :answer, duration_ms = :duration_ms, error = :error
 WHERE id = :id AND attempts = :attempts AND status = 'WAITING'
"""
_NOTE_SUCCESS = """
UPDATE webhook_endpoint SET failing_since = NULL, failures = 0, rests_until = NULL
 WHERE id = :id AND failures > 0
"""
_NOTE_FAILURE = """
UPDATE webhook_endpoint
   SET failing_since = coalesce(failing_since, clock_timestamp()), failures = failures + 1
 WHERE id = :id
RETURNING failures, failing_since, clock_timestamp() - failing_since AS failed_for
"""
_REST = """
UPDATE webhook_endpoint SET rests_until = clock_timestamp() + make_interval(secs => :seconds)
 WHERE id = :id
"""
_DISABLE = "UPDATE webhook_endpoint SET status = :why WHERE id = :id AND status = 'ENABLED'"
_FORGET_OLD = """
DELETE FROM webhook_delivery WHERE id IN (
    SELECT id FROM webhook_delivery
     WHERE created_at < clock_timestamp() - make_interval(days => :days)
     ORDER BY created_at LIMIT :batch FOR UPDATE SKIP LOCKED)
"""
_FORGET_OF_DELETED = """
DELETE FROM webhook_delivery WHERE id IN (
    SELECT id FROM webhook_delivery
     WHERE endpoint_id IN (SELECT id FROM webhook_endpoint WHERE deleted_at IS NOT NULL)
     LIMIT :batch FOR UPDATE SKIP LOCKED)
"""
# An hour later, when no transaction under way can still write to it.
_FORGET_DELETED = """
DELETE FROM webhook_endpoint WHERE deleted_at < clock_timestamp() - interval '1 hour'
   AND NOT EXISTS (SELECT FROM webhook_delivery WHERE endpoint_id = webhook_endpoint.id)
"""
_ANSWER_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Failure:
    """How an endpoint stands after a try that failed."""

    failures: int  # in a row
    failing_since: datetime
    failed_for: timedelta


async def add_endpoint(
    session: Session, organizer_id: UUID, wish: EndpointWish, sealed: str, most: int
) -> Endpoint | None:
    """Adds an endpoint; None: the organizer has as many as they may."""
    session.defer(_LOCK_ORGANIZER, id=str(organizer_id))
    row = await session.first(
        _ADD_ENDPOINT,
        id=uuid7(),
        organizer_id=organizer_id,
        url=wish.url,
        description=wish.description,
        facts=list(wish.facts),
        secret=sealed,
        most=most,
    )
    return Endpoint(*row) if row else None


async def list_endpoints(
    session: Session, organizer_id: UUID, *, before: UUID, limit: int
) -> Sequence[Endpoint]:
    """A page of the organizer's endpoints, newest first."""
    rows = await session.all(_LIST_ENDPOINTS, organizer_id=organizer_id, before=before, limit=limit)
    return [Endpoint(*row) for row in rows]


async def change_endpoint(
    session: Session, organizer_id: UUID, id: UUID, change: EndpointChange
) -> Endpoint | None:
    """Changes the organizer's endpoint; None: there is none."""
    row = await session.first(
        _CHANGE_ENDPOINT,
        id=id,
        organizer_id=organizer_id,
        url=change.url,
        description=change.description,
        facts=None if change.facts is None else list(change.facts),
        is_enabled=change.is_enabled,
        begins_anew=bool(change.is_enabled) or change.url is not None,
    )
    session.note(DeliveriesWritten())
    return Endpoint(*row) if row else None


async def delete_endpoint(session: Session, organizer_id: UUID, id: UUID) -> bool:
    """Ends the organizer's endpoint; False: there is none."""
    done = await session.execute(_DELETE_ENDPOINT, id=id, organizer_id=organizer_id)
    return done.rowcount == 1


async def rotate(
    session: Session, organizer_id: UUID, id: UUID, sealed: str, *, old_good: timedelta
) -> Endpoint | None:
    """Gives the organizer's endpoint another secret; None: there is none."""
    row = await session.first(
        _ROTATE,
        id=id,
        organizer_id=organizer_id,
        secret=sealed,
        seconds=old_good.total_seconds(),
    )
    return Endpoint(*row) if row else None


async def status_of(
    session: Session, organizer_id: UUID, id: UUID, *, locks: bool = False
) -> str | None:
    """How the organizer's endpoint stands; None: there is none."""
    sql = _LOCK_ENDPOINT if locks else _STATUS
    status: str | None = await session.scalar(sql, id=id, organizer_id=organizer_id)
    return status


async def add(session: Session, facts: Sequence[Fact]) -> None:
    """Has facts sent to those endpoints of their organizers that are enabled and want them."""
    if not facts:
        return
    found = await session.all(_WANTED, organizers=list({fact.organizer_id for fact in facts}))
    rows = [
        {
            "id": uuid7(),
            "endpoint_id": endpoint.id,
            "key": fact.key,
            "fact": fact.name,
            "said": fact.said,
            "at": fact.at,
        }
        for fact in facts
        for endpoint in found
        if endpoint.organizer_id == fact.organizer_id and fact.name in endpoint.facts
    ]
    if rows:
        session.defer(_ADD, rows=orjson.dumps(rows).decode())
        session.note(DeliveriesWritten())


async def add_test(session: Session, endpoint_id: UUID, most: int) -> Delivery | None:
    """Has a test sent, at once; None: there were `most` within the hour. The endpoint is locked."""
    row = await session.first(
        _ADD_TEST, id=uuid7(), endpoint_id=endpoint_id, fact=webhooks.TEST, most=most
    )
    _wake(session, endpoint_id)
    return Delivery(*row) if row else None


async def resend(session: Session, endpoint_id: UUID, id: UUID) -> Delivery | None:
    """Has a delivery tried at once, and as often as a new one; None: there is none."""
    row = await session.first(_RESEND, id=id, endpoint_id=endpoint_id)
    _wake(session, endpoint_id)
    return Delivery(*row) if row else None


def _wake(session: Session, endpoint_id: UUID) -> None:
    session.defer(_WAKE, id=endpoint_id)
    session.note(DeliveriesWritten())


async def list_deliveries(
    session: Session, endpoint_id: UUID, *, status: str, before: UUID, limit: int
) -> Sequence[Delivery]:
    """A page of an endpoint's deliveries, newest first; `status` empty: all."""
    rows = await session.all(
        _LIST_DELIVERIES, endpoint_id=endpoint_id, status=status, before=before, limit=limit
    )
    return [Delivery(*row) for row in rows]


async def lease(
    session: Session, *, busy: Collection[UUID], each: int, limit: int, lease_seconds: float
) -> Sequence[Parcel]:
    """Takes deliveries to be tried now: up to `each` of an endpoint, `limit` in all."""
    rows = await session.all(
        _LEASE, busy=list(busy), each=each, limit=limit, lease_seconds=lease_seconds
    )
    return [
        Parcel(
            id=row.id,
            endpoint_id=row.endpoint_id,
            organizer_id=row.organizer_id,
            url=row.url,
            fact=row.fact,
            said=row.said,
            at=row.at,
            now=row.now,
            attempts=row.attempts,
            sealed_secrets=[sealed for sealed in (row.secret, row.old_secret) if sealed],
            body=None if row.body is None else row.body.encode(),
        )
        for row in rows
    ]


async def keep_body(session: Session, id: UUID, body: bytes) -> bytes | None:
    """Keeps what is sent, the same at every try; None: the delivery is forgotten."""
    kept: str | None = await session.scalar(_KEEP_BODY, id=id, body=body.decode())
    return None if kept is None else kept.encode()


async def note_answer(
    session: Session, parcel: Parcel, answer: Answer, *, status: str, pause: float | None
) -> bool:
    """Notes what came of a try; `pause` in seconds before the next, None: it ends by `status`.

    False: it was tried anew meanwhile, or sent anew by hand.
    """
    changed = await session.execute(
        _NOTE,
        id=parcel.id,
        attempts=parcel.attempts,
        status=status,
        pause=pause,
        answer_status=answer.status,
        answer=answer.beginning[:_ANSWER_CHARACTERS],
        duration_ms=answer.duration_ms,
        error=answer.error,
    )
    return changed.rowcount == 1


def note_success(session: Session, endpoint_id: UUID) -> None:
    """Notes that the endpoint took something: it does not fail any more."""
    session.defer(_NOTE_SUCCESS, id=endpoint_id)


async def note_failure(session: Session, endpoint_id: UUID) -> Failure:
    """Notes that the endpoint did not take something."""
    return Failure(*(await session.one(_NOTE_FAILURE, id=endpoint_id)))


def rest(session: Session, endpoint_id: UUID, duration: timedelta) -> None:
    """Leaves the endpoint alone for a while."""
    session.defer(_REST, id=endpoint_id, seconds=duration.total_seconds())


async def disable(session: Session, endpoint_id: UUID, why: str) -> bool:
    """Sends nothing to the endpoint any more; False: that is so already."""
    return (await session.execute(_DISABLE, id=endpoint_id, why=why)).rowcount == 1


async def forget_old(session: Session, batch: int, *, days: int) -> int:
    """Deletes up to `batch` deliveries that are older than so many days: how many."""
    return (await session.execute(_FORGET_OLD, batch=batch, days=days)).rowcount


async def forget_deleted(session: Session, batch: int) -> int:
    """Deletes up to `batch` deliveries to endpoints that are deleted: how many; then those."""
    gone = (await session.execute(_FORGET_OF_DELETED, batch=batch)).rowcount
    session.defer(_FORGET_DELETED)
    return gone


# By the index of those that wait alone.
_COUNT_WAITING = f"""
SELECT count(*) AS waiting,
       coalesce(greatest(0, extract(epoch FROM clock_timestamp() - min(due_at) FILTER (
           WHERE coalesce(rests_until <= clock_timestamp(), true)))), 0) AS overdue_seconds
  FROM (SELECT endpoint_id, due_at FROM webhook_delivery WHERE status = 'WAITING' LIMIT :most)
       AS delivery
  JOIN webhook_endpoint AS endpoint ON endpoint.id = endpoint_id
 WHERE endpoint.status = 'ENABLED' AND deleted_at IS NULL AND {_MAY_BE_TOLD}
"""  # noqa: S608 - put together from constants


async def count_waiting(session: Session, most: int) -> Row:
    """How many deliveries are `waiting`, `most` at most, and `overdue_seconds` the oldest is."""
    return await session.one(_COUNT_WAITING, most=most)
