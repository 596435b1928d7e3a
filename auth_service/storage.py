"""Tables `account`, `one_time_code`, `code_quota`, `login_throttle`, `session`, `refresh_token`,
`signing_key`, `audit`, and every query on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from auth_service.domain import Account, Applicant, Credentials, Limits
from chassis.database import Session
from chassis.ids import uuid7

# --- accounts ------------------------------------------------------------------------------------
# The unique address decides between two who register it at once.
_ADD_ACCOUNT = """
INSERT INTO account (id, email, name, role, phone, country, organizer_requested, password_hash)
VALUES (:id, :email, :name, :role, :phone, :country, :organizer_requested, :password_hash)
    ON CONFLICT (email) DO NOTHING
RETURNING id, email, name, role, phone, country, organizer_requested, created_at,
          disabled_at IS NOT NULL AS disabled, version
"""
_FIND_ACCOUNT = """
SELECT id, email, name, role, phone, country, organizer_requested, created_at,
       disabled_at IS NOT NULL AS disabled, version
  FROM account WHERE id = :id
"""
_FIND_CREDENTIALS = """
SELECT id, email, name, role, phone, country, organizer_requested, created_at,
       disabled_at IS NOT NULL AS disabled, version, password_hash, password_version
  FROM account WHERE email = :email
"""
_KNOWS = "SELECT EXISTS (SELECT FROM account WHERE email = :email)"
# Only while the password is still the one that was hashed anew.
_REPLACE_HASH = """
UPDATE account SET password_hash = :password_hash
 WHERE id = :id AND password_version = :password_version
"""

# --- one-time codes ------------------------------------------------------------------------------
# Guard and count in one statement: of several at once, one finds the condition true.
_COUNT_CODE = """
INSERT INTO code_quota AS quota (email, sent_at) VALUES (:email, ARRAY[clock_timestamp()])
    ON CONFLICT (email) DO UPDATE
   SET sent_at = (clock_timestamp() || quota.sent_at)[1:CAST(:an_hour AS integer)]
 WHERE quota.sent_at[1] <= clock_timestamp() - :interval * interval '1 second'
   AND coalesce(quota.sent_at[CAST(:an_hour AS integer)]
                <= clock_timestamp() - interval '1 hour', true)
"""
_NEXT_CODE_IN = """
SELECT ceil(extract(epoch FROM greatest(
           sent_at[1] + :interval * interval '1 second',
           sent_at[CAST(:an_hour AS integer)] + interval '1 hour') - clock_timestamp()))
  FROM code_quota WHERE email = :email
"""
_SAVE_CODE = """
INSERT INTO one_time_code (email, purpose, digest, expires_at, tries_left)
VALUES (:email, :purpose, :digest, clock_timestamp() + :seconds * interval '1 second', :tries)
    ON CONFLICT (email, purpose) DO UPDATE
   SET digest = excluded.digest, expires_at = excluded.expires_at,
       tries_left = excluded.tries_left, used_at = NULL
RETURNING expires_at
"""
# Right or wrong, the try is counted by the statement that looks: the row lock makes simultaneous
# tries queue, and each sees what the one before it left.
_TRY_CODE = """
UPDATE one_time_code
   SET tries_left = tries_left - 1,
       used_at = CASE WHEN digest = :digest THEN clock_timestamp() END
 WHERE email = :email AND purpose = :purpose AND used_at IS NULL AND tries_left > 0
   AND expires_at > clock_timestamp()
RETURNING used_at IS NOT NULL
"""

# --- log-ins -------------------------------------------------------------------------------------
# A try counts as failed until it has succeeded, so that a thousand at once are no more than five.
_CLAIM_LOG_IN = """
INSERT INTO login_throttle AS throttle (email, failures, next_at)
VALUES (:email, 1, clock_timestamp())
    ON CONFLICT (email) DO UPDATE
   SET failures = least(throttle.failures + 1, 1000),
       next_at = clock_timestamp() + CASE WHEN throttle.failures + 1 < :free THEN interval '0'
           ELSE least(interval '1 second' * 2 ^ least(throttle.failures + 1 - :free, 20),
                      :longest * interval '1 second') END
 WHERE throttle.next_at <= clock_timestamp()
"""
_NEXT_LOG_IN_IN = """
SELECT ceil(extract(epoch FROM next_at - clock_timestamp())) FROM login_throttle
 WHERE email = :email
"""
_FORGIVE = "DELETE FROM login_throttle WHERE email = :email"

# --- sessions ------------------------------------------------------------------------------------
# The account may have been disabled, or its password changed, since it was looked at. The share
# lock makes whoever does that next wait for this commit, and so see the session to be ended.
_OPEN_SESSION = """
INSERT INTO session (id, account_id, address, user_agent)
SELECT :id, id, :address, :user_agent FROM account
 WHERE id = :account_id AND disabled_at IS NULL AND password_version = :password_version
   FOR SHARE
