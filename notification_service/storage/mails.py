"""Table `mail`: what is to be sent, and what was.

A mail ends by one of `sent_at` and `given_up_at`, which says why in `outcome`. A version before
wrote `recipient`, `subject` and `body` at once, and passes by what has had a hundred `tries`; such
rows have no `fact`. Else `body` holds no more than the secret that the mail brings, which the
operator's reading role does not see.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import orjson

from chassis.database import Row, Session
from chassis.ids import uuid7
from notification_service.domain import KINDS, Draft, Lane, MailsWritten

_OUTCOME_CHARACTERS = 200
# One fact is told to one person once, however often it arrives.
_ADD = """
INSERT INTO mail (id, fact, addressee, person_id, recipient, language, kind, lane, facts,
                  expires_at, body, tries, subject)
SELECT id, fact, addressee, person_id, recipient, language, kind, lane, facts, expires_at, secret,
       100, ''
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS new (
           id uuid, fact text, addressee text, person_id uuid, recipient text, language text,
           kind text, lane smallint, facts jsonb, expires_at timestamptz,
           secret text)
 ORDER BY fact, addressee
    ON CONFLICT (fact, addressee) DO NOTHING
"""
# Due mails are leased by pushing their next try into the future: another sender passes them by,
# and a sender that dies leaves them to be tried again then. Sent at least once.
_LEASE = """
WITH due AS MATERIALIZED (
    SELECT one.id
      FROM unnest(CAST(:lanes AS smallint[]), CAST(:most AS integer[])) AS room (lane, most)
     CROSS JOIN LATERAL (
           SELECT id FROM mail
            WHERE sent_at IS NULL AND given_up_at IS NULL AND mail.lane = room.lane
              AND due_at <= clock_timestamp()
              AND coalesce(expires_at > clock_timestamp(), true)
              -- Whose address has not arrived is written to when it has.
              AND (person_id IS NULL
                   OR EXISTS (SELECT FROM person WHERE user_id = mail.person_id))
            ORDER BY due_at LIMIT room.most FOR UPDATE SKIP LOCKED
           ) AS one
), leased AS (
    UPDATE mail SET attempts = attempts + 1, tries = tries + 1,
           due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
     WHERE id IN (SELECT id FROM due)
    RETURNING id, fact, addressee, person_id, recipient, language, kind, lane, facts, subject, body,
              created_at, expires_at, attempts
)
SELECT leased.*, clock_timestamp() AS now, person.email,
       person.name, person.language AS person_language,
       EXISTS (SELECT FROM preference
                WHERE preference.addressee = leased.addressee AND channel = 'MAIL'
                  AND preference.kind = leased.kind AND NOT is_wanted) AS is_unwanted
  FROM leased LEFT JOIN person ON person.user_id = leased.person_id
"""
_RENEW_LEASES = """
UPDATE mail SET due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
 WHERE id = ANY(CAST(:ids AS uuid[])) AND sent_at IS NULL AND given_up_at IS NULL
"""
# 30 s after the first try, then twice as long each time, up to an hour; for so many hours since it
# was written, or an operator had it tried anew.
_PUT_OFF = """
UPDATE mail SET outcome = :outcome, due_at = clock_timestamp()
           + :jitter * least(interval '1 hour',
                             interval '30 seconds' * 2 ^ least(attempts - 1, 10)),
       given_up_at = CASE WHEN clock_timestamp() > coalesce(tried_from, created_at)
                                                   + make_interval(hours => :hours)
                          THEN clock_timestamp() END
 WHERE id = :id AND sent_at IS NULL
RETURNING given_up_at IS NOT NULL AS given_up
"""
_GIVE_UP = """
UPDATE mail SET outcome = :outcome, given_up_at = clock_timestamp()
 WHERE id = :id AND sent_at IS NULL AND given_up_at IS NULL
"""
# What must not lie about is deleted; that it was sent, and to whom, is kept.
_MARK_SENT = """
UPDATE mail SET sent_at = clock_timestamp(), outcome = 'SENT',
       body = CASE WHEN expires_at IS NULL THEN body ELSE '' END, expires_at = NULL
 WHERE id = :id
"""
_PURGE_EXPIRED = """
UPDATE mail SET body = '', expires_at = NULL, outcome = 'EXPIRED',
       given_up_at = coalesce(given_up_at, clock_timestamp())
 WHERE id IN (SELECT id FROM mail WHERE expires_at <= clock_timestamp()
               ORDER BY expires_at LIMIT :batch FOR UPDATE SKIP LOCKED)
