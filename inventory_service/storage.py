"""Every table of the schema `inventory`, and every query on them.

Who locks what, in which order, so that nobody waits in a circle: hold, seat, customer_quota,
live_hold, pool; within a table by key. Whoever wants the seats of an expired hold expires that
hold first, in a transaction of its own, and only then claims: a claim never waits for a hold.

A seat carries its hold's id only while the hold's row says so, and both change in one transaction
under the hold's row lock. A hold is due when its expiry has passed by the database's clock; what
gives places away judges that by the statement's time, what keeps them by the time it is, so that
neither moment belongs to both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cachetools import LRUCache

from chassis.database import Row as Record
from chassis.database import Session
from inventory_service.domain import (
    SEATS_OF,
    Hold,
    HoldState,
    HoldStatus,
    Layout,
    Line,
    Opening,
    Row,
    SeatsOrder,
    Section,
    Tier,
    shown_status,
)

# --- events ----------------------------------------------------------------------------------

# Of two at once the second waits for the first, and finds its event.
_OPEN_EVENT = """
INSERT INTO event (event_id, status, organizer_id, currency, max_per_customer, sales_from,
                   sales_to, starts_at, capacity, focal_x, focal_y)
VALUES (:event_id, 'OPEN', :organizer_id, :currency, :max_per_customer, :sales_from,
        :sales_to, :starts_at, :capacity, :focal_x, :focal_y)
    ON CONFLICT (event_id) DO NOTHING
"""
_CAPACITY = "SELECT capacity FROM event WHERE event_id = :event_id"
_CLOSE_EVENT = """
INSERT INTO event (event_id, status) VALUES (:event_id, 'CLOSED')
    ON CONFLICT (event_id) DO UPDATE SET status = 'CLOSED'
"""
_ADD_TIERS = """
INSERT INTO tier (event_id, tier_id, ordinal, name, price)
SELECT :event_id, * FROM unnest(CAST(:ids AS uuid[]), CAST(:ordinals AS integer[]),
                                CAST(:names AS text[]), CAST(:prices AS bigint[]))
"""
_ADD_SECTIONS = """
INSERT INTO section (event_id, section_id, ordinal, name, tier_id, kind, capacity)
SELECT :event_id, * FROM unnest(CAST(:ids AS uuid[]), CAST(:ordinals AS integer[]),
                                CAST(:names AS text[]), CAST(:tier_ids AS uuid[]),
                                CAST(:kinds AS text[]), CAST(:capacities AS integer[]))
"""
_ADD_POOLS = """
INSERT INTO pool (event_id, section_id, capacity)
SELECT event_id, section_id, capacity FROM section
 WHERE event_id = :event_id AND kind = 'STANDING'
"""
_ADD_PLACES = """
INSERT INTO seat_place (event_id, seat_no, section_id, row_no, row_label, position, number, x, y)
SELECT :event_id, * FROM unnest(
    CAST(:seat_nos AS integer[]), CAST(:section_ids AS uuid[]), CAST(:row_nos AS integer[]),
    CAST(:row_labels AS text[]), CAST(:positions AS integer[]), CAST(:numbers AS text[]),
    CAST(:xs AS double precision[]), CAST(:ys AS double precision[]))
"""
_ADD_SEATS = """
INSERT INTO seat (event_id, seat_no)
SELECT :event_id, seat_no FROM generate_series(0, :seats - 1) AS seat_no
"""
_FIND_EVENT = """
SELECT currency, max_per_customer, focal_x, focal_y FROM event
 WHERE event_id = :event_id AND organizer_id IS NOT NULL
"""
_TIERS = "SELECT tier_id, name, price FROM tier WHERE event_id = :event_id ORDER BY ordinal"
_SECTIONS = """
SELECT section_id, name, tier_id, capacity FROM section WHERE event_id = :event_id ORDER BY ordinal
"""
_ROWS = """
SELECT section_id, row_label, min(seat_no) AS first, array_agg(number ORDER BY seat_no) AS numbers,
       array_agg(x ORDER BY seat_no) AS xs, array_agg(y ORDER BY seat_no) AS ys
  FROM seat_place WHERE event_id = :event_id
 GROUP BY section_id, row_no, row_label ORDER BY first
"""
_SALE = """
SELECT status = 'OPEN' AS open, clock_timestamp() AS now,
       coalesce(sales_from, '-infinity') <= clock_timestamp()
           AND sales_to > clock_timestamp() AS selling
  FROM event WHERE event_id = :event_id
