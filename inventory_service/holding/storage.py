"""What a batch of holds on one event reads under lock, and writes.

One round trip to look, one to write. What is looked at is locked, in the order that all of this
schema keeps (see the package), so what is decided on it still stands when it is written. The
writes say their conditions all the same, and where one did not hold, all is undone: a person's
first rows are not there to be locked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Result, Session, Statement
from chassis.database import Row as Record
from inventory_service.domain import Line
from inventory_service.holding.verdicts import Reasons
from inventory_service.storage.events import FIND_SALE
from inventory_service.storage.seats import DUE_LIMIT, TAKEN

# --- choosing --------------------------------------------------------------------------------

_FREE = """
SELECT array_agg(seat_no) AS free FROM seat WHERE event_id = :event_id AND status = 'AVAILABLE'
"""


async def find_free(session: Session, event_id: UUID) -> Sequence[int]:
    """The seats that are free, or about to be taken."""
    return await session.scalar(_FREE, event_id=event_id) or ()


# --- looking ---------------------------------------------------------------------------------

# Of the seats those that are free, in the order of their numbers: two batches that overlap never
# wait for each other in a circle. Where another claim was faster, the lock waits for its commit,
# READ COMMITTED looks at the seat again as it is then, and leaves it out. What comes back is
# therefore locked and free now.
_LOCK_SEATS = """
SELECT seat_no, version FROM seat
 WHERE event_id = :event_id AND seat_no = ANY(ARRAY(SELECT unnest(CAST(:seat_nos AS integer[]))))
   AND status = 'AVAILABLE'
 ORDER BY seat_no FOR UPDATE
"""
# The same out of order, so never waiting: for seats that we chose ourselves and may choose again.
_LOCK_CHOSEN = """
SELECT seat_no, version FROM seat
 WHERE event_id = :event_id AND seat_no = ANY(CAST(:seat_nos AS integer[]))
   AND status = 'AVAILABLE'
 ORDER BY seat_no FOR UPDATE SKIP LOCKED
"""
_LOCK_COUNTS = """
SELECT customer_id, seats FROM customer_quota
 WHERE event_id = :event_id AND customer_id = ANY(CAST(:people AS uuid[]))
 ORDER BY customer_id FOR UPDATE
"""
_LOCK_SLOTS = """
SELECT customer_id, slot, expires_at > clock_timestamp() AS live FROM live_hold
 WHERE customer_id = ANY(ARRAY(SELECT unnest(CAST(:people AS uuid[]))))
 ORDER BY customer_id, slot FOR UPDATE
"""
_LOCK_POOLS = """
SELECT section_id, capacity - held - reserved - sold AS free, version, capacity FROM pool
 WHERE event_id = :event_id AND section_id = ANY(CAST(:section_ids AS uuid[]))
 ORDER BY section_id FOR UPDATE
"""
# A batch does not wait long for anybody: who is alone may.
_LOCK_BRIEFLY = "SET LOCAL lock_timeout = 200"


@dataclass(slots=True)
class Look:
    """What a batch found; all but the sale is locked."""

    sale: Record | None  # `open`, `selling`, `now`; None: there is no such event
    versions: dict[int, int]  # of the free seats
    counts: dict[UUID, int]  # how many places people have of the event
    slots: dict[UUID, set[int]]  # of their live holds
    pools: dict[UUID, Record]  # `free`, `version`, `capacity`


async def look(
    session: Session,
    event_id: UUID,
    *,
    first: Sequence[Statement],
    seat_nos: Iterable[int],
    people: Iterable[UUID],
    section_ids: Iterable[UUID],
    briefly: bool,
) -> tuple[Look, Sequence[Result]]:
    """Locks and reads what the batch asks for, and gives the results of what comes `first`."""
    people_text = _uuids(people)
    statements: list[Statement] = [*first, (FIND_SALE, {"event_id": event_id})]
    seats_text, pools_text = _integers(seat_nos), _uuids(section_ids)
    if seats_text != _NONE:
        statements.append((_LOCK_SEATS, {"event_id": event_id, "seat_nos": seats_text}))
    statements.append((_LOCK_COUNTS, {"event_id": event_id, "people": people_text}))
    statements.append((_LOCK_SLOTS, {"people": people_text}))
    if pools_text != _NONE:
        statements.append((_LOCK_POOLS, {"event_id": event_id, "section_ids": pools_text}))
    if briefly:
        session.defer(_LOCK_BRIEFLY)
    results = await session.together(*statements)
    rest = iter(results[len(first) :])
    sale = next(rest).first()
    seats = next(rest).rows if seats_text != _NONE else ()
    counts, held = next(rest).rows, next(rest).rows
    pools = next(rest).rows if pools_text != _NONE else ()
    slots: dict[UUID, set[int]] = {}
    for customer_id, slot, live in held:
        if live:
            slots.setdefault(customer_id, set()).add(slot)
    found = Look(sale, dict(seats), dict(counts), slots, {pool.section_id: pool for pool in pools})
    return found, results[: len(first)]


async def lock_chosen(
    session: Session, event_id: UUID, seat_nos: Iterable[int]
) -> Mapping[int, int]:
    """Locks those of the seats that are free and nobody else is at; gives their versions."""
    rows = await session.all(_LOCK_CHOSEN, event_id=event_id, seat_nos=_integers(seat_nos))
    return dict(rows)


# --- glancing --------------------------------------------------------------------------------

# Of one snapshot, and not locked: of what a quote says none is kept for anybody.
_GLANCE = """
SELECT ARRAY(SELECT seat_no FROM seat
              WHERE event_id = :event_id AND seat_no = ANY(CAST(:seat_nos AS integer[]))
                AND status <> 'AVAILABLE'
                AND NOT EXISTS (SELECT FROM hold
                                 WHERE hold.event_id = seat.event_id
                                   AND hold.hold_id = seat.hold_id AND hold.status = 'ACTIVE'
                                   AND hold.expires_at <= statement_timestamp())
              ORDER BY seat_no) AS taken,
       coalesce((SELECT seats FROM customer_quota
                  WHERE event_id = :event_id AND customer_id = :customer_id), 0)
       - coalesce((SELECT sum(seats + tickets) FROM hold
                    WHERE customer_id = :customer_id AND event_id = :event_id
                      AND status = 'ACTIVE' AND expires_at <= statement_timestamp()), 0) AS held
