"""Tables `account_throttle` and `address_throttle`: leaky buckets, of one timestamp each."""

from __future__ import annotations

from typing import Any

from chassis.database import Session

LOG_IN = "LOG_IN"  # the kind of failed log-ins, over all networks
# A leaky bucket in one timestamp: guard and count in one statement, so that replicas agree.
ONE_MORE = """DO UPDATE
   SET drained_at = greatest(throttle.drained_at, clock_timestamp())
                  + :seconds * interval '1 second'
 WHERE throttle.drained_at
       <= clock_timestamp() + (:at_once - 1) * :seconds * interval '1 second'
"""
_NEXT_IN = "ceil(extract(epoch FROM drained_at - clock_timestamp()) - (:at_once - 1) * :seconds)"
COUNT_ACCOUNT = f"""
INSERT INTO account_throttle AS throttle (email, kind, network, drained_at)
VALUES (:email, :kind, :network, clock_timestamp() + :seconds * interval '1 second')
    ON CONFLICT (email, kind, network) {ONE_MORE}
"""  # noqa: S608 - put together from constants
NEXT_OF_ACCOUNT_IN = f"""
SELECT {_NEXT_IN}
  FROM account_throttle WHERE email = :email AND kind = :kind AND network = :network
"""  # noqa: S608 - put together from constants
_ALLOW_TRIES = """
DELETE FROM account_throttle WHERE email = :email AND kind = :kind AND network = :network
"""
_COUNT_ADDRESS = f"""
INSERT INTO address_throttle AS throttle (address, kind, drained_at)
VALUES (:address, :kind, clock_timestamp() + :seconds * interval '1 second')
    ON CONFLICT (address, kind) {ONE_MORE}
"""  # noqa: S608 - put together from constants
_NEXT_FROM_ADDRESS_IN = f"""
SELECT {_NEXT_IN}
  FROM address_throttle WHERE address = :address AND kind = :kind
"""  # noqa: S608 - put together from constants


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
    if (await session.execute(COUNT_ACCOUNT, **bucket)).rowcount:
        return 0
    return max(1, int(await session.scalar(NEXT_OF_ACCOUNT_IN, **bucket) or 1))


def allow_tries(session: Session, email: str, kind: str, network: str) -> None:
    """Lets the network try codes anew: it asked for another."""
    session.defer(_ALLOW_TRIES, email=email, kind=kind, network=network)
