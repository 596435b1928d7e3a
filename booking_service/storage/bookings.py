"""Bookings, what they are made of, and how they are seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from booking_service.domain import (
    Attendee,
    Booking,
    Line,
    Person,
    Price,
    RefundPolicy,
    reference_of,
)
from booking_service.saga import Entry, Saga, State
from booking_service.storage import events, people, sagas
from chassis import records
from chassis.database import Result, Row, Session, Statement
from chassis.text import patterns

# One statement for many whole bookings. Whoever is making a booking of the same hold, or under the
# same id or reference, is waited for, and then the booking is left out. The first line of the
# timeline has no such clause: where the booking's id was given up meanwhile (see `reservations`)
# the statement fails, and with it whatever else it would have made.
_ADD = """
WITH fresh AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS each (
        booking_id uuid, reference text, hold_id uuid, hold_version integer, customer_id uuid,
        event_id uuid, payment_id uuid, currency text, subtotal bigint, discount bigint, tax bigint,
        fees bigint, total bigint, until_hours_before integer, percent integer,
        created_at timestamptz, agreed_starts_at timestamptz, agreed_version bigint,
        coupon_code text, lines jsonb, attendees jsonb, entries jsonb,
        state text, amount bigint, pay_by timestamptz, deadline_at timestamptz, version integer,
        step integer, attempt smallint, ending text, reason text, payment_status text, method text)
), made AS (
    INSERT INTO booking (booking_id, reference, hold_id, hold_version, customer_id, event_id,
                         payment_id, currency, subtotal, discount, tax, fees, total,
                         until_hours_before, percent, created_at, agreed_starts_at,
                         agreed_version, coupon_code)
    SELECT booking_id, reference, hold_id, hold_version, customer_id, event_id, payment_id,
           currency, subtotal, discount, tax, fees, total, until_hours_before, percent, created_at,
           agreed_starts_at, agreed_version, coupon_code
      FROM fresh ORDER BY hold_id
        ON CONFLICT DO NOTHING
    RETURNING booking_id
), line AS (
    INSERT INTO booking_line (booking_id, line_no, seat_id, section_id, section, row, number,
                              tier_id, tier, quantity, price)
    SELECT made.booking_id, line_no - 1, line.seat_id, line.section_id, line.section, line.row,
           line.number, line.tier_id, line.tier, line.quantity, line.price
      FROM made JOIN fresh USING (booking_id), ROWS FROM (jsonb_to_recordset(fresh.lines) AS (
               seat_id text, section_id text, section text, row text, number text,
               tier_id text, tier text, quantity integer, price bigint)) WITH ORDINALITY
           AS line (seat_id, section_id, section, row, number, tier_id, tier, quantity, price,
                    line_no)
), person AS (
    INSERT INTO attendee (booking_id, attendee_no, seat_id, name, email)
    SELECT made.booking_id, attendee_no - 1, attendee.seat_id, attendee.name, attendee.email
      FROM made JOIN fresh USING (booking_id),
           ROWS FROM (jsonb_to_recordset(fresh.attendees)
                      AS (seat_id text, name text, email text)) WITH ORDINALITY
           AS attendee (seat_id, name, email, attendee_no)
), coupon AS (
    INSERT INTO coupon_use (booking_id, event_id, code, customer_id, counted)
    SELECT made.booking_id, event_id, coupon_code, customer_id, true
      FROM made JOIN fresh USING (booking_id) WHERE coupon_code <> ''
), entry AS (
    INSERT INTO timeline (booking_id, entry_no, at, state, step, outcome, attempt, detail)
    SELECT made.booking_id, entry_no, clock_timestamp(), entry.state, entry.step, entry.outcome,
           entry.attempt, entry.detail
      FROM made JOIN fresh USING (booking_id),
           ROWS FROM (jsonb_to_recordset(fresh.entries)
                      AS (state text, step text, outcome text, attempt smallint, detail text))
           WITH ORDINALITY AS entry (state, step, outcome, attempt, detail, entry_no)
), begun AS (
    INSERT INTO saga (booking_id, event_id, state, amount, pay_by, deadline_at, version, step,
                      attempt, resends, ending, reason, event_off, paid_late, refund, action_url,
                      payment_status, refused_because, refunds, refunded, method, token,
                      updated_at, entered_at)
    SELECT made.booking_id, event_id, state, amount, pay_by, deadline_at, version, step,
           attempt, 0, ending, reason, false, false, 0, '', payment_status, '', 0, 0, method, '',
           created_at, created_at
      FROM made JOIN fresh USING (booking_id)
)
SELECT booking_id FROM made
"""
_BOOKED_HOLDS = "SELECT hold_id FROM booking WHERE hold_id = ANY(CAST(:hold_ids AS uuid[]))"
_LINES = """
       (SELECT jsonb_agg(to_jsonb(line) - 'booking_id' - 'line_no' ORDER BY line_no)
          FROM booking_line AS line WHERE line.booking_id = booking.booking_id) AS lines
