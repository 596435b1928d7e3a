"""Whatever moves a saga goes through `advance`."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from booking_service import saga as machine
from booking_service.domain import (
    REFUSALS,
    Booking,
    BookingEnded,
    Instrument,
    Line,
    Reservation,
    Sale,
    Ticket,
    UnknownBookingError,
    day_of,
    is_over,
    tax_kept,
    ticket_sales,
    tickets_to_mint,
)
from booking_service.saga import ALERT_KINDS, Entry, Facts, Happening, Saga, State, Step
from booking_service.storage import (
    bookings,
    coupons,
    events,
    reservations,
    sagas,
    sales,
    tickets,
    underway,
)
from booking_service.storage.bookings import BookingView, Parts
from booking_service.storage.underway import Underway
from booking_service.wakeups import Rest, Wakeups
from chassis import context
from chassis.context import Origin
from chassis.database import Session
from chassis.ids import uuid7
from chassis.logs import get_logger
from chassis.telemetry import alert
from chassis.tracing import trace_id_of

# What usually ends a booking, so that its lines are read along with its lock.
_ENDING = frozenset(
    {
        Happening.CHARGED,
        Happening.RELEASED,
        Happening.RESTOCKED,
        Happening.RECLAIMED,
        Happening.RESERVE_REFUSED,
    }
)

_ALERTS = {kind: alert(kind) for kind in ALERT_KINDS}

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Move:
    """A happening to a locked saga; `instrument` is what a NEW_ATTEMPT pays with."""

    underway: Underway
    happening: Happening
    facts: Facts | None = None
    instrument: Instrument | None = None
    origin: Origin | None = None  # without one: the current one


@dataclass(frozen=True, slots=True)
class Answer:
    """What inventory or payment says about a booking."""

    booking_id: UUID
    happening: Happening
    facts: Facts
    origin: Origin | None = None


@dataclass(slots=True)
class _Course:
    """One booking's steps within a transaction."""

    underway: Underway
    saga: Saga
    steps: list[Step] = field(default_factory=list)
    entries: list[tuple[int, Entry]] = field(default_factory=list)
    instrument: Instrument | None = None
    origin: Origin | None = None  # of what moved it last

    @property
    def booking(self) -> Booking:
        return self.underway.booking


async def advance(
    session: Session, wakeups: Wakeups, moves: Iterable[Move], known: Parts | None = None
) -> None:
    """Applies happenings, in this order: states, timelines, tickets, figures and messages.

    It takes as many statements for many as for one. `known` are lines and attendees that were read
    already.

    Raises:
        BookingError: a saga refuses a wish; the transaction must not commit.
    """
    courses: dict[UUID, _Course] = {}
    for move in moves:
        booking = move.underway.booking
        course = courses.get(booking.id)
        if course is None:
            course = courses[booking.id] = _Course(move.underway, move.underway.saga)
        await _take(session, course, move)
        step = course.steps[-1]
        if step.asks is not None:
            instrument = course.instrument or course.underway.instrument
            message = step.asks.of(booking, step.saga, instrument)
            session.send(message, origin=move.origin)
    if not courses:
        return
    cancelled = [id for id, it in courses.items() if any(map(_cancelled, it.steps))]
    words = await sagas.words_of(session, cancelled) if cancelled else {}
    _follow(session, courses.values(), await _parts(session, courses, known or {}), words)
    changes = [
        sagas.Change(id, it.saga, it.entries, it.instrument, it.underway.now)
        for id, it in courses.items()
    ]
    sagas.save(session, changes)
    for it in courses.values():
        if not machine.moves_by_itself(it.saga):  # nobody waits for what comes before
            method = (it.instrument or it.underway.instrument).method
            rest = Rest(it.saga, method or "", it.underway.now)
            session.when_committed(partial(wakeups.wake, it.booking.reference, rest))


@dataclass(frozen=True, slots=True)
class Begun:
    """A booking that is new, and its saga's first steps."""

    view: BookingView
    instrument: Instrument
    first: Step  # it was begun
    step: Step  # its seats were reserved
    origin: Origin


def begin(session: Session, begun: Sequence[Begun]) -> None:
    """Does what follows from the first steps of new bookings: commands, tickets of free ones."""
    courses = []
    for each in begun:
        view, step = each.view, each.step
        now = view.booking.created_at
        new = Underway(view.booking, view.saga, each.instrument, now, False, False)  # noqa: FBT003
        courses.append(_Course(new, view.saga, [step], origin=each.origin))
        _report(session, view.booking, each.first, each.origin)
        _report(session, view.booking, step, each.origin)
        if step.asks is not None:
            message = step.asks.of(view.booking, view.saga, each.instrument)
            session.send(message, origin=each.origin)
    parts = {each.view.booking.id: (each.view.lines, each.view.attendees) for each in begun}
    _follow(session, courses, parts, {})


def _follow(
    session: Session, courses: Collection[_Course], parts: Parts, words: Mapping[UUID, str]
) -> None:
    """Tickets, figures, coupons and endings, as the bookings' steps have it."""
    _keep_tickets(session, courses, parts)
    sales.add(session, [sale for course in courses for sale in _sales(course, parts)])
    _keep_coupons(session, courses)
    for course in courses:
        for step in course.steps:
            if step.ended:
                id = course.booking.id
                ended = _ended(course.booking, step, parts[id][0], words.get(id, ""))
                session.send(ended, origin=course.origin)


