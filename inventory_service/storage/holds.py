"""Holds: making, finding, extending, shrinking and expiring them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from operator import attrgetter
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from chassis.records import read
from inventory_service.domain import (
    Hold,
    HoldState,
    HoldStatus,
    Line,
    shown_status,
)
from inventory_service.storage.by_event import by_event, events_of, rows_of
from inventory_service.storage.events import Layouts
from inventory_service.storage.limits import extend_slot
from inventory_service.storage.seats import DUE_LIMIT

_HOLDS = """
SELECT event_id, hold_id, customer_id, hold.status, version, expires_at, extendable_until,
       expires_at <= clock_timestamp() AS due, terms_version
  FROM hold JOIN event USING (event_id)
 WHERE customer_id = :customer_id
   AND (CAST(:hold_id AS uuid) IS NULL OR hold_id = :hold_id)
   AND (CAST(:event_id AS uuid) IS NULL OR event_id = :event_id)
   AND (CAST(:before AS uuid) IS NULL OR hold_id < :before)
 ORDER BY hold_id DESC LIMIT :limit
"""

_COUNT_ACTIVE = """
SELECT count(*) AS holds, coalesce(sum(seats + tickets), 0) AS places
  FROM hold JOIN event USING (event_id)
 WHERE hold.status = 'ACTIVE' AND expires_at > statement_timestamp()
   AND (CAST(:organizer_id AS uuid) IS NULL OR organizer_id = :organizer_id)
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
  FROM hold WHERE event_id = :event_id AND hold_id = :hold_id AND customer_id = :customer_id
   FOR UPDATE
"""

_MOVE = """
UPDATE hold SET status = :status
 WHERE event_id = :event_id AND hold_id = :hold_id AND status = :was
"""

# Extending changes this row alone, so whoever wants to expire the hold has to change it too: the
# second of the two waits for the first and judges the row again. An extension that committed
# makes the hold undue; an expiry that committed makes it inactive.
_EXTEND = """
UPDATE hold SET expires_at = least(expires_at + CAST(:more AS interval), extendable_until)
 WHERE event_id = :event_id AND hold_id = :hold_id
   AND status = 'ACTIVE' AND expires_at > clock_timestamp() AND expires_at < extendable_until
RETURNING expires_at
"""

# `due` locks in the order of the key and judges each row again after a wait (see _EXTEND), and by
# the statement's own time, which is the earlier one. Two that expire the same hold: the second
# finds it inactive and leaves it alone, so its places are given back once. `|| ''` hides the status
# from the planner: by the index of those that expire it would read every hold there is.
_EXPIRE = """
WITH due AS MATERIALIZED (
    SELECT hold_id FROM hold
     WHERE event_id = :event_id AND hold_id = ANY(CAST(:hold_ids AS uuid[]))
       AND status || '' = 'ACTIVE' AND expires_at <= statement_timestamp()
     ORDER BY hold_id FOR UPDATE
)
UPDATE hold SET status = 'EXPIRED' FROM due
 WHERE hold.event_id = :event_id AND hold.hold_id = due.hold_id
   AND hold.hold_id = ANY(CAST(:hold_ids AS uuid[])) AND hold.status || '' = 'ACTIVE'
RETURNING hold.event_id, hold.hold_id, hold.customer_id, hold.seats, hold.tickets
"""

# Of whichever events; none is locked, and each is judged again.
_DUE = """
SELECT event_id, hold_id FROM hold
 WHERE status = 'ACTIVE' AND expires_at <= statement_timestamp()
 ORDER BY expires_at LIMIT :limit
"""
# As _EXPIRE; what another has locked is left to it.
_EXPIRE_FREE = """
WITH due AS MATERIALIZED (
    SELECT hold_id FROM hold
     WHERE event_id = :event_id AND hold_id = ANY(CAST(:hold_ids AS uuid[]))
       AND status || '' = 'ACTIVE' AND expires_at <= statement_timestamp()
     ORDER BY hold_id FOR UPDATE SKIP LOCKED
)
UPDATE hold SET status = 'EXPIRED' FROM due
 WHERE hold.event_id = :event_id AND hold.hold_id = due.hold_id
   AND hold.hold_id = ANY(CAST(:hold_ids AS uuid[])) AND hold.status || '' = 'ACTIVE'