RETURNING created_at
"""
_ADD_REFRESH_TOKEN = """
INSERT INTO refresh_token (digest, session_id, expires_at)
VALUES (:digest, :session_id, clock_timestamp() + :seconds * interval '1 second')
"""  # noqa: S105 - a statement, no secret
# Everything that happens to a session's tokens happens under the session's lock.
_LOCK_SESSION = """
SELECT session.id, session.account_id FROM session
  JOIN refresh_token ON refresh_token.session_id = session.id
 WHERE refresh_token.digest = :digest AND session.ended_at IS NULL
   FOR UPDATE OF session
"""
_ROTATE = """
UPDATE refresh_token SET rotated_at = coalesce(rotated_at, clock_timestamp())
 WHERE digest = :digest AND expires_at > clock_timestamp()
   AND (rotated_at IS NULL OR rotated_at > clock_timestamp() - :grace * interval '1 second')
"""
_WAS_ROTATED = "SELECT rotated_at IS NOT NULL FROM refresh_token WHERE digest = :digest"
_TOUCH_SESSION = """
UPDATE session SET last_used_at = clock_timestamp() WHERE id = :id RETURNING last_used_at
"""
_END_SESSION = """
UPDATE session SET ended_at = clock_timestamp()
 WHERE id = :id AND account_id = :account_id AND ended_at IS NULL
"""
_DELETE_REFRESH_TOKENS = "DELETE FROM refresh_token WHERE session_id = :session_id"

# --- signing keys --------------------------------------------------------------------------------
# Replicas that start together make the keys one after the other: the second finds them made.
_LOCK_KEYS = "SELECT pg_advisory_xact_lock(hashtextextended('auth.signing_key', 0))"
_COUNT_LIVE_KEYS = "SELECT count(*) FROM signing_key WHERE retired_at IS NULL"
_ADD_KEY = "INSERT INTO signing_key (kid, private_key) VALUES (:kid, :private_key)"
# A retired key is published for an hour: far longer than what it signed can live.
_LIST_KEYS = """
SELECT kid, private_key, retired_at IS NULL AS live FROM signing_key
 WHERE retired_at IS NULL OR retired_at > clock_timestamp() - interval '1 hour'
 ORDER BY kid
"""

# --- audit ---------------------------------------------------------------------------------------
_AUDIT = """
INSERT INTO audit (id, action, account_id, detail)
VALUES (:id, :action, :account_id, CAST(:detail AS jsonb))
"""

# --- what is no longer needed --------------------------------------------------------------------
_FORGET = (
    "DELETE FROM one_time_code WHERE ctid IN (SELECT ctid FROM one_time_code"
    " WHERE expires_at < clock_timestamp() - interval '1 hour' LIMIT :batch)",
    "DELETE FROM code_quota WHERE ctid IN (SELECT ctid FROM code_quota"
    " WHERE sent_at[1] < clock_timestamp() - interval '2 hours' LIMIT :batch)",
    "DELETE FROM login_throttle WHERE ctid IN (SELECT ctid FROM login_throttle"
    " WHERE next_at < clock_timestamp() - interval '1 day' LIMIT :batch)",
    "DELETE FROM refresh_token WHERE ctid IN (SELECT ctid FROM refresh_token"
    " WHERE expires_at < clock_timestamp() LIMIT :batch)",
    "DELETE FROM session WHERE ctid IN (SELECT ctid FROM session WHERE last_used_at"
    " < clock_timestamp() - :session_seconds * interval '1 second' LIMIT :batch)",
)


async def add_account(
    session: Session, applicant: Applicant, password_hash: str, *, organizer_requested: bool = False
) -> Account | None:
    """Makes an account; None where the address has one."""
    row = await session.first(
        _ADD_ACCOUNT,
        id=uuid7(),
        email=applicant.email,
        name=applicant.name,
        role=applicant.role,
        phone=applicant.phone,
        country=applicant.country,
        organizer_requested=organizer_requested,
        password_hash=password_hash,
    )
    return Account(**row._mapping) if row else None  # noqa: SLF001 - the row's public mapping


async def find_account(session: Session, id: UUID) -> Account | None:
    """The account, if there is such a one."""
    row = await session.first(_FIND_ACCOUNT, id=id)
    return Account(**row._mapping) if row else None  # noqa: SLF001 - the row's public mapping


async def find_credentials(session: Session, email: str) -> Credentials | None:
    """What a log-in with this address is checked against."""
    row = await session.first(_FIND_CREDENTIALS, email=email)
    if row is None:
        return None
    fields = dict(row._mapping)  # noqa: SLF001 - the row's public mapping
    return Credentials(
        password_hash=fields.pop("password_hash"),
        password_version=fields.pop("password_version"),
        account=Account(**fields),
    )


async def knows(session: Session, email: str) -> bool:
    """Whether the address has an account."""
    return bool(await session.scalar(_KNOWS, email=email))


async def replace_hash(session: Session, credentials: Credentials, password_hash: str) -> None:
    """Stores another hash of the same password."""
    await session.execute(
        _REPLACE_HASH,
        id=credentials.account.id,
        password_version=credentials.password_version,
        password_hash=password_hash,
    )


async def count_code(session: Session, email: str, limits: Limits) -> int:
    """Counts one more code for the address: 0, or the seconds until it may have one."""
    quota = {"interval": limits.code_interval_seconds, "an_hour": limits.codes_an_hour}
    if (await session.execute(_COUNT_CODE, email=email, **quota)).rowcount:
        return 0
    return max(1, int(await session.scalar(_NEXT_CODE_IN, email=email, **quota) or 1))


async def save_code(
    session: Session, email: str, purpose: str, digest: bytes, limits: Limits
) -> datetime:
    """Stores a code in the place of any older one; until when it is good."""
    expires_at: datetime = await session.scalar(
        _SAVE_CODE,
        email=email,
        purpose=purpose,
        digest=digest,
        seconds=limits.code_seconds,
        tries=limits.code_tries,
    )
    return expires_at


async def try_code(session: Session, email: str, purpose: str, digest: bytes) -> bool:
    """Uses up the code if it is the right one, else one of its tries. Must be committed."""
    return bool(await session.scalar(_TRY_CODE, email=email, purpose=purpose, digest=digest))


async def claim_log_in(session: Session, email: str, limits: Limits) -> int:
    """Counts a try as failed: 0, or the seconds until the address may try again."""
    free, longest = limits.free_log_in_failures, limits.longest_log_in_wait_seconds
    claimed = await session.execute(_CLAIM_LOG_IN, email=email, free=free, longest=longest)
    if claimed.rowcount:
        return 0
    return max(1, int(await session.scalar(_NEXT_LOG_IN_IN, email=email) or 1))


async def forgive_log_ins(session: Session, email: str) -> None:
    """Forgets the address's failures."""
    await session.execute(_FORGIVE, email=email)