"""
_ATTENDEES = """
       (SELECT jsonb_agg(to_jsonb(attendee) - 'booking_id' - 'attendee_no' ORDER BY attendee_no)
          FROM attendee WHERE attendee.booking_id = booking.booking_id) AS attendees
"""
_PARTS = f"""
SELECT booking_id, {_LINES}, {_ATTENDEES} FROM booking
 WHERE booking_id = ANY(ARRAY(SELECT unnest(CAST(:ids AS uuid[]))))
"""  # noqa: S608 - put together from constants
COLUMNS = """
       booking.booking_id, booking.reference, booking.hold_id, booking.hold_version,
       booking.customer_id, booking.payment_id, booking.currency, booking.subtotal,
       booking.discount, booking.tax, booking.fees, booking.total, booking.created_at,
       booking.until_hours_before, booking.percent, booking.agreed_starts_at,
       booking.agreed_version, booking.coupon_code
"""
_SHOWN = f"""
SELECT {COLUMNS}, {events.COLUMNS}, {sagas.COLUMNS}, {_LINES}, {_ATTENDEES}, saga.updated_at,
       clock_timestamp() AS now
"""
_FROM = """
  FROM booking JOIN saga USING (booking_id) JOIN event ON event.event_id = booking.event_id
"""
_VIEW = _SHOWN + _FROM
_FIND = _VIEW + (
    " WHERE booking.reference = :reference AND (booking.customer_id = :caller_id"
    " OR event.organizer_id = :caller_id OR CAST(:sees_all AS boolean))"
)
_OF_STATES = " AND (CAST(:states AS text[]) IS NULL OR saga.state = ANY(:states))"
_PAGE = (
    _OF_STATES + " AND (CAST(:before AS uuid) IS NULL OR booking.booking_id < :before)"
    " ORDER BY booking.booking_id DESC LIMIT :limit"
)
# What is not settled yet is left out, lest an older one show up behind it.
_UPDATED_PAGE = (
    _OF_STATES + " AND (saga.updated_at, saga.booking_id) > (:since, :after)"
    " AND saga.updated_at < :settled ORDER BY saga.updated_at, saga.booking_id LIMIT :limit"
)
_CUSTOMERS = (
    _VIEW + " WHERE booking.customer_id = :customer_id"
    " AND (CAST(:event_id AS uuid) IS NULL OR booking.event_id = :event_id)"
)
_OF_CUSTOMER = _CUSTOMERS + _PAGE
_UPDATED_OF_CUSTOMER = _CUSTOMERS + _UPDATED_PAGE
# The event's bookings are gone through from the newest on until the page is full: a person's words
# are looked at only for those.
_WITH_BUYERS = (
    _SHOWN
    + f", {people.COLUMNS}"
    + _FROM
    + " LEFT JOIN person ON person.user_id = booking.customer_id"
    " WHERE (CAST(:patterns AS text[]) IS NULL OR person.words LIKE ALL (:patterns)"
    " OR booking.reference = :reference)"
)
_OF_EVENT = _WITH_BUYERS + " AND booking.event_id = :event_id" + _PAGE
_UPDATED_OF_EVENT = _WITH_BUYERS + " AND saga.event_id = :event_id" + _UPDATED_PAGE
_FIND_BY_ID = _VIEW + " WHERE booking.booking_id = :booking_id"
# Whom to tell of an event's change, in the order of the bookings' making.
_AUDIENCE = """
SELECT booking.booking_id, booking.reference, booking.customer_id,
       ARRAY(SELECT email FROM attendee AS each
              WHERE each.booking_id = booking.booking_id AND email <> '' ORDER BY email) AS emails
  FROM booking JOIN saga USING (booking_id)
 WHERE booking.event_id = :event_id
   AND (saga.state = 'CONFIRMED' OR CAST(:called_off AS boolean)
        AND saga.reason = 'EVENT_CANCELLED'
        AND saga.state IN ('REFUNDING', 'RESTOCKING', 'CANCELLED'))
   AND (CAST(:after AS uuid) IS NULL OR booking.booking_id > :after)
 ORDER BY booking.booking_id LIMIT :limit
