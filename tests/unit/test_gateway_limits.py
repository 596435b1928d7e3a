"""The bounds that clients are told are those the services hold them to."""

from __future__ import annotations

from typing import Any

import pytest

from auth_service.domain import accounts, administration, api_keys, passwords
from booking_service.domain import bookings, coupons, money, tickets
from catalog_service import reviews
from catalog_service.domain import events, listing, venues
from gateway import preferences
from gateway.bodies import limits
from inventory_service.domain import events as blocks
from inventory_service.domain import holds
from notification_service.domain import announcements, webhooks
from notification_service.domain import preferences as preferences_of_people
from payment_service.domain import payments, steps

THE_SERVICES_OWN: dict[str, tuple[Any, ...]] = {
    "PAGE": (listing.MAX_PAGE, bookings.MAX_PAGE, administration.MAX_PAGE),
    "PERSON_NAME": (accounts.NAME_LENGTH[-1],),
    "BUSINESS_NAME": (accounts.NAME_LENGTH[-1],),
    "PASSWORD_LEAST": (passwords.PASSWORD_LENGTH[0],),
    "PASSWORD": (passwords.PASSWORD_LENGTH[-1],),
    "USER_QUERY": (administration.MAX_QUERY,),
    "API_KEY_NAME": (api_keys.NAME_LENGTH[-1],),
    "VENUE_NAME": (venues.MAX_NAME,),
    "ADDRESS": (venues.MAX_ADDRESS,),
    "CITY": (venues.MAX_CITY,),
    "VENUE_CAPACITY": (venues.MAX_CAPACITY,),
    "AMENITIES": (venues.MAX_AMENITIES,),
    "AMENITY": (venues.MAX_AMENITY,),
    "SECTION_NAME": (venues.MAX_SECTION_NAME,),
    "STANDING": (venues.MAX_STANDING,),
    "ROWS": (venues.MAX_ROWS,),
    "PLACES_IN_ROW": (venues.MAX_IN_ROW,),
    "ROW_LABEL": (venues.MAX_LABEL,),
    "SEAT_NUMBER": (venues.MAX_NUMBER,),
    "FIRST_NUMBER": (venues.MAX_START,),
    "COORDINATE": (venues.MAX_COORDINATE,),
    "SPACING_LEAST": (venues.MIN_SPACING,),
    "SPACING": (venues.MAX_SPACING,),
    "CURVE": (venues.MAX_CURVE,),
    "SIDE_LEAST": (venues.MIN_SIDE,),
    "SIDE": (venues.MAX_SIDE,),
    "TITLE": (events.MAX_TITLE,),
    "PROSE": (events.MAX_PROSE,),
    "LOCATION": (events.MAX_LOCATION,),
    "PLACES_OF_PERSON": (events.MAX_PER_CUSTOMER,),
    "REFUND_HOURS": (events.MAX_REFUND_HOURS,),
    "TIERS": (events.MAX_TIERS,),
    "TIER_NAME": (events.MAX_TIER_NAME,),
    "TIER_SECTIONS": (venues.MAX_SECTIONS,),
    "TIER_TICKETS": (events.MAX_TICKETS,),
    "CANCEL_REASON": (events.MAX_REASON,),
    "EVENT_QUERY": (listing.MAX_QUERY,),
    "EVENT_QUERY_WORDS": (listing.MAX_WORDS,),
    "REVIEW": (reviews.MAX_TEXT,),
    "MESSAGE_SUBJECT": (announcements.MAX_SUBJECT,),
    "MESSAGE_TEXT": (announcements.MAX_TEXT,),
    "WEBHOOK_URL": (webhooks.MAX_URL,),
    "WEBHOOK_DESCRIPTION": (webhooks.MAX_DESCRIPTION,),
    "WEBHOOK_FACTS": (len(webhooks.FACTS),),
    "HOLD_LINES": (holds.MAX_LINES,),
    "BLOCKED_SEATS": (blocks.MAX_BLOCKED,),
    "BLOCK_NOTE": (blocks.MAX_NOTE,),
    "WAIT_SECONDS": (bookings.MAX_WAIT_SECONDS, preferences.LONGEST_WAIT_SECONDS),
    "PAYMENT_TOKEN": (bookings.TOKEN_LENGTH,),
    "ATTENDEE_NAME": (bookings.NAME_LENGTH,),
    "BOOKING_REASON": (bookings.REASON_LENGTH,),
    "GATE": (tickets.GATE_LENGTH,),
    "COUPON_CODE_LEAST": (int(coupons.COUPON_CODE.pattern.split("{")[1].split(",")[0]),),
    "COUPON_CODE": (int(coupons.COUPON_CODE.pattern.split(",")[1].split("}")[0]),),
    "COUPON_USES": (coupons.MOST_USES,),
    "AMOUNT": (money.MAX_AMOUNT, payments.MAX_AMOUNT, events.MAX_PRICE),
    "REFUND_REASON": (steps.MAX_REASON,),
    "PREFERENCES": (preferences_of_people.MAX_WISHES,),
}


def test_every_bound_is_a_services_own() -> None:
    told = {name for name in vars(limits) if name.isupper()}
    assert told == set(THE_SERVICES_OWN)


@pytest.mark.parametrize("name", THE_SERVICES_OWN)
def test_a_bound_is_what_the_service_holds_it_to(name: str) -> None:
    assert set(THE_SERVICES_OWN[name]) == {getattr(limits, name)}
