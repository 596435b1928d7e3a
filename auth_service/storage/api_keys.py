"""Table `api_key`, and every query on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from auth_service.domain import KEY_OWNERS, ApiKey, ApiKeyWish, KeyInUse
from chassis.database import Session
from chassis.ids import uuid7

_IS_GOOD = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())"
# The account is locked: of two that are asked for at once, the second counts the first.
_ADD_API_KEY = f"""
WITH asked AS (
    SELECT coalesce(CAST(:expires_at AS timestamptz) > clock_timestamp(), true) AS is_to_come,
           (SELECT count(*) FROM api_key WHERE account_id = :account_id AND {_IS_GOOD}) < :most
               AS has_room
), added AS (
    INSERT INTO api_key (id, account_id, name, prefix, digest, scopes, event_id, expires_at)
    SELECT :id, :account_id, :name, :prefix, :digest, CAST(:scopes AS text[]),
           CAST(:event_id AS uuid), CAST(:expires_at AS timestamptz)
      FROM asked WHERE is_to_come AND has_room
    RETURNING created_at
)
SELECT is_to_come, has_room, (SELECT created_at FROM added) AS created_at FROM asked
"""  # noqa: S608 - put together from constants
_LIST_API_KEYS = f"""
SELECT id, name, prefix, scopes, event_id, created_at, expires_at, last_used_at, revoked_at,
       CASE WHEN revoked_at IS NOT NULL THEN 'REVOKED' WHEN {_IS_GOOD} THEN 'ACTIVE'
            ELSE 'EXPIRED' END AS status
  FROM api_key WHERE account_id = :account_id AND id < :before ORDER BY id DESC LIMIT :limit
"""  # noqa: S608 - put together from constants
_REVOKE_API_KEY = """
UPDATE api_key SET revoked_at = clock_timestamp()
 WHERE id = :id AND account_id = :account_id AND revoked_at IS NULL
"""
_HAS_API_KEY = "SELECT EXISTS (SELECT FROM api_key WHERE id = :id AND account_id = :account_id)"
_REVOKE_API_KEYS = f"""
UPDATE api_key SET revoked_at = clock_timestamp()
 WHERE account_id = :account_id AND {_IS_GOOD} RETURNING id
"""  # noqa: S608 - put together from constants
# The role is the account's own, as it is now.
_USE_API_KEY = f"""
SELECT api_key.id, account_id, role, scopes, event_id, clock_timestamp() AS at,
       extract(epoch FROM expires_at - clock_timestamp()) AS seconds_left,
       {_IS_GOOD} AND disabled_at IS NULL AND role = ANY(:roles) AS is_good
  FROM api_key JOIN account ON account.id = account_id WHERE digest = :digest
"""  # noqa: S608 - put together from constants
_TOUCH_API_KEY = """
UPDATE api_key SET last_used_at = clock_timestamp()
 WHERE id = :id
   AND coalesce(last_used_at < clock_timestamp() - :seconds * interval '1 second', true)
"""
# Once an hour: whoever goes on with a key that is over does not fill the trail.
_NOTE_REFUSAL = """
WITH noted AS (
    UPDATE api_key SET refused_at = clock_timestamp()
     WHERE id = :id AND coalesce(refused_at < clock_timestamp() - interval '1 hour', true)
    RETURNING id, account_id
)
INSERT INTO audit (id, action, account_id, actor_id, detail)
SELECT :audit_id, 'API_KEY_REFUSED', account_id, NULL,
       jsonb_build_object('key_id', CAST(id AS text), 'address', CAST(:address AS text))
  FROM noted
"""
# A key's tokens are not older than its end: they were made before.
_ENDED_API_KEYS = """
SELECT id FROM api_key WHERE revoked_at > clock_timestamp() - :seconds * interval '1 second'
 ORDER BY revoked_at DESC LIMIT 100000
"""


async def add_api_key(
    session: Session,
    account_id: UUID,
    wish: ApiKeyWish,
    *,
    id: UUID,
    prefix: str,
    digest: bytes,
    most: int,
) -> tuple[datetime | None, bool]:
    """Adds a key, unless the account has `most` that are good, or its time is over; it is locked.

    When it was made, or None; and whether there was room.
    """
    row = await session.one(
        _ADD_API_KEY,
        id=id,
        account_id=account_id,
        name=wish.name,
        prefix=prefix,
        digest=digest,
        scopes=list(wish.scopes),
        event_id=wish.event_id,
        expires_at=wish.expires_at,
        most=most,
    )
    return row.created_at, row.has_room


async def list_api_keys(
    session: Session, account_id: UUID, *, before: UUID, limit: int
) -> Sequence[ApiKey]:
    """A page of the account's keys, newest first."""
    rows = await session.all(_LIST_API_KEYS, account_id=account_id, before=before, limit=limit)
    return [ApiKey(**row._asdict()) for row in rows]


async def revoke_api_key(session: Session, id: UUID, account_id: UUID) -> bool:
    """Ends the account's key; False if it was revoked before, or there is none."""
    return (await session.execute(_REVOKE_API_KEY, id=id, account_id=account_id)).rowcount == 1


async def has_api_key(session: Session, id: UUID, account_id: UUID) -> bool:
    """Whether it is the account's."""
    return bool(await session.scalar(_HAS_API_KEY, id=id, account_id=account_id))


async def revoke_api_keys(session: Session, account_id: UUID) -> Sequence[UUID]:
    """Ends all of the account's keys that are good: those."""
    return [row.id for row in await session.all(_REVOKE_API_KEYS, account_id=account_id)]


async def use_api_key(
    session: Session, digest: bytes, *, last_used_seconds: int
) -> KeyInUse | UUID | None:
    """The key, if it is good; only its id, if it is no longer; None: there is none.

    That it was used is noted where the last time was longer ago.
    """
    row = await session.first(_USE_API_KEY, digest=digest, roles=list(KEY_OWNERS))
    if row is None:
        return None
    if not row.is_good:
        key_id: UUID = row.id
        return key_id
    session.defer(_TOUCH_API_KEY, id=row.id, seconds=last_used_seconds)
    left = row.seconds_left
    return KeyInUse(
        row.id,
        row.account_id,
        row.role,
        row.scopes,
        row.event_id,
        row.at,
        None if left is None else float(left),
    )


def note_refused_api_key(session: Session, id: UUID, address: str) -> None:
    """Notes in the audit trail that a key was used after its end, once an hour."""
    session.defer(_NOTE_REFUSAL, id=id, address=address, audit_id=uuid7())


async def ended_api_keys(session: Session, token_seconds: int) -> Sequence[UUID]:
    """The revoked keys whose tokens may still be good."""
    return [row.id for row in await session.all(_ENDED_API_KEYS, seconds=token_seconds)]