"""


async def open_event(session: Session, opening: Opening) -> int:
    """Puts an event's places on sale, once; returns the capacity it has now."""
    layout = opening.layout
    event_id = layout.event_id
    inserted = await session.execute(
        _OPEN_EVENT,
        event_id=event_id,
        organizer_id=opening.organizer_id,
        currency=layout.currency,
        max_per_customer=layout.max_per_customer,
        sales_from=opening.sales_from,
        sales_to=opening.sales_to,
        starts_at=opening.starts_at,
        capacity=layout.capacity,
        focal_x=layout.focal[0],
        focal_y=layout.focal[1],
    )
    if not inserted.rowcount:
        return int(await session.scalar(_CAPACITY, event_id=event_id))
    await session.execute(
        _ADD_TIERS,
        event_id=event_id,
        ids=list(layout.tiers),
        ordinals=list(range(len(layout.tiers))),
        names=[tier.name for tier in layout.tiers.values()],
        prices=[tier.price for tier in layout.tiers.values()],
    )
    await session.execute(
        _ADD_SECTIONS,
        event_id=event_id,
        ids=[section.id for section in layout.sections],
        ordinals=list(range(len(layout.sections))),
        names=[section.name for section in layout.sections],
        tier_ids=[section.tier_id for section in layout.sections],
        kinds=[section.kind for section in layout.sections],
        capacities=[section.capacity for section in layout.sections],
    )
    await session.execute(_ADD_POOLS, event_id=event_id)
    await session.execute(_ADD_PLACES, event_id=event_id, **_places(layout.sections))
    await session.execute(_ADD_SEATS, event_id=event_id, seats=layout.seat_count)
    return layout.capacity


def _places(sections: Iterable[Section]) -> Mapping[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            "seat_nos",
            "section_ids",
            "row_nos",
            "row_labels",
            "positions",
            "numbers",
            "xs",
            "ys",
        )
    }
    for section in sections:
        for row_no, row in enumerate(section.rows):
            count = len(row.numbers)
            columns["seat_nos"] += range(row.first, row.first + count)
            columns["section_ids"] += [section.id] * count
            columns["row_nos"] += [row_no] * count
            columns["row_labels"] += [row.label] * count
            columns["positions"] += range(count)
            columns["numbers"] += row.numbers
            columns["xs"] += row.xs
            columns["ys"] += row.ys
    return columns


async def close_event(session: Session, event_id: UUID) -> None:
    """Takes an event off sale; one that was never opened can't be opened any more."""
    await session.execute(_CLOSE_EVENT, event_id=event_id)


async def find_sale(session: Session, event_id: UUID) -> Record | None:
    """Whether the event is `open`, whether it is `selling`, and `now`, by the database's clock."""
    return await session.first(_SALE, event_id=event_id)


class Layouts:
    """The layouts of the events asked for last; a layout never changes."""

    def __init__(self, seats: int = 400_000) -> None:
        self._kept: LRUCache[UUID, Layout] = LRUCache(
            seats, getsizeof=lambda layout: min(seats, layout.seat_count + 100)
        )

    async def find(self, session: Session, event_id: UUID) -> Layout | None:
        """The event's layout, or None where it was never opened."""
        layout = self._kept.get(event_id) or await _load_layout(session, event_id)
        if layout is not None:
            self._kept[event_id] = layout
        return layout


async def _load_layout(session: Session, event_id: UUID) -> Layout | None:
    event = await session.first(_FIND_EVENT, event_id=event_id)
    if event is None:
        return None
    tiers = await session.all(_TIERS, event_id=event_id)
    sections = await session.all(_SECTIONS, event_id=event_id)
    rows: dict[UUID, list[Row]] = {section.section_id: [] for section in sections}
    for row in await session.all(_ROWS, event_id=event_id):
        rows[row.section_id].append(Row(row.row_label, row.first, row.numbers, row.xs, row.ys))
    return Layout(
        event_id=event_id,
        currency=event.currency,
        max_per_customer=event.max_per_customer,
        focal=(event.focal_x, event.focal_y),
        tiers={tier.tier_id: Tier(tier.tier_id, tier.name, tier.price) for tier in tiers},
        sections=[
            Section(s.section_id, s.name, s.tier_id, rows[s.section_id], s.capacity)
            for s in sections
        ],
    )


# --- what is free ----------------------------------------------------------------------------

# One statement, one snapshot: the version is that of just this content. Every change of a place
# raises its version by one, so the sum rises with every change and never falls.
_SEAT_MAP = """
SELECT 1 + coalesce(sum(version), 0)
         + (SELECT coalesce(sum(version), 0) FROM pool WHERE event_id = :event_id) AS version,
       coalesce(array_agg(seat_no) FILTER (WHERE status IN ('HELD', 'RESERVED')), '{}') AS held,
       coalesce(array_agg(seat_no) FILTER (WHERE status = 'SOLD'), '{}') AS sold,
       coalesce(array_agg(seat_no) FILTER (WHERE status = 'BLOCKED'), '{}') AS blocked,
       (SELECT coalesce(jsonb_object_agg(section_id, capacity - held - reserved - sold), '{}')
          FROM pool WHERE event_id = :event_id) AS pools
  FROM seat WHERE event_id = :event_id
"""
# Due holds that nobody has expired yet count as free.
_AVAILABILITY = """
SELECT event.event_id, capacity,
       coalesce(sales_from, '-infinity') <= clock_timestamp()
           AND sales_to > clock_timestamp() AS selling,
       (SELECT count(*) FROM seat
         WHERE seat.event_id = event.event_id AND seat.status = 'AVAILABLE')
     + (SELECT coalesce(sum(pool.capacity - held - reserved - sold), 0) FROM pool
         WHERE pool.event_id = event.event_id)
     + (SELECT coalesce(sum(seats + tickets), 0) FROM hold
         WHERE hold.event_id = event.event_id AND hold.status = 'ACTIVE'
           AND expires_at <= statement_timestamp()) AS available
  FROM event WHERE event.event_id = ANY(CAST(:event_ids AS uuid[])) AND event.status = 'OPEN'
"""


