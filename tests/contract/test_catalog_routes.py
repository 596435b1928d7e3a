"""Venues and events, as clients see them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from parterre.catalog.v1 import catalog_pb2

from chassis.identity import Role
from chassis.ids import uuid7
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError, names_its_organizer, running_gateway

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
    assert re.fullmatch(r'"3-[0-9a-f]{18}"', answer.headers["etag"])
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
    assert body["sections"][0]["rows"] == [
        {"label": "A", "seats": ["1", "", "2"], "xs": [-1, 0, 1], "ys": [4, 4, 4]}
    ]
    assert body["focal"] is None
    assert body["sections"][0]["layout"]["origin"] == {"x": 0.0, "y": 4.0}


async def test_where_people_stand_is_shown_and_passed_on_as_it_was_said(edge: Edge) -> None:
    area = catalog_pb2.SectionArea(x=1, y=12, width=18, height=9)
    floor = catalog_pb2.Section(
        id=samples.SECTION, name="Floor", kind="STANDING", capacity=350, area=area
    )
    edge.catalog.answers["AddSection"] = catalog_pb2.AddSectionResponse(section=floor)
    edge.catalog.answers["UpdateSection"] = catalog_pb2.UpdateSectionResponse(section=floor)
    path = f"/venues/{samples.VENUE}/sections"
    said = {"name": "Floor", "kind": "STANDING", "capacity": 350}

    made = await edge.post(path, {**said, "area": {"x": 1, "width": 18}}, role=Role.ORGANIZER)
    await edge.post(path, said, role=Role.ORGANIZER)
    change = {"area": {"height": 9}}
    await edge.patch(f"{path}/{samples.SECTION}", change, role=Role.ORGANIZER)
    back = await edge.patch(f"{path}/{samples.SECTION}", {"area": None}, role=Role.ORGANIZER)
    asked, unsaid, changed, forgotten = (call.request for call in edge.catalog.calls)

    body = made.json()
    assert (body["area_is_default"], back.json()["area_is_default"]) == (False, False)
    assert (forgotten.default_area, forgotten.HasField("area")) == (True, False)
    assert not changed.default_area
    assert (body["rows"], body["layout"]) == (None, None)
    assert body["area"] == {"x": 1, "y": 12, "width": 18, "height": 9}
    assert asked.section.area == catalog_pb2.SectionArea(x=1, width=18)
    assert not unsaid.section.HasField("area")
    assert changed.area == catalog_pb2.SectionArea(height=9)


@pytest.mark.parametrize(
    ("area", "field"),
    [
        ({"width": 0}, "area.width"),
        ({"x": 10_001}, "area.x"),
        ({"x": "1"}, "area.x"),
        ({"radius": 3}, "area.radius"),
        (None, "area"),
    ],
    ids=["no-width", "too-far", "text", "unknown", "null"],
)
async def test_an_area_that_can_not_be_is_named_by_its_field(
    edge: Edge, area: object, field: str
) -> None:
    answer = await edge.post(
        f"/venues/{samples.VENUE}/sections",
        {"name": "Floor", "kind": "STANDING", "capacity": 5, "area": area},
        role=Role.ORGANIZER,
    )
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_how_a_row_counts_is_passed_on_as_it_was_said(edge: Edge) -> None:
    edge.catalog.answers["AddSection"] = catalog_pb2.AddSectionResponse(section=samples.section())
    odd = {"numbering": "ODD", "start": 3, "missing": ["13"]}
    rows = [{"label": "A", "seats": 12, **odd}, {"label": "B", "seats": ["1a", "", "2a"]}]
    answer = await edge.post(
        f"/venues/{samples.VENUE}/sections",
        {"name": "Stalls", "kind": "SEATED", "rows": rows, "curve": 1.5},
        role=Role.ORGANIZER,
    )
    assert answer.status_code == 201
    section = edge.catalog.asked.section
    assert list(section.rows) == [
        catalog_pb2.Row(label="A", count=12, numbering="ODD", start=3, missing=["13"]),
        catalog_pb2.Row(label="B", seats=["1a", "", "2a"]),
    ]
    assert (section.layout.row_spacing, section.layout.curve) == (1.0, 1.5)


async def test_of_a_venue_only_what_was_said_is_changed(edge: Edge) -> None:
    edge.catalog.answers["UpdateVenue"] = catalog_pb2.UpdateVenueResponse(venue=samples.venue())
    change = {"name": "Naach Ghar", "capacity": None, "amenities": [], "focal": {"x": 0, "y": -2}}
    answer = await edge.patch(
        f"/venues/{samples.VENUE}", change, role=Role.ORGANIZER, headers={"If-Match": '"2"'}
    )
    assert answer.status_code == 200
    assert re.fullmatch(r'"3-[0-9a-f]{18}"', answer.headers["etag"])
    asked = edge.catalog.asked
    assert (asked.expected_version, asked.name, asked.capacity) == (2, "Naach Ghar", 0)
    assert asked.HasField("capacity")
    assert asked.HasField("amenities")
    assert asked.focal == catalog_pb2.Point(x=0, y=-2)
    assert not asked.default_focal
    assert not asked.HasField("city")
    await edge.patch(f"/venues/{samples.VENUE}", {"focal": None}, role=Role.ORGANIZER)
    asked = edge.catalog.calls[-1].request
    assert (asked.default_focal, asked.HasField("focal")) == (True, False)


async def test_of_a_section_only_what_was_said_is_changed(edge: Edge) -> None:
    edge.catalog.answers["UpdateSection"] = catalog_pb2.UpdateSectionResponse(
        section=samples.section(), venue_version=4
    )
    path = f"/venues/{samples.VENUE}/sections/{samples.SECTION}"
    answer = await edge.patch(path, {"curve": 0, "rows": [{"label": "A", "seats": 3}]})
    assert answer.status_code == 403
    answer = await edge.patch(
        path, {"curve": 0, "rows": [{"label": "A", "seats": 3}]}, role=Role.ORGANIZER
    )
    assert (answer.status_code, answer.headers["etag"]) == (200, '"4"')
    asked = edge.catalog.asked
    assert (asked.section_id, asked.expected_version) == (samples.SECTION, 0)
    assert asked.layout.HasField("curve")
    assert not asked.layout.HasField("origin_x")
    assert not asked.HasField("capacity")
    assert list(asked.rows) == [catalog_pb2.Row(label="A", count=3)]


async def test_a_section_is_deleted_at_the_version_of_its_venue(edge: Edge) -> None:
    edge.catalog.answers["GetVenue"] = catalog_pb2.GetVenueResponse(venue=samples.venue())
    edge.catalog.answers["DeleteSection"] = catalog_pb2.DeleteSectionResponse(venue_version=4)
    path = f"/venues/{samples.VENUE}/sections/{samples.SECTION}"
    for role, status in ((None, 401), (Role.CUSTOMER, 403)):
        assert (await edge.delete(path, role=role)).status_code == status
    answer = await edge.delete(path, role=Role.ORGANIZER, headers={"If-Match": '"3"'})
    assert (answer.status_code, answer.headers["etag"], answer.content) == (204, '"4"', b"")
    asked = edge.catalog.asked
    assert (asked.venue_id, asked.section_id) == (samples.VENUE, samples.SECTION)
    assert asked.expected_version == 3


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
    if percent == 1e400:
        assert answer.status_code in {400, 422}  # no JSON to some, no number to others
        return
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "tax_percent"


async def test_an_event_comes_with_what_is_left_of_it_and_how_it_was(edge: Edge) -> None:
    event = samples.event(str(uuid7()))
    edge.catalog.answers["ReadEvents"] = samples.read(event)
    answer = await edge.get(f"/events/{event.id}", role=None)
    body = answer.json()
    assert re.fullmatch(r'"7-[0-9a-f]{18}(-br)?"', answer.headers["etag"])
    assert body["availability"] == {"available": 1, "capacity": 2}
    assert body["sales"] == {"open": True, "from": None, "to": "2027-03-01T13:15:00Z"}
    assert body["tiers"][0]["price"] == {"amount": 150000, "currency": "NPR"}
    assert body["tax_percent"] == 13.25
    assert body["rating"] == {"average": 4.37, "count": 19}
    assert body["moved"] is None
    assert edge.inventory.calls == []
    assert edge.catalog.calls[0].identity.subject == "gateway"


async def test_an_event_that_was_moved_says_until_when_its_buyers_may_cancel(edge: Edge) -> None:
    event = samples.event(str(uuid7()))
    event.moved.CopyFrom(
        catalog_pb2.Event.Moved(at=samples.at(), cancel_until=samples.at("2026-11-23T10:00:00Z"))
    )
    edge.catalog.answers["ReadEvents"] = samples.read(event)
    body = (await edge.get(f"/events/{event.id}", role=None)).json()
    assert body["moved"] == {"at": "2026-11-20T10:00:00Z", "cancel_until": "2026-11-23T10:00:00Z"}


async def test_of_a_draft_nobody_says_what_is_left(edge: Edge) -> None:
    draft = samples.event(str(uuid7()))
    draft.status = "DRAFT"
    draft.ClearField("availability")
    draft.ClearField("rating")
    edge.catalog.answers["ReadEvents"] = in_public = catalog_pb2.ReadEventsResponse()
    in_public.results.add()
    edge.catalog.answers["GetEvent"] = catalog_pb2.GetEventResponse(event=draft)
    body = (await edge.get(f"/events/{draft.id}", role=Role.ORGANIZER)).json()
    assert (body["availability"], body["sales"]["open"], body["rating"]) == (None, False, None)
    # And nobody is shown what its organizer just saw.
    for role in (None, Role.CUSTOMER):
        answer = await edge.get(f"/events/{draft.id}", role=role)
        assert (answer.status_code, answer.json()["reason"]) == (404, "EVENT_NOT_FOUND")
    assert [call.method for call in edge.catalog.calls].count("GetEvent") == 1


@pytest.mark.parametrize(
    ("query", "sort"),
    [("", "updated_at"), ("&sort=updated_at", "updated_at"), ("&sort=price", "price")],
)
async def test_events_that_changed_come_in_that_order_unless_another_is_asked_for(
    edge: Edge, query: str, sort: str
) -> None:
    await edge.get(f"/events?updated_since=2026-11-20T10:00:00Z{query}", role=None)
    assert (edge.catalog.asked.updated_since, edge.catalog.asked.sort) == (samples.at(), sort)


async def test_ones_own_events_that_changed_are_asked_for(edge: Edge) -> None:
    await edge.get("/organizer/events?updated_since=2026-11-20T10:00:00Z", role=Role.ORGANIZER)
    asked = edge.catalog.asked
    assert (asked.own_only, asked.updated_since, asked.sort) == (True, samples.at(), "updated_at")


async def test_events_are_searched_as_asked(edge: Edge) -> None:
    edge.catalog.answers["ListEvents"] = catalog_pb2.ListEventsResponse(
        events=[samples.event(), samples.event()]
    )
    answer = await edge.get(
        "/events?q=tempest&city=Kathmandu&from=2026-12-01T00:00:00Z&sort=relevance"
    )
    assert len(answer.json()["items"]) == 2
    asked = edge.catalog.asked
    assert (asked.query, asked.city, asked.sort) == ("tempest", "Kathmandu", "relevance")
    assert asked.starts_from.ToJsonString() == "2026-12-01T00:00:00Z"
    assert not asked.HasField("min_price")


async def test_of_an_event_only_what_was_said_is_changed(edge: Edge) -> None:
    edge.catalog.answers["UpdateEvent"] = catalog_pb2.UpdateEventResponse(event=samples.event())
    change = {
        "title": "The Storm",
        "sales_to": None,
        "tax_percent": 13,
        "refund_policy": {"percent": 0, "until_hours_before": 0},
        "tiers": [{"id": samples.TIER, "name": "Stalls", "price": 1, "capacity": 9}],
    }
    answer = await edge.patch(
        f"/events/{samples.EVENT}", change, role=Role.ORGANIZER, headers={"If-Match": '"6"'}
    )
    assert answer.status_code == 200
    assert re.fullmatch(r'"7-[0-9a-f]{18}"', answer.headers["etag"])
    asked = edge.catalog.asked
    assert asked.expected_version == 6
    assert set(asked.fields) == {"title", "sales_to", "tax_basis_points", "refund_policy", "tiers"}
    assert (asked.draft.title, asked.draft.tax_basis_points) == ("The Storm", 1300)
    assert asked.draft.HasField("refund_policy")
    assert not asked.draft.HasField("sales_to")
    assert list(asked.tiers) == [
        catalog_pb2.Tier(id=samples.TIER, name="Stalls", price=1, capacity=9)
    ]


async def test_what_can_not_be_missing_is_not_taken_away(edge: Edge) -> None:
    for field in ("title", "starts_at", "currency", "tiers", "max_per_customer", "tax_percent"):
        answer = await edge.patch(f"/events/{samples.EVENT}", {field: None}, role=Role.ORGANIZER)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert edge.catalog.calls == []


@pytest.mark.parametrize("tag", ["7", 'W/"7"', '"07"', '"x"', '"0"', ""])
async def test_a_tag_we_never_gave_matches_nothing(edge: Edge, tag: str) -> None:
    path = f"/events/{samples.EVENT}"
    answer = await edge.patch(path, {}, role=Role.ORGANIZER, headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["reason"]) == (412, "STALE_VERSION")
    assert edge.catalog.calls == []


async def test_a_version_that_has_passed_is_told_with_the_current_one(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.catalog.answers["DeleteEvent"] = refusal("STALE", "STALE_VERSION", version="8")
    path = f"/events/{samples.EVENT}"
    answer = await edge.delete(path, role=Role.ORGANIZER, headers={"If-Match": '"7"'})
    assert (answer.status_code, answer.json()["version"]) == (412, 8)
    assert edge.catalog.asked.expected_version == 7


async def test_any_version_is_deleted_where_that_is_asked(edge: Edge) -> None:
    path = f"/events/{samples.EVENT}"
    answer = await edge.delete(path, role=Role.ORGANIZER, headers={"If-Match": "*"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert edge.catalog.asked.expected_version == 0


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


async def test_an_event_does_not_wait_for_auth_and_names_who_sells_it_once_that_is_known() -> None:
    path = f"/events/{samples.EVENT}"
    async with running_gateway() as edge:
        edge.auth.may_answer.clear()
        without = await edge.get(path, role=None)
        assert (without.status_code, without.json()["organizer"]) == (200, None)
        page = await edge.http.get(path)
        assert page.status_code == 200
        assert '"@type":"Organization"' not in page.text

        edge.auth.may_answer.set()
        tag = without.headers["etag"]
        named = await names_its_organizer(edge, path)
        assert named.json()["organizer"] == {"name": "Naach Ghar Ltd."}
        assert "Bina Rai" not in named.text
        again = await edge.get(path, role=None, headers={"If-None-Match": tag})
        assert (again.status_code, again.json()) == (200, named.json())
        tag = named.headers["etag"]
        assert (await edge.get(path, role=None, headers={"If-None-Match": tag})).status_code == 304
        told = '"organizer":{"@type":"Organization","name":"Naach Ghar Ltd."}'
        assert told in (await edge.http.get(path)).text


async def test_an_edit_answers_with_who_sells_the_event_and_the_tag_that_it_is_read_with(
    edge: Edge,
) -> None:
    edge.catalog.answers["UpdateEvent"] = catalog_pb2.UpdateEventResponse(event=samples.event())
    edge.catalog.answers["ReadEvents"] = samples.read(samples.event())
    path = f"/events/{samples.EVENT}"
    await names_its_organizer(edge, path)
    edited = await edge.patch(path, {"title": "The Tempest"}, role=Role.ORGANIZER)
    assert edited.json()["organizer"] == {"name": "Naach Ghar Ltd."}
    have = {"If-None-Match": edited.headers["etag"]}
    assert (await edge.get(path, role=None, headers=have)).status_code == 304
