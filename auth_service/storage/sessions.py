"""Tables `session` and `refresh_token`, and every query on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from auth_service.domain import Credentials, Limits, OpenSession
from chassis.database import Row, Session
from chassis.ids import uuid7

# The account may have been disabled, or its password changed, since it was looked at. The share
# lock makes whoever does that next wait for this commit, and so see the session to be ended.
# What belongs to it is in the same statement, since log-ins come by the hundred.
_OPEN_SESSION = """
WITH opened AS (
    INSERT INTO session (id, account_id, address, user_agent)
    SELECT :id, id, :address, :user_agent FROM account
     WHERE id = :account_id AND disabled_at IS NULL AND password_version = :password_version
       FOR SHARE
    RETURNING id, account_id, created_at
), token AS (
    INSERT INTO refresh_token (digest, session_id, expires_at)
    SELECT :digest, id, clock_timestamp() + :seconds * interval '1 second' FROM opened
), forgiven AS (
    DELETE FROM login_throttle
     WHERE email = :email AND source = :source AND EXISTS (SELECT FROM opened)
), noted AS (
    INSERT INTO audit (id, action, account_id, actor_id, detail)
    SELECT :audit_id, 'LOGGED_IN', account_id, account_id, CAST(:detail AS jsonb) FROM opened
)
SELECT created_at FROM opened
"""
# Until the session is too old as a whole, at the latest.
_ADD_REFRESH_TOKEN = """
INSERT INTO refresh_token (digest, session_id, parent, expires_at)
SELECT :digest, id, :parent, least(clock_timestamp() + :seconds * interval '1 second',
                                   created_at + :oldest * interval '1 second')
  FROM session WHERE id = :session_id
"""  # noqa: S105 - a statement, no secret
# Everything that happens to a session's tokens happens under the session's lock.
_LOCK_SESSION = """
SELECT session.id, session.account_id,
       ceil(extract(epoch FROM session.created_at - clock_timestamp()) + :oldest) AS seconds_left
  FROM session
  JOIN refresh_token ON refresh_token.session_id = session.id
 WHERE refresh_token.digest = :digest AND session.ended_at IS NULL
   AND session.created_at > clock_timestamp() - :oldest * interval '1 second'
   FOR UPDATE OF session
"""
# Used for the first time, or again within the grace while no reply to the uses before was used.
_ROTATE = """
UPDATE refresh_token AS token SET rotated_at = coalesce(rotated_at, clock_timestamp())
 WHERE digest = :digest AND expires_at > clock_timestamp() AND NOT superseded
   AND (rotated_at IS NULL OR rotated_at > clock_timestamp() - :grace * interval '1 second'
        AND NOT EXISTS (SELECT FROM refresh_token AS sibling
                         WHERE sibling.session_id = token.session_id
                           AND sibling.parent = token.digest
                           AND sibling.rotated_at IS NOT NULL AND NOT sibling.superseded))
"""
# Of what one token was answered with, the last alone is good.
_SUPERSEDE = """
UPDATE refresh_token SET superseded = true, rotated_at = clock_timestamp()
 WHERE session_id = :session_id AND parent = :parent AND NOT superseded
"""
# That two replies crossed each other on their way is no theft.
_IS_REUSED = """
SELECT rotated_at IS NOT NULL
       AND NOT (superseded AND rotated_at > clock_timestamp() - :grace * interval '1 second')
  FROM refresh_token WHERE digest = :digest
"""
_TOUCH_SESSION = """
UPDATE session SET last_used_at = clock_timestamp() WHERE id = :id RETURNING last_used_at
"""
_END_SESSION = """
UPDATE session SET ended_at = clock_timestamp()
 WHERE id = :id AND account_id = :account_id AND ended_at IS NULL
"""
# A refresh in progress holds its session's lock: it is waited for, and ended with the others.
_END_SESSIONS = """
UPDATE session SET ended_at = clock_timestamp()
 WHERE account_id = :account_id AND ended_at IS NULL AND id IS DISTINCT FROM :keep
RETURNING id, last_used_at > clock_timestamp() - :seconds * interval '1 second' AS has_token
"""
# All but the `keep` that were used last.
_END_OLDEST_SESSIONS = """
UPDATE session SET ended_at = clock_timestamp()
 WHERE id IN (SELECT id FROM session WHERE account_id = :account_id AND ended_at IS NULL
               ORDER BY last_used_at DESC, id DESC OFFSET :keep)
   AND ended_at IS NULL
RETURNING id, last_used_at > clock_timestamp() - :seconds * interval '1 second' AS has_token
"""
# A statement of its own, to see what such a refresh has left.
_DELETE_REFRESH_TOKENS = "DELETE FROM refresh_token WHERE session_id = ANY(:session_ids)"
_LIST_SESSIONS = """
SELECT id, address, user_agent, created_at, last_used_at FROM session
 WHERE account_id = :account_id AND ended_at IS NULL
   AND last_used_at > clock_timestamp() - :seconds * interval '1 second'
   AND created_at > clock_timestamp() - :oldest * interval '1 second'
 ORDER BY last_used_at DESC, id LIMIT 100
