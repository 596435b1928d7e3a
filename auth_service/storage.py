"""Tables `account`, `one_time_code`, `code_quota`, `login_throttle`, `account_throttle`,
`address_throttle`, `session`, `refresh_token`, `signing_key`, `audit`, and every query on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from auth_service.domain import (
    Account,
    Applicant,
    AuditEntry,
    Credentials,
    Limits,
    ManagedAccount,
    OpenSession,
    Visitor,
)
from chassis.database import Row, Session
from chassis.ids import uuid7

LOG_IN = "LOG_IN"  # the kind of failed log-ins, over all networks

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
_FIND_CREDENTIALS_OF = """
SELECT id, email, name, role, phone, country, organizer_requested, created_at,
       disabled_at IS NOT NULL AS disabled, version, password_hash, password_version
  FROM account WHERE id = :id
"""
# In the order of ids, so that two admins who change each other wait and do not deadlock.
_LOCK_ACCOUNTS = """
SELECT id, email, name, role, phone, country, organizer_requested, created_at,
       disabled_at IS NOT NULL AS disabled, version
  FROM account WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE
"""
_SAVE_ACCOUNT = """
UPDATE account
   SET name = :name, role = :role, phone = :phone, country = :country, version = :version,
       organizer_requested = :organizer_requested,
       disabled_at = CASE WHEN :disabled THEN coalesce(disabled_at, clock_timestamp()) END
 WHERE id = :id
"""
# Of two changes that were checked against the same password, one finds it still there.
_CHANGE_PASSWORD = """
UPDATE account SET password_hash = :password_hash, password_version = password_version + 1
 WHERE id = :id AND password_version = :password_version AND disabled_at IS NULL
"""  # noqa: S105 - a statement, no secret
_RESET_PASSWORD = """
UPDATE account SET password_hash = :password_hash, password_version = password_version + 1
 WHERE email = :email RETURNING id, password_version, clock_timestamp() AS at
"""  # noqa: S105 - a statement, no secret
# Newest first, read along the primary key.
_LIST_ACCOUNTS = """
SELECT account.id, email, name, role, phone, country, organizer_requested, created_at,
       disabled_at IS NOT NULL AS disabled, version, last_log_in.at AS last_log_in_at
  FROM account
  LEFT JOIN LATERAL (
       SELECT at FROM audit WHERE account_id = account.id AND action = 'LOGGED_IN'
        ORDER BY id DESC LIMIT 1) AS last_log_in ON true
 WHERE account.id < :before
   AND (:query = '%%' OR email ILIKE :query OR name ILIKE :query)
   AND (:role = '' OR role = :role)
   AND CASE :status WHEN 'ACTIVE' THEN disabled_at IS NULL
                    WHEN 'DISABLED' THEN disabled_at IS NOT NULL
                    WHEN 'ORGANIZER_REQUESTED' THEN organizer_requested
                    ELSE true END
 ORDER BY account.id DESC LIMIT :limit
"""
_LAST_LOG_IN = """
SELECT at FROM audit WHERE account_id = :id AND action = 'LOGGED_IN' ORDER BY id DESC LIMIT 1
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
INSERT INTO code_quota AS quota (email, purpose, network, sent_at)
VALUES (:email, :purpose, :network, ARRAY[clock_timestamp()])
    ON CONFLICT (email, purpose, network) DO UPDATE
   SET sent_at = (clock_timestamp() || quota.sent_at)[1:CAST(:an_hour AS integer)]
 WHERE quota.sent_at[1] <= clock_timestamp() - :interval * interval '1 second'
   AND coalesce(quota.sent_at[CAST(:an_hour AS integer)]
                <= clock_timestamp() - interval '1 hour', true)
"""
_NEXT_CODE_IN = """
SELECT ceil(extract(epoch FROM greatest(
           sent_at[1] + :interval * interval '1 second',
           sent_at[CAST(:an_hour AS integer)] + interval '1 hour') - clock_timestamp()))
  FROM code_quota WHERE email = :email AND purpose = :purpose AND network = :network