"""
_GLANCE_AT_POOLS = """
SELECT pool.section_id, capacity - held - reserved - sold
       + coalesce((SELECT sum(quantity) FROM hold JOIN hold_line USING (event_id, hold_id)
                    WHERE hold.event_id = pool.event_id AND hold.status = 'ACTIVE'
                      AND hold.expires_at <= statement_timestamp() AND hold.tickets > 0
                      AND hold_line.section_id = pool.section_id
                      AND hold_line.seat_no IS NULL), 0) AS free
  FROM pool WHERE event_id = :event_id AND section_id = ANY(CAST(:section_ids AS uuid[]))
"""


@dataclass(frozen=True, slots=True)
class Glance:
    """What was so a moment ago."""

    taken: Sequence[int]  # of the seats
    held: int  # places of the event that the person has
    free: Mapping[UUID, int]  # places of the pools


async def glance(
    session: Session,
    event_id: UUID,
    customer_id: UUID,
    *,
    seat_nos: Sequence[int],
    section_ids: Sequence[UUID],
) -> Glance:
    """Reads what a quote says of places, without waiting for anybody."""
    seats = {"event_id": event_id, "customer_id": customer_id, "seat_nos": _integers(seat_nos)}
    pools = {"event_id": event_id, "section_ids": _uuids(section_ids)}
    found, rows = await session.together((_GLANCE, seats), (_GLANCE_AT_POOLS, pools))
    row = found.one()
    return Glance(row.taken, int(row.held), {each.section_id: int(each.free) for each in rows})


# --- who is in the way -----------------------------------------------------------------------

_DUE_OF_PEOPLE = """
SELECT customer_id, hold_id FROM hold
 WHERE customer_id = ANY(CAST(:people AS uuid[])) AND event_id = :event_id AND status = 'ACTIVE'
   AND expires_at <= statement_timestamp()
"""
_DUE_WITH_SEATS = """
SELECT hold_id FROM hold
 WHERE event_id = :event_id AND status = 'ACTIVE' AND expires_at <= statement_timestamp()
   AND seats > 0
 ORDER BY expires_at LIMIT :limit
"""
_DUE_WITH_TICKETS = """
SELECT hold_id FROM hold
 WHERE event_id = :event_id AND status = 'ACTIVE' AND expires_at <= statement_timestamp()
   AND tickets > 0
 ORDER BY expires_at LIMIT :limit
