"""catalog_service: venues and their sections."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from parterre.catalog.v1 import catalog_pb2

from chassis.errors import RemoteError
from chassis.identity import Role

from .box import ASHA, BINA, ROOT, Catalog, event_request, section_request


async def test_a_venue_is_found_by_anyone_with_its_sections_and_what_they_add_up_to(
    catalog: Catalog,
) -> None:
    hall = await catalog.hall()

    message = catalog_pb2.GetVenueRequest(venue_id=hall.id)
    seen = (await catalog.caller.as_gateway("GetVenue", message)).venue

    assert seen == hall
    assert (seen.owner_id, seen.capacity, seen.version) == (ASHA, 60, 3)
    stalls, pit = seen.sections
    assert (stalls.kind, stalls.capacity, len(stalls.rows)) == ("SEATED", 10, 2)
    assert (stalls.layout.row_spacing, stalls.layout.seat_spacing) == (1.0, 0.6)
    assert (pit.kind, pit.capacity, pit.HasField("layout")) == ("STANDING", 50, False)
    assert not stalls.HasField("area")
    assert pit.area == catalog_pb2.SectionArea(x=0, y=3.918, width=5.477, height=2.739)


async def test_what_the_organizer_says_a_venue_holds_is_believed(catalog: Catalog) -> None:
    assert (await catalog.venue(capacity=1234)).capacity == 1234
    assert (await catalog.venue()).capacity == 0


async def test_only_owner_and_admin_add_sections(catalog: Catalog) -> None:
    venue = await catalog.venue()

    refused = await catalog.refusal("AddSection", section_request(venue.id), BINA)
    await catalog.section(venue.id, ROOT)

    assert refused.reason == "VENUE_NOT_FOUND"


async def test_customers_make_neither_venues_nor_events(catalog: Catalog) -> None:
    for method, message in (
        ("CreateVenue", catalog_pb2.CreateVenueRequest()),
        ("AddSection", catalog_pb2.AddSectionRequest()),
        ("CreateEvent", event_request()),
        ("PublishEvent", catalog_pb2.PublishEventRequest()),
        ("CancelEvent", catalog_pb2.CancelEventRequest()),
    ):
        with pytest.raises(RemoteError) as as_customer:
            await catalog.caller.as_person(ASHA, method, message, Role.CUSTOMER)
        with pytest.raises(RemoteError) as as_nobody:
            await catalog.caller.as_gateway(method, message)
        assert (as_customer.value.reason, as_nobody.value.reason) == ("FORBIDDEN", "FORBIDDEN")


async def test_a_section_name_is_taken_once_whatever_its_case(catalog: Catalog) -> None:
    venue = await catalog.venue()
    await catalog.section(venue.id)

    refused = await catalog.refusal("AddSection", section_request(venue.id, name="STALLS"))

    assert refused.reason == "SECTION_NAME_TAKEN"
    message = catalog_pb2.GetVenueRequest(venue_id=venue.id)
    seen = (await catalog.call("GetVenue", message)).venue
    assert (seen.capacity, seen.version) == (10, 2)


async def test_sections_added_at_once_never_pass_the_venues_limit_of_seats(
    catalog: Catalog,
) -> None:
    venue = await catalog.venue()
    rows = [
        catalog_pb2.Row(label=str(row), seats=[str(seat) for seat in range(500)])
        for row in range(60)
    ]
    requests = [section_request(venue.id, name=f"Block {n}", rows=rows) for n in range(6)]

    outcomes = await asyncio.gather(
        *(catalog.call("AddSection", message) for message in requests), return_exceptions=True
    )

    reasons = Counter(getattr(outcome, "reason", "added") for outcome in outcomes)
    assert reasons == {"added": 3, "VENUE_FULL": 3}
    message = catalog_pb2.GetVenueRequest(venue_id=venue.id)
    assert (await catalog.call("GetVenue", message)).venue.capacity == 90_000


async def test_unsound_venues_and_sections_are_refused_with_their_fields(catalog: Catalog) -> None:
    venue = await catalog.venue()
    no_venue = catalog_pb2.CreateVenueRequest(venue=catalog_pb2.Venue(name="  "))
    refused = await catalog.refusal("CreateVenue", no_venue)
    assert refused.reason == "INVALID_VENUE"
    assert set(refused.metadata) == {"name", "address", "city", "country", "timezone"}

    no_rows = section_request(venue.id, rows=[])
    refused = await catalog.refusal("AddSection", no_rows)
    assert (refused.reason, set(refused.metadata)) == ("INVALID_SECTION", {"rows"})


async def test_a_walk_through_the_venues_is_stable_while_new_ones_arrive(catalog: Catalog) -> None:
    made = [(await catalog.venue(name=f"Hall {number}")).name for number in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        message = catalog_pb2.ListVenuesRequest(limit=2, cursor=cursor)
        page = await catalog.caller.as_gateway("ListVenues", message)
        seen += [venue.name for venue in page.venues]
        cursor = page.next_cursor
        if not cursor:
            break
        await catalog.venue(name="Newcomer")
    assert seen == made[::-1]

    wrong = catalog_pb2.ListVenuesRequest(cursor="x")
    assert (await catalog.refusal("ListVenues", wrong)).reason == "INVALID_CURSOR"


@pytest.mark.parametrize("id", ["", "x", "00000000-0000-0000-0000-000000000000"])
async def test_an_unknown_id_is_not_found(catalog: Catalog, id: str) -> None:
    for method, message, reason in (
        ("GetVenue", catalog_pb2.GetVenueRequest(venue_id=id), "VENUE_NOT_FOUND"),
        ("AddSection", section_request(id), "VENUE_NOT_FOUND"),
        ("GetEvent", catalog_pb2.GetEventRequest(event_id=id), "EVENT_NOT_FOUND"),
        ("PublishEvent", catalog_pb2.PublishEventRequest(event_id=id), "EVENT_NOT_FOUND"),
        ("CancelEvent", catalog_pb2.CancelEventRequest(event_id=id, reason="x"), "EVENT_NOT_FOUND"),
    ):
        assert (await catalog.refusal(method, message)).reason == reason
