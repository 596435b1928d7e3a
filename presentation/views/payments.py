"""Payments, their attempts and refunds."""

from __future__ import annotations

from parterre.booking.v1 import booking_pb2
from parterre.payment.v1 import payment_pb2

from presentation.views.base import BookingReference, Count, Id, Money, Time, View, money, time
from presentation.views.bookings import Action, action
from presentation.vocabulary import (
    PaymentFlow,
    PaymentMethod,
    PaymentStatus,
    RefundStatus,
    word,
)


class TestCard(View):
    """A card to try paying with: it behaves as its name says."""

    token: str
    """What to give as `payment_token`."""
    name: str
    """In English."""


class OfferedMethod(View):
    """A way to pay."""

    method: PaymentMethod
    """What to give as `payment_method`."""
    flow: PaymentFlow
    """What the customer does to pay."""
    test: bool
    """Its provider is there for trials: no money moves."""
    test_cards: list[TestCard]
    """The cards to try it with; none where money moves."""


class PaymentMethods(View):
    """How one can pay."""

    items: list[OfferedMethod]
    """In the order in which they are offered."""


class StartedPayment(View):
    """A new attempt to pay."""

    id: Id
    """The payment's id: a booking has one, with all its attempts."""
    booking_reference: BookingReference
    """The booking that is paid."""
    status: PaymentStatus
    """How the attempt stands."""
    method: PaymentMethod
    """How it pays."""
    attempt: Count
    """The attempt's number, from 1."""
    action: Action | None
    """What the customer has to do, if anything."""


class Attempt(View):
    """One attempt to pay."""

    number: Count
    """From 1."""
    method: PaymentMethod
    """How it pays."""
    status: PaymentStatus
    """How it stands."""
    reason: str | None
    """Why it failed, such as CARD_DECLINED."""
    created_at: Time
    """When it was begun."""


class Refund(View):
    """Money that goes back."""

    id: Id
    """The refund's id."""
    amount: Money
    """How much goes back."""
    status: RefundStatus
    """How far it is."""
    reason: str
    """Why, in words, or as a reason such as EVENT_CANCELLED."""
    created_at: Time
    """When it was asked for."""


class Payment(View):
    """A payment with its attempts and refunds."""

    id: Id
    """The payment's id."""
    booking_reference: BookingReference
    """The booking that is paid."""
    status: PaymentStatus
    """How it stands."""
    method: PaymentMethod
    """How the newest attempt pays."""
    amount: Money
    """What there is to pay."""
    captured: Money
    """What was taken."""
    refunded: Money
    """What of that went back."""
    action: Action | None
    """What the customer has to do, if anything; told to the customer alone."""
    attempts: list[Attempt]
    """Each attempt, the first one first."""
    refunds: list[Refund]
    """Each refund, the first one first."""
    created_at: Time
    """When the first attempt was begun."""


class Received(View):
    """A webhook is stored."""

    received: bool
    """True: it need not be sent again."""


def payment_methods(it: payment_pb2.DescribeCardTokensResponse) -> PaymentMethods:
    """How one can pay."""
    return {
        "items": [
            {
                "method": word(offered.method),
                "flow": "TOKEN" if offered.method == "CARD" else "REDIRECT",
                "test": offered.test,
                "test_cards": [
                    {"token": card.token, "name": card.name} for card in offered.test_cards
                ],
            }
            for offered in it.methods
        ]
    }


def started_payment(it: booking_pb2.Booking) -> StartedPayment:
    """The attempt a booking has just begun."""
    return {
        "id": it.payment.id,
        "booking_reference": it.reference,
        "status": word(it.payment.status),
        "method": word(it.payment.method),
        "attempt": it.payment.attempt,
        "action": action(it.payment.action_url),
    }


def payment(it: payment_pb2.Payment) -> Payment:
    """A payment with its attempts and refunds."""
    currency = it.amount.currency
    return {
        "id": it.id,
        "booking_reference": it.booking_reference,
        "status": word(it.status),
        "method": word(it.method),
        "amount": money(it.amount.amount, currency),
        "captured": money(it.captured_amount, currency),
        "refunded": money(it.refunded_amount, currency),
        "action": action(it.action_url),
        "attempts": [
            {
                "number": attempt.number,
                "method": word(attempt.method),
                "status": word(attempt.status),
                "reason": attempt.reason or None,
                "created_at": time(attempt.created_at),
            }
            for attempt in it.attempts
        ],
        "refunds": [
            {
                "id": refund.id,
                "amount": money(refund.amount, currency),
                "status": word(refund.status),
                "reason": refund.reason,
                "created_at": time(refund.created_at),
            }
            for refund in it.refunds
        ],
        "created_at": time(it.created_at),
    }
