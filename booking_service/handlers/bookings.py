"""What people wish of bookings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from booking_service import saga as machine
from booking_service.domain import (
    Attendee,
    Booking,
    BookingNotFoundError,
    BookingStateError,
    Event,
    EventIsCancelledError,
    EventNotReadyError,
    Fees,
    Hold,
    HoldAlreadyBookedError,
    Instrument,
    Price,
    ProviderUnavailableError,
    TicketAdmittedError,
    check_attendees,
    check_bookable,
    new_reference,
    price_of,
    refund_of,
    subtotal_of,
)
from booking_service.handlers import coupons
from booking_service.handlers.sagas import Move, advance, command_message
from booking_service.saga import Facts, Happening, State
from booking_service.storage import bookings, events, outages, tickets, underway
from booking_service.storage.bookings import BookingView
from booking_service.storage.underway import Underway
from booking_service.wakeups import Wakeups
from chassis.database import Session
from chassis.ids import uuid7

_REFERENCE_TRIES = 5


async def quote(
    session: Session, hold: Hold, customer_id: UUID, *, coupon_code: str, fees: Fees
) -> Price:
    """What a booking of the hold would cost; the coupon is not used by this.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldAlreadyBookedError, HoldNotActiveError;
        CouponUnknownError, CouponNotValidError, CouponMinimumError, CouponUsedUpError;
        EventNotReadyError: the event is not known here yet.
    """
    check_bookable(hold, customer_id)
    found = await events.find(session, hold.event_id)
    if found is None:
        raise _not_ready()
    coupon = None
    if coupon_code:
        subtotal = subtotal_of(hold.lines)
        coupon = await coupons.look_at(session, hold.event_id, coupon_code, customer_id, subtotal)
    basis_points = found.event.tax_basis_points
    return price_of(hold.lines, basis_points, hold.currency, coupon=coupon, fees=fees)


async def make(
    session: Session,
    hold: Hold,
    customer_id: UUID,
    instrument: Instrument,
    attendees: Sequence[Attendee],
    *,
    coupon_code: str,
    fees: Fees,
) -> BookingView:
    """Makes a booking of a hold, starts its saga and asks for its seats.

    Inventory has the last word on the hold; one hold never makes two bookings: a constraint.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldAlreadyBookedError, HoldNotActiveError;
        CouponUnknownError, CouponNotValidError, CouponMinimumError, CouponUsedUpError;
        InvalidAttendeesError: they do not fit the hold;
        EventNotReadyError, EventIsCancelledError;
        ProviderUnavailableError: there is something to pay; the hold stays as it is.
    """
    check_bookable(hold, customer_id)
    check_attendees(attendees, hold.lines)
    found = await events.find(session, hold.event_id)
    if found is None:
        raise _not_ready()
    event = found.event
    if found.off:
        raise EventIsCancelledError("The event was cancelled.")
    coupon = None
    if coupon_code:
        subtotal = subtotal_of(hold.lines)
        coupon = await coupons.take(session, event.id, coupon_code, customer_id, subtotal)
    price = price_of(hold.lines, event.tax_basis_points, hold.currency, coupon=coupon, fees=fees)
    if price.total and found.provider_is_out:
        raise _provider_is_out()
    first = machine.begin(price.total, found.now)
    booking = Booking(
        id=uuid7(),
        reference=new_reference(),
        customer_id=customer_id,
        hold_id=hold.id,
        hold_version=hold.version,
        payment_id=uuid7(),
        price=price,
        refund_policy=event.refund_policy,
        event=event,
        created_at=found.now,
        coupon_code=coupon.code if coupon else "",
    )
    view = BookingView(booking, first.saga, instrument.method, hold.lines, attendees)
    view = await _add(session, view, first.entry, instrument)
    for command in first.commands:
        session.send(command_message(command, view.booking, first, instrument))
    return view


async def _add(
    session: Session, view: BookingView, entry: machine.Entry, instrument: Instrument
) -> BookingView:
    for _ in range(_REFERENCE_TRIES):
        if await bookings.add(session, view, entry, instrument):
            return view
        if await bookings.hold_is_booked(session, view.booking.hold_id):
            raise HoldAlreadyBookedError("A booking has been made of this hold already.")
        view = replace(view, booking=replace(view.booking, reference=new_reference()))
    raise AssertionError("every random reference was taken")


async def new_attempt(
    session: Session, wakeups: Wakeups, reference: str, customer_id: UUID, instrument: Instrument
) -> None:
    """Tries another card or wallet.

    Raises:
        BookingNotFoundError, PaymentInProgressError;
        BookingStateError: the booking does not wait for a payment;
        ProviderUnavailableError.
    """
    locked = await _lock(session, reference, customer_id, sees_all=False, sells=False)
    if Happening.NEW_ATTEMPT not in machine.TABLE[locked.saga.state]:
        raise BookingStateError("The booking does not wait for a payment.")
    if locked.provider_is_out:
        raise _provider_is_out()
    await advance(session, wakeups, [Move(locked, Happening.NEW_ATTEMPT, instrument=instrument)])


async def cancel(
    session: Session,
    wakeups: Wakeups,
    reference: str,
    caller_id: UUID,
    *,
    is_admin: bool,
    reason: str,
) -> None:
    """Gives up a booking that is not paid, or cancels a confirmed one and refunds it.

    One that is on its way there already stays on it, so that asking twice is no error. What went
    back already is not given back again: the policy's share is of what is left.

    Raises:
        BookingNotFoundError;
        CancellationClosedError: too late for its buyer; the organizer and admins always may;
        TicketAdmittedError: somebody went in with it; the same;
        BookingBusyError: it is being confirmed; BookingStateError: it has ended.
    """
    locked = await _lock(session, reference, caller_id, sees_all=is_admin, sells=True)
    booking, saga = locked.booking, locked.saga
    happening = next(
        (
            wish
            for wish in (Happening.CANCEL, Happening.GIVE_UP)
            if wish in machine.TABLE[saga.state]
        ),
        None,
    )
    if happening is None:
        raise BookingStateError("The booking has ended.")
    decides = is_admin or caller_id == booking.event.organizer_id
    refund = saga.amount - saga.refunded
    if saga.state is State.CONFIRMED and not decides:
        refund = refund_of(refund, booking.refund_policy, booking.event.starts_at, locked.now)
        if "ADMITTED" in await tickets.lock(session, booking.id):
            raise TicketAdmittedError("Somebody has gone in with a ticket of this booking.")
    facts = Facts(reason="CANCELLED_BY_ORGANIZER" if decides else "", refund=refund, detail=reason)
    await advance(session, wakeups, [Move(locked, happening, facts)])


async def _lock(
    session: Session, reference: str, caller_id: UUID, *, sees_all: bool, sells: bool
) -> Underway:
    locked = await underway.lock_by_reference(session, reference)
    if locked is not None:
        booking = locked.booking
        if sees_all or caller_id == booking.customer_id:
            return locked
        if sells and caller_id == booking.event.organizer_id:
            return locked
    raise BookingNotFoundError("There is no such booking.")


async def remember_event(session: Session, event: Event) -> None:
    """Remembers a published event, unless something newer is known."""
    await events.save(session, event)


async def call_off(session: Session, event_id: UUID, reason: str) -> None:
    """Notes that an event was called off; its bookings are told afterwards, batch by batch."""
    await events.cancel(session, event_id, reason)


async def note_provider(
    session: Session, provider: str, *, available: bool, told_at: datetime
) -> None:
    """Notes whether a provider answers, unless something newer is known."""
    await outages.tell(session, provider, available=available, told_at=told_at)


def _provider_is_out() -> ProviderUnavailableError:
    return ProviderUnavailableError(
        "The payment provider does not answer, so nothing was begun; try again in a moment.",
        retry_after="10",
    )


def _not_ready() -> EventNotReadyError:
    return EventNotReadyError("The event is being prepared; try again.", retry_after="1")
