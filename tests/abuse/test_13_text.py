"""Item 13: text that breaks lines, turns the writing around, or is blank to the eye.

At the gateway, on every route that takes a name, and at the services behind it, for whoever gets
past the gateway.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2

from auth_service.domain import InvalidAccountError, parse_profile
from booking_service.domain import Attendee, BookingError, check_attendees, check_cancellation
from catalog_service.domain import CatalogError
from catalog_service.reviews import ReviewDraft, check_review
from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.text import line
from inventory_service.domain import InventoryError, check_block
from payment_service.domain import PaymentError
from payment_service.domain.steps import check_refund
from tests.component.booking.box import ASHA, Box
from tests.component.booking.conftest import box
from tests.component.conftest import make_database, serve, template
from tests.contract import samples
from tests.contract.conftest import Edge

__all__ = ["box", "make_database", "serve", "template"]

EVENT = {
    "title": "The Tempest",
    "category": "THEATRE",
    "location": "Patan",
    "timezone": "UTC",
    "starts_at": "2027-03-01T13:15:00Z",
    "ends_at": "2027-03-01T16:15:00Z",
    "currency": "NPR",
    "tiers": [{"name": "Any", "price": 100, "capacity": 10}],
}
VENUE = {"name": "Hall", "address": "Jamal", "city": "Patan", "country": "NP", "timezone": "UTC"}
REGISTRATION = {"email": "a@x.example", "password": "staple of horses", "otp": "481516"}
BAD = {
    "NUL": "As\0ha",
    "escape": "As\x1b[2Jha",
    "next line": "As\x85ha",
    "line feed": "Asha\n",
    "line separator": "Asha\u2028",
    "override": "Asha\u202egnp.exe",
    "isolate": "\u2066Asha",
    "half a character": "Asha\ud800",
    "a heap of marks": "a" + "\u0301" * 50,
    "blank to the eye": "\u3164\u2800\ufe0f",
    "joiners alone": "\u200d \u200c",
}
# Where a text of one line is taken: method, path, who, and the body around it.
FIELDS: dict[str, tuple[str, str, Role | None, Callable[[str], Any], str]] = {
    "name": ("POST", "/auth/register", None, lambda it: {**REGISTRATION, "name": it}, "name"),
    "title": ("POST", "/events", Role.ORGANIZER, lambda it: {**EVENT, "title": it}, "title"),
    "place": ("POST", "/events", Role.ORGANIZER, lambda it: {**EVENT, "location": it}, "location"),
    "address": ("POST", "/venues", Role.ORGANIZER, lambda it: {**VENUE, "address": it}, "address"),
    "amenity": (
        "POST",
        "/venues",
        Role.ORGANIZER,
        lambda it: {**VENUE, "amenities": [it]},
        "amenities.0",
    ),
    "attendee": (
        "POST",
        "/bookings",
        Role.CUSTOMER,
        lambda it: {"hold_id": samples.HOLD, "attendees": [{"name": it}]},
        "attendees.0.name",
    ),
    "reason": (
        "POST",
        f"/bookings/{samples.REFERENCE}/cancel",
        Role.CUSTOMER,
        lambda it: {"reason": it},
        "reason",
    ),
    "gate": (
        "POST",
        f"/events/{samples.EVENT}/check-ins",
        Role.ORGANIZER,
        lambda it: {"token": "x", "gate": it},
        "gate",
    ),
}


@pytest.mark.parametrize("field", FIELDS)
async def test_the_gateway_refuses_it_in_every_field(
    edge: Edge, field: str, stays_healthy: Callable[[Edge], AbstractAsyncContextManager[None]]
) -> None:
    method, path, role, body, named = FIELDS[field]
    async with stays_healthy(edge):
        for what, text in BAD.items():
            # As ASCII, so that half a character can be sent.
            content, headers = json.dumps(body(text)), {"Content-Type": "application/json"}
            answer = await edge.call(method, path, role=role, content=content, headers=headers)
            problem = answer.json()
            assert (answer.status_code, problem["reason"]) == (422, "VALIDATION_FAILED"), what
            assert [error["field"] for error in problem["errors"]] == [named], what
    assert all(fake.calls == [] for fake in edge.fakes.values())


async def test_names_of_all_scripts_get_through_composed(edge: Edge) -> None:
    edge.catalog.answers["CreateEvent"] = catalog_pb2.CreateEventResponse(event=samples.event())
    name = "र्\u200dयाली علی\u200cرض\u0627 e\u0301"
    body = {**EVENT, "title": f" {name}\u200c ", "description": "One\n\ttwo\r\nthree"}
    answer = await edge.post("/events", role=Role.ORGANIZER, json=body)
    assert answer.status_code == 201
    draft = edge.catalog.asked.draft
    assert draft.title == name.replace("e\u0301", "é")
    assert draft.description == "One\n\ttwo\r\nthree"


async def test_a_service_refuses_it_from_whoever_gets_past_the_gateway(box: Box) -> None:
    """The very RPCs, for one field each; their domains below, for the rest."""
    for what, text in BAD.items():
        if what == "half a character":
            continue  # no protobuf can carry it
        wishes = {
            "INVALID_ATTENDEES": lambda name=text: box.create(
                ASHA, box.hold(), attendees=[booking_pb2.Attendee(name=name)]
            ),
            "INVALID_COUPON": lambda code=text: box.coupon(code),
        }
        if line(text):
            wishes["INVALID_TICKET"] = lambda gate=text: box.organize(
                "CheckIn", token="x", gate=gate
            )
        for reason, wish in wishes.items():
            with pytest.raises(RemoteError) as refused:
                await wish()
            assert refused.value.reason == reason, what


@pytest.mark.parametrize("what", [what for what, text in BAD.items() if line(text)])
def test_every_domain_refuses_it(what: str) -> None:
    text = line(BAD[what])
    with pytest.raises(BookingError):
        check_attendees([Attendee("", text, "")], [])
    with pytest.raises(BookingError):
        check_cancellation(text)
    with pytest.raises(PaymentError):
        check_refund(1, text)
    with pytest.raises(InventoryError):
        check_block(["1"], text)
    with pytest.raises(CatalogError):
        check_review(ReviewDraft(text, 5, ""))
    with pytest.raises(InvalidAccountError):
        parse_profile(name=text, phone=None, country=None, request_organizer=None)
