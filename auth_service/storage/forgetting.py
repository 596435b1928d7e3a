"""What is no longer needed, of every table."""

from __future__ import annotations

from auth_service.domain import Limits
from chassis.database import Session

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
    "DELETE FROM api_key WHERE ctid IN (SELECT ctid FROM api_key"
    " WHERE least(revoked_at, expires_at) < clock_timestamp() - interval '30 days' LIMIT :batch)",
    "DELETE FROM refresh_token WHERE ctid IN (SELECT ctid FROM refresh_token"
    " WHERE expires_at < clock_timestamp() LIMIT :batch)",
    "DELETE FROM session WHERE ctid IN (SELECT ctid FROM session WHERE last_used_at"
    " < clock_timestamp() - :session_seconds * interval '1 second' LIMIT :batch)",
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
