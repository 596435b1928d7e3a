"""The service's own tables, and every query on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from booking_service.domain import (
    Attendee,
    Booking,
    Event,
    Instrument,
    Line,
    Method,
    Price,
    RefundPolicy,
    Ticket,
)
from booking_service.saga import Entry, Saga, State, knowing
from chassis.database import Row, Session

# Beyond so many lines a timeline keeps only what moved the saga, not what was repeated or ignored.
_CHATTER_ENTRIES = 400
_TIMELINE_ENTRIES = 500

# An older version that arrives late never overwrites a newer one.
_SAVE_EVENT = """
INSERT INTO event (event_id, organizer_id, title, place, starts_at, timezone, currency,
                   tax_basis_points, until_hours_before, percent, version)
VALUES (:event_id, :organizer_id, :title, :place, :starts_at, :timezone, :currency,
        :tax_basis_points, :until_hours_before, :percent, :version)
    ON CONFLICT (event_id) DO UPDATE
   SET organizer_id = excluded.organizer_id, title = excluded.title, place = excluded.place,
       starts_at = excluded.starts_at, timezone = excluded.timezone, currency = excluded.currency,
       tax_basis_points = excluded.tax_basis_points, percent = excluded.percent,
       until_hours_before = excluded.until_hours_before, version = excluded.version
 WHERE event.version < excluded.version
"""
_CANCEL_EVENT = """
INSERT INTO cancelled_event (event_id, reason) VALUES (:event_id, :reason) ON CONFLICT DO NOTHING
"""
_FIND_EVENT = """
SELECT event.*, cancelled_event.event_id IS NOT NULL AS off, clock_timestamp() AS now
  FROM event LEFT JOIN cancelled_event USING (event_id) WHERE event_id = :event_id
"""
# Waits for whoever is making a booking of the same hold, and then does nothing.
_ADD_BOOKING = """
INSERT INTO booking (booking_id, reference, hold_id, hold_version, customer_id, event_id,
                     payment_id, currency, subtotal, discount, tax, fees, total,
                     until_hours_before, percent, created_at)
VALUES (:booking_id, :reference, :hold_id, :hold_version, :customer_id, :event_id,
        :payment_id, :currency, :subtotal, :discount, :tax, :fees, :total,
        :until_hours_before, :percent, :created_at)
    ON CONFLICT DO NOTHING
"""
_HOLD_IS_BOOKED = "SELECT EXISTS (SELECT FROM booking WHERE hold_id = :hold_id)"
_ADD_LINES = """
INSERT INTO booking_line (booking_id, line_no, seat_id, section_id, section, row, number,
                          tier_id, tier, quantity, price)
SELECT :booking_id, line_no - 1, seat_id, section_id, section, row, number,
       tier_id, tier, quantity, price
  FROM ROWS FROM (jsonb_to_recordset(CAST(:lines AS jsonb)) AS (
           seat_id text, section_id text, section text, row text, number text,
           tier_id text, tier text, quantity integer, price bigint)) WITH ORDINALITY
       AS line (seat_id, section_id, section, row, number, tier_id, tier, quantity, price, line_no)
"""
_ADD_ATTENDEES = """
INSERT INTO attendee (booking_id, attendee_no, seat_id, name, email)
SELECT :booking_id, attendee_no - 1, seat_id, name, email
  FROM ROWS FROM (jsonb_to_recordset(CAST(:attendees AS jsonb))
                  AS (seat_id text, name text, email text)) WITH ORDINALITY
       AS attendee (seat_id, name, email, attendee_no)
"""
_ADD_SAGA = """
WITH entry AS (
    INSERT INTO timeline (booking_id, entry_no, at, state, step, outcome, attempt, detail)
    VALUES (:booking_id, :version, clock_timestamp(), :state, :entry_step, :outcome, :attempt,
            :detail)
)
INSERT INTO saga (booking_id, event_id, state, amount, pay_by, deadline_at, version, step, attempt,
                  resends, ending, reason, event_off, paid_late, refund, action_url,
                  payment_status, refused_because, method, token)
VALUES (:booking_id, :event_id, :state, :amount, :pay_by, :deadline_at, :version, :step, :attempt,
        :resends, :ending, :reason, :event_off, :paid_late, :refund, :action_url,
        :payment_status, :refused_because, :method, :token)
