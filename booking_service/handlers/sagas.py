"""Whatever moves a saga goes through `advance`."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from booking_service import saga as machine
from booking_service.domain import (
    REFUSALS,
    Attendee,
    AuthorizePayment,
    Booking,
    BookingEnded,
    CapturePayment,
    Instrument,
    Line,
    MoveSeats,
    RefundPayment,
    ReserveSeats,
    Sale,
    Ticket,
    UnknownBookingError,
    VoidPayment,
    day_of,
    ticket_sales,
    tickets_to_mint,
)
from booking_service.saga import Command, Entry, Facts, Happening, Saga, State, Step
from booking_service.storage import bookings, coupons, events, sagas, sales, tickets, underway
from booking_service.storage.underway import Underway
from booking_service.wakeups import Wakeups
from chassis.database import Session
from chassis.ids import uuid7
from chassis.logs import get_logger
from chassis.telemetry import ALERTS

_MOVES = {
    Command.SELL: "SELL",
    Command.UNSELL: "UNSELL",
    Command.RELEASE: "RELEASE",
    Command.RECLAIM: "RECLAIM",
    Command.RESTOCK: "RESTOCK",
}
Parts = Mapping[UUID, tuple[Sequence[Line], Sequence[Attendee]]]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Move:
    """A happening to a locked saga; `instrument` is what a NEW_ATTEMPT pays with."""

    underway: Underway
    happening: Happening
    facts: Facts | None = None
    instrument: Instrument | None = None
    request_id: str = ""  # without one: the current request's


@dataclass(frozen=True, slots=True)
class Answer:
    """What inventory or payment says about a booking."""

    booking_id: UUID
    happening: Happening
    facts: Facts
    request_id: str = ""


@dataclass(slots=True)
class _Course:
    """One booking's steps within a transaction."""

    underway: Underway
    saga: Saga
    steps: list[Step] = field(default_factory=list)
    entries: list[tuple[int, Entry]] = field(default_factory=list)
    instrument: Instrument | None = None
    request_id: str = ""  # of what moved it last

    @property
    def booking(self) -> Booking:
        return self.underway.booking


async def advance(session: Session, wakeups: Wakeups, moves: Iterable[Move]) -> None:
    """Applies happenings, in this order: states, timelines, tickets, figures and messages.

    It takes as many statements for many as for one.

    Raises:
        BookingError: a saga refuses a wish; the transaction must not commit.
    """
    courses: dict[UUID, _Course] = {}
    for move in moves:
        booking = move.underway.booking
        course = courses.get(booking.id)
        if course is None:
            course = courses[booking.id] = _Course(move.underway, move.underway.saga)
        _take(course, move)
        step = course.steps[-1]
        for command in step.commands:
            instrument = course.instrument or course.underway.instrument
            message = command_message(command, booking, step, instrument)
            session.send(message, request_id=move.request_id)
    if not courses:
        return
    parts = await bookings.parts_of(
        session, [id for id, course in courses.items() if any(map(_needs_parts, course.steps))]
    )
    _keep_tickets(session, courses.values(), parts)
    sales.add(session, [sale for course in courses.values() for sale in _sales(course, parts)])
    _keep_coupons(session, courses.values())
    for course in courses.values():
        for step in course.steps:
            if step.ended:
                ended = _ended(course.booking, step, parts[course.booking.id][0])
                session.send(ended, request_id=course.request_id)
    changes = [
        sagas.Change(id, it.underway.saga.version, it.saga, it.entries, it.instrument)
        for id, it in courses.items()
    ]
    sagas.save(session, changes)
    for it in courses.values():
        if not machine.moves_by_itself(it.saga):  # nobody waits for what comes before
            session.when_committed(partial(wakeups.wake, it.booking.reference))


def _take(course: _Course, move: Move) -> None:
    saga = machine.knowing(course.saga, event_off=move.underway.event_off)
    jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads what is sent again
    step = machine.step(saga, move.happening, move.underway.now, move.facts, jitter)
    if step.refusal:
        raise REFUSALS[step.refusal]
    _report(course.booking, step)
    course.saga = step.saga
    course.steps.append(step)
    course.entries.append((step.saga.version, step.entry))
    course.instrument = move.instrument or course.instrument
    course.request_id = move.request_id


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


def command_message(
    command: Command, booking: Booking, step: Step, instrument: Instrument
) -> object:
    """What a saga's command is to others."""
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
            return RefundPayment(booking, saga.step, saga.refunds, saga.refund, saga.reason)
        case _:
            return MoveSeats(booking, saga.step, _MOVES[command])


