"""Bookings, what they are made of, and how they are seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from booking_service.domain import (
    Attendee,
    Booking,
    Instrument,
    Line,
    Price,
    RefundPolicy,
)
from booking_service.saga import Entry, Saga, State
from booking_service.storage import events, sagas
from chassis.database import Row, Session

# One statement for a whole booking. The first part waits for whoever is making a booking of the
# same hold, and then does nothing, nor do the others.
_ADD = """
WITH made AS (
    INSERT INTO booking (booking_id, reference, hold_id, hold_version, customer_id, event_id,
                         payment_id, currency, subtotal, discount, tax, fees, total,
                         until_hours_before, percent, created_at, coupon_code)
    VALUES (:booking_id, :reference, :hold_id, :hold_version, :customer_id, :event_id,
            :payment_id, :currency, :subtotal, :discount, :tax, :fees, :total,
            :until_hours_before, :percent, :created_at, :coupon_code)
        ON CONFLICT DO NOTHING
    RETURNING booking_id
), line AS (
    INSERT INTO booking_line (booking_id, line_no, seat_id, section_id, section, row, number,
                              tier_id, tier, quantity, price)
    SELECT made.booking_id, line_no - 1, seat_id, section_id, section, row, number,
           tier_id, tier, quantity, price
      FROM made, ROWS FROM (jsonb_to_recordset(CAST(:lines AS jsonb)) AS (
               seat_id text, section_id text, section text, row text, number text,
               tier_id text, tier text, quantity integer, price bigint)) WITH ORDINALITY
           AS line (seat_id, section_id, section, row, number, tier_id, tier, quantity, price,
                    line_no)
), person AS (
    INSERT INTO attendee (booking_id, attendee_no, seat_id, name, email)
    SELECT made.booking_id, attendee_no - 1, seat_id, name, email
      FROM made, ROWS FROM (jsonb_to_recordset(CAST(:attendees AS jsonb))
                            AS (seat_id text, name text, email text)) WITH ORDINALITY
           AS attendee (seat_id, name, email, attendee_no)
), coupon AS (
    INSERT INTO coupon_use (booking_id, event_id, code, customer_id, counted)
    SELECT made.booking_id, :event_id, :coupon_code, :customer_id, true
      FROM made WHERE :coupon_code <> ''
), entry AS (
    INSERT INTO timeline (booking_id, entry_no, at, state, step, outcome, attempt, detail)
    SELECT made.booking_id, :version, clock_timestamp(), :state, :entry_step, :outcome, :attempt,
           :detail
      FROM made
)
INSERT INTO saga (booking_id, event_id, state, amount, pay_by, deadline_at, version, step, attempt,
                  resends, ending, reason, event_off, paid_late, refund, action_url,
                  payment_status, refused_because, refunds, refunded, method, token)
SELECT made.booking_id, :event_id, :state, :amount, :pay_by, :deadline_at, :version, :step,
       :attempt, :resends, :ending, :reason, :event_off, :paid_late, :refund, :action_url,
       :payment_status, :refused_because, :refunds, :refunded, :method, :token
  FROM made
"""
_HOLD_IS_BOOKED = "SELECT EXISTS (SELECT FROM booking WHERE hold_id = :hold_id)"
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
 WHERE booking_id = ANY(CAST(:ids AS uuid[]))
"""  # noqa: S608 - put together from constants
COLUMNS = """
       booking.booking_id, booking.reference, booking.hold_id, booking.hold_version,
       booking.customer_id, booking.payment_id, booking.currency, booking.subtotal,
       booking.discount, booking.tax, booking.fees, booking.total, booking.created_at,
       booking.until_hours_before, booking.percent, booking.coupon_code
"""
_VIEW = f"""
SELECT {COLUMNS}, {events.COLUMNS}, {sagas.COLUMNS}, {_LINES}, {_ATTENDEES}
  FROM booking JOIN saga USING (booking_id) JOIN event ON event.event_id = booking.event_id
"""  # noqa: S608 - put together from constants
_FIND = _VIEW + (
    " WHERE booking.reference = :reference AND (booking.customer_id = :caller_id"
    " OR event.organizer_id = :caller_id OR CAST(:sees_all AS boolean))"
)
_PAGE = (
    " AND (CAST(:states AS text[]) IS NULL OR saga.state = ANY(:states))"
    " AND (CAST(:before AS uuid) IS NULL OR booking.booking_id < :before)"
    " ORDER BY booking.booking_id DESC LIMIT :limit"
)
_OF_CUSTOMER = (
    _VIEW + " WHERE booking.customer_id = :customer_id"
    " AND (CAST(:event_id AS uuid) IS NULL OR booking.event_id = :event_id)" + _PAGE
)
_OF_EVENT = _VIEW + " WHERE booking.event_id = :event_id" + _PAGE
_OWN = "SELECT booking_id FROM booking WHERE reference = :reference AND customer_id = :customer_id"