"""
# Beside those that others asked for: whoever could put a code out of use could keep people out.
_SAVE_CODE = """
INSERT INTO one_time_code (id, email, purpose, digest, expires_at, tries_left)
VALUES (:id, :email, :purpose, :digest, clock_timestamp() + :seconds * interval '1 second', :tries)
RETURNING expires_at
"""
# Right or wrong, the try is counted by the statement that looks: the row lock makes simultaneous
# tries queue, and each sees what the one before it left.
_TRY_CODE = """
UPDATE one_time_code
   SET tries_left = tries_left - 1,
       used_at = CASE WHEN digest = :digest THEN clock_timestamp() END
 WHERE id = :id AND email = :email AND purpose = :purpose AND used_at IS NULL AND tries_left > 0
   AND expires_at > clock_timestamp()
RETURNING used_at IS NOT NULL
"""
# By whom no code was given to: any that was mailed will do, and none is the worse for a wrong one.
_USE_CODE = """
UPDATE one_time_code SET used_at = clock_timestamp()
 WHERE email = :email AND purpose = :purpose AND digest = :digest AND used_at IS NULL
   AND tries_left > 0 AND expires_at > clock_timestamp()
"""
# The address is proved, and what it was proved for is done.
_VOID_CODES = """
UPDATE one_time_code SET used_at = clock_timestamp()
 WHERE email = :email AND purpose = :purpose AND used_at IS NULL
"""
# The account, if there is one, is looked up by the statement that notes it: no sooner, no later.
_AUDIT_CODE_REFUSED = """
INSERT INTO audit (id, action, account_id, actor_id, detail)
VALUES (:id, 'CODE_REFUSED', (SELECT id FROM account WHERE email = :email), NULL,
        CAST(:detail AS jsonb))
"""

# --- by account, from one network or from all ----------------------------------------------------
# A leaky bucket in one timestamp, as below.
_COUNT_ACCOUNT = """
INSERT INTO account_throttle AS throttle (email, kind, network, drained_at)
VALUES (:email, :kind, :network, clock_timestamp() + :seconds * interval '1 second')
    ON CONFLICT (email, kind, network) DO UPDATE
   SET drained_at = greatest(throttle.drained_at, clock_timestamp())
                  + :seconds * interval '1 second'
 WHERE throttle.drained_at
       <= clock_timestamp() + (:at_once - 1) * :seconds * interval '1 second'
"""
_NEXT_OF_ACCOUNT_IN = """
SELECT ceil(extract(epoch FROM drained_at - clock_timestamp()) - (:at_once - 1) * :seconds)
  FROM account_throttle WHERE email = :email AND kind = :kind AND network = :network
"""
_ALLOW_TRIES = """
DELETE FROM account_throttle WHERE email = :email AND kind = :kind AND network = :network
"""

# --- by client address ---------------------------------------------------------------------------
# A leaky bucket in one timestamp: guard and count in one statement, so that replicas agree.
_COUNT_ADDRESS = """
INSERT INTO address_throttle AS throttle (address, kind, drained_at)
VALUES (:address, :kind, clock_timestamp() + :seconds * interval '1 second')
    ON CONFLICT (address, kind) DO UPDATE
   SET drained_at = greatest(throttle.drained_at, clock_timestamp())
                  + :seconds * interval '1 second'
 WHERE throttle.drained_at
       <= clock_timestamp() + (:at_once - 1) * :seconds * interval '1 second'
"""
_NEXT_FROM_ADDRESS_IN = """
SELECT ceil(extract(epoch FROM drained_at - clock_timestamp()) - (:at_once - 1) * :seconds)
  FROM address_throttle WHERE address = :address AND kind = :kind