"""
_BOOKING_COLUMNS = """
       booking.booking_id, booking.reference, booking.hold_id, booking.hold_version,
       booking.customer_id, booking.payment_id, booking.currency, booking.subtotal,
       booking.discount, booking.tax, booking.fees, booking.total, booking.created_at,
       booking.until_hours_before, booking.percent,
       event.event_id, event.organizer_id, event.title, event.place, event.starts_at,
       event.timezone, event.currency AS event_currency, event.tax_basis_points,
       event.version AS event_version,
       event.until_hours_before AS event_hours, event.percent AS event_percent,
       saga.state, saga.amount, saga.pay_by, saga.deadline_at, saga.version, saga.step,
       saga.attempt, saga.resends, saga.ending, saga.reason, saga.event_off, saga.paid_late,
       saga.refund, saga.action_url, saga.payment_status, saga.refused_because, saga.method,
       saga.token
"""
# Who comes second waits here, and then sees what the first one made of the saga (the row is read
# again after the wait).
_LOCK = f"""
SELECT {_BOOKING_COLUMNS}, clock_timestamp() AS now,
       EXISTS (SELECT FROM cancelled_event WHERE event_id = booking.event_id) AS off
  FROM saga JOIN booking USING (booking_id) JOIN event ON event.event_id = booking.event_id
"""  # noqa: S608 - put together from constants
_LOCK_BY_ID = _LOCK + " WHERE saga.booking_id = :booking_id FOR UPDATE OF saga"
_LOCK_BY_REFERENCE = _LOCK + " WHERE booking.reference = :reference FOR UPDATE OF saga"
# A saga somebody else is working on is passed by: it comes again if it is still due then. The
# condition is checked once more under the lock, so an answer that came meanwhile wins.
_LOCK_DUE = (
    _LOCK + " WHERE saga.deadline_at <= clock_timestamp()"
    " ORDER BY saga.deadline_at LIMIT :limit FOR UPDATE OF saga SKIP LOCKED"
)
# What is left is what is not marked: the work goes on where it stopped, by anybody.
_LOCK_OF_EVENT = (
    _LOCK + " WHERE saga.event_id = :event_id AND NOT saga.event_off"
    " AND saga.state NOT IN ('FAILED', 'EXPIRED', 'CANCELLED')"
    " LIMIT :limit FOR UPDATE OF saga SKIP LOCKED"
)
_UNSETTLED_EVENTS = """
SELECT event_id FROM cancelled_event WHERE settled_at IS NULL ORDER BY cancelled_at LIMIT :limit
"""
# Five minutes are far longer than any transaction that did not see the cancellation may live.
_SETTLE_EVENT = """
UPDATE cancelled_event SET settled_at = clock_timestamp()
 WHERE event_id = :event_id AND settled_at IS NULL
   AND cancelled_at < clock_timestamp() - interval '5 minutes'
   AND NOT EXISTS (SELECT FROM saga WHERE saga.event_id = :event_id AND NOT event_off
                                      AND state NOT IN ('FAILED', 'EXPIRED', 'CANCELLED'))
"""
_SAVE_SAGA = """
WITH entry AS (
    INSERT INTO timeline (booking_id, entry_no, at, state, step, outcome, attempt, detail)
    SELECT :booking_id, :version, clock_timestamp(), :entry_state, :entry_step, :outcome,
           :entry_attempt, :detail
     WHERE :outcome IN ('DONE', 'REFUSED') OR :version <= :chatter
)
UPDATE saga
   SET state = :state, deadline_at = :deadline_at, version = :version, step = :step,
       attempt = :attempt, resends = :resends, ending = :ending, reason = :reason,
       event_off = :event_off, paid_late = :paid_late, refund = :refund, action_url = :action_url,
       payment_status = :payment_status, refused_because = :refused_because,
       method = coalesce(:method, method),
       token = CASE WHEN :state = 'SECURING' THEN token ELSE '' END
 WHERE booking_id = :booking_id AND version = :version - 1
"""
_LINES = """
SELECT seat_id, section_id, section, row, number, tier_id, tier, quantity, price
  FROM booking_line WHERE booking_id = :booking_id ORDER BY line_no
