"""Use cases: one transaction each. Whatever moves a saga goes through `advance`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from booking_service import saga as sagas
from booking_service import storage
from booking_service.domain import (
    REFUSALS,
    Attendee,
    AuthorizePayment,
    Booking,
    BookingEnded,
    BookingNotFoundError,
    BookingStateError,
    CapturePayment,
    Event,
    EventIsCancelledError,
    EventNotReadyError,
    Hold,
    HoldAlreadyBookedError,
    Instrument,
    MoveSeats,
    Price,
    RefundPayment,
    ReserveSeats,
    UnknownBookingError,
    VoidPayment,
    check_attendees,
    check_bookable,
    new_reference,
    price_of,
    refund_of,
    tickets_to_mint,
)
from booking_service.saga import Command, Facts, Happening, State, Step
from booking_service.storage import Underway
from booking_service.wakeups import Wakeups
from chassis.database import Session
from chassis.ids import uuid7
from chassis.logs import get_logger
from chassis.telemetry import ALERTS

_REFERENCE_TRIES = 5
_MOVES = {
    Command.SELL: "SELL",
    Command.UNSELL: "UNSELL",
    Command.RELEASE: "RELEASE",
    Command.RECLAIM: "RECLAIM",
    Command.RESTOCK: "RESTOCK",
}

log = get_logger(__name__)


# --- the saga --------------------------------------------------------------------------------


async def advance(
    session: Session,
    wakeups: Wakeups,
    underway: Underway,
    happening: Happening,
    facts: Facts | None = None,
    *,
    instrument: Instrument | None = None,
) -> Step:
    """Applies a happening to a locked saga: state, timeline, tickets and messages, all or nothing.

    `instrument` is what a NEW_ATTEMPT pays with.

    Raises:
        BookingError: the saga refuses the wish; nothing has changed.
    """
    booking = underway.booking
    jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads what is sent again
    step = sagas.step(underway.saga, happening, underway.now, facts, jitter)
    if step.refusal:
        raise REFUSALS[step.refusal]
    _report(booking, step)
    if not await storage.save_saga(session, booking.id, step.saga, step.entry, instrument):
        raise AssertionError("a locked saga was changed")
    if step.leaves(State.CONFIRMED):
        await storage.revoke_tickets(session, booking.id)
    if step.enters(State.CONFIRMED):
        await _mint_tickets(session, booking)
    for command in step.commands:
        session.send(_message(command, booking, step, instrument or underway.instrument))
    if step.ended:
        await _announce(session, booking, step)
    session.when_committed(lambda: wakeups.wake(booking.id))
    return step


def _report(booking: Booking, step: Step) -> None:
    facts = {
        "booking": booking.reference,
        "state": step.saga.state.value,
        "step": step.entry.step,
        "detail": step.entry.detail,
    }
    if step.alert:
        ALERTS.labels(step.alert).inc()
        log.error("saga wants an operator", alert=step.alert, **facts)
    elif step.ignored:
        log.info("happening ignored", **facts)


def _message(command: Command, booking: Booking, step: Step, instrument: Instrument) -> object:
    saga = step.saga
    match command:
        case Command.RESERVE:
            return ReserveSeats(booking, saga.step, saga.pay_by)
        case Command.AUTHORIZE:
            return AuthorizePayment(booking, saga.step, saga.attempt, instrument)
        case Command.CAPTURE:
            return CapturePayment(booking, saga.step)
        case Command.VOID:
            return VoidPayment(booking, saga.step)
        case Command.REFUND:
            return RefundPayment(booking, saga.step, saga.refund, saga.reason)
        case _:
            return MoveSeats(booking, saga.step, _MOVES[command])


async def _mint_tickets(session: Session, booking: Booking) -> None:
    lines = await storage.lines_of(session, booking.id)
    attendees = await storage.attendees_of(session, booking.id)
    ids = [uuid7() for _ in range(sum(line.quantity for line in lines))]
    await storage.add_tickets(session, booking, tickets_to_mint(lines, attendees, ids))


async def _announce(session: Session, booking: Booking, step: Step) -> None:
    state = step.saga.state
    amount = {State.CONFIRMED: booking.price.total, State.CANCELLED: step.saga.refund}
    lines = await storage.lines_of(session, booking.id)
    session.send(BookingEnded(booking, state.value, step.saga.reason, amount.get(state, 0), lines))


async def hear(
    session: Session, wakeups: Wakeups, booking_id: UUID, happening: Happening, facts: Facts
) -> None:
    """Takes what inventory or payment answered.

    Raises:
        UnknownBookingError: there is no such booking.
    """
    underway = await storage.lock_by_id(session, booking_id)
    if underway is None:
        raise UnknownBookingError(str(booking_id))
    await advance(session, wakeups, underway, happening, facts)


async def meet_deadlines(session: Session, wakeups: Wakeups, limit: int) -> int:
    """Applies DEADLINE to up to `limit` sagas that are due; returns to how many."""
    due = await storage.lock_due(session, limit)
    for underway in due:
        await advance(session, wakeups, underway, Happening.DEADLINE)
    return len(due)


async def tell_event_off(session: Session, wakeups: Wakeups, event_id: UUID, limit: int) -> int:
    """Applies EVENT_CANCELLED to up to `limit` bookings of the event; returns to how many."""
    untold = await storage.lock_of_event(session, event_id, limit)
    for underway in untold:
        await advance(session, wakeups, underway, Happening.EVENT_CANCELLED)
    if not untold:
        await storage.settle_event(session, event_id)
    return len(untold)


# --- what people wish ------------------------------------------------------------------------


async def quote(session: Session, hold: Hold, customer_id: UUID) -> Price:
    """What a booking of the hold would cost.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldAlreadyBookedError, HoldNotActiveError;
        EventNotReadyError: the event is not known here yet.
    """
    check_bookable(hold, customer_id)
    found = await storage.find_event(session, hold.event_id)
    if found is None:
        raise _not_ready()
    return price_of(hold.lines, found[0].tax_basis_points, hold.currency)


async def make_booking(
    session: Session,
    hold: Hold,
    customer_id: UUID,
    instrument: Instrument,
    attendees: Sequence[Attendee],
) -> Booking:
    """Makes a booking of a hold, starts its saga and asks for its seats.

    Inventory has the last word on the hold; one hold never makes two bookings: a constraint.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldAlreadyBookedError, HoldNotActiveError;
        InvalidAttendeesError: they do not fit the hold;
        EventNotReadyError, EventIsCancelledError.
    """
    check_bookable(hold, customer_id)
    check_attendees(attendees, hold.lines)
    found = await storage.find_event(session, hold.event_id)
    if found is None:
        raise _not_ready()
    event, off, now = found
    if off:
        raise EventIsCancelledError("The event was cancelled.")
    price = price_of(hold.lines, event.tax_basis_points, hold.currency)
    first = sagas.begin(price.total, now)
    booking = await _add_booking(
        session,
        Booking(
            id=uuid7(),
            reference=new_reference(),
            customer_id=customer_id,
            hold_id=hold.id,
            hold_version=hold.version,
            payment_id=uuid7(),
            price=price,
            refund_policy=event.refund_policy,
            event=event,
            created_at=now,
        ),
    )
    await storage.add_parts(session, booking.id, hold.lines, attendees)
    await storage.add_saga(session, booking, first.saga, first.entry, instrument)
    for command in first.commands:
        session.send(_message(command, booking, first, instrument))
    return booking


async def _add_booking(session: Session, booking: Booking) -> Booking:
    for _ in range(_REFERENCE_TRIES):
        if await storage.add_booking(session, booking):
            return booking
        if await storage.hold_is_booked(session, booking.hold_id):
            raise HoldAlreadyBookedError("A booking has been made of this hold already.")
        booking = replace(booking, reference=new_reference())
    raise AssertionError("every random reference was taken")


async def new_attempt(
    session: Session, wakeups: Wakeups, reference: str, customer_id: UUID, instrument: Instrument
) -> None:
    """Tries another card or wallet.

    Raises:
        BookingNotFoundError, PaymentInProgressError;
        BookingStateError: the booking does not wait for a payment.
    """
    underway = await _lock(session, reference, customer_id, sees_all=False, sells=False)
    if Happening.NEW_ATTEMPT not in sagas.TABLE[underway.saga.state]:
        raise BookingStateError("The booking does not wait for a payment.")
    await advance(session, wakeups, underway, Happening.NEW_ATTEMPT, instrument=instrument)


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

    One that is on its way there already stays on it, so that asking twice is no error.

    Raises:
        BookingNotFoundError;
        CancellationClosedError: too late for its buyer; the organizer and admins always may;
        BookingBusyError: it is being confirmed; BookingStateError: it has ended.
    """
    underway = await _lock(session, reference, caller_id, sees_all=is_admin, sells=True)
    booking, saga = underway.booking, underway.saga
    happening = next(
        (wish for wish in (Happening.CANCEL, Happening.GIVE_UP) if wish in sagas.TABLE[saga.state]),
        None,
    )
    if happening is None:
        raise BookingStateError("The booking has ended.")
    decides = is_admin or caller_id == booking.event.organizer_id
    refund = booking.price.total
    if happening is Happening.CANCEL and saga.state is State.CONFIRMED and not decides:
        refund = refund_of(refund, booking.refund_policy, booking.event.starts_at, underway.now)
    facts = Facts(reason="CANCELLED_BY_ORGANIZER" if decides else "", refund=refund, detail=reason)
    await advance(session, wakeups, underway, happening, facts)


async def _lock(
    session: Session, reference: str, caller_id: UUID, *, sees_all: bool, sells: bool
) -> Underway:
    underway = await storage.lock_by_reference(session, reference)
    if underway is not None:
        booking = underway.booking
        if sees_all or caller_id == booking.customer_id:
            return underway
        if sells and caller_id == booking.event.organizer_id:
            return underway
    raise BookingNotFoundError("There is no such booking.")


def _not_ready() -> EventNotReadyError:
    return EventNotReadyError("The event is being prepared; try again.", retry_after="1")


# --- events ----------------------------------------------------------------------------------


async def remember_event(session: Session, event: Event) -> None:
    """Remembers a published event, unless something newer is known."""
    await storage.save_event(session, event)


async def call_off(session: Session, event_id: UUID, reason: str) -> None:
    """Notes that an event was called off; its bookings are told afterwards, batch by batch."""
    await storage.cancel_event(session, event_id, reason)