"""

# --- log-ins -------------------------------------------------------------------------------------
# A try counts as failed until it has succeeded, so that a thousand at once are no more than five.
_CLAIM_LOG_IN = """
INSERT INTO login_throttle AS throttle (email, source, failures, next_at)
VALUES (:email, :source, 1, clock_timestamp())
    ON CONFLICT (email, source) DO UPDATE
   SET failures = least(throttle.failures + 1, 1000),
       next_at = clock_timestamp() + CASE WHEN throttle.failures + 1 < :free THEN interval '0'
           ELSE least(interval '1 second' * 2 ^ least(throttle.failures + 1 - :free, 20),
                      :longest * interval '1 second') END
 WHERE throttle.next_at <= clock_timestamp()
"""
# The throttles and the look-up in one statement and one commit, so that no connection is held and
# no lock waits between them. The address comes first: from one that has had its share nothing is
# counted against anybody's account. A known and an unknown account are the same work.
# Counted is by network, or by a device that was logged in before, which also passes the throttle
# over all networks: whatever strangers do, its owner gets in. That one is only looked at here, and
# counted with the failure: log-ins that succeed, nearly all of them, write nothing for it. Each
# process lets in one log-in to an account at a time: no more than the replicas exceed it.
# The commit does not wait for the disk, while those from the same address wait for it: a try is
# answered only after another commit that does (a session, or the audit of its failure), and what
# makes that one durable makes what was written before it durable. A crash loses none but the counts
# of tries that nobody will be told the outcome of.
_BEGIN_LOG_IN = """
WITH counted AS (
    INSERT INTO address_throttle AS throttle (address, kind, drained_at)
    SELECT :address, 'PASSWORD', clock_timestamp() + :seconds * interval '1 second'
     WHERE :address <> ''
        ON CONFLICT (address, kind) DO UPDATE
       SET drained_at = greatest(throttle.drained_at, clock_timestamp())
                      + :seconds * interval '1 second'
     WHERE throttle.drained_at
           <= clock_timestamp() + (:at_once - 1) * :seconds * interval '1 second'
    RETURNING 1
), visitor AS (
    SELECT coalesce(CAST(:device_until AS timestamptz) > clock_timestamp()
                    AND (SELECT password_version = :device_version FROM account
                          WHERE email = :email), false) AS is_known
), claimed AS (
    INSERT INTO login_throttle AS throttle (email, source, failures, next_at)
    SELECT :email, CASE WHEN is_known THEN :device ELSE :network END, 1, clock_timestamp()
      FROM visitor
     WHERE (:address = '' OR EXISTS (SELECT FROM counted))
       AND (is_known OR NOT EXISTS (
           SELECT FROM account_throttle
            WHERE email = :email AND kind = 'LOG_IN' AND network = ''
              AND drained_at > clock_timestamp() + :full * interval '1 second'))
        ON CONFLICT (email, source) DO UPDATE
       SET failures = least(throttle.failures + 1, 1000),
           next_at = clock_timestamp() + CASE WHEN throttle.failures + 1 < :free THEN interval '0'
               ELSE least(interval '1 second' * 2 ^ least(throttle.failures + 1 - :free, 20),
                          :longest * interval '1 second') END
     WHERE throttle.next_at <= clock_timestamp()
    RETURNING 1
)
SELECT :address = '' OR EXISTS (SELECT FROM counted) AS address_counted,
       EXISTS (SELECT FROM claimed) AS claimed,
       visitor.is_known,
       (SELECT count(*) FROM (
           SELECT FROM session WHERE account_id = account.id AND ended_at IS NULL
            LIMIT :most_sessions) AS open) AS open_sessions,
       id, email, name, role, phone, country, organizer_requested, created_at,
       disabled_at IS NOT NULL AS disabled, version, password_hash, password_version
  FROM (SELECT set_config('synchronous_commit', 'off', true)) AS until_committed
 CROSS JOIN visitor
  LEFT JOIN account ON account.email = :email