def _needs_parts(step: Step) -> bool:
    return step.ended or step.enters(State.CONFIRMED) or step.leaves(State.CONFIRMED)


def _keep_tickets(session: Session, courses: Iterable[_Course], parts: Parts) -> None:
    """Mints the tickets of what was confirmed, then revokes those of what is not any more."""
    minted: list[tuple[Booking, Sequence[Ticket]]] = []
    revoked: list[UUID] = []
    for course in courses:
        if any(step.enters(State.CONFIRMED) for step in course.steps):
            lines, attendees = parts[course.booking.id]
            ids = [uuid7() for _ in range(sum(line.quantity for line in lines))]
            minted.append((course.booking, tickets_to_mint(lines, attendees, ids)))
        if any(step.leaves(State.CONFIRMED) for step in course.steps):
            revoked.append(course.booking.id)
    tickets.add(session, minted)
    tickets.revoke(session, revoked)


def _keep_coupons(session: Session, courses: Iterable[_Course]) -> None:
    """Gives a coupon back for a booking that came to nothing, and takes it for one paid late."""
    given: list[UUID] = []
    for course in courses:
        if course.booking.coupon_code:
            if any(step.enters(State.RECLAIMING) for step in course.steps):
                coupons.take_again(session, course.booking.id)
            if machine.came_to_nothing(course.saga):
                given.append(course.booking.id)
    coupons.give_back(session, given)


def _sales(course: _Course, parts: Parts) -> Iterator[Sale]:
    """What the booking's steps add to its event's figures."""
    booking = course.booking
    day = day_of(course.underway.now, booking.event.timezone)
    for step in course.steps:
        yield from _step_sales(booking, step, day)
        if step.enters(State.CONFIRMED):
            lines, _ = parts[booking.id]
            yield from ticket_sales(booking.event, lines, day, 1, minted=True)
        if step.leaves(State.CONFIRMED):
            lines, _ = parts[booking.id]
            yield from ticket_sales(booking.event, lines, day, -1, minted=False)


def _step_sales(booking: Booking, step: Step, day: date) -> Iterator[Sale]:
    """What a step adds for the booking as a whole."""
    before, after = step.before, step.saga
    assert before is not None  # noqa: S101 - only the first step has none, and it adds nothing
    figures: dict[str, Any] = {}
    if before.state is not after.state:
        for state, sign in ((before.state, -1), (after.state, 1)):
            if state in machine.ENDINGS:
                figures[state.value.lower()] = sign
    if machine.is_paid(after) and not machine.is_paid(before):
        price = booking.price
        figures |= {"gross": price.total, "discount": price.discount, "tax": price.tax}
        figures["bookings"] = int(step.enters(State.CONFIRMED))
    # What goes back of a payment that was never counted as paid is not counted either.
    known, now = (saga.refunded if machine.is_paid(saga) else 0 for saga in (before, after))
    figures["refunded"] = now - known
    if any(figures.values()):
        yield replace(Sale(booking.event.id, day), **figures)


def _ended(booking: Booking, step: Step, lines: Sequence[Line]) -> BookingEnded:
    saga = step.saga
    amounts = {State.CONFIRMED: booking.price.total, State.CANCELLED: saga.refunded}
    return BookingEnded(
        booking, saga.state.value, saga.reason, amounts.get(saga.state, 0), lines, saga.version
    )


async def hear(session: Session, wakeups: Wakeups, answers: Sequence[Answer]) -> None:
    """Takes what inventory and payment answered.

    Raises:
        UnknownBookingError: there is no such booking.
    """
    ids = {answer.booking_id for answer in answers}
    locked = await underway.lock_by_ids(session, ids)
    for answer in answers:
        if answer.booking_id not in locked:
            raise UnknownBookingError(str(answer.booking_id))
    await advance(
        session,
        wakeups,
        (
            Move(locked[it.booking_id], it.happening, it.facts, request_id=it.request_id)
            for it in answers
        ),
    )


async def meet_deadlines(session: Session, wakeups: Wakeups, limit: int) -> int:
    """Applies DEADLINE to up to `limit` sagas that are due; returns to how many."""
    due = await underway.lock_due(session, limit)
    await advance(session, wakeups, (Move(each, Happening.DEADLINE) for each in due))
    return len(due)


async def tell_event_off(session: Session, wakeups: Wakeups, event_id: UUID, limit: int) -> int:
    """Applies EVENT_CANCELLED to up to `limit` bookings of the event; returns to how many."""
    untold = await underway.lock_of_event(session, event_id, limit)
    await advance(session, wakeups, (Move(each, Happening.EVENT_CANCELLED) for each in untold))
    if not untold:
        await events.settle(session, event_id)
    return len(untold)
