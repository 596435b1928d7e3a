"""Payments, and what providers tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from parterre.booking.v1 import booking_pb2
from parterre.payment.v1 import payment_pb2
from starlette.responses import Response

from chassis.context import request_id, trace
from chassis.errors import RemoteError
from gateway.answers import Json
from gateway.backend import Backend
from gateway.bodies.base import Nothing
from gateway.bodies.payments import NewPayment, NewRefund, PaymentId, Provider
from gateway.preferences import Prefer, applied, wait_of
from gateway.routing import (
    ANYONE,
    CUSTOMER,
    OPEN,
    ORGANIZER,
    PREFIX,
    Behind,
    IdempotencyKey,
    Routes,
    needless,
    replay_header,
)
from gateway.scopes import Scope
from gateway.webhooks import Webhook
from presentation.views import payments as views

PAYMENTS = Routes("Payments")

# A provider is asked while the customer waits.
_VERIFY_SECONDS = 10.0
# What booking_service needs on top of the waiting that was asked for.
_WAIT_SECONDS = 5.0
# What a provider sends is its own; the sandbox provider's is described. `request.body` reads it.
_PROVIDERS_EVENT: Mapping[str, Any] = {
    "required": True,
    "description": "The provider's event, as it signed it: the sandbox provider's is shown.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "description": "An event of a provider.",
                "additionalProperties": True,
            }
        }
    },
}
_SIGNATURE: Mapping[str, Any] = {
    "name": "Sandbox-Signature",
    "in": "header",
    "required": False,
    "description": "`t=<unix seconds>,v1=<hex>`: HMAC-SHA256 of `<unix seconds>.<body>` with the"
    " secret shared with the sandbox provider; other providers have headers of their own.",
    "schema": {"type": "string"},
}
# Never a provider's business.
_WITHHELD = frozenset({"authorization", "cookie"})


@PAYMENTS.route(
    "GET", "/payment-methods", ANYONE, answers=views.PaymentMethods, headers=["Cache-Control"]
)
async def list_payment_methods(behind: Behind) -> Response:
    """How one can pay here: by the token of a card, or on a wallet's page.

    Where it is only for trials (`test`) no money moves, and `test_cards` are the cards to try.
    """
    offered = await behind.payment_methods.offered()
    return Json(offered, headers={"Cache-Control": "public, max-age=60"})


@PAYMENTS.route(
    "POST",
    "/payments",
    CUSTOMER,
    answers=views.StartedPayment,
    status=201,
    refuses=[
        "BOOKING_NOT_FOUND",
        "BOOKING_STATE",
        "PAYMENT_IN_PROGRESS",
        "INVALID_PAYMENT_METHOD",
        "INVALID_PAYMENT_TOKEN",
        "PROVIDER_UNAVAILABLE",
    ],
    headers=["Location"],
)
async def create_payment(
    body: NewPayment, behind: Behind, prefer: Prefer = (), key: IdempotencyKey = ""
) -> Response:
    """Try another card or wallet: the last was refused, or its page is open and is given up.

    With `Prefer: wait=N` it is answered when the booking has come to rest, or as it stands after N
    seconds.
    """
    wait = wait_of(prefer)
    await behind.payment_methods.check(body.method, body.payment_token)
    reply, replayed = await behind.booking.replayable(
        behind.booking.rpc.AttemptPayment,
        booking_pb2.AttemptPaymentRequest(
            reference=body.booking_reference,
            method=body.method,
            payment_token=body.payment_token or "",
            idempotency_key=key,
        ),
    )
    rested = await _rested(behind, reply.booking, wait) if wait else reply.booking
    booking = rested or reply.booking
    headers = {
        "Location": f"{PREFIX}/payments/{booking.payment.id}",
        **replay_header(replayed),
        **(applied(wait) if rested else {}),
    }
    return Json(views.started_payment(booking), 201, headers)


@PAYMENTS.route(
    "GET", "/payments/{payment_id}", CUSTOMER, answers=views.Payment, refuses=["PAYMENT_NOT_FOUND"]
)
async def get_payment(payment_id: PaymentId, behind: Behind) -> Response:
    """A payment with its attempts and refunds."""
    reply = await behind.payment(
        behind.payment.rpc.GetPayment, payment_pb2.GetPaymentRequest(payment_id=payment_id)
    )
    return Json(views.payment(reply.payment))


@PAYMENTS.route(
    "POST",
    "/payments/{payment_id}/verify",
    CUSTOMER,
    answers=views.Payment,
    refuses=["PAYMENT_NOT_FOUND", "PROVIDER_UNAVAILABLE"],
)
async def verify_payment(
    payment_id: PaymentId, behind: Behind, _body: Nothing | None = None, key: IdempotencyKey = ""
) -> Response:
    """Ask the provider now how the payment stands."""
    reply, replayed = await behind.payment.replayable(
        behind.payment.rpc.VerifyPayment,
        payment_pb2.VerifyPaymentRequest(payment_id=payment_id, idempotency_key=key),
        _VERIFY_SECONDS,
    )
    return Json(views.payment(reply.payment), headers=replay_header(replayed))


@PAYMENTS.route(
    "POST",
    "/payments/{payment_id}/refunds",
    ORGANIZER,
    answers=views.Payment,
    status=202,
    refuses=[
        "PAYMENT_NOT_FOUND",
        "INVALID_REFUND",
        "PAYMENT_NOT_CAPTURED",
        "REFUND_TOO_LARGE",
    ],
    scope=Scope.BOOKINGS_WRITE,
)
async def create_refund(
    payment_id: PaymentId, body: NewRefund, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Give a customer of one's own event money back, some or all; all of it cancels the booking."""
    message = payment_pb2.CreateRefundRequest(
        payment_id=payment_id, reason=body.reason, idempotency_key=key
    )
    if body.amount is not None:
        message.amount = body.amount
    reply, replayed = await behind.payment.replayable(behind.payment.rpc.CreateRefund, message)
    return Json(views.payment(reply.payment), 202, replay_header(replayed))


@PAYMENTS.route(
    "POST",
    "/webhooks/payments/{provider}",
    OPEN,
    answers=views.Received,
    refuses=["UNKNOWN_PROVIDER", "INVALID_SIGNATURE", "STALE_WEBHOOK", "INVALID_WEBHOOK"],
    keys=needless("The provider's own id of its event makes it count once."),
    takes=_PROVIDERS_EVENT,
    reads=[_SIGNATURE],
)
async def receive_webhook(provider: Provider, behind: Behind, request: Request) -> Response:
    """A provider's signed event; stored before this is answered."""
    webhook = Webhook(
        provider=provider,
        body=await request.body(),
        headers={name: value for name, value in request.headers.items() if name not in _WITHHELD},
        request_id=request_id.get(),
        traceparent=trace.get(),
    )
    await behind.webhooks.receive(webhook)
    return Json({"received": True})


async def _rested(
    behind: Backend, booking: booking_pb2.Booking, wait_seconds: int
) -> booking_pb2.Booking | None:
    """The booking when it has come to rest, or as it stands at the end of the wait.

    None where it can't be waited for: the attempt is under way all the same.
    """
    request = booking_pb2.GetBookingRequest(reference=booking.reference, wait_seconds=wait_seconds)
    try:
        reply = await behind.booking(
            behind.booking.rpc.GetBooking, request, wait_seconds + _WAIT_SECONDS
        )
    except RemoteError:
        return None
    return reply.booking
