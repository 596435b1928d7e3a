"""The gRPC servicer."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

import grpc
from parterre.booking.v1 import booking_pb2, booking_pb2_grpc
from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from parterre.types.v1 import types_pb2

from booking_service import handlers, saga, storage
from booking_service.domain import (
    MAX_PAGE,
    MAX_WAIT_SECONDS,
    Attendee,
    BookingNotFoundError,
    CouponUnknownError,
    Hold,
    HoldNotFoundError,
    InvalidCursorError,
    InvalidFilterError,
    Line,
    Price,
    TicketNotFoundError,
    check_cancellation,
    check_instrument,
)
from booking_service.messaging import line_message, timestamp
from booking_service.storage import BookingView
from booking_service.tickets import Claims, TicketKeys
from booking_service.wakeups import Wakeups
from chassis.context import caller, seconds_left
from chassis.database import Database, Row, Session
from chassis.errors import RemoteError
from chassis.grpc_client import GrpcClient
from chassis.idempotency import once
from chassis.identity import Role
from chassis.ids import parse_uuid

SERVICE = booking_pb2.DESCRIPTOR.services_by_name["BookingService"]

_FIRST_POLL_SECONDS = 0.25
_SLOWEST_POLL_SECONDS = 1.0
# Kept back of the caller's deadline, so that a booking that did not move is still answered.
_MARGIN_SECONDS = 0.5

Call = grpc.aio.ServicerContext[Any, Any]
FetchHold = Callable[[UUID], Awaitable[Hold]]


class Holds:
    """Inventory's holds, asked for in the caller's own name."""

    def __init__(self, client: GrpcClient) -> None:
        self._client = client
        self._stub = inventory_pb2_grpc.InventoryServiceStub(client.channel)

    async def fetch(self, hold_id: UUID) -> Hold:
        """The caller's hold as it stands by inventory's clock.

        Raises:
            HoldNotFoundError: there is none, or it is not the caller's.
            RemoteError: inventory does not answer.
        """
        request = inventory_pb2.GetHoldRequest(hold_id=str(hold_id))
        try:
            reply = await self._client.call(self._stub.GetHold, request)
        except RemoteError as error:
            if error.reason == "HOLD_NOT_FOUND":
                raise HoldNotFoundError("There is no such hold.") from error
            raise
        hold = reply.hold
        return Hold(
            id=hold_id,
            event_id=UUID(hold.event_id),
            customer_id=UUID(hold.customer_id),
            status=hold.status,
            version=hold.version,
            currency=hold.total.currency,
            lines=[_line(line) for line in hold.lines],
        )


class BookingServicer(booking_pb2_grpc.BookingServiceServicer):
    """Bookings and tickets."""

    def __init__(
        self, database: Database, wakeups: Wakeups, fetch_hold: FetchHold, keys: TicketKeys
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._fetch_hold = fetch_hold
        self._keys = keys

    async def QuoteBooking(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.QuoteBookingRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.QuoteBookingResponse:
        _check_coupon(request.coupon_code)
        hold = await self._fetch_hold(_hold_id(request.hold_id))
        async with self._database.transaction() as session:
            price = await handlers.quote(session, hold, _caller_id())
        lines = [line_message(line, hold.currency) for line in hold.lines]
        return booking_pb2.QuoteBookingResponse(lines=lines, price=_price(price))

    async def CreateBooking(  # noqa: N802 - the proto's name
        self, request: booking_pb2.CreateBookingRequest, context: Call
    ) -> booking_pb2.CreateBookingResponse:
        instrument = check_instrument(
            request.payment_method, request.payment_token, method_field="payment_method"
        )
        _check_coupon(request.coupon_code)
        attendees = [
            Attendee(attendee.seat_id, attendee.name.strip(), attendee.email.strip())
            for attendee in request.attendees
        ]
        # Asked before the transaction, but judged within it: a replay is answered as it was the
        # first time, whatever has become of the hold and of inventory since.
        hold: Hold | RemoteError | HoldNotFoundError
        try:
            hold = await self._fetch_hold(_hold_id(request.hold_id))
        except (RemoteError, HoldNotFoundError) as error:
            hold = error

        async def work(session: Session) -> booking_pb2.CreateBookingResponse:
            if isinstance(hold, Exception):
                raise hold
            made = await handlers.make_booking(session, hold, _caller_id(), instrument, attendees)
            view = await self._find(session, made.reference)
            return booking_pb2.CreateBookingResponse(booking=_booking(view))

        return await once(self._database, request, booking_pb2.CreateBookingResponse, work, context)

    async def GetBooking(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.GetBookingRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.GetBookingResponse:
        view = await self._read(request.reference)
        wait = min(request.wait_seconds, MAX_WAIT_SECONDS, (seconds_left() or 0) - _MARGIN_SECONDS)
        if wait > 0 and _moves_by_itself(view):
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    view = await self._await_rest(request.reference, view)
        # Read once more where it ran out of time: cheaper than a stale answer.
        if _moves_by_itself(view) and wait > 0:
            view = await self._read(request.reference)
        return booking_pb2.GetBookingResponse(booking=_booking(view))

    async def ListBookings(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.ListBookingsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.ListBookingsResponse:
        limit = request.limit
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidFilterError("No such page.", limit=f"must be 1-{MAX_PAGE}")
        states = saga.states_of(request.status) if request.status else None
        if states is not None and not states:
            raise InvalidFilterError("No such status.", status="is not a booking's status")
        event_id = parse_uuid(request.event_id) if request.event_id else None
        if request.event_id and event_id is None:
            raise InvalidFilterError("No such event.", event_id="must be a UUID")
        async with self._database.transaction() as session:
            views = await storage.list_bookings(
                session,
                _caller_id(),
                states=states,
                event_id=event_id,
                before=_from_cursor(request.cursor),
                limit=limit + 1,
            )
        return booking_pb2.ListBookingsResponse(
            bookings=[_booking(view) for view in views[:limit]],
            next_cursor=_to_cursor(views[limit - 1].booking.id) if len(views) > limit else "",
        )

    async def CancelBooking(  # noqa: N802 - the proto's name
        self, request: booking_pb2.CancelBookingRequest, context: Call
    ) -> booking_pb2.CancelBookingResponse:
        check_cancellation(request.reason)
        identity = caller()

        async def work(session: Session) -> booking_pb2.CancelBookingResponse:
            await handlers.cancel(
                session,
                self._wakeups,
                request.reference,
                UUID(identity.subject),
                is_admin=identity.role is Role.ADMIN,
                reason=request.reason,
            )
            view = await self._find(session, request.reference)
            return booking_pb2.CancelBookingResponse(booking=_booking(view))

        return await once(self._database, request, booking_pb2.CancelBookingResponse, work, context)

    async def AttemptPayment(  # noqa: N802 - the proto's name
        self, request: booking_pb2.AttemptPaymentRequest, context: Call
    ) -> booking_pb2.AttemptPaymentResponse:
        instrument = check_instrument(request.method, request.payment_token, method_field="method")

        async def work(session: Session) -> booking_pb2.AttemptPaymentResponse:
            await handlers.new_attempt(
                session, self._wakeups, request.reference, _caller_id(), instrument
            )
            view = await self._find(session, request.reference)
            return booking_pb2.AttemptPaymentResponse(booking=_booking(view))

        return await once(
            self._database, request, booking_pb2.AttemptPaymentResponse, work, context
        )

    async def GetTimeline(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.GetTimelineRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.GetTimelineResponse:
        async with self._database.transaction() as session:
            view = await self._find(session, request.reference)
            rows = await storage.timeline_of(session, view.booking.id)
        reply = booking_pb2.GetTimelineResponse()
        for row in rows:
            entry = reply.entries.add(
                state=row.state,
                step=row.step,
                outcome=row.outcome,
                attempt=row.attempt,
                detail=row.detail,
            )
            entry.at.FromDatetime(row.at)
        return reply

    async def ListTickets(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.ListTicketsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.ListTicketsResponse:
        async with self._database.transaction() as session:
            booking_id = await storage.own_booking(session, request.reference, _caller_id())
            if booking_id is None:
                raise BookingNotFoundError("There is no such booking.")
            rows = await storage.tickets_of(session, booking_id)
        return booking_pb2.ListTicketsResponse(tickets=[self._ticket(row) for row in rows])

    async def GetTicket(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.GetTicketRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.GetTicketResponse:
        ticket_id = parse_uuid(request.ticket_id)
        row = None
        if ticket_id is not None:
            async with self._database.transaction() as session:
                row = await storage.find_ticket(session, ticket_id, _caller_id())
        if row is None:
            raise TicketNotFoundError("There is no such ticket.")
        return booking_pb2.GetTicketResponse(ticket=self._ticket(row))

    async def ListTicketKeys(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.ListTicketKeysRequest,  # noqa: ARG002 - gRPC's signature
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.ListTicketKeysResponse:
        reply = booking_pb2.ListTicketKeysResponse()
        for key_id, public_key in self._keys.public_keys.items():
            reply.keys.add(key_id=key_id, public_key=public_key)
        return reply

    async def _find(self, session: Session, reference: str) -> BookingView:
        identity = caller()
        view = await storage.find_booking(
            session,
            reference,
            caller_id=UUID(identity.subject),
            sees_all=identity.role is Role.ADMIN,
        )
        if view is None:
            raise BookingNotFoundError("There is no such booking.")
        return view

    async def _read(self, reference: str) -> BookingView:
        async with self._database.transaction() as session:
            return await self._find(session, reference)

    async def _await_rest(self, reference: str, view: BookingView) -> BookingView:
        """The booking once it has come to rest; no transaction is open while it moves."""
        pause = _FIRST_POLL_SECONDS
        with self._wakeups.of(view.booking.id) as moved:
            while True:
                moved.clear()
                view = await self._read(reference)
                if not _moves_by_itself(view):
                    return view
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await moved.wait()
                pause = min(pause * 2, _SLOWEST_POLL_SECONDS)

    def _ticket(self, row: Row) -> booking_pb2.Ticket:
        claims = Claims(row.ticket_id, row.event_id, row.seat_id, row.version)
        return booking_pb2.Ticket(
            id=str(row.ticket_id),
            line=line_message(storage.line_of(row), row.currency),
            status=row.status,
            token=self._keys.sign(claims),
            attendee_name=row.attendee_name,
        )


def _moves_by_itself(view: BookingView) -> bool:
    """Whether it has neither ended nor needs the customer."""
    return view.saga.state not in saga.ENDINGS and not saga.needs_customer(view.saga)


def _caller_id() -> UUID:
    return UUID(caller().subject)


def _hold_id(text: str) -> UUID:
    hold_id = parse_uuid(text)
    if hold_id is None:
        raise HoldNotFoundError("There is no such hold.")
    return hold_id


def _check_coupon(code: str) -> None:
    if code:
        raise CouponUnknownError("There is no such coupon.", coupon_code="is unknown")


def _from_cursor(cursor: str) -> UUID | None:
    if not cursor:
        return None
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:
        raise InvalidCursorError("Not a cursor of ours.", cursor="is not valid") from error


def _to_cursor(id: UUID) -> str:
    return base64.urlsafe_b64encode(id.bytes).rstrip(b"=").decode()


def _line(line: types_pb2.Line) -> Line:
    return Line(
        line.seat_id,
        line.section_id,
        line.section,
        line.row,
        line.number,
        line.tier_id,
        line.tier,
        line.quantity,
        line.price.amount,
    )


def _price(price: Price) -> booking_pb2.Price:
    return booking_pb2.Price(
        subtotal=price.subtotal,
        discount=price.discount,
        tax=price.tax,
        fees=price.fees,
        total=price.total,
        currency=price.currency,
    )


def _people(attendees: Iterable[Attendee]) -> list[booking_pb2.Attendee]:
    return [
        booking_pb2.Attendee(seat_id=attendee.seat_id, name=attendee.name, email=attendee.email)
        for attendee in attendees
    ]


def _booking(view: BookingView) -> booking_pb2.Booking:
    booking, state = view.booking, view.saga
    event = booking.event
    status = saga.customer_status(state.state)
    shown = booking_pb2.Booking(
        id=str(booking.id),
        reference=booking.reference,
        status=status,
        reason=state.reason,
        event=booking_pb2.BookedEvent(
            id=str(event.id),
            title=event.title,
            place=event.place,
            starts_at=timestamp(event.starts_at),
            timezone=event.timezone,
        ),
        lines=[line_message(line, booking.price.currency) for line in view.lines],
        price=_price(booking.price),
        created_at=timestamp(booking.created_at),
        hold_id=str(booking.hold_id),
        customer_id=str(booking.customer_id),
        attendees=_people(view.attendees),
    )
    if status == "PENDING":
        shown.expires_at.CopyFrom(timestamp(state.pay_by))
    if state.amount:
        shown.payment.CopyFrom(
            booking_pb2.BookingPayment(
                id=str(booking.payment_id),
                status=state.payment_status,
                method=view.method,
                action_url=state.action_url,
                attempt=state.attempt,
                refused_because=state.refused_because,
            )
        )
    return shown