"""
_NEXT_LOG_IN_IN = """
SELECT ceil(extract(epoch FROM next_at - clock_timestamp())) FROM login_throttle
 WHERE email = :email AND source = :source
"""
_FORGIVE = "DELETE FROM login_throttle WHERE email = :email"

# --- sessions ------------------------------------------------------------------------------------
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

# --- signing keys --------------------------------------------------------------------------------
# Replicas that start together make the keys one after the other: the second finds them made.
_LOCK_KEYS = "SELECT pg_advisory_xact_lock(hashtextextended('auth.signing_key', 0))"
_COUNT_LIVE_KEYS = "SELECT count(*) FROM signing_key WHERE retired_at IS NULL"
# Keys made in one transaction are equally old.
_ADD_KEY = "INSERT INTO signing_key (kid, private_key, created_at) VALUES (:kid, :key, now())"
# At least one stays: a retired key is replaced in the same transaction.
_RETIRE_OLDEST_KEY = """
UPDATE signing_key SET retired_at = clock_timestamp()
 WHERE kid = (SELECT kid FROM signing_key WHERE retired_at IS NULL ORDER BY kid LIMIT 1)
RETURNING kid
"""
# A retired key is published for an hour: far longer than what it signed can live. A key is settled
# when it has been published long enough for every verifier to have it: for as long as the oldest
# one, or for two minutes.
_LIST_KEYS = """
SELECT kid, private_key, retired_at IS NULL AS live,
       created_at <= greatest(clock_timestamp() - interval '2 minutes',
                              min(created_at) OVER ()) AS settled
  FROM signing_key
 WHERE retired_at IS NULL OR retired_at > clock_timestamp() - interval '1 hour'
 ORDER BY kid
"""

# --- audit ---------------------------------------------------------------------------------------
_AUDIT = """
INSERT INTO audit (id, action, account_id, actor_id, detail)
VALUES (:id, :action, :account_id, :actor_id, CAST(:detail AS jsonb))
"""
_LIST_AUDIT = """
SELECT id, at, action, actor_id, account_id AS subject_id, detail FROM audit
 WHERE id < :before AND (:action = '' OR action = :action)
 ORDER BY id DESC LIMIT :limit
"""
# Each branch reads the head of one index.
_LIST_AUDIT_OF = """
SELECT id, at, action, actor_id, account_id AS subject_id, detail FROM audit
 WHERE id IN (
    (SELECT id FROM audit WHERE account_id = :person AND id < :before
        AND (:action = '' OR action = :action) ORDER BY id DESC LIMIT :limit)
     UNION
    (SELECT id FROM audit WHERE actor_id = :person AND id < :before
        AND (:action = '' OR action = :action) ORDER BY id DESC LIMIT :limit))
 ORDER BY id DESC LIMIT :limit
"""

# --- what is no longer needed --------------------------------------------------------------------
_FORGET = (
    "DELETE FROM one_time_code WHERE ctid IN (SELECT ctid FROM one_time_code"
    " WHERE expires_at < clock_timestamp() - interval '1 hour' LIMIT :batch)",
    "DELETE FROM code_quota WHERE ctid IN (SELECT ctid FROM code_quota"
    " WHERE sent_at[1] < clock_timestamp() - interval '2 hours' LIMIT :batch)",
    "DELETE FROM login_throttle WHERE ctid IN (SELECT ctid FROM login_throttle"
    " WHERE next_at < clock_timestamp() - interval '1 day' LIMIT :batch)",
    "DELETE FROM account_throttle WHERE ctid IN (SELECT ctid FROM account_throttle"
    " WHERE drained_at < clock_timestamp() LIMIT :batch)",
    "DELETE FROM address_throttle WHERE ctid IN (SELECT ctid FROM address_throttle"
    " WHERE drained_at < clock_timestamp() LIMIT :batch)",
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
    return Account(**row._asdict()) if row else None


async def find_account(session: Session, id: UUID) -> Account | None:
    """The account, if there is such a one."""
    row = await session.first(_FIND_ACCOUNT, id=id)
    return Account(**row._asdict()) if row else None


async def find_credentials_of(session: Session, id: UUID) -> Credentials | None:
    """What the account's own password is checked against."""
    return _credentials(await session.first(_FIND_CREDENTIALS_OF, id=id))


