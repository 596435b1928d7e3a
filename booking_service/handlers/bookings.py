"""What people wish of bookings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from booking_service import saga as machine
from booking_service.domain import (
    NO_INSTRUMENT,
    Attendee,
    Booking,
    BookingError,
    BookingNotFoundError,
    BookingStateError,
    Coupon,
    Event,
    EventIsCancelledError,
    EventNotReadyError,
    Fees,
    Hold,
    HoldAlreadyBookedError,
    Instrument,
    Line,
    Person,
    Price,
    ProviderUnavailableError,
    Reservation,
    TicketAdmittedError,
    check_attendees,
    check_bookable,
    check_cancellable,
    check_instrument,
    check_method,
    check_reserved,
    new_reference,
    price_of,
    subtotal_of,
)
from booking_service.handlers import coupons, sagas
from booking_service.handlers.sagas import Begun, Move, advance
from booking_service.saga import Facts, Happening, State
from booking_service.storage import (
    bookings,
    events,
    outages,
    people,
    reservations,
    tickets,
    underway,
)
from booking_service.storage.bookings import BookingView, Fresh
from booking_service.storage.events import Found
from booking_service.storage.underway import Underway
from booking_service.wakeups import Wakeups
from chassis.context import Origin
from chassis.database import Session
from chassis.errors import RemoteError, ServiceError
from chassis.idempotency import Claims, StoredRefusalError
from chassis.ids import uuid7
from chassis.records import newest

_REFERENCE_TRIES = 5


async def quote(
    session: Session, hold: Hold, customer_id: UUID, *, coupon_code: str, fees: Fees
) -> Price:
    """What a booking of the hold would cost; the coupon is not used by this.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldAlreadyBookedError, HoldNotActiveError;
        CouponUnknownError, CouponNotValidError, CouponMinimumError, CouponUsedUpError;
        AmountTooLargeError; EventNotReadyError: the event is not known here yet.
    """
    check_bookable(hold, customer_id)
    found = await events.find(session, hold.event_id)
    if found is None:
        raise _not_ready()
    return await _priced(
        session,
        found.event,
        hold.lines,
        currency=hold.currency,
        customer_id=customer_id,
        coupon_code=coupon_code,
        fees=fees,
        field="hold_id",
    )


async def quote_places(
    session: Session,
    event_id: UUID,
    lines: Sequence[Line],
    currency: str,
    customer_id: UUID,
    *,
    coupon_code: str,
    fees: Fees,
) -> Price:
    """What a booking of places would cost that nobody holds yet; as `quote`.

    Raises:
        CouponUnknownError, CouponNotValidError, CouponMinimumError, CouponUsedUpError;
        AmountTooLargeError; EventNotReadyError: the event is not known here yet;
        EventIsCancelledError.
    """
    found = await events.find(session, event_id)
    if found is None:
        raise _not_ready()
    if found.off:
        raise EventIsCancelledError("The event was cancelled.")
    return await _priced(
        session,
        found.event,
        lines,
        currency=currency,
        customer_id=customer_id,
        coupon_code=coupon_code,
        fees=fees,
        field="event_id",
    )


async def _priced(
    session: Session,
    event: Event,
    lines: Sequence[Line],
    *,
    currency: str,
    customer_id: UUID,
    coupon_code: str,
    fees: Fees,
    field: str,
) -> Price:
    coupon = None
    if coupon_code:
        subtotal = subtotal_of(lines)
        coupon = await coupons.look_at(session, event.id, coupon_code, customer_id, subtotal)
    basis_points = event.tax_basis_points
    return price_of(lines, basis_points, currency, coupon=coupon, fees=fees, field=field)


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks for: a booking of a hold."""

    hold: Hold | BookingError | RemoteError  # as inventory reserved it; or why it did not
    customer_id: UUID
    method: str
    token: str
    attendees: Sequence[Attendee]
    coupon_code: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Replayed:
    """The answer that was given under the key before: a reply, serialized, or a refusal."""

    answer: bytes | Exception


Answer = BookingView | Replayed | Exception