"""


async def find_reasons(
    session: Session,
    event_id: UUID,
    *,
    seat_nos: Iterable[int],
    people: Iterable[UUID],
    seats: bool,
    tickets: bool,
) -> Reasons:
    """Who has the seats; due holds of the people, and with any seats or tickets."""
    event = {"event_id": event_id}
    seats_text, people_text = _integers(seat_nos), _uuids(people)
    asked: dict[str, Statement] = {}
    if seats_text != _NONE:
        asked["taken"] = TAKEN, {**event, "seat_nos": seats_text}
    if people_text != _NONE:
        asked["people"] = _DUE_OF_PEOPLE, {**event, "people": people_text}
    if seats:
        asked["seats"] = _DUE_WITH_SEATS, {**event, "limit": DUE_LIMIT}
    if tickets:
        asked["tickets"] = _DUE_WITH_TICKETS, {**event, "limit": DUE_LIMIT}
    results = await session.together(*asked.values()) if asked else ()
    found = {name: result.rows for name, result in zip(asked, results, strict=True)}
    of_people: dict[UUID, list[UUID]] = {}
    for customer_id, hold_id in found.get("people", ()):
        of_people.setdefault(customer_id, []).append(hold_id)
    return Reasons(
        dict(found.get("taken", ())),
        of_people,
        [row.hold_id for row in found.get("seats", ())],
        [row.hold_id for row in found.get("tickets", ())],
    )


# --- writing ---------------------------------------------------------------------------------

# The update meets the very rows that are locked: its condition says what it relies on. The numbers
# are said twice, for then no plan reads the whole hall, whatever statistics there are of it.
_TAKE_SEATS = """
WITH taken AS (
    UPDATE seat SET status = 'HELD', hold_id = claim.hold_id, version = seat.version + 1
      FROM unnest(CAST(:seat_nos AS integer[]), CAST(:hold_ids AS uuid[]))
           AS claim (seat_no, hold_id)
     WHERE seat.event_id = :event_id AND seat.seat_no = claim.seat_no
       AND seat.seat_no = ANY(CAST(:seat_nos AS integer[])) AND seat.status = 'AVAILABLE'
    RETURNING seat.seat_no, seat.version, seat.hold_id
)
INSERT INTO seat_journal (event_id, seat_no, version, from_status, to_status, hold_id)
SELECT CAST(:event_id AS uuid), seat_no, version, 'AVAILABLE', 'HELD', hold_id FROM taken
"""
# Of two first ones at once the second waits for the first, and its condition is judged on what
# that left.
_COUNT = """
INSERT INTO customer_quota (event_id, customer_id, seats)
SELECT CAST(:event_id AS uuid), * FROM unnest(CAST(:people AS uuid[]), CAST(:counts AS integer[]))
    ON CONFLICT (event_id, customer_id) DO UPDATE
   SET seats = customer_quota.seats + excluded.seats
 WHERE customer_quota.seats + excluded.seats <= :most
"""
_TAKE_SLOTS = """
INSERT INTO live_hold (customer_id, slot, event_id, hold_id, expires_at)
SELECT customer_id, slot, CAST(:event_id AS uuid), hold_id, CAST(:expires_at AS timestamptz)
  FROM unnest(CAST(:people AS uuid[]), CAST(:slots AS integer[]), CAST(:hold_ids AS uuid[]))
       AS each (customer_id, slot, hold_id)
    ON CONFLICT (customer_id, slot) DO UPDATE
   SET event_id = excluded.event_id, hold_id = excluded.hold_id, expires_at = excluded.expires_at
 WHERE live_hold.expires_at <= clock_timestamp()
"""
_TAKE_TICKETS = """
UPDATE pool SET held = held + taken.n, version = version + 1
  FROM unnest(CAST(:section_ids AS uuid[]), CAST(:counts AS integer[])) AS taken (section_id, n)
 WHERE pool.event_id = :event_id AND pool.section_id = taken.section_id
   AND held + reserved + sold + taken.n <= capacity
"""
_ADD_HOLDS = """
WITH made AS (
    INSERT INTO hold (event_id, hold_id, customer_id, status, seats, tickets, created_at,
                      expires_at, extendable_until)
    SELECT CAST(:event_id AS uuid), hold_id, customer_id, 'ACTIVE', seats, tickets,
           CAST(:created_at AS timestamptz), CAST(:expires_at AS timestamptz),
           CAST(:extendable_until AS timestamptz)
      FROM unnest(CAST(:hold_ids AS uuid[]), CAST(:people AS uuid[]), CAST(:seats AS integer[]),
                  CAST(:tickets AS integer[])) AS each (hold_id, customer_id, seats, tickets)
)
INSERT INTO hold_line (event_id, hold_id, line_no, seat_no, section_id, tier_id, quantity, price)
SELECT CAST(:event_id AS uuid), * FROM unnest(
    CAST(:line_hold_ids AS uuid[]), CAST(:line_nos AS integer[]), CAST(:seat_nos AS integer[]),
    CAST(:section_ids AS uuid[]), CAST(:tier_ids AS uuid[]), CAST(:quantities AS integer[]),
    CAST(:prices AS bigint[]))