async def _take(session: Session, course: _Course, move: Move) -> None:
    saga = machine.knowing(course.saga, event_off=move.underway.event_off)
    facts = move.facts or Facts()
    if machine.would_revive(saga, move.happening, facts):
        facts = replace(facts, hindrance=await _hindrance(session, course, move))
    jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads what is sent again
    step = machine.step(saga, move.happening, move.underway.now, facts, jitter)
    if step.refusal:
        raise REFUSALS[step.refusal]
    _report(session, course.booking, step, move.origin or context.origin())
    course.saga = step.saga
    course.steps.append(step)
    course.entries.append((step.saga.version, step.entry))
    course.instrument = move.instrument or course.instrument
    course.origin = move.origin


async def _hindrance(session: Session, course: _Course, move: Move) -> str:
    """Why a late payment can't confirm the booking, but for what inventory says to it.

    Where nothing hinders it the booking's coupon counts again.
    """
    booking = course.booking
    if is_over(booking.event, move.underway.now):
        return "SALES_CLOSED"
    if booking.coupon_code and not await coupons.take_again(session, booking.id):
        return "COUPON_USED_UP"
    return ""


async def _parts(session: Session, courses: Mapping[UUID, _Course], known: Parts) -> Parts:
    """Lines and attendees of the bookings whose steps need them."""
    missing = [
        id
        for id, course in courses.items()
        if id not in known and any(map(_needs_parts, course.steps))
    ]
    if not missing:
        return known
    (read,) = await session.together(bookings.reading_parts(missing))
    return {**known, **bookings.parts_of(read)}


def _report(session: Session, booking: Booking, step: Step, origin: Origin) -> None:
    """A line in the log for each step, once it is true."""
    facts = {
        "booking_reference": booking.reference,
        "booking_id": booking.id,
        "who": booking.customer_id,
        "state": step.saga.state.value,
        "before": step.before.state.value if step.before else "",
        "step": step.entry.step,
        "attempt": step.entry.attempt,
        "reason": step.saga.reason,
        "detail": step.entry.detail,
    }
    if origin.is_known:
        facts |= {"request_id": origin.request_id, "trace_id": trace_id_of(origin.traceparent)}
    if step.alert:
        _ALERTS[step.alert].inc()
        tell = partial(log.error, "saga wants an operator", alert=step.alert, **facts)
    else:
        tell = partial(log.info, "happening ignored" if step.ignored else "saga step", **facts)
    session.when_committed(tell)


def _cancelled(step: Step) -> bool:
    return step.ended and step.saga.state is State.CANCELLED


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
    """Gives a coupon back for a booking that came to nothing."""
    given = [
        course.booking.id
        for course in courses
        if course.booking.coupon_code and machine.came_to_nothing(course.saga)
    ]
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
        figures |= {"gross": price.total, "discount": price.discount}
        figures["bookings"] = int(step.enters(State.CONFIRMED))
    # What goes back of a payment that was never counted as paid is not counted either.
    known, now = (saga.refunded if machine.is_paid(saga) else 0 for saga in (before, after))
    figures["refunded"] = now - known
    taxed, taxes = (
        tax_kept(booking.price, saga.refunded) if machine.is_paid(saga) else 0
        for saga in (before, after)
    )
    figures["tax"] = taxes - taxed
    if any(figures.values()):
        yield replace(Sale(booking.event.id, day), **figures)


def _ended(booking: Booking, step: Step, lines: Sequence[Line], words: str) -> BookingEnded:
    saga = step.saga
    amounts = {State.CONFIRMED: booking.price.total, State.CANCELLED: saga.refunded}
    return BookingEnded(
        booking,
        saga.state.value,
        saga.reason,
        amounts.get(saga.state, 0),
        lines,
        saga.version,
        words if _cancelled(step) else "",
    )


async def hear(session: Session, wakeups: Wakeups, answers: Sequence[Answer]) -> None:
    """Takes what inventory and payment answered.

    Raises:
        UnknownBookingError: there is no such booking.
    """
    ids = {answer.booking_id for answer in answers}
    ending = {answer.booking_id for answer in answers if answer.happening in _ENDING}
    locked, parts = await underway.lock_by_ids(session, ids, with_parts=ending)
    for answer in answers:
        if answer.booking_id not in locked:
            raise UnknownBookingError(str(answer.booking_id))
    moves = (
        Move(locked[it.booking_id], it.happening, it.facts, origin=it.origin) for it in answers
    )
    await advance(session, wakeups, moves, parts)


async def tell_reservations(session: Session, asked: Sequence[Reservation]) -> None:
    """Tells inventory which bookings exist that it has reserved holds for.

    One that does not exist is kept from ever being made.
    """
    disowned = await reservations.disown(session, [each.booking_id for each in asked])
    for each in asked:
        session.send(replace(each, exists=each.booking_id not in disowned))


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