"""
_AUDIENCE_SIZE = """
SELECT count(*) FROM booking JOIN saga USING (booking_id)
 WHERE booking.event_id = :event_id
   AND (saga.state = 'CONFIRMED' OR CAST(:called_off AS boolean)
        AND saga.reason = 'EVENT_CANCELLED'
        AND saga.state IN ('REFUNDING', 'RESTOCKING', 'CANCELLED'))
"""
# Of a saga, when its booking is made; the rest is as it always is then.
_SAGA_COLUMNS = (
    "state",
    "amount",
    "pay_by",
    "deadline_at",
    "version",
    "step",
    "attempt",
    "ending",
    "reason",
    "payment_status",
)
_OWN = "SELECT booking_id FROM booking WHERE reference = :reference AND customer_id = :customer_id"


@dataclass(frozen=True, slots=True)
class BookingView:
    """A booking as it is shown."""

    booking: Booking
    saga: Saga
    method: str
    lines: Sequence[Line]
    attendees: Sequence[Attendee]
    now: datetime  # by the database's clock
    updated_at: datetime
    buyer: Person | None = None  # told of for an event's organizer


@dataclass(frozen=True, slots=True)
class Fresh:
    """A booking to be made, with the lines of its timeline so far."""

    view: BookingView
    entries: Sequence[Entry]


async def add(session: Session, fresh: Sequence[Fresh]) -> set[UUID]:
    """Adds bookings with all their parts; gives the ids of those that were added.

    Of the others the hold or the reference has a booking already.

    Raises:
        IntegrityError: one of the ids was given up meanwhile; nothing was added.
    """
    rows = [
        records.flat(each.view.booking.price)
        | records.flat(each.view.booking.refund_policy)
        | {name: getattr(each.view.saga, name) for name in _SAGA_COLUMNS}
        | {
            "booking_id": each.view.booking.id,
            "reference": each.view.booking.reference,
            "hold_id": each.view.booking.hold_id,
            "hold_version": each.view.booking.hold_version,
            "customer_id": each.view.booking.customer_id,
            "event_id": each.view.booking.event.id,
            "payment_id": each.view.booking.payment_id,
            "created_at": each.view.booking.created_at,
            "agreed_starts_at": each.view.booking.agreed_starts_at,
            "agreed_version": each.view.booking.agreed_version,
            "coupon_code": each.view.booking.coupon_code,
            "lines": each.view.lines,
            "attendees": each.view.attendees,
            "entries": each.entries,
            "method": each.view.method,
        }
        for each in fresh
    ]
    added = await session.all(_ADD, rows=orjson.dumps(rows).decode())
    return {row.booking_id for row in added}


async def booked_holds(session: Session, hold_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the holds that have a booking."""
    return {row.hold_id for row in await session.all(_BOOKED_HOLDS, hold_ids=list(hold_ids))}


Parts = Mapping[UUID, tuple[Sequence[Line], Sequence[Attendee]]]


def reading_parts(ids: Collection[UUID]) -> Statement:
    """Reads lines and attendees of bookings; `parts_of` reads the result."""
    return _PARTS, {"ids": list(ids)}


def parts_of(result: Result) -> Parts:
    """Lines and attendees by the bookings' ids."""
    return {row.booking_id: _parts(row) for row in result}


