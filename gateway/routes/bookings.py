"""Bookings."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Query
from parterre.booking.v1 import booking_pb2
from parterre.payment.v1 import payment_pb2
from starlette.responses import Response

from chassis.errors import RemoteError
from chassis.timestamps import timestamp
from gateway import expansions
from gateway.answers import Json
from gateway.backend import Backend
from gateway.bodies.base import Reference
from gateway.bodies.bookings import (
    BookingCancellation,
    BookingQuery,
    NewBooking,
    Quotation,
    WaitQuery,
)
from gateway.preferences import Prefer, applied, wait_of
from gateway.representations import own, to_json
from gateway.routing import (
    CUSTOMER,
    PREFIX,
    Behind,
    IdempotencyKey,
    Routes,
    needless,
    replay_header,
)
from gateway.scopes import Scope
from gateway.versions import IfNoneMatch
from presentation.views import base
from presentation.views import bookings as views

BOOKINGS = Routes("Bookings and tickets")

# What the service needs on top of the waiting that was asked for.
_SECONDS = 5.0
# How long a provider is asked for while the customer waits for an answer.
_VERIFY_SECONDS = 3.0
# How long the same page is waited past, where nothing has come of it.
_OPEN_PAGE_SECONDS = 1.0
_OPEN = frozenset({"INITIATED", "REQUIRES_ACTION"})

_COUPON_REFUSES = ["COUPON_UNKNOWN", "COUPON_NOT_VALID", "COUPON_MINIMUM", "COUPON_USED_UP"]
_CANCEL_REFUSES = [
    "BOOKING_NOT_FOUND",
    "INVALID_CANCELLATION",
    "CANCELLATION_CLOSED",
    "TICKET_ADMITTED",
    "BOOKING_STATE",
    "BOOKING_BUSY",
]


@BOOKINGS.route(
    "POST",
    "/bookings/quote",
    CUSTOMER,
    answers=views.Quote,
    refuses=[
        "HOLD_NOT_FOUND",
        "HOLD_EXPIRED",
        "HOLD_NOT_ACTIVE",
        "EVENT_NOT_FOUND",
        "EVENT_NOT_ON_SALE",
        "EVENT_IS_CANCELLED",
        "SALES_CLOSED",
        "UNKNOWN_SEATS",
        "UNKNOWN_TIER",
        "CUSTOMER_LIMIT",
        "INVALID_HOLD",
        *_COUPON_REFUSES,
        "AMOUNT_TOO_LARGE",
        "EVENT_NOT_READY",
    ],
    keys=needless("It changes nothing, and says what a hold costs now."),
)
async def quote_booking(body: Quotation, behind: Behind) -> Response:
    """What a hold would cost, or places without one; nothing is written.

    Without a hold the answer says whether the places are free just now, and names the seats that
    are not: a hint, for nothing is kept. The limit per person and the sales window are held to.
    """
    request = booking_pb2.QuoteBookingRequest(
        hold_id=body.hold_id or "",
        event_id=body.event_id or "",
        seat_ids=body.seat_ids or (),
        general=[
            booking_pb2.QuoteBookingRequest.General(tier_id=each.tier_id, quantity=each.quantity)
            for each in body.general or ()
        ],
        coupon_code=body.coupon_code or "",
    )
    async with behind.guesses.guess(request.coupon_code):
        reply = await behind.booking(behind.booking.rpc.QuoteBooking, request)
    return Json(views.quote(reply))


@BOOKINGS.route(
    "POST",
    "/bookings",
    CUSTOMER,
    answers=views.Booking,
    status=201,
    refuses=[
        "HOLD_NOT_FOUND",
        "HOLD_EXPIRED",
        "HOLD_NOT_ACTIVE",
        "HOLD_ALREADY_BOOKED",
        *_COUPON_REFUSES,
        "AMOUNT_TOO_LARGE",
        "INVALID_PAYMENT_METHOD",
        "INVALID_PAYMENT_TOKEN",
        "INVALID_ATTENDEES",
        "EVENT_NOT_READY",
        "EVENT_NOT_ON_SALE",
        "EVENT_IS_CANCELLED",
        "HOLD_BUSY",
        "PROVIDER_UNAVAILABLE",
    ],
    headers=["Location"],
)
async def create_booking(
    body: NewBooking, behind: Behind, prefer: Prefer = (), key: IdempotencyKey = ""
) -> Response:
    """Book a hold and start to pay; follow the booking at its Location.

    With `Prefer: wait=N` it is answered when the booking has come to rest (CONFIRMED, FAILED, or in
    need of the customer), or as it stands after N seconds.
    """
    wait = wait_of(prefer)
    await behind.payment_methods.check(body.payment_method, body.payment_token)
    order = booking_pb2.CreateBookingRequest(
        hold_id=body.hold_id,
        payment_method=body.payment_method or "",
        payment_token=body.payment_token or "",
        coupon_code=body.coupon_code or "",
        attendees=[
            booking_pb2.Attendee(seat_id=who.seat_id or "", name=who.name, email=who.email or "")
            for who in body.attendees
        ],
        idempotency_key=key,
    )
    async with behind.guesses.guess(order.coupon_code):
        booking, replayed = await behind.bookings.create(order, wait_seconds=wait or 0)
    headers = {
        "Location": f"{PREFIX}/bookings/{booking.reference}",
        **replay_header(replayed),
        **applied(wait),
    }
    return Json(views.booking(booking), 201, headers)


@BOOKINGS.route(
    "GET",
    "/bookings",
    CUSTOMER,
    answers=base.Page[views.Booking],
    refuses=["INVALID_CURSOR", "INVALID_FILTER"],
)
async def list_bookings(
    query: Annotated[BookingQuery, Query()], behind: Behind, if_none_match: IfNoneMatch = ()
) -> Response:
    """One's own bookings, newest first; with `updated_since` those that changed, in that order."""
    reply = await behind.booking(
        behind.booking.rpc.ListBookings,
        booking_pb2.ListBookingsRequest(
            status=query.status or "",
            event_id=query.event_id or "",
            limit=query.limit,
            cursor=query.cursor or "",
            updated_since=timestamp(query.updated_since),
            with_tickets=expansions.wants(query.expand, expansions.TICKETS),
        ),
    )
    shown = await expansions.shown(behind, reply.bookings, views.booking, query.expand)
    return own(to_json(base.page(shown, reply.next_cursor)), if_none_match)