"""
_ATTENDEES = """
SELECT seat_id, name, email FROM attendee WHERE booking_id = :booking_id ORDER BY attendee_no
"""
_VIEW = f"""
SELECT {_BOOKING_COLUMNS},
       (SELECT jsonb_agg(to_jsonb(line) - 'booking_id' - 'line_no' ORDER BY line_no)
          FROM booking_line AS line WHERE line.booking_id = booking.booking_id) AS lines,
       (SELECT jsonb_agg(to_jsonb(attendee) - 'booking_id' - 'attendee_no' ORDER BY attendee_no)
          FROM attendee WHERE attendee.booking_id = booking.booking_id) AS attendees
  FROM booking JOIN saga USING (booking_id) JOIN event ON event.event_id = booking.event_id
"""  # noqa: S608 - put together from constants
_VISIBLE = (
    " (booking.customer_id = :caller_id OR event.organizer_id = :caller_id"
    " OR CAST(:sees_all AS boolean))"
)
_FIND = _VIEW + " WHERE booking.reference = :reference AND" + _VISIBLE
_LIST = (
    _VIEW + " WHERE booking.customer_id = :customer_id"
    " AND (CAST(:states AS text[]) IS NULL OR saga.state = ANY(:states))"
    " AND (CAST(:event_id AS uuid) IS NULL OR booking.event_id = :event_id)"
    " AND (CAST(:before AS uuid) IS NULL OR booking.booking_id < :before)"
    " ORDER BY booking.booking_id DESC LIMIT :limit"
)
_TIMELINE = """
SELECT at, state, step, outcome, attempt, detail FROM timeline
 WHERE booking_id = :booking_id ORDER BY entry_no LIMIT :limit
"""
_ADD_TICKETS = """
INSERT INTO ticket (ticket_id, booking_id, line_no, event_id, seat_id, attendee_name)
SELECT ticket_id, :booking_id, line_no, :event_id, seat_id, attendee_name
  FROM unnest(CAST(:ids AS uuid[]), CAST(:line_nos AS smallint[]), CAST(:seat_ids AS text[]),
              CAST(:names AS text[])) AS fresh (ticket_id, line_no, seat_id, attendee_name)
"""
_REVOKE_TICKETS = """
UPDATE ticket SET status = 'REVOKED', version = version + 1
 WHERE booking_id = :booking_id AND status <> 'REVOKED'
"""
_TICKET_COLUMNS = """
SELECT ticket.ticket_id, ticket.event_id, ticket.version, ticket.status, ticket.attendee_name,
       ticket.seat_id, line.section_id, line.section, line.row, line.number, line.tier_id,
       line.tier, 1 AS quantity, line.price, booking.currency
  FROM ticket JOIN booking_line AS line USING (booking_id, line_no) JOIN booking USING (booking_id)
"""
_TICKETS = _TICKET_COLUMNS + " WHERE ticket.booking_id = :booking_id ORDER BY ticket.ticket_id"
_TICKET = (
    _TICKET_COLUMNS + " WHERE ticket.ticket_id = :ticket_id AND booking.customer_id = :customer_id"
)
_OWN = "SELECT booking_id FROM booking WHERE reference = :reference AND customer_id = :customer_id"


@dataclass(frozen=True, slots=True)
class Underway:
    """A booking with its saga, locked until the transaction ends."""

    booking: Booking
    saga: Saga
    instrument: Instrument  # of the last attempt; a card's token only until it was passed on
    now: datetime


@dataclass(frozen=True, slots=True)
class BookingView:
    """A booking as it is shown."""

    booking: Booking
    saga: Saga
    method: str
    lines: Sequence[Line]
    attendees: Sequence[Attendee]


async def save_event(session: Session, event: Event) -> None:
    """Remembers an event, unless something newer is known."""
    policy = event.refund_policy
    facts = asdict(event) | asdict(policy)
    del facts["refund_policy"], facts["id"]
    await session.execute(_SAVE_EVENT, event_id=event.id, **facts)


async def cancel_event(session: Session, event_id: UUID, reason: str) -> None:
    """Notes that an event was called off."""
    await session.execute(_CANCEL_EVENT, event_id=event_id, reason=reason)


async def find_event(session: Session, event_id: UUID) -> tuple[Event, bool, datetime] | None:
    """The event, whether it was called off, and what time it is."""
    row = await session.first(_FIND_EVENT, event_id=event_id)
    if row is None:
        return None
    policy = RefundPolicy(row.until_hours_before, row.percent)
    event = Event(
        row.event_id,
        row.organizer_id,
        row.title,
        row.place,
        row.starts_at,
        row.timezone,
        row.currency,
        row.tax_basis_points,
        policy,
        row.version,
    )
    return event, row.off, row.now


async def add_booking(session: Session, booking: Booking) -> bool:
    """Adds a booking; False: its hold or its reference has one already."""
    result = await session.execute(
        _ADD_BOOKING,
        booking_id=booking.id,
        reference=booking.reference,
        hold_id=booking.hold_id,
        hold_version=booking.hold_version,
        customer_id=booking.customer_id,
        event_id=booking.event.id,
        payment_id=booking.payment_id,
        created_at=booking.created_at,
        **asdict(booking.price),
        **asdict(booking.refund_policy),
    )
    return bool(result.rowcount)


async def hold_is_booked(session: Session, hold_id: UUID) -> bool:
    """Whether there is a booking of the hold."""
    return bool(await session.scalar(_HOLD_IS_BOOKED, hold_id=hold_id))


async def add_parts(
    session: Session, booking_id: UUID, lines: Sequence[Line], attendees: Sequence[Attendee]
) -> None:
    """Adds a booking's lines and attendees."""
    await session.execute(
        _ADD_LINES, booking_id=booking_id, lines=json.dumps([asdict(line) for line in lines])
    )
    if attendees:
        people = json.dumps([asdict(attendee) for attendee in attendees])
        await session.execute(_ADD_ATTENDEES, booking_id=booking_id, attendees=people)