async def seat_map(session: Session, event_id: UUID) -> Record:
    """What is taken: `version`, seats `held`, `sold`, `blocked`, and what is free of `pools`."""
    return await session.one(_SEAT_MAP, event_id=event_id)


async def availability(session: Session, event_ids: Sequence[UUID]) -> Sequence[Record]:
    """`available`, `capacity`, `selling` of the open ones of some events."""
    return await session.all(_AVAILABILITY, event_ids=event_ids)


# --- claiming seats --------------------------------------------------------------------------

# All or nothing, in one statement. `free` locks the asked seats that are free, in the order of
# their numbers: two claims that overlap never wait for each other in a circle. Where another
# claim was faster, the lock waits for its commit, READ COMMITTED looks at the seat again as it is
# then, and leaves it out. What `free` returns is therefore locked and free now. Nothing is taken
# unless that is all of them; the update meets the very rows that are locked, so its own condition
# can no longer fail, and says what it relies on.
_CLAIM = """
WITH free AS MATERIALIZED (
    SELECT seat_no FROM seat
     WHERE event_id = :event_id AND seat_no = ANY(CAST(:seat_nos AS integer[]))
       AND status = 'AVAILABLE'
     ORDER BY seat_no FOR UPDATE
), taken AS (
    UPDATE seat SET status = :status, hold_id = :hold_id, version = seat.version + 1
      FROM free
     WHERE seat.event_id = :event_id AND seat.seat_no = free.seat_no
       AND seat.status = 'AVAILABLE' AND (SELECT count(*) FROM free) = :count
    RETURNING seat.seat_no, seat.version
)
INSERT INTO seat_journal (event_id, seat_no, version, from_status, to_status, hold_id)
SELECT :event_id, seat_no, version, 'AVAILABLE', :status, :hold_id FROM taken
"""
# Free seats that nobody is claiming at this moment; never waits.
_LOCK_FREE = """
SELECT seat_no FROM seat
 WHERE event_id = :event_id AND seat_no = ANY(CAST(:seat_nos AS integer[]))
   AND status = 'AVAILABLE'
 ORDER BY seat_no FOR UPDATE SKIP LOCKED
"""
# After a refusal, in one snapshot: who has the seats, and is that hold due? An expiry moves a seat
# from the one to the other in one commit, so there is no moment at which it is neither.
_TAKEN = """
SELECT seat.seat_no, hold.hold_id AS due
  FROM seat LEFT JOIN hold
    ON hold.event_id = seat.event_id AND hold.hold_id = seat.hold_id AND hold.status = 'ACTIVE'
   AND hold.expires_at <= statement_timestamp()
 WHERE seat.event_id = :event_id AND seat_no = ANY(CAST(:seat_nos AS integer[]))
   AND seat.status <> 'AVAILABLE'
 ORDER BY seat_no
"""
# Both in one snapshot, for the same reason.
_FREE = """
SELECT coalesce(array_agg(seat_no), '{}') AS free,
       ARRAY(SELECT hold_id FROM hold
              WHERE event_id = :event_id AND status = 'ACTIVE'
                AND expires_at <= statement_timestamp() AND seats > 0
              ORDER BY expires_at LIMIT :limit) AS due
  FROM seat JOIN unnest(CAST(:firsts AS integer[]), CAST(:lasts AS integer[])) AS span (a, b)
    ON seat_no BETWEEN a AND b
 WHERE event_id = :event_id AND status = 'AVAILABLE'
"""
# How many due holds one request expires in one go.
DUE_LIMIT = 100


async def claim_seats(
    session: Session, event_id: UUID, hold_id: UUID, seat_nos: Sequence[int], status: str = "HELD"
) -> bool:
    """Takes free seats for a hold, all or none; waits for whoever is at them now."""
    claimed = await session.execute(
        _CLAIM,
        event_id=event_id,
        hold_id=hold_id,
        seat_nos=list(seat_nos),
        count=len(seat_nos),
        status=status,
    )
    return claimed.rowcount == len(seat_nos)


