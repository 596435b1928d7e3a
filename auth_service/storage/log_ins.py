"""Table `login_throttle`, and what a log-in begins with."""

from __future__ import annotations

from dataclasses import dataclass

from auth_service.domain import Account, Credentials, Limits, Visitor
from auth_service.storage.accounts import ACCOUNT
from auth_service.storage.throttles import COUNT_ACCOUNT, LOG_IN, NEXT_OF_ACCOUNT_IN, ONE_MORE
from chassis.database import Session

# A try counts as failed until it has succeeded, so that a thousand at once are no more than five.
_ONE_MORE_FAILURE = """DO UPDATE
   SET failures = least(throttle.failures + 1, 1000),
       next_at = clock_timestamp() + CASE WHEN throttle.failures + 1 < :free THEN interval '0'
           ELSE least(interval '1 second' * 2 ^ least(throttle.failures + 1 - :free, 20),
                      :longest * interval '1 second') END
 WHERE throttle.next_at <= clock_timestamp()
"""
_CLAIM_LOG_IN = f"""
INSERT INTO login_throttle AS throttle (email, source, failures, next_at)
VALUES (:email, :source, 1, clock_timestamp())
    ON CONFLICT (email, source) {_ONE_MORE_FAILURE}
"""  # noqa: S608 - put together from constants
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
_BEGIN_LOG_IN = f"""
WITH counted AS (
    INSERT INTO address_throttle AS throttle (address, kind, drained_at)
    SELECT :address, 'PASSWORD', clock_timestamp() + :seconds * interval '1 second'
     WHERE :address <> ''
        ON CONFLICT (address, kind) {ONE_MORE}
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
        ON CONFLICT (email, source) {_ONE_MORE_FAILURE}
    RETURNING 1
)
SELECT :address = '' OR EXISTS (SELECT FROM counted) AS address_counted,
       EXISTS (SELECT FROM claimed) AS claimed,
       visitor.is_known,
       (SELECT count(*) FROM (
           SELECT FROM session WHERE account_id = account.id AND ended_at IS NULL
            LIMIT :most_sessions) AS open) AS open_sessions,
       {ACCOUNT}, password_hash, password_version
  FROM (SELECT set_config('synchronous_commit', 'off', true)) AS until_committed
 CROSS JOIN visitor
  LEFT JOIN account ON account.email = :email
"""  # noqa: S608 - put together from constants
_NEXT_LOG_IN_IN = """
SELECT ceil(extract(epoch FROM next_at - clock_timestamp())) FROM login_throttle
 WHERE email = :email AND source = :source
"""
_FORGIVE = "DELETE FROM login_throttle WHERE email = :email"


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
        NEXT_OF_ACCOUNT_IN,
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
        COUNT_ACCOUNT,
        email=email,
        kind=LOG_IN,
        network="",
        at_once=limits.account_log_in_failures,
        seconds=limits.account_log_in_seconds,
    )


async def forgive_log_ins(session: Session, email: str) -> None:
    """Forgets the failures before the password became another, wherever they came from."""
    await session.execute(_FORGIVE, email=email)