async def add_saga(
    session: Session, booking: Booking, saga: Saga, entry: Entry, instrument: Instrument
) -> None:
    """Adds a booking's saga and the first line of its timeline."""
    await session.execute(
        _ADD_SAGA,
        booking_id=booking.id,
        event_id=booking.event.id,
        method=instrument.method,
        token=instrument.token,
        entry_step=entry.step,
        outcome=entry.outcome,
        detail=entry.detail,
        **asdict(saga),
    )


async def lock_by_id(session: Session, booking_id: UUID) -> Underway | None:
    """The booking, locked."""
    row = await session.first(_LOCK_BY_ID, booking_id=booking_id)
    return _underway(row) if row else None


async def lock_by_reference(session: Session, reference: str) -> Underway | None:
    """The booking, locked."""
    row = await session.first(_LOCK_BY_REFERENCE, reference=reference)
    return _underway(row) if row else None


async def lock_due(session: Session, limit: int) -> Sequence[Underway]:
    """Up to `limit` bookings whose deadline has passed, locked; those in use are passed by."""
    return [_underway(row) for row in await session.all(_LOCK_DUE, limit=limit)]


async def lock_of_event(session: Session, event_id: UUID, limit: int) -> Sequence[Underway]:
    """Up to `limit` bookings not yet told that their event was called off, locked."""
    rows = await session.all(_LOCK_OF_EVENT, event_id=event_id, limit=limit)
    return [_underway(row) for row in rows]


async def unsettled_events(session: Session, limit: int) -> Sequence[UUID]:
    """Events that were called off and may have bookings that were not told, oldest first."""
    return [row.event_id for row in await session.all(_UNSETTLED_EVENTS, limit=limit)]


async def settle_event(session: Session, event_id: UUID) -> None:
    """Notes that no booking is left to be told, once that can't change any more."""
    await session.execute(_SETTLE_EVENT, event_id=event_id)


async def save_saga(
    session: Session, booking_id: UUID, saga: Saga, entry: Entry, instrument: Instrument | None
) -> bool:
    """Writes the next version of a saga and its line of the timeline; False: it has one already."""
    facts = asdict(saga)
    del facts["amount"], facts["pay_by"]
    result = await session.execute(
        _SAVE_SAGA,
        booking_id=booking_id,
        method=instrument.method if instrument else None,
        entry_state=entry.state,
        entry_attempt=entry.attempt,
        entry_step=entry.step,
        outcome=entry.outcome,
        detail=entry.detail,
        chatter=_CHATTER_ENTRIES,
        **facts,
    )
    return bool(result.rowcount)


async def lines_of(session: Session, booking_id: UUID) -> Sequence[Line]:
    """A booking's lines."""
    return [line_of(row) for row in await session.all(_LINES, booking_id=booking_id)]


async def attendees_of(session: Session, booking_id: UUID) -> Sequence[Attendee]:
    """A booking's attendees."""
    rows = await session.all(_ATTENDEES, booking_id=booking_id)
    return [Attendee(row.seat_id, row.name, row.email) for row in rows]


