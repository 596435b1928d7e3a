"""Venues and events, as clients see them."""

from __future__ import annotations

from typing import Any

import pytest
from parterre.catalog.v1 import catalog_pb2
from parterre.inventory.v1 import inventory_pb2

from chassis.identity import Role
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError

VENUE = {
    "name": "Rastriya Naach Ghar",
    "address": "Jamal",
    "city": "Kathmandu",
    "country": "NP",
    "timezone": "Asia/Kathmandu",
}
EVENT: dict[str, Any] = {
    "title": "The Tempest",
    "description": "",
    "category": "THEATRE",
    "venue_id": samples.VENUE,
    "starts_at": "2027-03-01T19:00:00+05:45",
    "ends_at": "2027-03-01T22:00:00+05:45",
    "currency": "NPR",
    "tiers": [{"name": "Stalls", "price": 150000, "section_ids": [samples.SECTION]}],
}


async def test_a_venue_is_made_and_its_address_told(edge: Edge) -> None:
    edge.catalog.answers["CreateVenue"] = catalog_pb2.CreateVenueResponse(venue=samples.venue())
    answer = await edge.post("/venues", {**VENUE, "amenities": ["bar"]}, role=Role.ORGANIZER)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/venues/{samples.VENUE}"
    assert answer.headers["etag"] == '"3"'
    assert not edge.catalog.asked.venue.HasField("capacity")
    assert answer.json()["capacity"] == 2


async def test_venues_come_in_pages(edge: Edge) -> None:
    edge.catalog.answers["ListVenues"] = catalog_pb2.ListVenuesResponse(
        venues=[samples.venue()], next_cursor="bmV4dA"
    )
    answer = await edge.get("/venues?limit=1&cursor=Zmlyc3Q", role=None)
    assert answer.json()["next_cursor"] == "bmV4dA"
    assert edge.catalog.asked == catalog_pb2.ListVenuesRequest(limit=1, cursor="Zmlyc3Q")


async def test_a_venue_shows_rows_and_layout(edge: Edge) -> None:
    edge.catalog.answers["GetVenue"] = catalog_pb2.GetVenueResponse(venue=samples.venue())
    body = (await edge.get(f"/venues/{samples.VENUE}", role=None)).json()
    assert body["sections"][0]["rows"] == [{"label": "A", "seats": ["1", "2"]}]
    assert body["sections"][0]["layout"]["origin"] == {"x": 0.0, "y": 4.0}


async def test_a_number_of_seats_becomes_their_numbers(edge: Edge) -> None:
    edge.catalog.answers["AddSection"] = catalog_pb2.AddSectionResponse(section=samples.section())
    rows = [{"label": "A", "seats": 3}, {"label": "B", "seats": ["1a", "2a"]}]
    answer = await edge.post(
        f"/venues/{samples.VENUE}/sections",
        {"name": "Stalls", "kind": "SEATED", "rows": rows, "curve": 1.5},
        role=Role.ORGANIZER,
    )
    assert answer.status_code == 201
    section = edge.catalog.asked.section
    assert [list(row.seats) for row in section.rows] == [["1", "2", "3"], ["1a", "2a"]]
    assert (section.layout.row_spacing, section.layout.curve) == (1.0, 1.5)


async def test_a_fault_in_a_section_is_named_by_its_own_field(edge: Edge) -> None:
    answer = await edge.post(
        f"/venues/{samples.VENUE}/sections",
        {"name": "Stalls", "kind": "SEATED", "rows": [{"label": "A", "seats": 2.5}]},
        role=Role.ORGANIZER,
    )
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["rows.0.seats"]


async def test_an_event_is_drafted(edge: Edge) -> None:
    edge.catalog.answers["CreateEvent"] = catalog_pb2.CreateEventResponse(event=samples.event())
    edge.inventory.answers["GetAvailability"] = inventory_pb2.GetAvailabilityResponse()
    answer = await edge.post("/events", {**EVENT, "tax_percent": 13.25}, role=Role.ORGANIZER)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/events/{samples.EVENT}"
    draft = edge.catalog.asked.draft
    assert draft.starts_at.ToJsonString() == "2027-03-01T13:15:00Z"
    assert draft.tax_basis_points == 1325
    assert not draft.HasField("sales_from")