@BOOKINGS.route(
    "GET",
    "/bookings/{reference}",
    CUSTOMER,
    answers=views.Booking,
    refuses=["BOOKING_NOT_FOUND"],
    scope=Scope.BOOKINGS_READ,
)
async def get_booking(
    reference: Reference, query: Annotated[WaitQuery, Query()], behind: Behind
) -> Response:
    """A booking; with `wait`, as soon as it ends or needs the customer.

    While a wallet's page is open the provider is asked whether they have been there; where they
    have, it is waited for what comes of that.
    """
    request = booking_pb2.GetBookingRequest(
        reference=reference,
        wait_seconds=query.wait,
        with_tickets=expansions.wants(query.expand, expansions.TICKETS),
    )
    until = time.monotonic() + query.wait
    booking = await _get(behind, request)
    if query.wait and booking.payment.action_url:
        seconds = until - time.monotonic()
        if not await _may_be_settled(behind, booking.payment.id):
            # Whoever asks again and again, while the customer is on the page, does so in peace.
            seconds = min(seconds, _OPEN_PAGE_SECONDS)
        request.wait_seconds, request.past_page = max(0, round(seconds)), True
        booking = await _get(behind, request)
    [shown] = await expansions.shown(behind, [booking], views.booking, query.expand)
    return Json(shown)


@BOOKINGS.route(
    "POST",
    "/bookings/{reference}/cancel",
    CUSTOMER,
    answers=views.Booking,
    status=202,
    refuses=_CANCEL_REFUSES,
    scope=Scope.BOOKINGS_WRITE,
)
async def cancel_booking(
    reference: Reference,
    behind: Behind,
    body: BookingCancellation | None = None,
    key: IdempotencyKey = "",
) -> Response:
    """Give a booking up, or have a paid one refunded."""
    return await _cancel(behind, reference, (body.reason if body else None) or "", key)


@BOOKINGS.route(
    "DELETE",
    "/bookings/{reference}",
    CUSTOMER,
    answers=views.Booking,
    status=202,
    refuses=[*_CANCEL_REFUSES, "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_IN_PROGRESS"],
    scope=Scope.BOOKINGS_WRITE,
)
async def delete_booking(
    reference: Reference, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Give a booking up, or have a paid one refunded; the same as to cancel it."""
    return await _cancel(behind, reference, "", key)


@BOOKINGS.route(
    "GET",
    "/bookings/{reference}/timeline",
    CUSTOMER,
    answers=base.Page[views.TimelineEntry],
    refuses=["BOOKING_NOT_FOUND"],
    scope=Scope.BOOKINGS_READ,
)
async def get_timeline(reference: Reference, behind: Behind) -> Response:
    """Every step of a booking as it happened, oldest first."""
    reply = await behind.booking(
        behind.booking.rpc.GetTimeline, booking_pb2.GetTimelineRequest(reference=reference)
    )
    return Json(base.page(map(views.timeline_entry, reply.entries)))


async def _get(behind: Backend, request: booking_pb2.GetBookingRequest) -> booking_pb2.Booking:
    seconds = request.wait_seconds + _SECONDS
    return (await behind.booking(behind.booking.rpc.GetBooking, request, seconds)).booking


async def _may_be_settled(behind: Backend, payment_id: str) -> bool:
    """Whether the provider has an answer to a payment whose page is open, as far as it says now."""
    request = payment_pb2.VerifyPaymentRequest(payment_id=payment_id)
    try:
        reply = await behind.payment(behind.payment.rpc.VerifyPayment, request, _VERIFY_SECONDS)
    except RemoteError as error:
        # Too late an answer says nothing; one that can't be had now comes by a webhook some time.
        return not error.reason or error.reason == "DEADLINE_EXCEEDED"
    return reply.payment.status not in _OPEN


async def _cancel(behind: Backend, reference: str, reason: str, key: str) -> Response:
    reply, replayed = await behind.booking.replayable(
        behind.booking.rpc.CancelBooking,
        booking_pb2.CancelBookingRequest(reference=reference, reason=reason, idempotency_key=key),
    )
    return Json(views.booking(reply.booking), 202, replay_header(replayed))
