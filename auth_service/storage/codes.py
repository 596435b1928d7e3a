"""Tables `one_time_code` and `code_quota`, and every query on them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from auth_service.domain import Limits
from chassis.database import Session

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
