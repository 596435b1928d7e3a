"""Coupons, and how often they are used.

Lock order: a use, the coupon, the customer's count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from booking_service.domain import Coupon, CouponChange
from chassis import records
from chassis.database import Row, Session

_COLUMNS = """
       coupon.code, coupon.kind, coupon.value, coupon.min_total, coupon.max_discount,
       coupon.usage_limit, coupon.per_customer_limit, coupon.valid_from, coupon.valid_to,
       coupon.active, coupon.used, coupon.created_at
"""
_ADD = f"""
INSERT INTO coupon (event_id, code, kind, value, min_total, max_discount, usage_limit,
                    per_customer_limit, valid_from, valid_to)
VALUES (:event_id, :code, :kind, :value, :min_total, :max_discount, :usage_limit,
        :per_customer_limit, :valid_from, :valid_to)
    ON CONFLICT DO NOTHING
RETURNING {_COLUMNS}
"""  # noqa: S608 - put together from constants
# A limit below what is used would break the table's own rule; the condition says so first.
_CHANGE = f"""
UPDATE coupon
   SET active = coalesce(:active, active),
       usage_limit = CASE WHEN CAST(:usage_limit AS integer) IS NULL THEN usage_limit
                          ELSE nullif(CAST(:usage_limit AS integer), 0) END,
       per_customer_limit = CASE WHEN CAST(:per_customer_limit AS integer) IS NULL
                                 THEN per_customer_limit
                                 ELSE nullif(CAST(:per_customer_limit AS integer), 0) END,
       min_total = CASE WHEN CAST(:min_total AS bigint) IS NULL THEN min_total
                        ELSE nullif(CAST(:min_total AS bigint), 0) END,
       max_discount = CASE WHEN CAST(:max_discount AS bigint) IS NULL THEN max_discount
                           ELSE nullif(CAST(:max_discount AS bigint), 0) END,
       valid_from = coalesce(CAST(:valid_from AS timestamptz), valid_from),
       valid_to = coalesce(CAST(:valid_to AS timestamptz), valid_to)
 WHERE event_id = :event_id AND code = :code
   AND (coalesce(CAST(:usage_limit AS integer), 0) = 0 OR used <= :usage_limit)
   AND coalesce(coalesce(CAST(:valid_from AS timestamptz), valid_from)
                < coalesce(CAST(:valid_to AS timestamptz), valid_to), true)
RETURNING {_COLUMNS}
"""  # noqa: S608 - put together from constants
_FIND = f"""
SELECT {_COLUMNS}, clock_timestamp() AS now, coalesce(customer.used, 0) AS used_by_customer
  FROM coupon LEFT JOIN coupon_customer AS customer
       ON customer.event_id = coupon.event_id AND customer.code = coupon.code
      AND customer.customer_id = CAST(:customer_id AS uuid)
 WHERE coupon.event_id = :event_id AND coupon.code = :code
"""  # noqa: S608 - put together from constants
_LIST = f"""
SELECT {_COLUMNS} FROM coupon
 WHERE event_id = :event_id AND code > :after ORDER BY code LIMIT :limit
"""  # noqa: S608 - put together from constants
# Every condition is the statement's own. Whoever uses the same coupon waits for the first part's
# row; the second part then sees what the one before left of the customer's count.
_TAKE = f"""
WITH taken AS (
    UPDATE coupon SET used = used + 1
     WHERE event_id = :event_id AND code = :code AND active
       AND (valid_from IS NULL OR valid_from <= clock_timestamp())
       AND (valid_to IS NULL OR clock_timestamp() < valid_to)
       AND (min_total IS NULL OR min_total <= :subtotal)
       AND (usage_limit IS NULL OR used < usage_limit)
    RETURNING coupon.event_id, {_COLUMNS}
), counted AS (
    INSERT INTO coupon_customer AS customer (event_id, code, customer_id, used)
    SELECT event_id, code, :customer_id, 1 FROM taken
        ON CONFLICT (event_id, code, customer_id) DO UPDATE SET used = customer.used + 1
     WHERE customer.used < coalesce((SELECT per_customer_limit FROM taken), {2**31 - 1})
    RETURNING customer_id
)
SELECT coupon.*, EXISTS (SELECT FROM counted) AS within FROM taken AS coupon
"""  # noqa: S608 - put together from constants
# Done again it changes nothing: only what is counted is given back.
_GIVE_BACK = """
WITH freed AS (
    UPDATE coupon_use SET counted = false
     WHERE booking_id = ANY(CAST(:ids AS uuid[])) AND counted
    RETURNING event_id, code, customer_id
), given AS (
    UPDATE coupon SET used = coupon.used - freed.uses
      FROM (SELECT event_id, code, count(*) AS uses FROM freed GROUP BY event_id, code) AS freed
     WHERE coupon.event_id = freed.event_id AND coupon.code = freed.code
    RETURNING coupon.event_id, coupon.code
)
UPDATE coupon_customer AS customer SET used = customer.used - freed.uses
  FROM (SELECT event_id, code, customer_id, count(*) AS uses
          FROM freed JOIN given USING (event_id, code)
         GROUP BY event_id, code, customer_id) AS freed
 WHERE customer.event_id = freed.event_id AND customer.code = freed.code
   AND customer.customer_id = freed.customer_id
