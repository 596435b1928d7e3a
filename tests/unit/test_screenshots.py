"""The pictures of the pages: who looks at which, and at what."""

from __future__ import annotations

import pytest

from clients.screenshots import address, role_of
from gateway.site.pages import PAGES

THINGS = {"event_id": "e1", "hold_id": "h1", "reference": "PT-1", "venue_id": "v1"}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_an_address_that_can_be_visited(path: str) -> None:
    found = address(path, THINGS)
    assert "{" not in found
    assert found.count("/") == path.count("/")


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/", None),
        ("/events/{event_id}", None),
        ("/login", None),
        ("/checkout/{hold_id}", "CUSTOMER"),
        ("/bookings/{reference}", "CUSTOMER"),
        ("/organizer/venues/{venue_id}", "ORGANIZER"),
        ("/door/{event_id}", "ORGANIZER"),
        ("/operator", "ADMIN"),
    ],
)
def test_who_looks_at_a_page(path: str, role: str | None) -> None:
    assert role_of(path) == role


def test_an_address_keeps_what_is_in_no_braces() -> None:
    assert address("/organizer/events/new", THINGS) == "/organizer/events/new"
    assert address("/events/{event_id}/seats", THINGS) == "/events/e1/seats"