RETURNING hold.event_id, hold.hold_id, hold.customer_id, hold.seats, hold.tickets
"""

# The person's own, and any that have what is wanted of numbered seats or counted tickets.
_DUE_IN_THE_WAY = """
SELECT hold_id FROM hold
 WHERE event_id = :event_id AND status = 'ACTIVE' AND expires_at <= statement_timestamp()
   AND (customer_id = :customer_id OR (CAST(:tickets AS boolean) AND tickets > 0)
        OR hold_id IN (SELECT hold_id FROM seat
                        WHERE seat.event_id = :event_id
                          AND seat_no = ANY(CAST(:seat_nos AS integer[]))))
 ORDER BY expires_at LIMIT :limit
"""

_SHRINK = """
WITH gone AS (
    DELETE FROM hold_line WHERE event_id = :event_id AND hold_id = :hold_id
       AND seat_no = ANY(CAST(:seat_nos AS integer[]))
)
UPDATE hold SET version = version + 1, seats = seats - CAST(:count AS integer)
 WHERE event_id = :event_id AND hold_id = :hold_id
"""


_GROW = """
WITH hold_before AS (
    SELECT coalesce(max(line_no), -1) AS line_no FROM hold_line
     WHERE event_id = :event_id AND hold_id = :hold_id
), more AS (
    INSERT INTO hold_line (event_id, hold_id, line_no, seat_no, section_id, tier_id, quantity,
                           price)
    SELECT CAST(:event_id AS uuid), CAST(:hold_id AS uuid), hold_before.line_no + each.no, seat_no,
           section_id, tier_id, quantity, price
      FROM hold_before, unnest(
          CAST(:seat_nos AS integer[]), CAST(:section_ids AS uuid[]), CAST(:tier_ids AS uuid[]),
          CAST(:quantities AS integer[]), CAST(:prices AS bigint[]))
          WITH ORDINALITY AS each (seat_no, section_id, tier_id, quantity, price, no)
)
UPDATE hold SET version = version + 1, seats = seats + CAST(:seats AS integer),
                tickets = tickets + CAST(:tickets AS integer)
 WHERE event_id = :event_id AND hold_id = :hold_id
"""

_TICKET_LINES = """
SELECT line_no, section_id, tier_id, quantity, price FROM hold_line
 WHERE event_id = :event_id AND hold_id = :hold_id AND seat_no IS NULL ORDER BY line_no DESC
"""

_SET_QUANTITIES = """
WITH told AS (
    SELECT * FROM unnest(CAST(:line_nos AS integer[]), CAST(:quantities AS integer[]))
               AS each (line_no, quantity)
), gone AS (
    DELETE FROM hold_line USING told
     WHERE event_id = :event_id AND hold_id = :hold_id AND hold_line.line_no = told.line_no
       AND told.quantity = 0
), changed AS (
    UPDATE hold_line SET quantity = told.quantity FROM told
     WHERE event_id = :event_id AND hold_id = :hold_id AND hold_line.line_no = told.line_no
       AND told.quantity > 0
)
UPDATE hold SET version = version + 1, tickets = tickets + CAST(:more AS integer)
 WHERE event_id = :event_id AND hold_id = :hold_id
"""


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
        layout = await layouts.find(session, row.event_id, row.terms_version)
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


async def count_active(session: Session, organizer_id: UUID | None) -> Record:
    """How many `holds` are active, with how many `places`; of one organizer's events, if given."""
    return await session.one(_COUNT_ACTIVE, organizer_id=organizer_id)


async def find_lines(session: Session, hold: HoldState) -> list[Line]:
    """The hold's lines."""
    rows = await session.all(_LINES, event_ids=[hold.event_id], hold_ids=[hold.hold_id])
    return [Line(row.seat_no, row.section_id, row.tier_id, row.quantity, row.price) for row in rows]


async def lock_own_hold(session: Session, hold_id: UUID, customer_id: UUID) -> HoldState | None:
    """Locks the person's hold; None where they have none of that id."""
    event_id = (await events_of(session, [hold_id])).get(hold_id)
    if event_id is None:
        return None
    row = await session.first(
        _LOCK_OWN, event_id=event_id, hold_id=hold_id, customer_id=customer_id
    )
    return None if row is None else read(HoldState, row)