"""


class OvertakenError(Exception):
    """Somebody else changed what was decided on; all has to be undone, and tried again."""


@dataclass(frozen=True, slots=True)
class Made:
    """A hold that has been granted, to be written."""

    hold_id: UUID
    customer_id: UUID
    slot: int
    lines: Sequence[Line]


async def write(
    session: Session,
    event_id: UUID,
    made: Sequence[Made],
    *,
    most: int,
    created_at: datetime,
    expires_at: datetime,
    extendable_until: datetime,
    last: Sequence[Statement],
) -> None:
    """Writes holds down and takes what they have; then what comes `last`.

    Raises:
        OvertakenError: some of it was not there to be taken any more.
    """
    statements: list[Statement] = []
    counts: list[int] = []
    for rows, statement in _writes(
        event_id,
        made,
        most=most,
        created_at=created_at,
        expires_at=expires_at,
        extendable_until=extendable_until,
    ):
        statements.append(statement)
        counts.append(rows)
    if not statements and not last:
        return
    results = await session.together(*statements, *last)
    for result, count in zip(results, counts, strict=False):
        if result.rowcount != count:
            raise OvertakenError


def _writes(
    event_id: UUID,
    made: Sequence[Made],
    *,
    most: int,
    created_at: datetime,
    expires_at: datetime,
    extendable_until: datetime,
) -> Iterable[tuple[int, Statement]]:
    """Each statement, after the number of rows it must touch; rows in the order of their keys."""
    if not made:
        return
    lines = [(each, no, line) for each in made for no, line in enumerate(each.lines)]
    claims = [(each.hold_id, line.seat_no) for each, _no, line in lines if line.seat_no is not None]
    places: dict[UUID, int] = {}
    tickets: dict[UUID, int] = {}
    for each, _no, line in lines:
        places[each.customer_id] = places.get(each.customer_id, 0) + line.quantity
        if line.seat_no is None:
            tickets[line.section_id] = tickets.get(line.section_id, 0) + line.quantity
    event = {"event_id": event_id}
    if claims:
        yield (
            len(claims),
            (
                _TAKE_SEATS,
                {
                    **event,
                    "seat_nos": _integers(seat_no for _hold_id, seat_no in claims),
                    "hold_ids": _uuids(hold_id for hold_id, _seat_no in claims),
                },
            ),
        )
    people = sorted(places)
    yield (
        len(people),
        (
            _COUNT,
            {
                **event,
                "people": _uuids(people),
                "counts": _integers(places[person] for person in people),
                "most": most,
            },
        ),
    )
    slots = sorted(made, key=lambda each: (each.customer_id, each.slot))
    yield (
        len(slots),
        (
            _TAKE_SLOTS,
            {
                **event,
                "people": _uuids(each.customer_id for each in slots),
                "slots": _integers(each.slot for each in slots),
                "hold_ids": _uuids(each.hold_id for each in slots),
                "expires_at": expires_at,
            },
        ),
    )
    if tickets:
        yield (
            len(tickets),
            (
                _TAKE_TICKETS,
                {
                    **event,
                    "section_ids": _uuids(tickets),
                    "counts": _integers(tickets.values()),
                },
            ),
        )
    yield (
        len(lines),
        (
            _ADD_HOLDS,
            {
                **event,
                "hold_ids": _uuids(each.hold_id for each in made),
                "people": _uuids(each.customer_id for each in made),
                "seats": _integers(
                    sum(line.seat_no is not None for line in each.lines) for each in made
                ),
                "tickets": _integers(
                    sum(line.quantity for line in each.lines if line.seat_no is None)
                    for each in made
                ),
                "created_at": created_at,
                "expires_at": expires_at,
                "extendable_until": extendable_until,
                "line_hold_ids": _uuids(each.hold_id for each, _no, _line in lines),
                "line_nos": _integers(no for _each, no, _line in lines),
                "seat_nos": _integers(line.seat_no for _each, _no, line in lines),
                "section_ids": _uuids(line.section_id for _each, _no, line in lines),
                "tier_ids": _uuids(line.tier_id for _each, _no, line in lines),
                "quantities": _integers(line.quantity for _each, _no, line in lines),
                "prices": _integers(line.price for _each, _no, line in lines),
            },
        ),
    )


# Arrays in PostgreSQL's own notation: the driver takes several times as long to write them.
_NONE = "{}"


def _uuids(values: Iterable[UUID]) -> str:
    return "{" + ",".join([value.hex for value in values]) + "}"


def _integers(values: Iterable[int | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