async def lock_free_seats(session: Session, event_id: UUID, seat_nos: Sequence[int]) -> set[int]:
    """Locks those of the seats that are free and that nobody else is at; returns them."""
    rows = await session.all(_LOCK_FREE, event_id=event_id, seat_nos=list(seat_nos))
    return {row.seat_no for row in rows}


async def taken_seats(
    session: Session, event_id: UUID, seat_nos: Sequence[int]
) -> Mapping[int, UUID | None]:
    """Those of the seats that are not free, each with the due hold that has it, if one has."""
    rows = await session.all(_TAKEN, event_id=event_id, seat_nos=list(seat_nos))
    return {row.seat_no: row.due for row in rows}


async def free_seats(
    session: Session, event_id: UUID, sections: Sequence[Section]
) -> tuple[set[int], list[UUID]]:
    """The free seats of some sections, and due holds of the event that have seats."""
    row = await session.one(
        _FREE,
        event_id=event_id,
        firsts=[section.rows[0].first for section in sections],
        lasts=[section.rows[-1].first + len(section.rows[-1].numbers) - 1 for section in sections],
        limit=DUE_LIMIT,
    )
    return set(row.free), row.due


# --- claiming counted tickets ----------------------------------------------------------------

_LOCK_POOLS = """
SELECT section_id, capacity - held - reserved - sold AS free FROM pool
 WHERE event_id = :event_id AND section_id = ANY(CAST(:section_ids AS uuid[]))
 ORDER BY section_id FOR UPDATE
"""
# The condition is judged on the row as it is once the lock is had: READ COMMITTED evaluates it
# again after waiting for another claim. The table's CHECK says the same once more.
_CLAIM_POOLS = """
UPDATE pool SET held = held + taken.n * CAST(:to_held AS integer),
                sold = sold + taken.n * (1 - CAST(:to_held AS integer)), version = version + 1
  FROM unnest(CAST(:section_ids AS uuid[]), CAST(:counts AS integer[])) AS taken (section_id, n)
 WHERE pool.event_id = :event_id AND pool.section_id = taken.section_id
   AND held + reserved + sold + taken.n <= capacity
"""
# In one snapshot, as with the seats.
_POOLS = """
SELECT coalesce(jsonb_object_agg(section_id, capacity - held - reserved - sold), '{}') AS free,
       ARRAY(SELECT hold_id FROM hold
              WHERE event_id = :event_id AND status = 'ACTIVE'
                AND expires_at <= statement_timestamp() AND tickets > 0
              ORDER BY expires_at LIMIT :limit) AS due
  FROM pool WHERE event_id = :event_id
"""


async def lock_pools(
    session: Session, event_id: UUID, section_ids: Iterable[UUID]
) -> dict[UUID, int]:
    """Locks pools; returns how much is free in each."""
    rows = await session.all(_LOCK_POOLS, event_id=event_id, section_ids=list(section_ids))
    return {row.section_id: row.free for row in rows}


async def claim_pools(
    session: Session, event_id: UUID, taken: Mapping[UUID, int], *, status: str = "HELD"
) -> bool:
    """Takes so many of each pool; False where one of them had too few.

    With more than one pool the caller has locked them, or undoes what it did on a False.
    """
    claimed = await session.execute(
        _CLAIM_POOLS,
        event_id=event_id,
        section_ids=list(taken),
        counts=list(taken.values()),
        to_held=int(status == "HELD"),
    )
    return claimed.rowcount == len(taken)


async def free_in_pools(session: Session, event_id: UUID) -> tuple[dict[UUID, int], list[UUID]]:
    """How much is free in each pool, and due holds of the event that have tickets."""
    row = await session.one(_POOLS, event_id=event_id, limit=DUE_LIMIT)
    return {UUID(section_id): free for section_id, free in row.free.items()}, row.due


# --- how many a person may have --------------------------------------------------------------

