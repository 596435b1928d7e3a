"""Tables `person`, `ending` and `mail`, and every query on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from chassis.database import Row, Session
from chassis.ids import uuid7
from notification_service.domain import Draft, EndedBooking, MailsWritten, Person

# An older version that arrives late never overwrites a newer one. Sets are taken in one order, so
# that two processes never wait for one another.
_SAVE_PEOPLE = """
INSERT INTO person (user_id, email, name, version)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:emails AS text[]), CAST(:names AS text[]),
                     CAST(:versions AS bigint[])) AS told (id)
 ORDER BY id
    ON CONFLICT (user_id) DO UPDATE
   SET email = excluded.email, name = excluded.name, version = excluded.version
 WHERE person.version < excluded.version
"""
_FIND_PEOPLE = """
SELECT user_id AS id, email, name, version FROM person WHERE user_id = ANY(CAST(:ids AS uuid[]))
"""
_TAKE_ENDINGS = """
INSERT INTO ending (booking_id, version)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS told (id)
 ORDER BY id
    ON CONFLICT (booking_id) DO UPDATE SET version = excluded.version
 WHERE ending.version < excluded.version
RETURNING booking_id
"""
_ADD_MAILS = """
INSERT INTO mail (id, recipient, kind, subject, body, expires_at)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:recipients AS text[]), CAST(:kinds AS text[]),
                     CAST(:subjects AS text[]), CAST(:bodies AS text[]),
                     CAST(:expiries AS timestamptz[]))
"""
_LIST_MAILS = """
SELECT id, recipient, kind, subject, body, created_at, sent_at FROM mail
 WHERE (CAST(:to AS text) IS NULL OR recipient = :to)
   AND coalesce(expires_at > clock_timestamp(), true)
 ORDER BY id DESC LIMIT :limit
"""
# Due mails are leased by pushing their next try into the future: another sender passes them by,
# and a sender that dies leaves them to be tried again then. Sent at least once.
_LEASE_MAILS = """
UPDATE mail SET tries = tries + 1,
       due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
 WHERE id IN (SELECT id FROM mail WHERE sent_at IS NULL AND due_at <= clock_timestamp()
                 AND tries < :tries AND coalesce(expires_at > clock_timestamp(), true)
               ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id, recipient, subject, body
"""
_RENEW_LEASES = """
UPDATE mail SET due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
 WHERE id = ANY(CAST(:ids AS uuid[])) AND sent_at IS NULL
"""
# 30 s after the first try, then twice as long each time, up to an hour.
_PUT_OFF = """
UPDATE mail SET due_at = clock_timestamp()
           + least(interval '30 seconds' * 2 ^ least(tries - 1, 10), interval '1 hour')
 WHERE id = :id
"""
# What must not lie about is deleted, the rest is kept.
_MARK_SENT = """
WITH gone AS (DELETE FROM mail WHERE id = :id AND expires_at IS NOT NULL)
UPDATE mail SET sent_at = clock_timestamp() WHERE id = :id AND expires_at IS NULL
"""
_FORGET_EXPIRED = """
DELETE FROM mail WHERE id IN (SELECT id FROM mail WHERE expires_at <= clock_timestamp()
                               ORDER BY expires_at LIMIT :batch)
"""


def save_people(session: Session, people: Sequence[Person]) -> None:
    """Remembers people, one entry for each, unless something newer is known."""
    if people:
        session.defer(
            _SAVE_PEOPLE,
            ids=[person.id for person in people],
            emails=[person.email for person in people],
            names=[person.name for person in people],
            versions=[person.version for person in people],
        )


async def find_people(session: Session, ids: Collection[UUID]) -> Mapping[UUID, Person]:
    """The people whose addresses have arrived, by id."""
    rows = await session.all(_FIND_PEOPLE, ids=list(ids)) if ids else ()
    return {row.id: Person(*row) for row in rows}


async def take_endings(session: Session, bookings: Sequence[EndedBooking]) -> Sequence[UUID]:
    """Notes endings as told, one for each booking; gives the bookings whose were newer."""
    if not bookings:
        return ()
    rows = await session.all(
        _TAKE_ENDINGS,
        ids=[booking.booking_id for booking in bookings],
        versions=[booking.version for booking in bookings],
    )
    return [row.booking_id for row in rows]


def add_mails(session: Session, drafts: Sequence[Draft]) -> None:
    """Puts mails into the mailbox, due at once."""
    if drafts:
        session.defer(
            _ADD_MAILS,
            ids=[uuid7() for _ in drafts],
            recipients=[draft.to for draft in drafts],
            kinds=[draft.kind for draft in drafts],
            subjects=[draft.subject for draft in drafts],
            bodies=[draft.body for draft in drafts],
            expiries=[draft.expires_at for draft in drafts],
        )
        session.note(MailsWritten())


async def list_mails(session: Session, to: str | None, limit: int) -> Sequence[Row]:
    """Mails, newest first; `to` one address or all."""
    return await session.all(_LIST_MAILS, to=to, limit=limit)


async def lease_mails(
    session: Session, *, limit: int, tries: int, lease_seconds: float
) -> Sequence[Row]:
    """Takes up to `limit` mails to be sent now, tried fewer than `tries` times so far."""
    return await session.all(_LEASE_MAILS, limit=limit, tries=tries, lease_seconds=lease_seconds)


async def renew_leases(session: Session, ids: Collection[UUID], *, lease_seconds: float) -> None:
    """Keeps mails that are being sent from being sent by another."""
    await session.execute(_RENEW_LEASES, ids=list(ids), lease_seconds=lease_seconds)


async def put_off(session: Session, id: UUID) -> None:
    """Has a mail that could not be sent tried again later."""
    await session.execute(_PUT_OFF, id=id)


async def mark_sent(session: Session, id: UUID) -> None:
    """Notes that the mail server took the mail; one that brings a code is gone then."""
    await session.execute(_MARK_SENT, id=id)


async def forget_expired(session: Session, batch: int) -> int:
    """Deletes up to `batch` mails that are too old to be of use: how many."""
    return (await session.execute(_FORGET_EXPIRED, batch=batch)).rowcount
