"""Tables `person` and `mail`, and every query on them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Row, Session
from chassis.ids import uuid7
from notification_service.domain import Draft, Person

# An older version that arrives late never overwrites a newer one.
_SAVE_PERSON = """
INSERT INTO person (user_id, email, name, version) VALUES (:user_id, :email, :name, :version)
    ON CONFLICT (user_id) DO UPDATE
   SET email = excluded.email, name = excluded.name, version = excluded.version
 WHERE person.version < excluded.version
"""
_FIND_PERSON = "SELECT email, name FROM person WHERE user_id = :user_id"
_ADD_MAIL = """
INSERT INTO mail (id, recipient, kind, subject, body)
VALUES (:id, :to, :kind, :subject, :body)
"""
_LIST_MAILS = """
SELECT id, recipient, kind, subject, body, created_at, sent_at FROM mail
 WHERE CAST(:to AS text) IS NULL OR recipient = :to
 ORDER BY id DESC LIMIT :limit
"""
# Due mails are leased by pushing their next try into the future: another sender passes them by,
# and a sender that dies leaves them to be tried again then. Sent at least once.
_LEASE_MAILS = """
UPDATE mail SET tries = tries + 1,
       due_at = clock_timestamp() + least(interval '30 seconds' * 2 ^ least(tries, 10), '1 hour')
 WHERE id IN (SELECT id FROM mail WHERE sent_at IS NULL AND due_at <= clock_timestamp()
                 AND tries < :tries
               ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id, recipient, subject, body
"""
_MARK_SENT = "UPDATE mail SET sent_at = clock_timestamp() WHERE id = :id"


async def save_person(session: Session, user_id: UUID, email: str, name: str, version: int) -> None:
    """Remembers a person, unless something newer is known."""
    await session.execute(_SAVE_PERSON, user_id=user_id, email=email, name=name, version=version)


async def find_person(session: Session, user_id: UUID) -> Person | None:
    """The person, if their address has arrived."""
    row = await session.first(_FIND_PERSON, user_id=user_id)
    return Person(row.email, row.name) if row else None


async def add_mail(session: Session, draft: Draft) -> None:
    """Puts a mail into the mailbox, due at once."""
    await session.execute(
        _ADD_MAIL,
        id=uuid7(),
        to=draft.to,
        kind=draft.kind,
        subject=draft.subject,
        body=draft.body,
    )


async def list_mails(session: Session, to: str | None, limit: int) -> Sequence[Row]:
    """Mails, newest first; `to` one address or all."""
    return await session.all(_LIST_MAILS, to=to, limit=limit)


async def lease_mails(session: Session, *, limit: int, tries: int) -> Sequence[Row]:
    """Takes up to `limit` mails to be sent now, tried fewer than `tries` times so far."""
    return await session.all(_LEASE_MAILS, limit=limit, tries=tries)


async def mark_sent(session: Session, id: UUID) -> None:
    """Notes that the mail server took the mail."""
    await session.execute(_MARK_SENT, id=id)