# Of two at once the second waits for the first, and its condition is judged on what that left.
# The first row of a person is within the limit because the caller looked at the count itself.
_COUNT = """
INSERT INTO customer_quota (event_id, customer_id, seats)
VALUES (:event_id, :customer_id, :count)
    ON CONFLICT (event_id, customer_id) DO UPDATE
   SET seats = customer_quota.seats + excluded.seats
 WHERE customer_quota.seats + excluded.seats <= :most
"""
_COUNTED = """
SELECT coalesce((SELECT seats FROM customer_quota
                  WHERE event_id = :event_id AND customer_id = :customer_id), 0) AS counted,
       ARRAY(SELECT hold_id FROM hold
              WHERE customer_id = :customer_id AND event_id = :event_id AND status = 'ACTIVE'
                AND expires_at <= statement_timestamp()) AS due
"""
_UNCOUNT = """
WITH back AS MATERIALIZED (
    SELECT quota.event_id, quota.customer_id, given.n
      FROM (SELECT event_id, customer_id, sum(n)::integer AS n
              FROM unnest(CAST(:event_ids AS uuid[]), CAST(:customer_ids AS uuid[]),
                          CAST(:counts AS integer[])) AS each (event_id, customer_id, n)
             GROUP BY event_id, customer_id) AS given
      JOIN customer_quota AS quota USING (event_id, customer_id)
     ORDER BY quota.event_id, quota.customer_id FOR UPDATE OF quota
)
UPDATE customer_quota AS quota SET seats = quota.seats - back.n FROM back
 WHERE quota.event_id = back.event_id AND quota.customer_id = back.customer_id
"""
# A slot is free once its time has passed. As above, the condition is judged after the wait.
_TAKE_SLOT = """
INSERT INTO live_hold (customer_id, slot, event_id, hold_id, expires_at)
VALUES (:customer_id, :slot, :event_id, :hold_id, :expires_at)
    ON CONFLICT (customer_id, slot) DO UPDATE
   SET event_id = excluded.event_id, hold_id = excluded.hold_id, expires_at = excluded.expires_at
 WHERE live_hold.expires_at <= clock_timestamp()
"""
_FREE_SLOT = "DELETE FROM live_hold WHERE customer_id = :customer_id AND hold_id = :hold_id"
_EXTEND_SLOT = """
UPDATE live_hold SET expires_at = :expires_at
 WHERE customer_id = :customer_id AND hold_id = :hold_id
"""
_SLOTS = (1, 2)
_NO_LIMIT = 2**31 - 1


async def count_places(
    session: Session, event_id: UUID, customer_id: UUID, count: int, *, most: int | None
) -> bool:
    """Counts places for a person, unless they would have more than `most` (None: no limit)."""
    most = _NO_LIMIT if most is None else most
    if count > most:
        return False
    counted = await session.execute(
        _COUNT, event_id=event_id, customer_id=customer_id, count=count, most=most
    )
    return counted.rowcount == 1


async def counted_places(
    session: Session, event_id: UUID, customer_id: UUID
) -> tuple[int, list[UUID]]:
    """How many places a person has, and the person's due holds among them."""
    row = await session.one(_COUNTED, event_id=event_id, customer_id=customer_id)
    return row.counted, row.due


async def take_slot(
    session: Session, customer_id: UUID, event_id: UUID, hold_id: UUID, expires_at: datetime
) -> bool:
    """Makes the hold one of the person's two live ones; False where they have two."""
    for slot in _SLOTS:
        taken = await session.execute(
            _TAKE_SLOT,
            customer_id=customer_id,
            slot=slot,
            event_id=event_id,
            hold_id=hold_id,
            expires_at=expires_at,
        )
        if taken.rowcount:
            return True
    return False


async def free_slot(session: Session, customer_id: UUID, hold_id: UUID) -> None:
    """The hold is no longer a live one."""
    await session.execute(_FREE_SLOT, customer_id=customer_id, hold_id=hold_id)


# --- holds -----------------------------------------------------------------------------------