async def move_hold(session: Session, hold: HoldState, to: HoldStatus) -> None:
    """Changes the status of a locked hold."""
    await session.execute(
        _MOVE,
        event_id=hold.event_id,
        hold_id=hold.hold_id,
        was=hold.status,
        status=to,
    )


async def extend_hold(session: Session, hold: HoldState, more: timedelta) -> bool:
    """Lets a hold live so much longer, within its cap.

    False where it is at its cap, or its time has just passed.
    """
    expires_at = await session.scalar(
        _EXTEND, event_id=hold.event_id, hold_id=hold.hold_id, more=more
    )
    if expires_at is None:
        return False
    return hold.customer_id is not None and await extend_slot(
        session, hold.customer_id, hold.hold_id, expires_at
    )


async def shrink_hold(session: Session, hold: HoldState, seat_nos: Sequence[int]) -> None:
    """Takes seats out of a locked hold's lines."""
    await session.execute(
        _SHRINK,
        event_id=hold.event_id,
        hold_id=hold.hold_id,
        seat_nos=list(seat_nos),
        count=len(seat_nos),
    )


async def grow_hold(session: Session, hold: HoldState, lines: Sequence[Line]) -> None:
    """Adds lines to a locked hold."""
    seats = sum(line.seat_no is not None for line in lines)
    await session.execute(
        _GROW,
        event_id=hold.event_id,
        hold_id=hold.hold_id,
        seat_nos=[line.seat_no for line in lines],
        section_ids=[line.section_id for line in lines],
        tier_ids=[line.tier_id for line in lines],
        quantities=[line.quantity for line in lines],
        prices=[line.price for line in lines],
        seats=seats,
        tickets=sum(line.quantity for line in lines) - seats,
    )


async def find_ticket_lines(session: Session, hold: HoldState) -> Sequence[Record]:
    """The lines of a locked hold that are counted tickets, the newest first."""
    return await session.all(_TICKET_LINES, event_id=hold.event_id, hold_id=hold.hold_id)


async def set_quantities(
    session: Session, hold: HoldState, quantities: Mapping[int, int], *, more: int
) -> None:
    """Gives lines of counted tickets of a locked hold these quantities; 0: none is left of it.

    `more` is by how much their sum grows.
    """
    await session.execute(
        _SET_QUANTITIES,
        event_id=hold.event_id,
        hold_id=hold.hold_id,
        line_nos=list(quantities),
        quantities=list(quantities.values()),
        more=more,
    )


async def expire_holds(
    session: Session, event_id: UUID, hold_ids: Sequence[UUID]
) -> Sequence[Record]:
    """Marks those of an event's holds that are due; returns them."""
    return await session.all(_EXPIRE, event_id=event_id, hold_ids=list(hold_ids))


async def expire_some(session: Session, limit: int) -> Sequence[Record]:
    """Marks up to `limit` due holds; returns them."""
    due = await session.all(_DUE, limit=limit)
    statements = [
        (_EXPIRE_FREE, {"event_id": event_id, "hold_ids": [row.hold_id for row in rows]})
        for event_id, rows in by_event(due, attrgetter("event_id"))
    ]
    return await rows_of(session, statements)


async def due_in_the_way(
    session: Session,
    event_id: UUID,
    customer_id: UUID,
    seat_nos: Sequence[int],
    *,
    tickets: bool,
) -> list[UUID]:
    """Due holds of a person, and those with some of the seats, or with any counted tickets."""
    rows = await session.all(
        _DUE_IN_THE_WAY,
        event_id=event_id,
        customer_id=customer_id,
        seat_nos=list(seat_nos),
        tickets=tickets,
        limit=DUE_LIMIT,
    )
    return [row.hold_id for row in rows]


# By the indexes of active holds, and of those that are asked after, alone.
_COUNTED = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM hold WHERE status = 'ACTIVE'
            AND expires_at > clock_timestamp() LIMIT :most) AS few) AS live,
       (SELECT count(*) FROM (SELECT 1 FROM hold WHERE status = 'ACTIVE'
            AND expires_at <= clock_timestamp() LIMIT :most) AS few) AS over,
       (SELECT count(*) FROM (SELECT 1 FROM hold WHERE ask_at IS NOT NULL LIMIT :most) AS few)
           AS asked
"""


async def counted(session: Session, most: int) -> Record:
    """How many holds are `live`, `over` or `asked` after, `most` of each."""
    (row,) = await session.all(_COUNTED, most=most)
    return row