"""
# An access token is as old as its session's last use: who has none that is good is left out.
_ENDED_SESSIONS = """
SELECT id FROM session
 WHERE ended_at IS NOT NULL AND last_used_at > clock_timestamp() - :seconds * interval '1 second'
 ORDER BY last_used_at DESC LIMIT 100000
"""


async def open_session(
    session: Session,
    id: UUID,
    credentials: Credentials,
    *,
    source: str,
    digest: bytes,
    limits: Limits,
    client: Mapping[str, str],
    commits: bool,
) -> datetime | None:
    """Opens a session with its first token, forgives its source the failures before.

    Since when it is open; None, and nothing done, if the credentials are no longer good. With
    `commits` it is the transaction's last statement, in one round trip with its end.
    """
    run = session.finish if commits else session.execute
    opened = await run(
        _OPEN_SESSION,
        id=id,
        account_id=credentials.account.id,
        password_version=credentials.password_version,
        email=credentials.account.email,
        source=source,
        digest=digest,
        seconds=min(limits.refresh_seconds, limits.session_seconds),
        audit_id=uuid7(),
        detail=json.dumps({"session_id": str(id), **client}),
        **client,
    )
    opened_at: datetime | None = opened.scalar()
    return opened_at


def add_refresh_token(
    session: Session, session_id: UUID, digest: bytes, limits: Limits, *, parent: bytes
) -> None:
    """Adds a token to a session, for another: what was given out for that before is put out of use.

    The session is locked.
    """
    session.defer(_SUPERSEDE, session_id=session_id, parent=parent)
    session.defer(
        _ADD_REFRESH_TOKEN,
        session_id=session_id,
        digest=digest,
        parent=parent,
        seconds=limits.refresh_seconds,
        oldest=limits.session_seconds,
    )


async def lock_session(session: Session, digest: bytes, limits: Limits) -> Row | None:
    """The token's session, locked, unless it has ended or is too old.

    `id`, `account_id` and for how many `seconds_left` it can be carried on at most.
    """
    return await session.first(_LOCK_SESSION, digest=digest, oldest=limits.session_seconds)


async def rotate(session: Session, digest: bytes, limits: Limits) -> bool:
    """Uses the token, for the first time or again within the grace; its session is locked."""
    grace = limits.refresh_grace_seconds
    return (await session.execute(_ROTATE, digest=digest, grace=grace)).rowcount == 1


async def is_reused(session: Session, digest: bytes, limits: Limits) -> bool:
    """Whether a token that can't be rotated was used before, by whom has it or by another."""
    grace = limits.refresh_grace_seconds
    return bool(await session.scalar(_IS_REUSED, digest=digest, grace=grace))


async def touch_session(session: Session, id: UUID) -> datetime:
    """Notes that the session is in use: when."""
    used_at: datetime = await session.scalar(_TOUCH_SESSION, id=id)
    return used_at


async def end_session(session: Session, id: UUID, account_id: UUID) -> bool:
    """Ends the account's session with all its tokens; False if there was nothing to end."""
    ended = await session.execute(_END_SESSION, id=id, account_id=account_id)
    if not ended.rowcount:
        return False
    await session.execute(_DELETE_REFRESH_TOKENS, session_ids=[id])
    return True


async def end_sessions(
    session: Session, account_id: UUID, *, keep: UUID | None, token_seconds: int
) -> Sequence[UUID]:
    """Ends the account's sessions but `keep`: those whose access token may still be good."""
    rows = await session.all(_END_SESSIONS, account_id=account_id, keep=keep, seconds=token_seconds)
    await session.execute(_DELETE_REFRESH_TOKENS, session_ids=[row.id for row in rows])
    return [row.id for row in rows if row.has_token]


async def end_oldest_sessions(
    session: Session, account_id: UUID, *, keep: int, token_seconds: int
) -> Sequence[UUID]:
    """Ends all but `keep` of the account's sessions: those whose access token may still be good."""
    rows = await session.all(
        _END_OLDEST_SESSIONS, account_id=account_id, keep=keep, seconds=token_seconds
    )
    session.defer(_DELETE_REFRESH_TOKENS, session_ids=[row.id for row in rows])
    return [row.id for row in rows if row.has_token]


async def list_sessions(
    session: Session, account_id: UUID, limits: Limits
) -> Sequence[OpenSession]:
    """The account's open sessions, the last used first."""
    rows = await session.all(
        _LIST_SESSIONS,
        account_id=account_id,
        seconds=limits.refresh_seconds,
        oldest=limits.session_seconds,
    )
    return [OpenSession(**row._asdict()) for row in rows]


async def ended_sessions(session: Session, token_seconds: int) -> Sequence[UUID]:
    """The ended sessions whose access token may still be good."""
    return [row.id for row in await session.all(_ENDED_SESSIONS, seconds=token_seconds)]