_ADD_HOLD = """
WITH made AS (
    INSERT INTO hold (event_id, hold_id, customer_id, status, seats, tickets, created_at,
                      expires_at, extendable_until)
    VALUES (:event_id, :hold_id, :customer_id, 'ACTIVE', :seats, :tickets, :created_at,
            :expires_at, :extendable_until)
)
INSERT INTO hold_line (event_id, hold_id, line_no, seat_no, section_id, tier_id, quantity, price)
SELECT :event_id, :hold_id, * FROM unnest(
    CAST(:line_nos AS integer[]), CAST(:seat_nos AS integer[]), CAST(:section_ids AS uuid[]),
    CAST(:tier_ids AS uuid[]), CAST(:quantities AS integer[]), CAST(:prices AS bigint[]))
"""
_HOLDS = """
SELECT event_id, hold_id, customer_id, status, version, expires_at, extendable_until,
       expires_at <= clock_timestamp() AS due
  FROM hold
 WHERE customer_id = :customer_id
   AND (CAST(:hold_id AS uuid) IS NULL OR hold_id = :hold_id)
   AND (CAST(:event_id AS uuid) IS NULL OR event_id = :event_id)
   AND (CAST(:before AS uuid) IS NULL OR hold_id < :before)
 ORDER BY hold_id DESC LIMIT :limit
"""
_LINES = """
SELECT hold_id, seat_no, section_id, tier_id, quantity, price
  FROM hold_line JOIN unnest(CAST(:event_ids AS uuid[]), CAST(:hold_ids AS uuid[]))
                   AS wanted (event_id, hold_id) USING (event_id, hold_id)
 ORDER BY hold_id, line_no
"""
_LOCK_OWN = """
SELECT event_id, hold_id, customer_id, status, version, seats, tickets, booking_id, saga_step,
       expires_at <= clock_timestamp() AS due
  FROM hold WHERE hold_id = :hold_id AND customer_id = :customer_id FOR UPDATE
"""
_LOCK = """
SELECT event_id, hold_id, customer_id, status, version, seats, tickets, booking_id, saga_step,
       expires_at <= clock_timestamp() AS due
  FROM hold WHERE event_id = :event_id AND hold_id = :hold_id FOR UPDATE
"""
# A command for a hold that never was leaves one that has ended.
_BURY = """
INSERT INTO hold (event_id, hold_id, status, seats, tickets, created_at, expires_at,
                  extendable_until)
VALUES (:event_id, :hold_id, 'RELEASED', 0, 0, clock_timestamp(), clock_timestamp(),
        clock_timestamp())
    ON CONFLICT (event_id, hold_id) DO NOTHING
"""
# A booking's alone, and never back to an older step, whatever was judged before.
_NOTE_STEP = """
UPDATE hold SET booking_id = :booking_id, saga_step = :saga_step
 WHERE event_id = :event_id AND hold_id = :hold_id
   AND coalesce(booking_id, :booking_id) = :booking_id AND saga_step < :saga_step
"""
# Under the row's lock. An active hold is moved on by its booking only while its time lasts, by
# the time it is now, not when the lock was asked for.
_RESERVE = """
UPDATE hold SET status = 'RESERVED', expires_at = :expires_at
 WHERE event_id = :event_id AND hold_id = :hold_id
   AND status = 'ACTIVE' AND expires_at > clock_timestamp()
"""
_MOVE = """
UPDATE hold SET status = :status
 WHERE event_id = :event_id AND hold_id = :hold_id AND status = :was
"""
# Extending changes this row alone, so whoever wants to expire the hold has to change it too: the
# second of the two waits for the first and judges the row again. An extension that committed
# makes the hold undue; an expiry that committed makes it inactive.
_EXTEND = """
UPDATE hold SET expires_at = least(clock_timestamp() + :life, extendable_until)
 WHERE event_id = :event_id AND hold_id = :hold_id
   AND status = 'ACTIVE' AND expires_at > clock_timestamp()
   AND least(clock_timestamp() + :life, extendable_until) > expires_at
RETURNING expires_at
"""
# `due` locks in the order of the key and judges each row again after a wait (see _EXTEND), and by
# the statement's own time, which is the earlier one. Two that expire the same hold: the second
# finds it inactive and leaves it alone, so its places are given back once.
_EXPIRE = """
WITH due AS MATERIALIZED (
    SELECT event_id, hold_id FROM hold
     WHERE event_id = :event_id AND hold_id = ANY(CAST(:hold_ids AS uuid[]))
       AND status = 'ACTIVE' AND expires_at <= statement_timestamp()
     ORDER BY hold_id FOR UPDATE
)
UPDATE hold SET status = 'EXPIRED' FROM due
 WHERE hold.event_id = due.event_id AND hold.hold_id = due.hold_id AND hold.status = 'ACTIVE'
RETURNING hold.event_id, hold.hold_id, hold.customer_id, hold.seats, hold.tickets
"""
# As _EXPIRE, for whichever are due; what another has locked is left to it.
_EXPIRE_SOME = """
WITH due AS MATERIALIZED (
    SELECT event_id, hold_id FROM hold
     WHERE status = 'ACTIVE' AND expires_at <= statement_timestamp()
     ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE hold SET status = 'EXPIRED' FROM due
 WHERE hold.event_id = due.event_id AND hold.hold_id = due.hold_id AND hold.status = 'ACTIVE'
RETURNING hold.event_id, hold.hold_id, hold.customer_id, hold.seats, hold.tickets
"""
_SHRINK = """
WITH gone AS (
    DELETE FROM hold_line WHERE event_id = :event_id AND hold_id = :hold_id
       AND seat_no = ANY(CAST(:seat_nos AS integer[]))
)
UPDATE hold SET version = version + 1, seats = seats - :count
 WHERE event_id = :event_id AND hold_id = :hold_id
"""


async def add_hold(
    session: Session,
    layout: Layout,
    hold_id: UUID,
    customer_id: UUID,
    lines: Sequence[Line],
    *,
    created_at: datetime,
    expires_at: datetime,
    extendable_until: datetime,
) -> Hold:
    """Writes down a hold whose places have been claimed."""
    seats = sum(line.seat_no is not None for line in lines)
    await session.execute(
        _ADD_HOLD,
        event_id=layout.event_id,
        hold_id=hold_id,
        customer_id=customer_id,
        seats=seats,
        tickets=sum(line.quantity for line in lines) - seats,
        created_at=created_at,
        expires_at=expires_at,
        extendable_until=extendable_until,
        line_nos=list(range(len(lines))),
        seat_nos=[line.seat_no for line in lines],
        section_ids=[line.section_id for line in lines],
        tier_ids=[line.tier_id for line in lines],
        quantities=[line.quantity for line in lines],
        prices=[line.price for line in lines],
    )
    return Hold(
        hold_id, customer_id, "ACTIVE", 1, expires_at, extendable_until, layout, tuple(lines)
    )