async def find_booking(
    session: Session, reference: str, *, caller_id: UUID, sees_all: bool
) -> BookingView | None:
    """The booking, if the caller bought it, sells it, or sees all."""
    row = await session.first(_FIND, reference=reference, caller_id=caller_id, sees_all=sees_all)
    return _view(row) if row else None


async def list_bookings(
    session: Session,
    customer_id: UUID,
    *,
    states: Sequence[State] | None,
    event_id: UUID | None,
    before: UUID | None,
    limit: int,
) -> Sequence[BookingView]:
    """A customer's bookings, newest first, made before the booking `before`."""
    rows = await session.all(
        _LIST,
        customer_id=customer_id,
        states=None if states is None else [state.value for state in states],
        event_id=event_id,
        before=before,
        limit=limit,
    )
    return [_view(row) for row in rows]


async def timeline_of(session: Session, booking_id: UUID) -> Sequence[Row]:
    """A booking's timeline, oldest first."""
    return await session.all(_TIMELINE, booking_id=booking_id, limit=_TIMELINE_ENTRIES)


async def add_tickets(session: Session, booking: Booking, tickets: Sequence[Ticket]) -> None:
    """Adds valid tickets."""
    await session.execute(
        _ADD_TICKETS,
        booking_id=booking.id,
        event_id=booking.event.id,
        ids=[ticket.id for ticket in tickets],
        line_nos=[ticket.line_no for ticket in tickets],
        seat_ids=[ticket.seat_id for ticket in tickets],
        names=[ticket.attendee_name for ticket in tickets],
    )


async def revoke_tickets(session: Session, booking_id: UUID) -> None:
    """Makes every ticket of the booking admit nobody any more."""
    await session.execute(_REVOKE_TICKETS, booking_id=booking_id)


async def own_booking(session: Session, reference: str, customer_id: UUID) -> UUID | None:
    """The id of the customer's own booking."""
    id: UUID | None = await session.scalar(_OWN, reference=reference, customer_id=customer_id)
    return id


async def tickets_of(session: Session, booking_id: UUID) -> Sequence[Row]:
    """A booking's tickets, each with its line and the booking's currency."""
    return await session.all(_TICKETS, booking_id=booking_id)


async def find_ticket(session: Session, ticket_id: UUID, customer_id: UUID) -> Row | None:
    """The customer's own ticket, with its line and the booking's currency."""
    return await session.first(_TICKET, ticket_id=ticket_id, customer_id=customer_id)


def line_of(row: Row) -> Line:
    """The line a row has among its columns."""
    return Line(
        row.seat_id,
        row.section_id,
        row.section,
        row.row,
        row.number,
        row.tier_id,
        row.tier,
        row.quantity,
        row.price,
    )


def _booking(row: Row) -> Booking:
    event = Event(
        row.event_id,
        row.organizer_id,
        row.title,
        row.place,
        row.starts_at,
        row.timezone,
        row.event_currency,
        row.tax_basis_points,
        RefundPolicy(row.event_hours, row.event_percent),
        row.event_version,
    )
    price = Price(row.subtotal, row.discount, row.tax, row.fees, row.total, row.currency)
    return Booking(
        row.booking_id,
        row.reference,
        row.customer_id,
        row.hold_id,
        row.hold_version,
        row.payment_id,
        price,
        RefundPolicy(row.until_hours_before, row.percent),
        event,
        row.created_at,
    )


def _saga(row: Row) -> Saga:
    return Saga(
        State(row.state),
        row.amount,
        row.pay_by,
        row.deadline_at,
        row.version,
        row.step,
        row.attempt,
        row.resends,
        State(row.ending) if row.ending else None,
        row.reason,
        row.event_off,
        row.paid_late,
        row.refund,
        row.action_url,
        row.payment_status,
        row.refused_because,
    )


def _underway(row: Row) -> Underway:
    saga = knowing(_saga(row), event_off=row.off)
    return Underway(_booking(row), saga, Instrument(Method(row.method), row.token), row.now)


def _view(row: Row) -> BookingView:
    return BookingView(
        _booking(row),
        _saga(row),
        row.method,
        [Line(**line) for line in row.lines],
        [Attendee(**attendee) for attendee in row.attendees or ()],
    )