"""
_FORGET_OLD = """
DELETE FROM mail WHERE id IN (
    SELECT id FROM mail WHERE created_at < clock_timestamp() - make_interval(days => :days)
     ORDER BY created_at LIMIT :batch)
"""
_WAITING = """
SELECT count(*) FROM (
    SELECT FROM mail WHERE sent_at IS NULL AND given_up_at IS NULL AND lane = :lane
     LIMIT :most) AS waiting
"""
_RESEND = """
UPDATE mail SET given_up_at = NULL, outcome = '', due_at = clock_timestamp(), attempts = 0,
       tried_from = clock_timestamp()
 WHERE id = ANY(CAST(:ids AS uuid[])) AND sent_at IS NULL AND given_up_at IS NOT NULL
   AND outcome <> 'EXPIRED'
RETURNING id
"""


def add(session: Session, drafts: Sequence[Draft]) -> None:
    """Puts mails into the mailbox, due at once; of a fact each addressee gets one."""
    if not drafts:
        return
    rows = [
        {
            "id": uuid7(),
            "fact": draft.fact,
            "addressee": draft.addressee,
            "person_id": draft.person_id,
            "recipient": draft.address,
            "language": draft.language,
            "kind": draft.kind,
            "lane": KINDS[draft.kind].lane.value,
            "facts": draft.facts,
            "expires_at": draft.expires_at,
            "secret": draft.secret,
        }
        for draft in drafts
    ]
    session.defer(_ADD, rows=orjson.dumps(rows).decode())
    session.note(MailsWritten())


async def lease(
    session: Session, room: Mapping[Lane, int], *, lease_seconds: float
) -> Sequence[Row]:
    """Takes mails to be sent now, so many of each lane, each with its person and their wish.

    The transaction ends with it.
    """
    leased = await session.finish(
        _LEASE,
        lanes=[lane.value for lane in room],
        most=list(room.values()),
        lease_seconds=lease_seconds,
    )
    return leased.rows


async def renew_leases(session: Session, ids: Collection[UUID], *, lease_seconds: float) -> None:
    """Keeps mails that are being sent from being sent by another."""
    await session.execute(_RENEW_LEASES, ids=list(ids), lease_seconds=lease_seconds)


async def put_off(session: Session, id: UUID, why: str, *, hours: int, jitter: float) -> bool:
    """Has a mail that could not be sent tried again later; True: it was given up.

    That is once it was tried for so many hours.
    """
    outcome = why[:_OUTCOME_CHARACTERS]
    row = await session.first(_PUT_OFF, id=id, outcome=outcome, hours=hours, jitter=jitter)
    return bool(row and row.given_up)


async def give_up(session: Session, id: UUID, why: str) -> None:
    """Notes that a mail will not be sent."""
    await session.execute(_GIVE_UP, id=id, outcome=why[:_OUTCOME_CHARACTERS])


async def mark_sent(session: Session, id: UUID) -> None:
    """Notes that the mail server took the mail; the code that one brought is gone then.

    The transaction ends with it.
    """
    await session.finish(_MARK_SENT, id=id)


async def purge_expired(session: Session, batch: int) -> int:
    """Gives up to `batch` mails up that are too old to be of use, and forgets what they said."""
    return (await session.execute(_PURGE_EXPIRED, batch=batch)).rowcount


async def forget_old(session: Session, batch: int, *, days: int) -> int:
    """Deletes up to `batch` mails that are older than so many days: how many."""
    return (await session.execute(_FORGET_OLD, batch=batch, days=days)).rowcount


async def waiting(session: Session, lane: Lane, most: int) -> int:
    """How many mails of a lane are still to be sent; counted up to `most`."""
    return int(await session.scalar(_WAITING, lane=lane.value, most=most))


async def resend(session: Session, ids: Collection[UUID]) -> Sequence[UUID]:
    """Has mails that were given up tried anew; gives those that were."""
    return [row.id for row in await session.all(_RESEND, ids=list(ids))]


# By the index of those that wait alone.
_COUNT_WAITING = """
SELECT count(*) FROM (SELECT 1 FROM mail WHERE sent_at IS NULL AND given_up_at IS NULL
                       LIMIT :most) AS few
"""


async def count_waiting(session: Session, most: int) -> int:
    """How many mails are to be sent, `most` at most."""
    return int(await session.scalar(_COUNT_WAITING, most=most))