async def find_holds(
    session: Session,
    layouts: Layouts,
    customer_id: UUID,
    *,
    hold_id: UUID | None = None,
    event_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = 1,
) -> list[Hold]:
    """A person's holds, newest first: that one, or of one event, or made before another."""
    rows = await session.all(
        _HOLDS,
        customer_id=customer_id,
        hold_id=hold_id,
        event_id=event_id,
        before=before,
        limit=limit,
    )
    lines: dict[UUID, list[Line]] = {row.hold_id: [] for row in rows}
    for line in await session.all(
        _LINES, event_ids=[row.event_id for row in rows], hold_ids=list(lines)
    ):
        lines[line.hold_id].append(
            Line(line.seat_no, line.section_id, line.tier_id, line.quantity, line.price)
        )
    holds: list[Hold] = []
    for row in rows:
        layout = await layouts.find(session, row.event_id)
        if layout is None:
            raise LookupError(f"hold {row.hold_id} is on an event without a layout")
        holds.append(
            Hold(
                row.hold_id,
                row.customer_id,
                shown_status(HoldStatus(row.status), due=row.due),
                row.version,
                row.expires_at,
                row.extendable_until,
                layout,
                lines[row.hold_id],
            )
        )
    return holds


async def find_lines(session: Session, hold: HoldState) -> list[Line]:
    """The hold's lines."""
    rows = await session.all(_LINES, event_ids=[hold.event_id], hold_ids=[hold.hold_id])
    return [Line(row.seat_no, row.section_id, row.tier_id, row.quantity, row.price) for row in rows]


async def lock_own_hold(session: Session, hold_id: UUID, customer_id: UUID) -> HoldState | None:
    """Locks the person's hold; None where they have none of that id."""
    return _state(await session.first(_LOCK_OWN, hold_id=hold_id, customer_id=customer_id))


async def lock_or_bury(session: Session, event_id: UUID, hold_id: UUID) -> HoldState:
    """Locks the hold; one that never was is made, ended, so that it can never begin."""
    row = await session.first(_LOCK, event_id=event_id, hold_id=hold_id)
    if row is None:
        await session.execute(_BURY, event_id=event_id, hold_id=hold_id)
        row = await session.one(_LOCK, event_id=event_id, hold_id=hold_id)
    state = _state(row)
    assert state is not None  # noqa: S101 - narrows the type; the row is there
    return state


def _state(row: Record | None) -> HoldState | None:
    if row is None:
        return None
    return HoldState(
        row.event_id,
        row.hold_id,
        row.customer_id,
        HoldStatus(row.status),
        row.due,
        row.version,
        row.seats,
        row.tickets,
        row.booking_id,
        row.saga_step,
    )


async def note_step(session: Session, hold: HoldState, order: SeatsOrder) -> None:
    """Notes the newest step asked of a locked hold, and whose it is."""
    await session.execute(
        _NOTE_STEP,
        event_id=hold.event_id,
        hold_id=hold.hold_id,
        booking_id=order.booking_id,
        saga_step=order.saga_step,
    )


async def reserve_hold(session: Session, hold: HoldState, expires_at: datetime | None) -> bool:
    """Gives a locked, active hold to its booking; False where its time has just passed."""
    reserved = await session.execute(
        _RESERVE,
        event_id=hold.event_id,
        hold_id=hold.hold_id,
        expires_at=expires_at,
    )
    return reserved.rowcount == 1


async def move_hold(session: Session, hold: HoldState, to: HoldStatus) -> None:
    """Changes the status of a locked hold."""
    await session.execute(
        _MOVE,
        event_id=hold.event_id,
        hold_id=hold.hold_id,
        was=hold.status,
        status=to,
    )


async def extend_hold(session: Session, hold: HoldState, life: timedelta) -> bool:
    """Lets a hold live `life` from now, within its cap.

    False where it would gain nothing or its time has just passed.
    """
    expires_at = await session.scalar(
        _EXTEND, event_id=hold.event_id, hold_id=hold.hold_id, life=life
    )
    if expires_at is None:
        return False
    extended = await session.execute(
        _EXTEND_SLOT, customer_id=hold.customer_id, hold_id=hold.hold_id, expires_at=expires_at
    )
    return extended.rowcount == 1


async def shrink_hold(session: Session, hold: HoldState, seat_nos: Sequence[int]) -> None:
    """Takes seats out of a locked hold's lines."""
    await session.execute(
        _SHRINK,
        event_id=hold.event_id,
        hold_id=hold.hold_id,
        seat_nos=list(seat_nos),
        count=len(seat_nos),
    )


async def expire_holds(
    session: Session, event_id: UUID, hold_ids: Sequence[UUID]
) -> Sequence[Record]:
    """Marks those of an event's holds that are due; returns them."""
    return await session.all(_EXPIRE, event_id=event_id, hold_ids=list(hold_ids))