def _credentials(row: Row | None) -> Credentials | None:
    if row is None:
        return None
    fields = row._asdict()
    return Credentials(
        password_hash=fields.pop("password_hash"),
        password_version=fields.pop("password_version"),
        account=Account(**fields),
    )


async def lock_accounts(session: Session, *ids: UUID) -> Mapping[UUID, Account]:
    """Those of the accounts that there are, locked."""
    rows = await session.all(_LOCK_ACCOUNTS, ids=list(ids))
    return {row.id: Account(**row._asdict()) for row in rows}


async def save_account(session: Session, account: Account) -> None:
    """Stores what may change of an account, which is locked."""
    fields = asdict(account)
    for fixed in ("email", "created_at"):
        del fields[fixed]
    await session.execute(_SAVE_ACCOUNT, **fields)


async def change_password(session: Session, known: Credentials, password_hash: str) -> bool:
    """Stores another password; False if it is no longer the known one, or nobody may log in."""
    changed = await session.execute(
        _CHANGE_PASSWORD,
        id=known.account.id,
        password_version=known.password_version,
        password_hash=password_hash,
    )
    return changed.rowcount == 1


async def reset_password(session: Session, email: str, password_hash: str) -> Row | None:
    """Stores another password; None where the address has no account.

    Whose (`id`), its new `password_version`, and when (`at`).
    """
    return await session.first(_RESET_PASSWORD, email=email, password_hash=password_hash)


async def list_accounts(
    session: Session, *, before: UUID, query: str, role: str, status: str, limit: int
) -> Sequence[ManagedAccount]:
    """A page of accounts, newest first; `query` is a LIKE pattern, empty filters are none."""
    rows = await session.all(
        _LIST_ACCOUNTS, before=before, query=query, role=role, status=status, limit=limit
    )
    found = []
    for row in rows:
        fields = row._asdict()
        last_log_in_at = fields.pop("last_log_in_at")
        found.append(ManagedAccount(Account(**fields), last_log_in_at))
    return found


async def last_log_in(session: Session, id: UUID) -> datetime | None:
    """When the account was last logged in to."""
    at: datetime | None = await session.scalar(_LAST_LOG_IN, id=id)
    return at


async def count_address(
    session: Session, address: str, kind: str, *, at_once: int, seconds: float
) -> int:
    """Counts one more thing done from a client's address: 0, or the seconds until it may be."""
    bucket: dict[str, Any] = {
        "address": address,
        "kind": kind,
        "at_once": at_once,
        "seconds": seconds,
    }
    if (await session.execute(_COUNT_ADDRESS, **bucket)).rowcount:
        return 0
    return await next_from_address_in(session, **bucket)


async def next_from_address_in(
    session: Session, address: str, kind: str, *, at_once: int, seconds: float
) -> int:
    """Seconds until the client's address may have one more of these done."""
    bucket = {"address": address, "kind": kind, "at_once": at_once, "seconds": seconds}
    return max(1, int(await session.scalar(_NEXT_FROM_ADDRESS_IN, **bucket) or 1))


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


async def count_code(
    session: Session, email: str, purpose: str, network: str, limits: Limits
) -> int:
    """Counts one more code asked for from the network: 0, or the seconds until it may be."""
    quota: dict[str, Any] = {
        "email": email,
        "purpose": purpose,
        "network": network,
        "interval": limits.code_interval_seconds,
        "an_hour": limits.codes_an_hour,
    }
    if (await session.execute(_COUNT_CODE, **quota)).rowcount:
        return 0
    return max(1, int(await session.scalar(_NEXT_CODE_IN, **quota) or 1))