async def find(
    session: Session, reference: str, *, caller_id: UUID, sees_all: bool
) -> BookingView | None:
    """The booking, if the caller bought it, sells it, or sees all."""
    row = await session.first(_FIND, reference=reference, caller_id=caller_id, sees_all=sees_all)
    return _view(row) if row else None


async def find_by_id(session: Session, booking_id: UUID) -> BookingView | None:
    """The booking."""
    row = await session.first(_FIND_BY_ID, booking_id=booking_id)
    return _view(row) if row else None


async def audience(
    session: Session, event_id: UUID, *, called_off: bool, after: UUID | None, limit: int
) -> tuple[Sequence[Row], int]:
    """Bookings to be told of their event's change, made after `after`, and how many there are.

    With `called_off`: also those that were confirmed when the event was called off.
    """
    page, size = await session.together(
        (
            _AUDIENCE,
            {"event_id": event_id, "called_off": called_off, "after": after, "limit": limit},
        ),
        (_AUDIENCE_SIZE, {"event_id": event_id, "called_off": called_off}),
    )
    return page.rows, int(size.scalar())


@dataclass(frozen=True, slots=True)
class Newest:
    """A list of the newest first, made before the booking `before`; None: from the newest on."""

    before: UUID | None


@dataclass(frozen=True, slots=True)
class Updated:
    """A list of those updated longest ago first, from `since` on, behind the booking `after`."""

    since: datetime
    after: UUID


Position = Newest | Updated


async def of_customer(
    session: Session,
    customer_id: UUID,
    *,
    states: Sequence[State] | None,
    event_id: UUID | None,
    position: Position,
    limit: int,
) -> Sequence[BookingView]:
    """A customer's bookings from a position on."""
    rows = await session.all(
        _OF_CUSTOMER if isinstance(position, Newest) else _UPDATED_OF_CUSTOMER,
        customer_id=customer_id,
        states=_names(states),
        event_id=event_id,
        limit=limit,
        **await _bounds(session, position),
    )
    return [_view(row) for row in rows]


async def of_event(
    session: Session,
    event_id: UUID,
    *,
    states: Sequence[State] | None,
    query: str,
    position: Position,
    limit: int,
) -> Sequence[BookingView]:
    """An event's bookings with their buyers, from a position on.

    Of a `query` those of that reference, or whose buyer's name and address have each of its words.
    """
    rows = await session.all(
        _OF_EVENT if isinstance(position, Newest) else _UPDATED_OF_EVENT,
        event_id=event_id,
        states=_names(states),
        patterns=patterns(query) if query else None,
        reference=reference_of(query),
        limit=limit,
        **await _bounds(session, position),
    )
    return [_view(row, people.person_of(row)) for row in rows]


async def _bounds(session: Session, position: Position) -> Mapping[str, object]:
    if isinstance(position, Newest):
        return {"before": position.before}
    settled = await session.settled()
    return {"since": position.since, "after": position.after, "settled": settled}


async def own(session: Session, reference: str, customer_id: UUID) -> UUID | None:
    """The id of the customer's own booking."""
    id: UUID | None = await session.scalar(_OWN, reference=reference, customer_id=customer_id)
    return id


def _names(states: Sequence[State] | None) -> list[str] | None:
    return None if states is None else [state.value for state in states]


def _parts(row: Row) -> tuple[Sequence[Line], Sequence[Attendee]]:
    return (
        [Line(**line) for line in row.lines],
        [Attendee(**attendee) for attendee in row.attendees or ()],
    )


def _view(row: Row, buyer: Person | None = None) -> BookingView:
    lines, attendees = _parts(row)
    return BookingView(
        booking_of(row),
        sagas.saga_of(row),
        row.method,
        lines,
        attendees,
        row.now,
        row.updated_at,
        buyer,
    )


def booking_of(row: Row) -> Booking:
    """The booking a row has among its columns, with its event's."""
    return records.read(
        Booking,
        row,
        id=row.booking_id,
        price=records.read(Price, row),
        refund_policy=records.read(RefundPolicy, row),
        event=events.event_of(row),
    )
