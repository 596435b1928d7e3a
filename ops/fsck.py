"""Checks on live data that what Parterre promises holds: the invariants I1 to I10.

Every check is one query that returns what violates it, read in one snapshot over all schemas with
a role that can only read. What services tell one another by message is true a moment later in the
one than in the other, so checks across schemas allow a minute before they call it a violation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import psycopg
from parterre.messages.v1 import messages_pb2
from psycopg.rows import dict_row

from chassis.topology import Topology

# How many violations of one check are shown; all are counted.
SHOWN = 5
_STATEMENT_SECONDS = 300
GUARDS_TITLE = "the constraints that forbid the rest are in force"
SCHEMAS = ("auth", "catalog", "inventory", "booking", "payment", "notification")
_TOPOLOGY = Topology.of(messages_pb2.DESCRIPTOR)


@dataclass(frozen=True, slots=True)
class Check:
    """One question; the rows its query returns are violations."""

    invariant: str
    title: str
    sql: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    check: Check
    violations: int
    shown: Sequence[Mapping[str, Any]]
    seconds: float


# What the checks stand on; a check that does not name one of these does not pay for it.
_BASICS = """
WITH moment AS MATERIALIZED (
    SELECT current_setting('parterre.as_of')::timestamptz - interval '60 seconds' AS grace
), confirmed AS (
    -- Since when; a booking is confirmed once.
    SELECT booking_id, booking.hold_id, booking.event_id, min(at) AS at
      FROM booking.saga JOIN booking.booking USING (booking_id)
      JOIN booking.timeline USING (booking_id)
     WHERE saga.state = 'CONFIRMED' AND timeline.state = 'CONFIRMED'
     GROUP BY booking_id, booking.hold_id, booking.event_id
), live_hold AS (
    SELECT * FROM inventory.hold WHERE status IN ('ACTIVE', 'RESERVED', 'SOLD')
), pooled AS (
    SELECT line.event_id, line.section_id,
           coalesce(sum(quantity) FILTER (WHERE live_hold.status <> 'SOLD'), 0) AS held,
           coalesce(sum(quantity) FILTER (WHERE live_hold.status = 'SOLD'), 0) AS sold
      FROM live_hold JOIN inventory.hold_line line USING (event_id, hold_id)
     WHERE line.seat_no IS NULL GROUP BY line.event_id, line.section_id
), ledger AS (
    SELECT payment_id, attempt AS number, max(created_at) AS newest,
           coalesce(sum(amount) FILTER (WHERE kind = 'CAPTURE' AND amount > 0), 0) AS captured,
           coalesce(sum(amount) FILTER (WHERE kind = 'REFUND' AND amount > 0), 0) AS refunded
      FROM payment.ledger_transaction JOIN payment.ledger_posting ON transaction_id = id
     GROUP BY payment_id, attempt
), money AS (
    -- What was charged and what went back; settled once the ledger has heard of neither lately.
    SELECT attempt.payment_id, sum(attempt.captured) AS captured,
           sum(attempt.refunded) AS refunded,
           -- By the newest attempt. Whatever another took, an abandoned page say, goes back.
           (array_agg(attempt.captured ORDER BY number DESC))[1] AS taken,
           coalesce(max(newest), '-infinity') < (SELECT grace FROM moment) AS settled
      FROM payment.attempt LEFT JOIN ledger USING (payment_id, number)
     GROUP BY attempt.payment_id
)
"""
# When the snapshot is of, whatever time the checks take. A standby shows what was when it was
# written: that it does not have the rest yet is nobody's violation.
_MOMENT = """
SELECT set_config('parterre.as_of', coalesce(as_of, '-infinity')::text, true), as_of, is_standby
  FROM (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp()
                    ELSE now() END AS as_of,
               pg_is_in_recovery() AS is_standby) AS moment