@dataclass(frozen=True, slots=True)
class BookingView:
    """A booking as it is shown."""

    booking: Booking
    saga: Saga
    method: str
    lines: Sequence[Line]
    attendees: Sequence[Attendee]


async def add(
    session: Session,
    view: BookingView,
    entry: Entry,
    instrument: Instrument,
) -> bool:
    """Adds a booking with all its parts; False: its hold or its reference has one already."""
    booking = view.booking
    result = await session.execute(
        _ADD,
        booking_id=booking.id,
        reference=booking.reference,
        hold_id=booking.hold_id,
        hold_version=booking.hold_version,
        customer_id=booking.customer_id,
        event_id=booking.event.id,
        payment_id=booking.payment_id,
        created_at=booking.created_at,
        coupon_code=booking.coupon_code,
        lines=orjson.dumps(view.lines).decode(),
        attendees=orjson.dumps(view.attendees).decode(),
        method=instrument.method,
        token=instrument.token,
        entry_step=entry.step,
        outcome=entry.outcome,
        detail=entry.detail,
        **sagas.flat(booking.price),
        **sagas.flat(booking.refund_policy),
        **sagas.flat(view.saga),
    )
    return bool(result.rowcount)


async def hold_is_booked(session: Session, hold_id: UUID) -> bool:
    """Whether there is a booking of the hold."""
    return bool(await session.scalar(_HOLD_IS_BOOKED, hold_id=hold_id))


async def parts_of(
    session: Session, ids: Sequence[UUID]
) -> Mapping[UUID, tuple[Sequence[Line], Sequence[Attendee]]]:
    """Lines and attendees of bookings."""
    if not ids:
        return {}
    rows = await session.all(_PARTS, ids=list(ids))
    return {row.booking_id: _parts(row) for row in rows}


async def find(
    session: Session, reference: str, *, caller_id: UUID, sees_all: bool
) -> BookingView | None:
    """The booking, if the caller bought it, sells it, or sees all."""
    row = await session.first(_FIND, reference=reference, caller_id=caller_id, sees_all=sees_all)
    return _view(row) if row else None


async def of_customer(
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
        _OF_CUSTOMER,
        customer_id=customer_id,
        states=_names(states),
        event_id=event_id,
        before=before,
        limit=limit,
    )
    return [_view(row) for row in rows]


async def of_event(
    session: Session,
    event_id: UUID,
    *,
    states: Sequence[State] | None,
    before: UUID | None,
    limit: int,
) -> Sequence[BookingView]:
    """An event's bookings, newest first, made before the booking `before`."""
    rows = await session.all(
        _OF_EVENT, event_id=event_id, states=_names(states), before=before, limit=limit
    )
    return [_view(row) for row in rows]


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


def _view(row: Row) -> BookingView:
    lines, attendees = _parts(row)
    return BookingView(booking_of(row), sagas.saga_of(row), row.method, lines, attendees)


def booking_of(row: Row) -> Booking:
    """The booking a row has among its columns, with its event's."""
    return Booking(
        row.booking_id,
        row.reference,
        row.customer_id,
        row.hold_id,
        row.hold_version,
        row.payment_id,
        Price(row.subtotal, row.discount, row.tax, row.fees, row.total, row.currency),
        RefundPolicy(row.until_hours_before, row.percent),
        events.event_of(row),
        row.created_at,
        row.coupon_code,
    )
