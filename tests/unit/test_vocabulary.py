"""The words that clients are told are those that the services say."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from auth_service.domain import accounts, administration, codes
from booking_service.domain import bookings, coupons
from booking_service.saga import machine
from booking_service.saga.table import State
from catalog_service import images
from catalog_service.domain import events, listing, venues
from gateway.scopes import Scope
from inventory_service.domain import states
from notification_service.domain import webhooks
from notification_service.domain.kinds import CHANNELS, KINDS
from payment_service.domain import charges, payments
from presentation import vocabulary

# Of services that say them in their SQL or their answers, without a set to compare with; what they
# answer is held to the description by the tests of the routes.
ONLY_SAID = {
    "ApiKeyStatus",
    "CancellationGround",
    "CheckInResult",
    "PaymentFlow",
    "RefundStatus",
    "SeatStatus",
    "StepOutcome",
    "TicketStatus",
}
THE_SERVICES_OWN: dict[str, set[str]] = {
    "Role": set(accounts.ROLES),
    "SignUpRole": {accounts.CUSTOMER, accounts.ORGANIZER},
    "ApiKeyScope": {*Scope},
    "AccountStatus": set(accounts.STATUSES),
    "Language": set(accounts.LANGUAGES),
    "CodePurpose": {codes.REGISTER, codes.PASSWORD_RESET},
    "EventStatus": set(events.STATUSES),
    "PublicEventStatus": set(events.PUBLIC_STATUSES),
    "EventCategory": set(events.CATEGORIES),
    "EventSort": set(listing.SORTS),
    "AuditAction": set(administration.ACTIONS),
    "CouponKind": set(coupons.KINDS),
    "ImageRole": set(images.ROLES),
    "MailKind": set(KINDS),
    "Channel": set(CHANNELS),
    "WebhookFact": set(webhooks.FACTS),
    "DeliveredFact": {*webhooks.FACTS, webhooks.TEST},
    "WebhookEndpointStatus": set(webhooks.ENDPOINT_STATUSES),
    "WebhookDeliveryStatus": set(webhooks.DELIVERY_STATUSES),
    "SectionKind": set(venues.KINDS),
    "Numbering": set(venues.NUMBERINGS),
    "HoldStatus": {
        states.shown_status(status, due=due)
        for status in states.HoldStatus
        for due in (True, False)
    },
    "BookingStatus": {machine.customer_status(state) for state in State},
    "SagaState": {*State, "AUTHORIZING", "SELLING", "CAPTURING", "UNSELLING", "VOIDING"},
    "PaymentMethod": {*bookings.Method},
    "PaymentStatus": {*payments.Status},
}


def words(name: str) -> set[str]:
    literal = get_args(getattr(vocabulary, name).__value__)[0]
    return set(get_args(literal))


def test_every_set_of_words_is_a_services_own() -> None:
    told = {name for name, value in vars(vocabulary).items() if is_set_of_words(value)}
    assert told == {*THE_SERVICES_OWN, *ONLY_SAID}


def is_set_of_words(value: Any) -> bool:
    return hasattr(value, "__value__")


@pytest.mark.parametrize("name", THE_SERVICES_OWN)
def test_the_words_are_those_the_service_says(name: str) -> None:
    assert words(name) == THE_SERVICES_OWN[name]


def test_both_services_know_the_same_payment_methods() -> None:
    assert {*bookings.Method} == set(charges.METHODS)