async def count_account(
    session: Session, email: str, kind: str, *, network: str = "", at_once: int, seconds: float
) -> int:
    """Counts one more thing done to an account: 0, or the seconds until it may be.

    From one network, or from all of them together.
    """
    bucket: dict[str, Any] = {
        "email": email,
        "kind": kind,
        "network": network,
        "at_once": at_once,
        "seconds": seconds,
    }
    if (await session.execute(_COUNT_ACCOUNT, **bucket)).rowcount:
        return 0
    return max(1, int(await session.scalar(_NEXT_OF_ACCOUNT_IN, **bucket) or 1))


def allow_tries(session: Session, email: str, kind: str, network: str) -> None:
    """Lets the network try codes anew: it asked for another."""
    session.defer(_ALLOW_TRIES, email=email, kind=kind, network=network)


async def save_code(
    session: Session, email: str, purpose: str, *, id: UUID, digest: bytes, limits: Limits
) -> datetime:
    """Stores a code beside those that were asked for before; until when it is good."""
    expires_at: datetime = await session.scalar(
        _SAVE_CODE,
        id=id,
        email=email,
        purpose=purpose,
        digest=digest,
        seconds=limits.code_seconds,
        tries=limits.code_tries,
    )
    return expires_at


async def try_code(session: Session, id: UUID, email: str, purpose: str, digest: bytes) -> bool:
    """Uses up the code if it is the right one, else one of its tries. Must be committed."""
    return bool(await session.scalar(_TRY_CODE, id=id, email=email, purpose=purpose, digest=digest))


async def use_code(session: Session, email: str, purpose: str, digest: bytes) -> bool:
    """Uses up whichever code of the address this is; a wrong one costs none of them a try."""
    used = await session.execute(_USE_CODE, email=email, purpose=purpose, digest=digest)
    return used.rowcount > 0


def void_codes(session: Session, email: str, purpose: str) -> None:
    """Puts the address's other codes out of use, whoever asked for them."""
    session.defer(_VOID_CODES, email=email, purpose=purpose)


def audit_code_refused(session: Session, email: str, **detail: str) -> None:
    """Appends a wrong code to the audit trail, as tried on the address's account if it has one."""
    session.defer(
        _AUDIT_CODE_REFUSED, id=uuid7(), email=email, detail=json.dumps({"email": email, **detail})
    )


@dataclass(frozen=True, slots=True)
class LogIn:
    """What a log-in begins with: whether it may go on, and what it is checked against."""

    address_may: bool  # the client's
    account_may: bool
    source: str  # what its failure is counted by
    from_known_device: bool
    known: Credentials | None
    open_sessions: int  # of the account; counted up to the limit


async def begin_log_in(session: Session, email: str, visitor: Visitor, limits: Limits) -> LogIn:
    """Counts a try for client and account, as failed, and looks the account up; commits."""
    device = visitor.device
    found = await session.finish(
        _BEGIN_LOG_IN,
        email=email,
        address=visitor.address,
        network=visitor.network,
        device=device.source if device else "",
        device_version=device.password_version if device else 0,
        device_until=device.expires_at if device else None,
        at_once=limits.address_passwords,
        seconds=limits.address_password_seconds,
        full=_full(limits),
        free=limits.free_log_in_failures,
        longest=limits.longest_log_in_wait_seconds,
        most_sessions=limits.sessions,
    )
    (
        address_may,
        account_may,
        is_known,
        open_sessions,
        *account,
        password_hash,
        password_version,
    ) = found.one()
    known = (
        Credentials(Account(*account), password_hash, password_version)
        if password_hash is not None
        else None
    )
    source = device.source if device and is_known else visitor.network
    return LogIn(address_may, account_may, source, is_known, known, open_sessions)