async def open_session(
    session: Session, id: UUID, credentials: Credentials, address: str, user_agent: str
) -> datetime | None:
    """Opens a session: since when; None if the credentials are no longer good."""
    opened_at: datetime | None = await session.scalar(
        _OPEN_SESSION,
        id=id,
        account_id=credentials.account.id,
        password_version=credentials.password_version,
        address=address,
        user_agent=user_agent,
    )
    return opened_at


async def add_refresh_token(
    session: Session, session_id: UUID, digest: bytes, limits: Limits
) -> None:
    """Adds a token to a session."""
    seconds = limits.refresh_seconds
    await session.execute(_ADD_REFRESH_TOKEN, session_id=session_id, digest=digest, seconds=seconds)


async def lock_session(session: Session, digest: bytes) -> Row[Any] | None:
    """`id` and `account_id` of the token's session, unless it has ended; locked."""
    return await session.first(_LOCK_SESSION, digest=digest)


async def rotate(session: Session, digest: bytes, limits: Limits) -> bool:
    """Uses the token, for the first time or again within the grace; its session is locked."""
    grace = limits.refresh_grace_seconds
    return (await session.execute(_ROTATE, digest=digest, grace=grace)).rowcount == 1


async def was_rotated(session: Session, digest: bytes) -> bool:
    """Whether the token was used before."""
    return bool(await session.scalar(_WAS_ROTATED, digest=digest))


async def touch_session(session: Session, id: UUID) -> datetime:
    """Notes that the session is in use: when."""
    used_at: datetime = await session.scalar(_TOUCH_SESSION, id=id)
    return used_at


async def end_session(session: Session, id: UUID, account_id: UUID) -> bool:
    """Ends the account's session with all its tokens; False if there was nothing to end."""
    ended = await session.execute(_END_SESSION, id=id, account_id=account_id)
    if not ended.rowcount:
        return False
    await session.execute(_DELETE_REFRESH_TOKENS, session_id=id)
    return True


async def lock_keys(session: Session) -> int:
    """How many keys are live; nobody else adds one before this transaction ends."""
    await session.execute(_LOCK_KEYS)
    return int(await session.scalar(_COUNT_LIVE_KEYS))


async def add_key(session: Session, kid: UUID, private_key: bytes) -> None:
    """Adds a key behind those there are."""
    await session.execute(_ADD_KEY, kid=kid, private_key=private_key)


async def list_keys(session: Session) -> Sequence[Row[Any]]:
    """Every key that is published, oldest first: `kid`, `private_key`, `live`."""
    return await session.all(_LIST_KEYS)


async def audit(session: Session, action: str, account_id: UUID | None, **detail: str) -> None:
    """Appends to the audit trail."""
    await session.execute(
        _AUDIT, id=uuid7(), action=action, account_id=account_id, detail=json.dumps(detail)
    )


async def forget(session: Session, limits: Limits, batch: int) -> int:
    """Deletes up to `batch` rows of each kind that is no longer needed; the most of any kind."""
    # An access token may outlive its session's last refresh token, and a lost clock both.
    seconds = limits.refresh_seconds + 24 * 3600
    return max(
        [
            (await session.execute(statement, batch=batch, session_seconds=seconds)).rowcount
            for statement in _FORGET
        ]
    )