async def make(
    session: Session,
    orders: Sequence[Order],
    *,
    fees: Fees,
    claims: Claims,
    write: Callable[[BookingView], bytes],
) -> tuple[Sequence[Answer], Sequence[Reservation]]:
    """Makes bookings of reserved holds and starts their sagas; answers each order in its place.

    `claims` are the orders' on their idempotency keys, `write` serializes a reply to be kept. One
    hold never makes two bookings, and one id only one: constraints. With the answers come the
    reservations that are to be given back: of orders that were refused, whose bookings will never
    be.

    A refusal is HoldNotFoundError, HoldExpiredError, HoldAlreadyBookedError, HoldNotActiveError;
    CouponUnknownError, CouponNotValidError, CouponMinimumError, CouponUsedUpError;
    InvalidAttendeesError, InvalidPaymentMethodError, AmountTooLargeError; EventNotReadyError,
    EventNotOnSaleError, EventIsCancelledError; ProviderUnavailableError where there is something
    to pay.

    Raises:
        IntegrityError: one of the bookings was disowned meanwhile; nothing is done.
    """
    looks = claims.looks
    event_ids = {order.hold.event_id for order in orders if isinstance(order.hold, Hold)}
    results = await session.together(*looks, events.finding(event_ids))
    claims.read(results[: len(looks)])
    batch = _Batch(session, orders, events.found(results[-1]), fees)
    batch.answers.update(
        {
            place: Replayed(answer) if isinstance(answer, bytes | StoredRefusalError) else answer
            for place, answer in claims.answers.items()
        }
    )
    await batch.add()
    sagas.begin(session, list(batch.begun.values()))
    kept = {
        place: write(answer) if isinstance(answer, BookingView) else answer
        for place, answer in batch.answers.items()
        if isinstance(answer, BookingView | BookingError)
    }
    stored = claims.store(kept)
    if stored:
        session.defer(stored[0], **stored[1])
    given_back = await batch.give_back()
    return [batch.answers[place] for place in range(len(orders))], given_back


@dataclass(frozen=True, slots=True)
class _Draft:
    """A booking that nothing stands against so far."""

    order: Order
    hold: Hold
    booking_id: UUID
    found: Found


class _Batch:
    """Orders on their way through a transaction."""

    def __init__(
        self,
        session: Session,
        orders: Sequence[Order],
        found: Mapping[UUID, Found],
        fees: Fees,
    ) -> None:
        self._session = session
        self._orders = orders
        self._found = found
        self._fees = fees
        self.answers: dict[int, Answer] = {}
        self.begun: dict[int, Begun] = {}

    async def add(self) -> None:
        """Adds the bookings that can be made."""
        together: dict[int, Begun] = {}
        by_themselves: list[tuple[int, _Draft]] = []
        ids: set[UUID] = set()
        for place, order in enumerate(self._orders):
            if place in self.answers:
                continue
            try:
                draft = self._draft(order)
                if order.coupon_code or draft.booking_id in ids:
                    by_themselves.append((place, draft))
                else:
                    together[place] = self._begun(draft, None)
                    ids.add(draft.booking_id)
            except (BookingError, RemoteError) as error:
                self.answers[place] = error
        await self._insert(together)
        # A coupon's count has to be undone where its booking is refused, and of two orders for one
        # hold the second may be refused; in the order of the coupons, which they lock.
        for place, draft in sorted(by_themselves, key=lambda each: _coupon_key(each[1])):
            try:
                async with self._session.savepoint():
                    coupon = await self._take_coupon(draft) if draft.order.coupon_code else None
                    await self._insert({place: self._begun(draft, coupon)}, refuse=False)
            except BookingError as error:
                self.answers[place] = error

    def _draft(self, order: Order) -> _Draft:
        hold = order.hold
        if isinstance(hold, Exception):
            raise hold
        booking_id = check_reserved(hold, order.customer_id)
        check_attendees(order.attendees, hold.lines)
        found = self._found.get(hold.event_id)
        if found is None:
            raise _not_ready()
        if found.off:
            raise EventIsCancelledError("The event was cancelled.")
        return _Draft(order, hold, booking_id, found)

    async def _take_coupon(self, draft: _Draft) -> Coupon:
        code, subtotal = draft.order.coupon_code, subtotal_of(draft.hold.lines)
        event_id, customer_id = draft.hold.event_id, draft.order.customer_id
        return await coupons.take(self._session, event_id, code, customer_id, subtotal)

    def _begun(self, draft: _Draft, coupon: Coupon | None) -> Begun:
        order, hold, found = draft.order, draft.hold, draft.found
        event, now = found.event, found.now
        price = price_of(
            hold.lines, event.tax_basis_points, hold.currency, coupon=coupon, fees=self._fees
        )
        instrument = NO_INSTRUMENT
        if price.total:
            instrument = check_instrument(order.method, order.token, method_field="payment_method")
            if found.provider_is_out:
                raise _provider_is_out()
        else:
            instrument = replace(
                instrument, method=check_method(order.method, method_field="payment_method")
            )
        first = machine.begin(price.total, now)
        reserved = machine.step(first.saga, Happening.RESERVED, now, Facts(step=first.saga.step))
        booking = Booking(
            id=draft.booking_id,
            reference=new_reference(),
            customer_id=order.customer_id,
            hold_id=hold.id,
            hold_version=hold.version,
            payment_id=uuid7(),
            price=price,
            refund_policy=event.refund_policy,
            event=event,
            created_at=now,
            agreed_starts_at=event.starts_at,
            agreed_version=event.version,
            coupon_code=coupon.code if coupon else "",
        )
        view = BookingView(
            booking, reserved.saga, instrument.method or "", hold.lines, order.attendees, now, now
        )
        return Begun(view, instrument, first, reserved, order.origin)

    async def _insert(self, begun: Mapping[int, Begun], *, refuse: bool = True) -> None:
        """Inserts bookings; of those whose reference is taken, under another.

        Raises:
            HoldAlreadyBookedError: without `refuse`; else it is the answer.
        """
        waiting = dict(begun)
        for _ in range(_REFERENCE_TRIES):
            if not waiting:
                return
            fresh = [Fresh(it.view, (it.first.entry, it.step.entry)) for it in waiting.values()]
            added = await bookings.add(self._session, fresh)
            for place, it in list(waiting.items()):
                if it.view.booking.id in added:
                    self.begun[place] = waiting.pop(place)
                    self.answers[place] = it.view
            if not waiting:
                return
            booked = await bookings.booked_holds(
                self._session, [it.view.booking.hold_id for it in waiting.values()]
            )
            for place, it in list(waiting.items()):
                if it.view.booking.hold_id in booked:
                    error = HoldAlreadyBookedError("A booking has been made of this hold already.")
                    if not refuse:
                        raise error
                    del waiting[place]
                    self.answers[place] = error
                else:
                    booking = replace(it.view.booking, reference=new_reference())
                    waiting[place] = replace(it, view=replace(it.view, booking=booking))
        raise AssertionError("every random reference was taken")

    async def give_back(self) -> Sequence[Reservation]:
        """Disowns the bookings of refused orders; gives their reservations."""
        refused = {
            hold.booking_id: Reservation(hold.booking_id, hold.event_id, hold.id)
            for place, answer in self.answers.items()
            if _is_refused(answer)
            and isinstance(hold := self._orders[place].hold, Hold)
            and hold.booking_id is not None
            and hold.customer_id == self._orders[place].customer_id
        }
        if not refused:
            return ()
        disowned = await reservations.disown(self._session, list(refused))
        return [reservation for id, reservation in refused.items() if id in disowned]