def _full(limits: Limits) -> float:
    """So many seconds from being drained, an account's bucket of failed log-ins is full."""
    return (limits.account_log_in_failures - 1) * limits.account_log_in_seconds


async def claim_log_in(session: Session, email: str, source: str, limits: Limits) -> int:
    """Counts a try as failed: 0, or the seconds until the source may try again."""
    claimed = await session.execute(
        _CLAIM_LOG_IN,
        email=email,
        source=source,
        free=limits.free_log_in_failures,
        longest=limits.longest_log_in_wait_seconds,
    )
    return 0 if claimed.rowcount else await next_log_in_in(session, email, source)


async def next_log_in_in(session: Session, email: str, source: str) -> int:
    """Seconds until the source may try to log in to the account again."""
    return max(1, int(await session.scalar(_NEXT_LOG_IN_IN, email=email, source=source) or 1))


async def next_log_in_of_strangers_in(session: Session, email: str, limits: Limits) -> int:
    """Seconds until anybody but its owner's devices may try to log in to the account again."""
    wait = await session.scalar(
        _NEXT_OF_ACCOUNT_IN,
        email=email,
        kind=LOG_IN,
        network="",
        at_once=limits.account_log_in_failures,
        seconds=limits.account_log_in_seconds,
    )
    return max(1, int(wait or 1))


def count_strangers_failure(session: Session, email: str, limits: Limits) -> None:
    """Counts a failed log-in of a device that was not logged in before."""
    session.defer(
        _COUNT_ACCOUNT,
        email=email,
        kind=LOG_IN,
        network="",
        at_once=limits.account_log_in_failures,
        seconds=limits.account_log_in_seconds,
    )


async def forgive_log_ins(session: Session, email: str) -> None:
    """Forgets the failures before the password became another, wherever they came from."""
    await session.execute(_FORGIVE, email=email)


async def open_session(
    session: Session,
    id: UUID,
    credentials: Credentials,
    *,
    source: str,
    digest: bytes,
    limits: Limits,
    client: Mapping[str, str],
) -> datetime | None:
    """Opens a session with its first token, forgives its source the failures before; commits.

    Since when it is open; None, and nothing done, if the credentials are no longer good.
    """
    opened = await session.finish(
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


async def lock_keys(session: Session) -> int:
    """How many keys are live; nobody else adds one before this transaction ends."""
    await session.execute(_LOCK_KEYS)
    return int(await session.scalar(_COUNT_LIVE_KEYS))


async def add_key(session: Session, kid: UUID, private_key: bytes) -> None:
    """Adds a key behind those there are."""
    await session.execute(_ADD_KEY, kid=kid, key=private_key)


async def retire_oldest_key(session: Session) -> UUID:
    """Lets the oldest live key sign no more."""
    kid: UUID = await session.scalar(_RETIRE_OLDEST_KEY)
    return kid


async def list_keys(session: Session) -> Sequence[Row]:
    """Every key that is published, oldest first: `kid`, `private_key`, `live`, `settled`."""
    return await session.all(_LIST_KEYS)


def audit(
    session: Session,
    action: str,
    account_id: UUID | None,
    actor_id: UUID | None,
    /,
    **detail: str,
) -> None:
    """Appends to the audit trail: to whom it was done, and by whom."""
    session.defer(
        _AUDIT,
        id=uuid7(),
        action=action,
        account_id=account_id,
        actor_id=actor_id,
        detail=json.dumps(detail),
    )


async def list_audit(
    session: Session, *, before: UUID, person: UUID | None, action: str, limit: int
) -> Sequence[AuditEntry]:
    """A page of the trail, newest first; by or to `person` if that is not None."""
    page = {"before": before, "action": action, "limit": limit}
    if person is None:
        rows = await session.all(_LIST_AUDIT, **page)
    else:
        rows = await session.all(_LIST_AUDIT_OF, person=person, **page)
    return [AuditEntry(**row._asdict()) for row in rows]


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
