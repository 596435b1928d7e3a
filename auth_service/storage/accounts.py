"""Table `account`, and every query on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from auth_service.domain import Account, Applicant, Credentials, ManagedAccount
from chassis.database import Row, Session
from chassis.ids import uuid7
from chassis.text import folded, patterns

# What an `Account` is made of.
ACCOUNT = """id, email, name, role, phone, country, organizer_requested, created_at,
       disabled_at IS NOT NULL AS disabled, version, language, business_name,
       requested_business_name"""
# The unique address decides between two who register it at once.
_ADD_ACCOUNT = f"""
INSERT INTO account (id, email, name, role, phone, country, organizer_requested, password_hash,
                     words, language)
VALUES (:id, :email, :name, :role, :phone, :country, :organizer_requested, :password_hash, :words,
        :language)
    ON CONFLICT (email) DO NOTHING
RETURNING {ACCOUNT}
"""  # noqa: S608 - put together from constants
_FIND_ACCOUNT = f"""
SELECT {ACCOUNT}
  FROM account WHERE id = :id
"""  # noqa: S608 - put together from constants
_FIND_CREDENTIALS_OF = f"""
SELECT {ACCOUNT}, password_hash, password_version
  FROM account WHERE id = :id
"""  # noqa: S608 - put together from constants
# In the order of ids, so that two admins who change each other wait and do not deadlock.
_LOCK_ACCOUNTS = f"""
SELECT {ACCOUNT}
  FROM account WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - put together from constants
_SAVE_ACCOUNT = """
UPDATE account
   SET name = :name, role = :role, phone = :phone, country = :country, version = :version,
       words = :words, language = :language,
       organizer_requested = :organizer_requested, business_name = :business_name,
       requested_business_name = :requested_business_name,
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
# Accounts of before, up to which all were told of again; no row: all of them.
_LAST_ANNOUNCED = "SELECT after FROM announcing FOR UPDATE SKIP LOCKED"
_NEXT_ACCOUNTS = f"""
SELECT {ACCOUNT}
  FROM account WHERE id > :after ORDER BY id LIMIT :limit FOR NO KEY UPDATE
"""  # noqa: S608 - put together from constants
_ANNOUNCED = "UPDATE announcing SET after = :after"
_ALL_ANNOUNCED = "DELETE FROM announcing"
_SET_WORDS = """
UPDATE account SET words = found_by.words
  FROM unnest(CAST(:ids AS uuid[]), CAST(:words AS text[])) AS found_by (id, words)
 WHERE account.id = found_by.id
"""
# Newest first, read along the primary key. Those of before have no words until they are told of.
_LIST_ACCOUNTS = f"""
SELECT {ACCOUNT}, last_log_in.at AS last_log_in_at
  FROM account
  LEFT JOIN LATERAL (
       SELECT at FROM audit WHERE account_id = account.id AND action = 'LOGGED_IN'
        ORDER BY id DESC LIMIT 1) AS last_log_in ON true
 WHERE account.id < :before
   AND coalesce(nullif(words, ''), lower(name || ' ' || email))
       LIKE ALL (CAST(:patterns AS text[]))
   AND (:role = '' OR role = :role)
   AND CASE :status WHEN 'ACTIVE' THEN disabled_at IS NULL
                    WHEN 'DISABLED' THEN disabled_at IS NOT NULL
                    WHEN 'ORGANIZER_REQUESTED' THEN organizer_requested
                    WHEN 'BUSINESS_NAME_REQUESTED' THEN requested_business_name <> ''
                    ELSE true END
 ORDER BY account.id DESC LIMIT :limit
"""  # noqa: S608 - put together from constants
_LAST_LOG_IN = """
SELECT at FROM audit WHERE account_id = :id AND action = 'LOGGED_IN' ORDER BY id DESC LIMIT 1
"""
_KNOWS = "SELECT EXISTS (SELECT FROM account WHERE email = :email)"
# Only while the password is still the one that was hashed anew.
_REPLACE_HASH = """
UPDATE account SET password_hash = :password_hash
 WHERE id = :id AND password_version = :password_version
"""


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
        words=_words(applicant.name, applicant.email),
        language=applicant.language,
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
    fields = asdict(account) | {"words": _words(account.name, account.email)}
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
    """A page of accounts whose name and address have each word of `query`, newest first.

    Empty filters are none.
    """
    rows = await session.all(
        _LIST_ACCOUNTS,
        before=before,
        patterns=patterns(query),
        role=role,
        status=status,
        limit=limit,
    )
    found = []
    for row in rows:
        fields = row._asdict()
        last_log_in_at = fields.pop("last_log_in_at")
        found.append(ManagedAccount(Account(**fields), last_log_in_at))
    return found


async def announce_some(session: Session, limit: int) -> Sequence[Account]:
    """The next accounts of before, at most `limit`, that are to be told of again; locked.

    From now on they are found by their words. None: all were told of, or somebody else goes on.
    """
    after: UUID | None = await session.scalar(_LAST_ANNOUNCED)
    if after is None:
        return ()
    rows = await session.all(_NEXT_ACCOUNTS, after=after, limit=limit)
    if not rows:
        session.defer(_ALL_ANNOUNCED)
        return ()
    session.defer(_ANNOUNCED, after=rows[-1].id)
    session.defer(
        _SET_WORDS,
        ids=[row.id for row in rows],
        words=[_words(row.name, row.email) for row in rows],
    )
    return [Account(**row._asdict()) for row in rows]


def _words(name: str, email: str) -> str:
    """What an account is searched by."""
    return folded(f"{name} {email}")


async def last_log_in(session: Session, id: UUID) -> datetime | None:
    """When the account was last logged in to."""
    at: datetime | None = await session.scalar(_LAST_LOG_IN, id=id)
    return at


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