"""
# A booking that is paid late keeps its price, so its use has to count again. Each condition is on
# the row that its own statement changes, and is judged once that row's lock is had: of two that
# take the last use at once, the second finds none. A use that is still counted is left so.
_TAKE_AGAIN = f"""
WITH wanted AS (
    SELECT booking_id, event_id, code, customer_id FROM coupon_use
     WHERE booking_id = :booking_id AND NOT counted FOR UPDATE
), taken AS (
    UPDATE coupon SET used = coupon.used + 1 FROM wanted
     WHERE coupon.event_id = wanted.event_id AND coupon.code = wanted.code
       AND (usage_limit IS NULL OR coupon.used < usage_limit)
    RETURNING wanted.*, coalesce(per_customer_limit, {2**31 - 1}) AS most
), counted AS (
    INSERT INTO coupon_customer AS customer (event_id, code, customer_id, used)
    SELECT event_id, code, customer_id, 1 FROM taken
        ON CONFLICT (event_id, code, customer_id) DO UPDATE SET used = customer.used + 1
     WHERE customer.used < (SELECT most FROM taken)
    RETURNING customer_id
), used AS (
    UPDATE coupon_use SET counted = true FROM taken WHERE coupon_use.booking_id = taken.booking_id
)
SELECT NOT EXISTS (SELECT FROM wanted) OR EXISTS (SELECT FROM counted) AS counts
"""  # noqa: S608 - put together from constants


async def add(session: Session, event_id: UUID, coupon: Coupon) -> Coupon | None:
    """Adds a coupon; None: the event has one of this code."""
    row = await session.first(_ADD, event_id=event_id, **asdict(coupon))
    return _coupon(row) if row else None


async def change(
    session: Session, event_id: UUID, code: str, change: CouponChange
) -> Coupon | None:
    """Changes a coupon; None: there is none, or it can't be so."""
    row = await session.first(_CHANGE, event_id=event_id, code=code, **asdict(change))
    return _coupon(row) if row else None


async def find(
    session: Session, event_id: UUID, code: str, customer_id: UUID | None = None
) -> tuple[Coupon, datetime, int] | None:
    """A coupon, what time it is, and how often this customer uses it."""
    row = await session.first(_FIND, event_id=event_id, code=code, customer_id=customer_id)
    return (_coupon(row), row.now, row.used_by_customer) if row else None


async def page(session: Session, event_id: UUID, *, after: str, limit: int) -> Sequence[Coupon]:
    """An event's coupons by code, those after the code `after`."""
    rows = await session.all(_LIST, event_id=event_id, after=after, limit=limit)
    return [_coupon(row) for row in rows]


async def take(
    session: Session, event_id: UUID, code: str, customer_id: UUID, subtotal: int
) -> tuple[Coupon, bool] | None:
    """Counts a use; None: the coupon can't be used. False: the customer has had their share, and
    the transaction must not commit."""
    row = await session.first(
        _TAKE, event_id=event_id, code=code, customer_id=customer_id, subtotal=subtotal
    )
    return (_coupon(row), row.within) if row else None


def give_back(session: Session, booking_ids: Sequence[UUID]) -> None:
    """Counts the uses of these bookings no more, with the next statement."""
    if booking_ids:
        session.defer(_GIVE_BACK, ids=sorted(booking_ids))


async def take_again(session: Session, booking_id: UUID) -> bool:
    """Counts the booking's use again where the coupon's limits leave room; whether it counts now.

    A use that is counted still is left so.
    """
    savepoint = session.savepoint()
    counts = bool(await session.scalar(_TAKE_AGAIN, booking_id=booking_id))
    if counts:
        savepoint.release()
    else:
        savepoint.rollback()  # of the two counts one may have been taken
    return counts


def _coupon(row: Row) -> Coupon:
    return records.read(Coupon, row)
