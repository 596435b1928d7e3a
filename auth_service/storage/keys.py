"""Table `signing_key`, and every query on it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Row, Session

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
SELECT kid, private_key, created_at, retired_at IS NULL AS live,
       retired_at + interval '1 hour' AS verifies_until,
       created_at <= greatest(clock_timestamp() - interval '2 minutes',
                              min(created_at) OVER ()) AS settled
  FROM signing_key
 WHERE retired_at IS NULL OR retired_at > clock_timestamp() - interval '1 hour'
 ORDER BY kid
"""


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
    """Every key that is published, oldest first.

    Each has `kid`, `private_key`, `created_at`, `live`, `settled`, and `verifies_until`, None where
    that is not known yet.
    """
    return await session.all(_LIST_KEYS)
