"""Payments, their attempts and refunds."""

from __future__ import annotations

from parterre.booking.v1 import booking_pb2
from parterre.payment.v1 import payment_pb2
from typing_extensions import TypedDict

from presentation.views.base import Money, money, time
from presentation.views.bookings import Action, action


class StartedPayment(TypedDict):
    """A new attempt to pay."""

    id: str
    booking_reference: str
    status: str
    method: str
    attempt: int
    action: Action | None


class Attempt(TypedDict):
    """One attempt to pay."""

    number: int
    method: str
    status: str
    reason: str | None
    created_at: str


class Refund(TypedDict):
    """Money that goes back."""

    id: str
    amount: Money
    status: str
    reason: str
    created_at: str


class Payment(TypedDict):
    """A payment with its attempts and refunds."""

    id: str
    booking_reference: str
    status: str
    method: str
    amount: Money
    captured: Money
    refunded: Money
    action: Action | None
    attempts: list[Attempt]
    refunds: list[Refund]
    created_at: str


class Received(TypedDict):
    """A webhook is stored."""

    received: bool


def started_payment(it: booking_pb2.Booking) -> StartedPayment:
    """The attempt a booking has just begun."""
    return {
        "id": it.payment.id,
        "booking_reference": it.reference,
        "status": it.payment.status,
        "method": it.payment.method,
        "attempt": it.payment.attempt,
        "action": action(it.payment.action_url),
    }


def payment(it: payment_pb2.Payment) -> Payment:
    """A payment with its attempts and refunds."""
    currency = it.amount.currency
    return {
        "id": it.id,
        "booking_reference": it.booking_reference,
        "status": it.status,
        "method": it.method,
        "amount": money(it.amount.amount, currency),
        "captured": money(it.captured_amount, currency),
        "refunded": money(it.refunded_amount, currency),
        "action": action(it.action_url),
        "attempts": [
            {
                "number": attempt.number,
                "method": attempt.method,
                "status": attempt.status,
                "reason": attempt.reason or None,
                "created_at": time(attempt.created_at),
            }
            for attempt in it.attempts
        ],
        "refunds": [
            {
                "id": refund.id,
                "amount": money(refund.amount, currency),
                "status": refund.status,
                "reason": refund.reason,
                "created_at": time(refund.created_at),
            }
            for refund in it.refunds
        ],
        "created_at": time(it.created_at),
    }