def _is_refused(answer: Answer) -> bool:
    """Whether nothing is booked by the order, now or by the first request with its key."""
    if isinstance(answer, Replayed):
        return isinstance(answer.answer, Exception)
    if isinstance(answer, ServiceError):  # of the key
        return answer.reason != "IDEMPOTENCY_IN_PROGRESS"
    return isinstance(answer, BookingError)


def _coupon_key(draft: _Draft) -> tuple[UUID, str]:
    return draft.hold.event_id, draft.order.coupon_code.upper()


async def find(session: Session, reference: str, customer_id: UUID) -> BookingView | None:
    """The customer's own booking."""
    return await bookings.find(session, reference, caller_id=customer_id, sees_all=False)


async def is_disowned(session: Session, booking_id: UUID) -> bool:
    """Whether the booking will never be made."""
    return bool(await reservations.disowned(session, [booking_id]))


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
    if Happening.NEW_ATTEMPT not in machine.TABLE[locked.saga.state].on:
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

    One that is on its way there already stays on it, so that asking twice is no error. The policy's
    share is of what was not promised to go back already, which payment reckons.

    Raises:
        BookingNotFoundError;
        CancellationClosedError: too late for its buyer, by what was agreed and by any move of the
            event since; the organizer and admins always may;
        TicketAdmittedError: somebody went in with it; the same;
        BookingBusyError: it is being confirmed; BookingStateError: it has ended.
    """
    locked = await _lock(session, reference, caller_id, sees_all=is_admin, sells=True)
    booking, saga = locked.booking, locked.saga
    happening = next(
        (
            wish
            for wish in (Happening.CANCEL, Happening.GIVE_UP)
            if wish in machine.TABLE[saga.state].on
        ),
        None,
    )
    if happening is None:
        raise BookingStateError("The booking has ended.")
    decides = is_admin or caller_id == booking.event.organizer_id
    percent = 100
    reason_code = "CANCELLED_BY_ORGANIZER" if decides else ""
    if saga.state is State.CONFIRMED and not decides:
        way = check_cancellable(booking, locked.now)
        percent = way.percent
        reason_code = "EVENT_MOVED" if way.because == "EVENT_MOVED" else ""
        if "ADMITTED" in await tickets.lock(session, booking.id):
            raise TicketAdmittedError("Somebody has gone in with a ticket of this booking.")
    facts = Facts(reason=reason_code, percent=percent, detail=reason)
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


async def remember_people(session: Session, told: Sequence[Person]) -> None:
    """Remembers how people call themselves; of what is told of one, the newest."""
    people.save(session, list(newest(told, lambda person: person.id).values()))


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