@pytest.mark.parametrize("percent", [13.255, -1, 101, "13", True, 1e400])
async def test_a_tax_that_can_not_be_is_refused(edge: Edge, percent: Any) -> None:
    body = str({**EVENT, "tax_percent": 0}).replace("'", '"')
    text = {True: "true", "13": '"13"'}.get(percent, "1e400" if percent == 1e400 else str(percent))
    answer = await edge.call(
        "POST",
        "/events",
        role=Role.ORGANIZER,
        content=body.replace('"tax_percent": 0', f'"tax_percent": {text}'),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "tax_percent"


async def test_an_event_comes_with_what_is_left_of_it(edge: Edge) -> None:
    edge.catalog.answers["GetEvent"] = catalog_pb2.GetEventResponse(event=samples.event())
    edge.inventory.answers["GetAvailability"] = samples.availability()
    answer = await edge.get(f"/events/{samples.EVENT}", role=None)
    body = answer.json()
    assert answer.headers["etag"] == '"7"'
    assert body["availability"] == {"available": 1, "capacity": 2}
    assert body["sales"] == {"open": True, "from": None, "to": "2027-03-01T13:15:00Z"}
    assert body["tiers"][0]["price"] == {"amount": 150000, "currency": "NPR"}
    assert body["tax_percent"] == 13.25
    assert (body["images"], body["rating"]) == ([], None)


async def test_events_are_listed_while_inventory_is_down(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.catalog.answers["ListEvents"] = catalog_pb2.ListEventsResponse(events=[samples.event()])
    edge.inventory.answers["GetAvailability"] = refusal("UNAVAILABLE", "SERVICE_UNAVAILABLE")
    answer = await edge.get("/events", role=None)
    assert answer.status_code == 200
    [event] = answer.json()["items"]
    assert event["availability"] is None
    assert event["sales"]["open"] is None


async def test_a_page_of_events_asks_for_availability_once(edge: Edge) -> None:
    edge.catalog.answers["ListEvents"] = catalog_pb2.ListEventsResponse(
        events=[samples.event(), samples.event()]
    )
    edge.inventory.answers["GetAvailability"] = samples.availability()
    await edge.get("/events?q=tempest&city=Kathmandu&from=2026-12-01T00:00:00Z&sort=-price")
    assert list(edge.inventory.asked.event_ids) == [samples.EVENT] * 2
    asked = edge.catalog.asked
    assert (asked.query, asked.city, asked.sort) == ("tempest", "Kathmandu", "-price")
    assert asked.starts_from.ToJsonString() == "2026-12-01T00:00:00Z"
    assert not asked.HasField("min_price")


async def test_an_unknown_filter_is_refused(edge: Edge) -> None:
    answer = await edge.get("/events?colour=red", role=None)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "colour"


@pytest.mark.parametrize(
    ("action", "body", "rpc"), [("publish", {}, "PublishEvent"), ("cancel", {"reason": "Rain"}, "")]
)
async def test_an_event_is_published_or_called_off(
    edge: Edge, action: str, body: dict[str, str], rpc: str
) -> None:
    edge.catalog.answers["PublishEvent"] = catalog_pb2.PublishEventResponse(event=samples.event())
    edge.catalog.answers["CancelEvent"] = catalog_pb2.CancelEventResponse(event=samples.event())
    path = f"/events/{samples.EVENT}/{action}"
    answer = await edge.post(path, body, role=Role.ORGANIZER)
    assert answer.status_code == 202
    assert edge.catalog.calls[0].method == (rpc or "CancelEvent")
    assert edge.catalog.asked.event_id == samples.EVENT


async def test_an_organizer_lists_own_events_of_any_status(edge: Edge) -> None:
    edge.catalog.answers["ListEvents"] = catalog_pb2.ListEventsResponse()
    answer = await edge.get("/organizer/events?status=DRAFT", role=Role.ORGANIZER)
    assert answer.json() == {"items": [], "next_cursor": None}
    assert edge.catalog.asked.own_only
    assert edge.catalog.calls[0].identity.role is Role.ORGANIZER


async def test_what_a_service_finds_at_fault_is_named_by_field(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.catalog.answers["CreateEvent"] = refusal(
        "INVALID", "INVALID_EVENT", "The event is not valid.", **{"tiers.0.price": "Too much"}
    )
    answer = await edge.post("/events", EVENT, role=Role.ORGANIZER)
    assert answer.status_code == 422
    body = answer.json()
    assert body["reason"] == "INVALID_EVENT"
    assert body["type"] == "/problems/invalid-event"
    assert body["errors"] == [{"field": "tiers.0.price", "message": "Too much"}]
