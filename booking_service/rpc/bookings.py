"""Bookings, for those who buy them."""

from __future__ import annotations

from uuid import UUID

from parterre.booking.v1 import booking_pb2

from booking_service.domain import (
    MAX_WAIT_SECONDS,
    HoldNotFoundError,
    InvalidFilterError,
    check_cancellation,
    check_instrument,
)
from booking_service.handlers import bookings as handlers
from booking_service.messaging import line_message
from booking_service.rpc import shapes
from booking_service.rpc.holds import Places
from booking_service.rpc.servicer import (
    MARGIN_SECONDS,
    Call,
    Servicer,
    check_limit,
    cursor_after,
    event_id_of,
    is_admin,
    position_of,
    states_of,
)
from booking_service.storage import bookings, sagas
from chassis.context import caller_id, seconds_left
from chassis.database import Session
from chassis.idempotency import once
from chassis.ids import parse_uuid
from chassis.text import line


class Bookings(Servicer):
    """Bookings."""

    async def QuoteBooking(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.QuoteBookingRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.QuoteBookingResponse:
        if not request.hold_id:
            return await self._quote_places(request)
        hold = await self._holds.fetch(_hold_id(request.hold_id))
        async with self._database.transaction() as session:
            price = await handlers.quote(
                session,
                hold,
                caller_id(),
                coupon_code=request.coupon_code,
                fees=self._fees,
            )
        lines = [line_message(line, hold.currency) for line in hold.lines]
        return booking_pb2.QuoteBookingResponse(
            lines=lines, price=shapes.price(price), available=True
        )

    async def _quote_places(
        self, request: booking_pb2.QuoteBookingRequest
    ) -> booking_pb2.QuoteBookingResponse:
        event_id = event_id_of(request.event_id)
        general = [(each.tier_id, each.quantity) for each in request.general]
        offer = await self._holds.quote(Places(str(event_id), request.seat_ids, general))
        async with self._database.transaction() as session:
            price = await handlers.quote_places(
                session,
                event_id,
                offer.lines,
                offer.currency,
                caller_id(),
                coupon_code=request.coupon_code,
                fees=self._fees,
            )
        return booking_pb2.QuoteBookingResponse(
            lines=[line_message(line, offer.currency) for line in offer.lines],
            price=shapes.price(price),
            available=offer.available,
            unavailable_seat_ids=offer.unavailable_seat_ids,
        )

    async def GetBooking(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.GetBookingRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.GetBookingResponse:
        wait = min(request.wait_seconds, MAX_WAIT_SECONDS, (seconds_left() or 0) - MARGIN_SECONDS)
        async with self._database.transaction() as session:
            view = await self._find(session, request.reference)
        page = view.saga.action_url if request.past_page else ""
        view = await self._until_rest(view, wait, past_page=page)
        shown = shapes.booking(view, reader=caller_id())
        if request.with_tickets:
            async with self._database.transaction() as session:
                await self._add_tickets(session, [shown])
        return booking_pb2.GetBookingResponse(booking=shown)

    async def ListBookings(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.ListBookingsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.ListBookingsResponse:
        limit = check_limit(request.limit, with_tickets=request.with_tickets)
        states = states_of(request.status)
        event_id = parse_uuid(request.event_id) if request.event_id else None
        if request.event_id and event_id is None:
            raise InvalidFilterError("No such event.", event_id="must be a UUID")
        since = request.updated_since if request.HasField("updated_since") else None
        position = position_of(since, request.cursor)
        async with self._database.transaction() as session:
            views = await bookings.of_customer(
                session,
                caller_id(),
                states=states,
                event_id=event_id,
                position=position,
                limit=limit + 1,
            )
            shown = [shapes.booking(view, reader=caller_id()) for view in views[:limit]]
            if request.with_tickets:
                await self._add_tickets(session, shown)
        return booking_pb2.ListBookingsResponse(
            bookings=shown,
            next_cursor=cursor_after(views[limit - 1], position) if len(views) > limit else "",
        )

    async def CancelBooking(  # noqa: N802 - the proto's name
        self, request: booking_pb2.CancelBookingRequest, context: Call
    ) -> booking_pb2.CancelBookingResponse:
        reason = line(request.reason)
        check_cancellation(reason)

        async def work(session: Session) -> booking_pb2.CancelBookingResponse:
            await handlers.cancel(
                session,
                self._wakeups,
                request.reference,
                caller_id(),
                is_admin=is_admin(),
                reason=reason,
            )
            view = await self._find(session, request.reference)
            return booking_pb2.CancelBookingResponse(
                booking=shapes.booking(view, reader=caller_id())
            )

        return await once(self._database, request, booking_pb2.CancelBookingResponse, work, context)

    async def AttemptPayment(  # noqa: N802 - the proto's name
        self, request: booking_pb2.AttemptPaymentRequest, context: Call
    ) -> booking_pb2.AttemptPaymentResponse:
        instrument = check_instrument(request.method, request.payment_token, method_field="method")

        async def work(session: Session) -> booking_pb2.AttemptPaymentResponse:
            await handlers.new_attempt(
                session, self._wakeups, request.reference, caller_id(), instrument
            )
            view = await self._find(session, request.reference)
            return booking_pb2.AttemptPaymentResponse(
                booking=shapes.booking(view, reader=caller_id())
            )

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
            rows = await sagas.timeline_of(session, view.booking.id)
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


def _hold_id(text: str) -> UUID:
    hold_id = parse_uuid(text)
    if hold_id is None:
        raise HoldNotFoundError("There is no such hold.")
    return hold_id