async def expire_some(session: Session, limit: int) -> Sequence[Record]:
    """Marks up to `limit` due holds; returns them."""
    return await session.all(_EXPIRE_SOME, limit=limit)


# --- moving what holds have ------------------------------------------------------------------

# The holds' rows are locked, and a held seat changes under its hold's lock alone: what is found
# here stays as it is. `hold_id` fences all the same.
_MOVE_SEATS = """
WITH found AS MATERIALIZED (
    SELECT seat.event_id, seat.seat_no, seat.hold_id
      FROM unnest(CAST(:event_ids AS uuid[]), CAST(:hold_ids AS uuid[])) AS each (event_id, hold_id)
      JOIN hold_line USING (event_id, hold_id)
      JOIN seat ON seat.event_id = hold_line.event_id AND seat.seat_no = hold_line.seat_no
               AND seat.hold_id = hold_line.hold_id
     WHERE seat.status = :was
       AND (CAST(:only AS integer[]) IS NULL OR seat.seat_no = ANY(CAST(:only AS integer[])))
     ORDER BY seat.event_id, seat.seat_no FOR UPDATE OF seat
), moved AS (
    UPDATE seat SET status = :status, version = seat.version + 1,
                    hold_id = CASE WHEN :status <> 'AVAILABLE' THEN seat.hold_id END
      FROM found
     WHERE seat.event_id = found.event_id AND seat.seat_no = found.seat_no
       AND seat.hold_id = found.hold_id AND seat.status = :was
    RETURNING seat.event_id, seat.seat_no, seat.version, found.hold_id
)
INSERT INTO seat_journal (event_id, seat_no, version, from_status, to_status, hold_id)
SELECT event_id, seat_no, version, :was, :status, hold_id FROM moved
"""
# Counts are added to the row as it is once its lock is had; the table's CHECKs keep them sane.
_MOVE_TICKETS = """
WITH moved AS MATERIALIZED (
    SELECT pool.event_id, pool.section_id, line.n
      FROM (SELECT event_id, section_id, sum(quantity)::integer AS n
              FROM unnest(CAST(:event_ids AS uuid[]), CAST(:hold_ids AS uuid[]))
                   AS each (event_id, hold_id)
              JOIN hold_line USING (event_id, hold_id)
             WHERE seat_no IS NULL GROUP BY event_id, section_id) AS line
      JOIN pool USING (event_id, section_id)
     ORDER BY pool.event_id, pool.section_id FOR UPDATE OF pool
)
UPDATE pool SET held = held + n * CAST(:held AS integer),
                reserved = reserved + n * CAST(:reserved AS integer),
                sold = sold + n * CAST(:sold AS integer), version = version + 1
  FROM moved WHERE pool.event_id = moved.event_id AND pool.section_id = moved.section_id
"""


class PlacesLostError(Exception):
    """A hold does not have the places its row says it has. This can't be."""


async def move_seats(
    session: Session,
    holds: Sequence[HoldState | Record],
    was: HoldStatus,
    to: HoldStatus,
    *,
    only: Sequence[int] | None = None,
) -> None:
    """Moves the seats of locked holds along as the holds go from one status to another.

    Raises:
        PlacesLostError: there were not as many as there should be.
    """
    count = len(only) if only is not None else sum(hold.seats for hold in holds)
    if not count or SEATS_OF[was] == SEATS_OF[to]:
        return
    moved = await session.execute(
        _MOVE_SEATS,
        event_ids=[hold.event_id for hold in holds],
        hold_ids=[hold.hold_id for hold in holds],
        was=SEATS_OF[was],
        status=SEATS_OF[to],
        only=only,
    )
    if moved.rowcount != count:
        raise PlacesLostError(f"{moved.rowcount} of {count} seats {was} -> {to}")


async def move_tickets(
    session: Session, holds: Sequence[HoldState | Record], was: HoldStatus, to: HoldStatus
) -> None:
    """Moves the counted tickets of locked holds along, as `move_seats` does the seats."""
    counted = [hold for hold in holds if hold.tickets]
    if not counted or SEATS_OF[was] == SEATS_OF[to]:
        return
    await session.execute(
        _MOVE_TICKETS,
        event_ids=[hold.event_id for hold in counted],
        hold_ids=[hold.hold_id for hold in counted],
        **{
            column.lower(): (column == SEATS_OF[to]) - (column == SEATS_OF[was])
            for column in ("HELD", "RESERVED", "SOLD")
        },
    )


async def uncount_places(
    session: Session, given_back: Sequence[tuple[UUID, UUID | None, int]]
) -> None:
    """Gives back places counted for people: event, person, how many."""
    if given_back:
        await session.execute(
            _UNCOUNT,
            event_ids=[event_id for event_id, _customer_id, _count in given_back],
            customer_ids=[customer_id for _event_id, customer_id, _count in given_back],
            counts=[count for _event_id, _customer_id, count in given_back],
        )