"""
_GUARDS = (
    # schema, table, kind, what its definition contains
    ("booking", "ticket", "index", "WHERE ((status <> 'REVOKED'"),
    ("booking", "booking", "index", "UNIQUE INDEX booking_hold"),
    ("inventory", "seat_journal", "index", "(event_id, seat_no, version)"),
    ("inventory", "pool", "check", "held + reserved"),
    ("payment", "attempt", "check", "refunding <= captured"),
    *((schema, "inbox", "index", "(consumer, message_id)") for schema in SCHEMAS),
    *((schema, "idempotency", "index", "(subject, key)") for schema in SCHEMAS),
)

_TAKEN = ", ".join(
    f"('{queue}', '{type}')"
    for queue, addresses in _TOPOLOGY.queues.items()
    for type, address in _TOPOLOGY.addresses.items()
    if address in addresses
)
_PARKED = " UNION ALL ".join(
    f"SELECT queue, awaits, message_id, due_at FROM {schema}.parked"  # noqa: S608 - constants
    f" WHERE (queue, awaits) IN ({_TAKEN}) AND due_at < (SELECT grace FROM moment)"
    for schema in SCHEMAS
)

CHECKS: Sequence[Check] = (
    Check(
        "I1",
        "at most one good ticket a seat",
        "SELECT event_id, seat_id, count(*) AS tickets FROM booking.ticket"
        " WHERE status <> 'REVOKED' AND seat_id <> ''"
        " GROUP BY event_id, seat_id HAVING count(*) > 1",
    ),
    Check(
        "I1",
        "a good ticket's seat is its booking's hold's, reserved or sold",
        "SELECT ticket_id, ticket.event_id, ticket.seat_id, seat.status, seat.hold_id"
        "  FROM booking.ticket JOIN booking.booking USING (booking_id)"
        "  LEFT JOIN inventory.hold ON hold.event_id = booking.event_id"
        "   AND hold.hold_id = booking.hold_id"
        "  LEFT JOIN inventory.seat ON seat.event_id = ticket.event_id"
        "   AND seat.seat_no::text = ticket.seat_id"
        " WHERE ticket.status <> 'REVOKED' AND ticket.seat_id <> ''"
        "   AND (coalesce(hold.status, '') NOT IN ('RESERVED', 'SOLD')"
        "        OR coalesce(seat.status, '') NOT IN ('HELD', 'SOLD')"
        "        OR seat.hold_id IS DISTINCT FROM booking.hold_id)",
    ),
    Check(
        "I1",
        "a confirmed booking's places are sold within a minute",
        "SELECT confirmed.booking_id, confirmed.hold_id, hold.status, confirmed.at FROM confirmed"
        "  LEFT JOIN inventory.hold USING (event_id, hold_id)"
        " WHERE (hold.status IS DISTINCT FROM 'SOLD'"
        "        OR hold.booking_id IS DISTINCT FROM confirmed.booking_id)"
        "   AND confirmed.at < (SELECT grace FROM moment)",
    ),
    Check(
        "I2",
        "an event's seats and pools add up to its capacity",
        "SELECT event_id, capacity, seats, pooled FROM inventory.event"
        "  LEFT JOIN LATERAL (SELECT count(*) AS seats FROM inventory.seat"
        "                      WHERE seat.event_id = event.event_id) AS s ON true"
        "  LEFT JOIN LATERAL (SELECT coalesce(sum(capacity), 0) AS pooled FROM inventory.pool"
        "                      WHERE pool.event_id = event.event_id) AS p ON true"
        " WHERE organizer_id IS NOT NULL AND capacity <> seats + pooled",
    ),
    Check(
        "I2",
        "the catalog's capacities are inventory's",
        # An edit that is under way, or whose end is looked into, may be known to one of them alone.
        "SELECT event.id AS event_id, tier.id AS tier_id, tier.capacity, pool.capacity AS sold_of,"
        "       event.capacity AS event_capacity, opened.capacity AS event_sold_of"
        "  FROM catalog.event JOIN inventory.event opened ON opened.event_id = event.id"
        "  LEFT JOIN catalog.tier ON tier.event_id = event.id AND event.venue_id IS NULL"
        "  LEFT JOIN inventory.pool ON pool.event_id = event.id AND pool.section_id = tier.id"
        " WHERE event.status IN ('PUBLISHED', 'COMPLETED') AND event.capacity_due_at IS NULL"
        "   AND (event.capacity <> opened.capacity"
        "        OR tier.capacity IS DISTINCT FROM pool.capacity)",
    ),
    Check(
        "I2",
        "a seat is taken if and only if its hold says so",
        "SELECT seat.event_id, seat.seat_no, seat.status, seat.hold_id, hold.status AS hold"
        "  FROM inventory.seat LEFT JOIN inventory.hold USING (event_id, hold_id)"
        " WHERE seat.hold_id IS NOT NULL AND seat.status IS DISTINCT FROM"
        "       CASE WHEN hold.status IN ('ACTIVE', 'RESERVED') THEN 'HELD' ELSE hold.status END",
    ),
    Check(
        "I2",
        "a live hold has all of its seats",
        "SELECT hold.event_id, hold.hold_id, hold.status, hold.seats, count(seat.seat_no) AS has"
        "  FROM live_hold hold"
        "  LEFT JOIN inventory.hold_line line USING (event_id, hold_id)"
        "  LEFT JOIN inventory.seat ON seat.event_id = line.event_id"
        "   AND seat.seat_no = line.seat_no AND seat.hold_id = line.hold_id"
        " GROUP BY hold.event_id, hold.hold_id, hold.status, hold.seats"
        " HAVING hold.seats <> count(seat.seat_no)",
    ),
    Check(
        "I2",
        "a pool counts what its holds have",
        "SELECT event_id, section_id, pool.held, pool.reserved, pool.sold,"
        "       line.held AS holds_held, line.sold AS holds_sold"
        "  FROM inventory.pool FULL JOIN pooled AS line USING (event_id, section_id)"
        " WHERE (coalesce(pool.held, 0), coalesce(pool.reserved, 0), coalesce(pool.sold, 0))"
        "    <> (coalesce(line.held, 0), 0, coalesce(line.sold, 0))"
        "    OR pool.held + pool.reserved + pool.sold > pool.capacity",
    ),
    Check(
        "I2",
        "a person's count is what their holds have",
        "SELECT event_id, customer_id, quota.seats, live.seats AS holds"
        "  FROM inventory.customer_quota quota"
        "  FULL JOIN (SELECT event_id, customer_id, sum(seats + tickets) AS seats"
        "              FROM live_hold GROUP BY event_id, customer_id) AS live"
        "       USING (event_id, customer_id)"
        " WHERE coalesce(quota.seats, 0) <> coalesce(live.seats, 0)",
    ),
    Check(
        "I3",
        "a confirmed booking is paid, and not refunded in full",
        "SELECT booking.reference, saga.amount, money.captured, money.refunded"
        "  FROM booking.saga JOIN booking.booking USING (booking_id)"
        "  LEFT JOIN money USING (payment_id)"
        " WHERE saga.state = 'CONFIRMED' AND saga.amount > 0"
        "   AND (coalesce(money.taken, 0) <> saga.amount"
        "        OR (money.settled"
        "            AND money.captured - money.refunded NOT BETWEEN 1 AND saga.amount))",
    ),
    Check(
        "I3",
        "a booking that came to nothing keeps no money",
        "SELECT booking.reference, saga.state, money.captured, money.refunded"
        "  FROM booking.saga JOIN booking.booking USING (booking_id)"
        "  JOIN money USING (payment_id)"
        " WHERE saga.state IN ('FAILED', 'EXPIRED') AND money.captured <> money.refunded"
        "   AND money.settled",
    ),
    Check(
        "I3",
        "a cancelled booking gave back what it promised",
        # Of its own price: what an abandoned page took and gave back does not count.
        "SELECT booking.reference, saga.refunded AS promised, money.captured, money.refunded"
        "  FROM booking.saga JOIN booking.booking USING (booking_id)"
        "  LEFT JOIN money USING (payment_id)"
        " WHERE saga.state = 'CANCELLED' AND coalesce(money.settled, true)"
        "   AND coalesce(money.captured - money.refunded, saga.amount)"
        "       > saga.amount - saga.refunded",
    ),
    Check(
        "I3",
        "what was given up is not confirmed",
        "SELECT reference FROM booking.saga JOIN booking.booking USING (booking_id)"
        " WHERE saga.state = 'CONFIRMED' AND EXISTS ("
        "       SELECT FROM booking.timeline WHERE timeline.booking_id = saga.booking_id"
        "          AND timeline.step = 'GIVE_UP' AND timeline.outcome = 'DONE')",
    ),
    Check(
        "I3",
        "booking's totals are payment's",
        # Booking hears of them a moment later; never of more than there is.
        "SELECT booking.reference, saga.captured, saga.refunded,"
        "       paid.captured AS payments_captured, paid.refunded AS payments_refunded"
        "  FROM booking.saga JOIN booking.booking USING (booking_id)"
        "  LEFT JOIN (SELECT DISTINCT ON (payment_id) payment_id, captured, refunded"
        "               FROM payment.attempt ORDER BY payment_id, number DESC) AS paid"
        "       USING (payment_id)"
        "  LEFT JOIN money USING (payment_id)"
        " WHERE saga.captured > coalesce(paid.captured, 0)"
        "    OR saga.refunded > coalesce(paid.refunded, 0)"
        "    OR (saga.state IN ('CONFIRMED', 'CANCELLED') AND saga.amount > 0 AND money.settled"
        "        AND (saga.captured, saga.refunded)"
        "            IS DISTINCT FROM (paid.captured, paid.refunded))",
    ),
    Check(
        "I3",
        "a coupon counts its uses, and a confirmed booking uses its coupon",
        "SELECT event_id, code, coupon.used, uses.counted, uses.uncounted"
        "  FROM booking.coupon LEFT JOIN ("
        "       SELECT coupon_use.event_id, code, count(*) FILTER (WHERE counted) AS counted,"
        "              count(*) FILTER (WHERE NOT counted AND state = 'CONFIRMED') AS uncounted"
        "         FROM booking.coupon_use JOIN booking.saga USING (booking_id)"
        "        GROUP BY coupon_use.event_id, code) AS uses USING (event_id, code)"
        " WHERE coupon.used <> coalesce(uses.counted, 0) OR uses.uncounted > 0",
    ),
    Check(
        "I5",
        "the house keeps its fees in proportion to what it keeps of the price",
        "SELECT payment_id, fees, kept, coalesce(posted, 0) AS posted FROM ("
        "       SELECT payment.id AS payment_id, payment.fees, sum(payment.fees - div("
        "                  2 * payment.fees::numeric * attempt.refunded + attempt.captured,"
        "                  2 * attempt.captured::numeric)) AS kept"
        "         FROM payment.payment JOIN payment.attempt ON payment_id = payment.id"
        "        WHERE captured > 0 GROUP BY payment.id, payment.fees) AS due"
        "  LEFT JOIN (SELECT payment_id, -sum(amount) AS posted"
        "               FROM payment.ledger_transaction"
        "               JOIN payment.ledger_posting ON transaction_id = id"
        "              WHERE account = 'house_fees' GROUP BY payment_id) AS ledgered"
        "       USING (payment_id)"
        " WHERE kept <> coalesce(posted, 0)",
    ),
    Check(
        "I3",
        "no money without a booking",
        "SELECT payment.id AS payment_id, money.captured, money.refunded"
        "  FROM payment.payment JOIN money ON money.payment_id = payment.id"
        "  LEFT JOIN booking.booking ON booking.payment_id = payment.id"
        " WHERE booking.booking_id IS NULL AND money.captured <> money.refunded",
    ),
    Check(
        "I4",
        "no hold outlives its expiry",
        "SELECT event_id, hold_id, expires_at FROM inventory.hold"
        " WHERE status = 'ACTIVE' AND expires_at < (SELECT grace FROM moment)",
    ),
    Check(
        "I4",
        "no saga outlives its deadline",
        "SELECT reference, state, deadline_at FROM booking.saga"
        "  JOIN booking.booking USING (booking_id)"
        " WHERE deadline_at < (SELECT grace FROM moment)",
    ),
    Check(
        "I4",
        "no reserved seats of a booking that is over",
        "SELECT hold.event_id, hold.hold_id, saga.state FROM inventory.hold"
        "  JOIN booking.saga ON saga.booking_id = hold.booking_id"
        " WHERE hold.status = 'RESERVED' AND saga.state IN ('FAILED', 'EXPIRED', 'CANCELLED')",
    ),
    Check(
        "I4",
        "a reservation without a booking is given back within two minutes",
        "SELECT hold.event_id, hold.hold_id, hold.booking_id, reserved_at FROM inventory.hold"
        "  LEFT JOIN booking.saga ON saga.booking_id = hold.booking_id"
        " WHERE hold.status = 'RESERVED' AND saga.booking_id IS NULL"
        # What was reserved before that was written down had its booking first.
        "   AND coalesce(reserved_at, '-infinity')"
        "       < (SELECT grace FROM moment) - interval '60 seconds'",
    ),
    Check(
        "I5",
        "every ledger transaction sums to zero",
        "SELECT transaction_id, currency, sum(amount) AS sum FROM payment.ledger_posting"
        " GROUP BY transaction_id, currency HAVING sum(amount) <> 0",
    ),
    Check(
        "I5",
        "the ledger knows every capture and every refund",
        "SELECT attempt.payment_id, attempt.number, attempt.captured, attempt.refunded,"
        "       told.captured AS ledger_captured, told.refunded AS ledger_refunded"
        "  FROM payment.attempt"
        "  FULL JOIN ledger AS told USING (payment_id, number)"
        " WHERE (coalesce(attempt.captured, 0), coalesce(attempt.refunded, 0))"
        "    <> (coalesce(told.captured, 0), coalesce(told.refunded, 0))",
    ),
    *(
        Check(
            "I6",
            f"no message of {schema} waits unpublished",
            f"SELECT id, type, attempts, due_at FROM {schema}.outbox"  # noqa: S608 - constants
            " WHERE due_at < (SELECT grace FROM moment)",
        )
        for schema in SCHEMAS
    ),
    Check("I6", "no message is parked that this version knows", _PARKED),
    Check(
        "I8",
        "tickets are good if and only if their booking is confirmed",
        "SELECT booking.reference, saga.state, bought.tickets,"
        "       count(ticket.ticket_id) FILTER (WHERE ticket.status <> 'REVOKED') AS good"
        "  FROM booking.saga JOIN booking.booking USING (booking_id)"
        "  JOIN (SELECT booking_id, sum(quantity) AS tickets FROM booking.booking_line"
        "         GROUP BY booking_id) AS bought USING (booking_id)"
        "  LEFT JOIN booking.ticket USING (booking_id)"
        " GROUP BY booking.reference, saga.state, bought.tickets"
        " HAVING count(ticket.ticket_id) FILTER (WHERE ticket.status <> 'REVOKED')"
        "     <> CASE saga.state WHEN 'CONFIRMED' THEN bought.tickets ELSE 0 END",
    ),
    Check(
        "I2",
        "a seat is kept back if and only if a block has it",
        "SELECT event_id, seat_no, seat.status, block_id FROM inventory.seat"
        "  FULL JOIN inventory.block_seat USING (event_id, seat_no)"
        " WHERE (seat.status IS NOT DISTINCT FROM 'BLOCKED') <> (block_id IS NOT NULL)",
    ),
    Check(
        "I10",
        "a seat's journal is a legal history",
        "SELECT * FROM (SELECT event_id, seat_no, version, from_status, to_status, hold_id,"
        "   row_number() OVER history AS nth, lag(to_status) OVER history AS was,"
        "   lag(hold_id) OVER history AS was_hold FROM inventory.seat_journal"
        "   WINDOW history AS (PARTITION BY event_id, seat_no ORDER BY version)) AS entry"
        " WHERE version <> nth OR from_status <> coalesce(was, 'AVAILABLE')"
        "    OR (from_status IN ('HELD', 'RESERVED', 'SOLD')"
        "        AND hold_id IS DISTINCT FROM was_hold)",
    ),
    Check(
        "I10",
        "a seat is as its journal says last",
        "SELECT seat.event_id, seat.seat_no, seat.status, seat.version, last.to_status,"
        "       last.version AS journal_version FROM inventory.seat"
        "  FULL JOIN (SELECT DISTINCT ON (event_id, seat_no) event_id, seat_no, version, to_status"
        "               FROM inventory.seat_journal ORDER BY event_id, seat_no, version DESC)"
        "       AS last USING (event_id, seat_no)"
        " WHERE (seat.version, seat.status) IS DISTINCT FROM"
        "       (coalesce(last.version, 0), coalesce(last.to_status, 'AVAILABLE'))",
    ),
)


def clock_of(url: str) -> datetime:
    """What time it is by the database's clock.

    Raises:
        psycopg.Error: the database does not answer.
    """
    with psycopg.connect(url, connect_timeout=5) as connection:
        ((now,),) = connection.execute("SELECT clock_timestamp()").fetchall()
    return cast("datetime", now).astimezone(UTC)


def check_all(
    url: str,
    *,
    before_each: Callable[[Check], None] = lambda _check: None,
    on_a_standby: Callable[[datetime | None], None] = lambda _as_of: None,
) -> Sequence[Finding]:
    """Asks every question in one snapshot; `url` is of a role that may read all schemas.

    `on_a_standby` is told, where it is one, when the last was written of what it shows; None where
    it has followed nothing since it was started.

    Raises:
        psycopg.Error: the database does not answer, or the role may not read.
    """
    findings: list[Finding] = []
    with psycopg.connect(url, row_factory=dict_row, connect_timeout=5) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(f"SET LOCAL statement_timeout = '{_STATEMENT_SECONDS}s'")
        moment = connection.execute(_MOMENT).fetchone()
        assert moment is not None  # noqa: S101 - a SELECT of one row
        if moment["is_standby"]:
            on_a_standby(moment["as_of"])
        for check in CHECKS:
            before_each(check)
            began = time.perf_counter()
            rows = connection.execute(
                f"{_BASICS} SELECT found.*, count(*) OVER () AS violations"  # noqa: S608 - constants
                f"  FROM ({check.sql}) AS found LIMIT {SHOWN}"
            ).fetchall()
            count = rows[0]["violations"] if rows else 0
            shown = [{k: v for k, v in row.items() if k != "violations"} for row in rows]
            findings.append(Finding(check, count, shown, time.perf_counter() - began))
        findings += _guards(connection)
    return findings


def _guards(connection: psycopg.Connection[dict[str, Any]]) -> Iterable[Finding]:
    """Whether the constraints that make I1, I6 and I7 impossible to break are in force."""
    began = time.perf_counter()
    rows = connection.execute(
        "SELECT schemaname AS schema, tablename AS table, 'index' AS kind, indexdef AS definition"
        "  FROM pg_indexes WHERE indexdef LIKE 'CREATE UNIQUE%'"
        " UNION ALL SELECT nspname, relname, 'check', pg_get_constraintdef(pg_constraint.oid)"
        "  FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid"
        "  JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE contype = 'c' AND convalidated"
    ).fetchall()
    missing = [
        {"table": f"{schema}.{table}", "guard": needle}
        for schema, table, kind, needle in _GUARDS
        if not any(
            (row["schema"], row["table"], row["kind"]) == (schema, table, kind)
            and needle.replace(" ", "") in row["definition"].replace(" ", "").replace("::text", "")
            for row in rows
        )
    ]
    check = Check("I1 I6 I7", GUARDS_TITLE, "")
    yield Finding(check, len(missing), missing[:SHOWN], time.perf_counter() - began)
