"""catalog_service: edits of venues, sections and events."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from parterre.catalog.v1 import catalog_pb2
from parterre.messages.v1 import messages_pb2

from catalog_service.handlers import events
from chassis.errors import RemoteError
from chassis.identity import Role

from .box import ASHA, BINA, ROOT, Catalog, counted, section_request, stamp, tiers_of


async def edit(catalog: Catalog, event_id: str, who: str = ASHA, **said: Any) -> catalog_pb2.Event:
    return (await catalog.call("UpdateEvent", change(event_id, **said), who)).event


def change(
    event_id: str,
    *,
    tiers: list[catalog_pb2.Tier] | None = None,
    without: tuple[str, ...] = (),
    version: int = 0,
    **facts: Any,
) -> catalog_pb2.UpdateEventRequest:
    """Sets `facts` and `tiers`, takes away what is named in `without`."""
    fields = [*facts, *without, *(["tiers"] if tiers is not None else [])]
    return catalog_pb2.UpdateEventRequest(
        event_id=event_id,
        expected_version=version,
        draft=catalog_pb2.EventDraft(**facts),
        fields=fields,
        tiers=tiers or [],
    )


def section_change(
    hall: catalog_pb2.Venue, at: int, **said: Any
) -> catalog_pb2.UpdateSectionRequest:
    return catalog_pb2.UpdateSectionRequest(
        venue_id=hall.id, section_id=hall.sections[at].id, **said
    )


async def venue(catalog: Catalog, id: str) -> catalog_pb2.Venue:
    return (await catalog.call("GetVenue", catalog_pb2.GetVenueRequest(venue_id=id))).venue


# --- venues and sections -----------------------------------------------------------------------


async def test_of_a_venue_what_is_not_said_stays(catalog: Catalog) -> None:
    made = await catalog.venue(capacity=900, amenities=["bar"])
    amenities = catalog_pb2.UpdateVenueRequest.Amenities
    request = catalog_pb2.UpdateVenueRequest(
        venue_id=made.id, capacity=0, amenities=amenities(), focal=catalog_pb2.Point(x=1, y=-3)
    )

    changed = (await catalog.call("UpdateVenue", request)).venue
    again = (await catalog.call("UpdateVenue", request)).venue

    assert (changed.name, changed.city, changed.version) == ("Globe", "London", 2)
    assert (changed.capacity, list(changed.amenities)) == (0, [])
    assert changed.focal == catalog_pb2.Point(x=1, y=-3)
    assert again == changed  # nothing was new, so it is no newer
    default = catalog_pb2.UpdateVenueRequest(venue_id=made.id, default_focal=True)
    unsaid = (await catalog.call("UpdateVenue", default)).venue
    assert (unsaid.HasField("focal"), unsaid.version) == (False, 3)


async def test_a_venue_is_changed_by_owner_and_admin_at_the_version_they_read(
    catalog: Catalog,
) -> None:
    made = await catalog.venue()
    request = catalog_pb2.UpdateVenueRequest(venue_id=made.id, expected_version=1, city="Paris")

    assert (await catalog.refusal("UpdateVenue", request, BINA)).reason == "VENUE_NOT_FOUND"
    await catalog.call("UpdateVenue", request, ROOT)
    stale = await catalog.refusal("UpdateVenue", request)
    request.expected_version, request.country = 2, "XX"
    unsound = await catalog.refusal("UpdateVenue", request)

    assert (stale.reason, stale.metadata["version"]) == ("STALE_VERSION", "2")
    assert (unsound.reason, list(unsound.metadata)) == ("INVALID_VENUE", ["country"])
    assert (await venue(catalog, made.id)).country == "GB"


async def test_of_twenty_who_edit_what_they_read_one_does(catalog: Catalog) -> None:
    made, drafted = await catalog.venue(), await catalog.event()
    requests = [
        (
            "UpdateVenue",
            catalog_pb2.UpdateVenueRequest(venue_id=made.id, expected_version=1, name=n),
        )
        for n in map(str, range(20))
    ] + [("UpdateEvent", change(drafted.id, version=1, title=n)) for n in map(str, range(20))]

    outcomes = await asyncio.gather(
        *(catalog.call(method, request) for method, request in requests), return_exceptions=True
    )

    reasons = [getattr(outcome, "reason", "done") for outcome in outcomes]
    assert Counter(reasons[:20]) == Counter(reasons[20:]) == {"done": 1, "STALE_VERSION": 19}
    assert (await venue(catalog, made.id)).version == (await catalog.get(drafted.id)).version == 2


async def test_rows_are_counted_in_four_ways_and_their_gaps_keep_their_place(
    catalog: Catalog,
) -> None:
    made = await catalog.venue()
    row = catalog_pb2.Row
    rows = [
        row(label="A", count=5, missing=["3"]),
        row(label="B", count=3, numbering="BACKWARD", start=11),
        row(label="C", count=3, numbering="ODD"),
        row(label="D", count=3, numbering="EVEN"),
        row(label="E", seats=["1a", "", "2a"]),
    ]
    layout = catalog_pb2.SectionLayout(origin_x=10, seat_spacing=2, curve=4)
    section = await catalog.section(made.id, rows=rows, layout=layout)

    (stored,) = (await venue(catalog, made.id)).sections

    assert stored == section
    assert stored.capacity == 4 + 3 + 3 + 3 + 2
    assert [list(each.seats) for each in stored.rows] == [
        ["1", "2", "", "4", "5"],
        ["13", "12", "11"],
        ["1", "3", "5"],
        ["2", "4", "6"],
        ["1a", "", "2a"],
    ]
    assert list(stored.rows[0].xs) == [6, 8, 10, 12, 14]
    assert list(stored.rows[0].ys) == [-4, -1, 0, -1, -4]
    assert list(stored.rows[4].xs) == [8, 10, 12]


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"count": 0}, "seats"),
        ({"count": 501}, "seats"),
        ({"count": 3, "numbering": "SIDEWAYS"}, "numbering"),
        ({"count": 3, "numbering": "ODD", "start": 2}, "start"),
        ({"count": 3, "numbering": "EVEN", "start": 1}, "start"),
        ({"count": 3, "start": -1}, "start"),
        ({"count": 3, "missing": ["4"]}, "missing"),
        ({"count": 2, "missing": ["1", "2"]}, "seats"),
        ({"seats": ["1"], "count": 1}, "seats"),
        ({"seats": ["1", "1"]}, "seats"),
        ({"seats": ["", ""]}, "seats"),
        ({"seats": ["1", *[""] * 51]}, ""),
        ({"seats": [str(n) for n in range(501)]}, "seats"),
    ],
)
async def test_a_row_that_can_not_be_is_refused_by_its_field(
    catalog: Catalog, facts: dict[str, Any], field: str
) -> None:
    made = await catalog.venue()
    request = catalog_pb2.AddSectionRequest(
        venue_id=made.id,
        section=catalog_pb2.Section(
            name="Stalls", kind="SEATED", rows=[catalog_pb2.Row(label="A", **facts)]
        ),
    )
    refused = await catalog.refusal("AddSection", request)
    named = f"rows.0.{field}" if field else "rows"
    assert (refused.reason, list(refused.metadata)) == ("INVALID_SECTION", [named])
    assert (await venue(catalog, made.id)).version == 1


async def test_a_section_is_redrawn_and_counted_anew(catalog: Catalog) -> None:
    hall = await catalog.hall()
    rows = [catalog_pb2.Row(label="A", count=12)]
    layout = catalog_pb2.SectionLayout(curve=3)

    redrawn = await catalog.call("UpdateSection", section_change(hall, 0, layout=layout))
    counted_anew = await catalog.call("UpdateSection", section_change(hall, 0, rows=rows))
    roomier = await catalog.call("UpdateSection", section_change(hall, 1, capacity=70))
    after = await venue(catalog, hall.id)

    assert list(redrawn.section.rows[0].ys) == [-3, 0, -3]
    assert (redrawn.section.layout.seat_spacing, redrawn.section.capacity) == (0.6, 10)
    assert counted_anew.section.layout.curve == 3
    assert roomier.venue_version == after.version == 6
    assert after.capacity == 12 + 70
    assert [section.name for section in after.sections] == ["Stalls", "Pit"]


async def test_where_people_stand_is_drawn_as_said_and_else_behind_the_seats(
    catalog: Catalog,
) -> None:
    hall = await catalog.hall()
    area = catalog_pb2.SectionArea
    said = area(x=-20, width=8)
    wing = await catalog.section(
        hall.id, name="Wing", kind="STANDING", rows=[], capacity=20, area=said
    )
    moved = await catalog.call("UpdateSection", section_change(hall, 1, area=area(y=-4, height=3)))
    renamed = await catalog.call("UpdateSection", section_change(hall, 1, name="Front"))
    stored = await venue(catalog, hall.id)
    event = await catalog.event(tiers=tiers_of(hall), venue_id=hall.id)

    assert (wing.area.x, wing.area.width) == (-20, 8)
    assert wing.area.y - wing.area.height / 2 == pytest.approx(1 + 2 * 0.6**0.5, abs=0.001)
    assert (moved.section.area.y, moved.section.area.height) == (-4, 3)
    assert moved.section.area == renamed.section.area
    assert [section.area for section in stored.sections[1:]] == [moved.section.area, wing.area]
    # An event's hall comes without its rows, and with the same drawing.
    assert [section.area for section in event.venue.sections[1:]] == [
        moved.section.area,
        wing.area,
    ]


async def test_an_area_is_left_to_the_plan_again(catalog: Catalog) -> None:
    hall = await catalog.hall()
    pit = hall.sections[1]
    area = catalog_pb2.SectionArea(x=-4, y=-9, width=5, height=5)

    drawn = await catalog.call("UpdateSection", section_change(hall, 1, area=area))
    left = await catalog.call("UpdateSection", section_change(hall, 1, default_area=True))
    again = await catalog.call("UpdateSection", section_change(hall, 1, default_area=True))

    assert (pit.default_area, hall.sections[0].default_area) == (True, False)
    assert (drawn.section.area, drawn.section.default_area) == (area, False)
    assert (left.section, left.venue_version) == (pit, drawn.venue_version + 1)
    assert again == left
    seated = await catalog.refusal("UpdateSection", section_change(hall, 0, default_area=True))
    assert list(seated.metadata) == ["area"]


async def test_an_area_that_can_not_be_is_refused_by_its_field(catalog: Catalog) -> None:
    hall = await catalog.hall()
    area = catalog_pb2.SectionArea

    async def refused(at: int, **said: float) -> tuple[str, list[str]]:
        request = section_change(hall, at, area=area(**said))
        refusal = await catalog.refusal("UpdateSection", request)
        return refusal.reason, sorted(refusal.metadata)  # a map has no order

    assert await refused(1, width=0, x=10_001) == ("INVALID_SECTION", ["area.width", "area.x"])
    assert await refused(1, height=float("nan")) == ("INVALID_SECTION", ["area.height"])
    assert await refused(0, x=1) == ("INVALID_SECTION", ["area"])
    seated = section_request(hall.id, name="Box", area=area(x=1))
    refusal = await catalog.refusal("AddSection", seated)
    assert (refusal.reason, list(refusal.metadata)) == ("INVALID_SECTION", ["area"])
    assert (await venue(catalog, hall.id)).version == hall.version


async def test_a_section_is_changed_by_owner_and_admin_at_the_version_they_read(
    catalog: Catalog,
) -> None:
    hall, other = await catalog.hall(), await catalog.hall()

    async def reason(request: catalog_pb2.UpdateSectionRequest, who: str = ASHA) -> str:
        return (await catalog.refusal("UpdateSection", request, who)).reason

    assert await reason(section_change(hall, 0, name="Front"), BINA) == "VENUE_NOT_FOUND"
    assert await reason(section_change(hall, 0, name="PIT")) == "SECTION_NAME_TAKEN"
    assert await reason(section_change(hall, 0, name="x", expected_version=2)) == "STALE_VERSION"
    assert await reason(section_change(hall, 0, capacity=5)) == "INVALID_SECTION"
    assert await reason(section_change(hall, 1, rows=hall.sections[0].rows)) == "INVALID_SECTION"
    layout = catalog_pb2.SectionLayout(curve=1)
    assert await reason(section_change(hall, 1, layout=layout)) == "INVALID_SECTION"
    crowd = [catalog_pb2.Row(label=str(row), count=500) for row in range(200)]
    foreign = section_change(hall, 0, name="x")
    foreign.section_id = other.sections[0].id
    assert await reason(foreign) == "SECTION_NOT_FOUND"
    await catalog.call("UpdateSection", section_change(hall, 0, rows=crowd))
    await catalog.section(hall.id, name="Box", kind="STANDING", rows=[], capacity=9)
    more = catalog_pb2.AddSectionRequest(
        venue_id=hall.id,
        section=catalog_pb2.Section(
            name="One more", kind="SEATED", rows=[catalog_pb2.Row(label="A", count=1)]
        ),
    )
    assert (await catalog.refusal("AddSection", more)).reason == "VENUE_FULL"
    assert await reason(section_change(hall, 0, name="Box")) == "SECTION_NAME_TAKEN"


async def test_what_an_event_on_sale_sells_can_only_grow(catalog: Catalog) -> None:
    hall = await catalog.hall()
    await catalog.published(tiers=tiers_of(hall), venue_id=hall.id)
    row = catalog_pb2.Row
    fewer = [row(label="A", count=3), row(label="B", count=6)]
    renamed = [row(label="A", seats=["1", "2", "3a"]), row(label="B", count=7)]
    more = [row(label="A", seats=["0", "", "1", "2", "3"]), row(label="B", count=9)]

    for rows in (fewer, renamed):
        refused = await catalog.refusal("UpdateSection", section_change(hall, 0, rows=rows))
        assert (refused.reason, refused.metadata["lost"]) == ("SECTION_IN_USE", "1")
    narrower = await catalog.refusal("UpdateSection", section_change(hall, 1, capacity=49))
    await catalog.call("UpdateSection", section_change(hall, 0, rows=more))
    await catalog.call("UpdateSection", section_change(hall, 1, capacity=51))

    assert narrower.reason == "SECTION_IN_USE"
    assert (await venue(catalog, hall.id)).capacity == 4 + 9 + 51


async def test_once_the_event_is_over_its_section_may_be_rebuilt(catalog: Catalog) -> None:
    hall = await catalog.hall()
    event = await catalog.published(tiers=tiers_of(hall), venue_id=hall.id)
    await catalog.execute(
        "UPDATE event SET starts_at = '2020-01-01', ends_at = '2020-01-02' WHERE id = :id",
        id=event.id,
    )
    fewer = [catalog_pb2.Row(label="A", count=1)]

    await catalog.call("UpdateSection", section_change(hall, 0, rows=fewer))

    assert (await venue(catalog, hall.id)).capacity == 51


async def test_a_section_shrinks_or_is_put_on_sale_as_it_was_but_never_both(
    catalog: Catalog,
) -> None:
    fewer = [catalog_pb2.Row(label="A", count=1)]
    for _ in range(5):
        hall = await catalog.hall()
        event = await catalog.event(tiers=tiers_of(hall), venue_id=hall.id)

        _published, shrunk = await asyncio.gather(
            catalog.publish(event.id),
            catalog.call("UpdateSection", section_change(hall, 0, rows=fewer)),
            return_exceptions=True,
        )

        told = (await catalog.sent(messages_pb2.OpenEvent))[-1].sections[0]
        stored = (await venue(catalog, hall.id)).sections[0]
        assert sum(len(row.numbers) for row in told.rows) == stored.capacity
        assert isinstance(shrunk, RemoteError) == (stored.capacity == 10)


def deletion(hall: catalog_pb2.Venue, number: int, **more: Any) -> catalog_pb2.DeleteSectionRequest:
    return catalog_pb2.DeleteSectionRequest(
        venue_id=hall.id, section_id=hall.sections[number].id, **more
    )


async def test_a_section_that_nothing_on_sale_sells_is_deleted_and_drafts_lose_it(
    catalog: Catalog,
) -> None:
    hall = await catalog.hall()
    draft = await catalog.event(tiers=tiers_of(hall), venue_id=hall.id)
    for who, version, reason in (
        (BINA, 0, "VENUE_NOT_FOUND"),
        (ASHA, hall.version + 7, "STALE_VERSION"),
    ):
        request = deletion(hall, 0, expected_version=version)
        assert (await catalog.refusal("DeleteSection", request, who)).reason == reason

    done = await catalog.call("DeleteSection", deletion(hall, 0, expected_version=hall.version))

    after = await venue(catalog, hall.id)
    assert done.venue_version == after.version == hall.version + 1
    assert [section.name for section in after.sections] == ["Pit"]
    assert after.capacity == 50
    gone = await catalog.refusal("DeleteSection", deletion(hall, 0))
    assert gone.reason == "SECTION_NOT_FOUND"
    changed = await catalog.get(draft.id)
    assert changed.version == draft.version + 1
    kept = [section_id for tier in changed.tiers for section_id in tier.section_ids]
    assert kept == [hall.sections[1].id]
    # There is room again, and the name is free.
    row = catalog_pb2.Row(label="A", count=2)
    section = catalog_pb2.Section(name="Stalls", kind="SEATED", rows=[row])
    await catalog.call(
        "AddSection", catalog_pb2.AddSectionRequest(venue_id=hall.id, section=section)
    )


async def test_what_an_event_on_sale_sells_is_not_deleted_until_it_is_over(
    catalog: Catalog,
) -> None:
    hall = await catalog.hall()
    event = await catalog.published(tiers=tiers_of(hall), venue_id=hall.id)
    for number, lost in ((0, "10"), (1, "50")):
        refused = await catalog.refusal("DeleteSection", deletion(hall, number))
        assert (refused.reason, refused.metadata["lost"]) == ("SECTION_IN_USE", lost)
    await catalog.execute(
        "UPDATE event SET starts_at = '2020-01-01', ends_at = '2020-01-02' WHERE id = :id",
        id=event.id,
    )
    await catalog.call("DeleteSection", deletion(hall, 0))
    assert [section.name for section in (await venue(catalog, hall.id)).sections] == ["Pit"]


async def test_a_section_is_deleted_or_put_on_sale_but_never_both(catalog: Catalog) -> None:
    for _ in range(5):
        hall = await catalog.hall()
        event = await catalog.event(tiers=tiers_of(hall), venue_id=hall.id)
        await asyncio.gather(
            catalog.publish(event.id),
            *(catalog.call("DeleteSection", deletion(hall, 0)) for _ in range(2)),
            return_exceptions=True,
        )
        stands = [section.name for section in (await venue(catalog, hall.id)).sections]
        if (await catalog.get(event.id)).status == "PUBLISHING":
            told = (await catalog.sent(messages_pb2.OpenEvent))[-1]
            assert [section.name for section in told.sections] == stands
        else:
            assert stands == ["Pit"]


# --- drafts ------------------------------------------------------------------------------------


async def test_everything_of_a_draft_may_change(catalog: Catalog) -> None:
    hall = await catalog.hall()
    event = await catalog.event(doors_at=stamp(days=29), sales_to=stamp(days=29))
    moved = stamp(days=50)
    whole = {
        "title": "The Storm",
        "category": "DANCE",
        "venue_id": hall.id,
        "starts_at": moved,
        "ends_at": stamp(days=51),
        "currency": "EUR",
        "max_per_customer": 3,
        "tax_basis_points": 500,
    }

    edited = await edit(
        catalog,
        event.id,
        **whole,
        tiers=tiers_of(hall),
        without=("location", "doors_at", "sales_to", "timezone", "refund_policy"),
    )

    assert (edited.status, edited.version) == ("DRAFT", 2)
    assert (edited.draft.title, edited.draft.currency) == ("The Storm", "EUR")
    assert (edited.draft.timezone, edited.draft.location) == ("Europe/London", "")
    assert not edited.draft.HasField("doors_at")
    assert [tier.name for tier in edited.tiers] == ["Stalls", "Pit"]
    assert edited.venue.name == "Globe"
    assert await catalog.get(event.id) == edited
    again = await edit(catalog, event.id, **whole, tiers=list(edited.tiers))
    assert again == edited
    assert await catalog.sent(messages_pb2.EventPublished) == []


async def test_tiers_of_a_draft_keep_their_ids_swap_names_go_and_come(catalog: Catalog) -> None:
    event = await catalog.event(tiers=[counted(1, "A"), counted(2, "B"), counted(3, "C")])
    a, b, _ = event.tiers
    a.name, b.name = "B", "A"

    edited = await edit(catalog, event.id, tiers=[b, a, counted(4, "D")])

    assert [(tier.name, tier.price) for tier in edited.tiers] == [("A", 2), ("B", 1), ("D", 4)]
    assert [tier.id for tier in edited.tiers][:2] == [b.id, a.id]
    assert edited.tiers[2].id not in {tier.id for tier in event.tiers}


async def test_a_draft_is_edited_by_owner_and_admin_alone(catalog: Catalog) -> None:
    event = await catalog.event()
    request = change(event.id, title="Mine")

    assert (await catalog.refusal("UpdateEvent", request, BINA)).reason == "EVENT_NOT_FOUND"
    assert (await edit(catalog, event.id, ROOT, title="Ours")).draft.title == "Ours"
    with pytest.raises(RemoteError) as refused:
        await catalog.caller.as_person(ASHA, "UpdateEvent", request, Role.CUSTOMER)
    assert refused.value.reason == "FORBIDDEN"


async def test_an_unsound_edit_is_refused_by_field_and_changes_nothing(catalog: Catalog) -> None:
    hall, foreign = await catalog.hall(), await catalog.hall(BINA)
    event = await catalog.event(tiers=tiers_of(hall), venue_id=hall.id)
    stalls, pit = event.tiers
    twice = catalog_pb2.Tier(name="x", section_ids=[hall.sections[0].id])
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"title": ""}, "INVALID_EVENT", "title"),
        ({"starts_at": stamp(days=-1)}, "INVALID_EVENT", "starts_at"),
        ({"ends_at": stamp(days=29)}, "INVALID_EVENT", "ends_at"),
        ({"without": ("starts_at",)}, "INVALID_EVENT", "starts_at"),
        ({"timezone": "Mars/Olympus"}, "INVALID_EVENT", "timezone"),
        ({"currency": "XXX"}, "INVALID_EVENT", "currency"),
        ({"without": ("owner",)}, "INVALID_EVENT", "owner"),
        ({"tiers": []}, "INVALID_EVENT", "tiers"),
        ({"tiers": [stalls, twice]}, "INVALID_EVENT", "tiers.1.section_ids"),
        ({"tiers": [stalls, stalls]}, "INVALID_EVENT", "tiers.1.id"),
        ({"tiers": [catalog_pb2.Tier(id=ASHA, name="x")]}, "INVALID_EVENT", "tiers.0.id"),
        ({"tiers": [catalog_pb2.Tier(id="x", name="x")]}, "INVALID_EVENT", "tiers.0.id"),
        ({"without": ("venue_id",)}, "INVALID_EVENT", "location"),
        ({"venue_id": foreign.id}, "VENUE_NOT_FOUND", ""),
        ({"venue_id": "x"}, "VENUE_NOT_FOUND", ""),
        ({"version": 9, "title": "x"}, "STALE_VERSION", "version"),
    ]
    for said, reason, field in wrong:
        refused = await catalog.refusal("UpdateEvent", change(event.id, **said))
        assert refused.reason == reason, said
        assert field in {*refused.metadata, ""}, said
    assert await catalog.get(event.id) == event
    assert [tier.name for tier in (stalls, pit)] == ["Stalls", "Pit"]


async def test_a_section_added_later_is_given_a_price_and_then_the_draft_goes_on_sale(
    catalog: Catalog,
) -> None:
    hall = await catalog.hall()
    event = await catalog.event(tiers=tiers_of(hall), venue_id=hall.id)
    box = await catalog.section(hall.id, name="Box")

    request = catalog_pb2.PublishEventRequest(event_id=event.id)
    refused = await catalog.refusal("PublishEvent", request)
    stalls, pit = event.tiers
    stalls.section_ids.append(box.id)
    await edit(catalog, event.id, tiers=[stalls, pit])

    assert refused.reason == "EVENT_NOT_PUBLISHABLE"
    assert box.id in refused.metadata["tiers"]
    assert "section_ids" in refused.metadata["tiers"]
    assert (await catalog.publish(event.id)).status == "PUBLISHING"


async def test_a_draft_is_deleted_whole_and_nothing_else_is(catalog: Catalog) -> None:
    hall = await catalog.hall()
    draft = await catalog.event(tiers=tiers_of(hall), venue_id=hall.id)
    on_sale = await catalog.published()
    delete = catalog_pb2.DeleteEventRequest

    async def reason(request: catalog_pb2.DeleteEventRequest, who: str = ASHA) -> str:
        return (await catalog.refusal("DeleteEvent", request, who)).reason

    assert await reason(delete(event_id=draft.id), BINA) == "EVENT_NOT_FOUND"
    assert await reason(delete(event_id=draft.id, expected_version=2)) == "STALE_VERSION"
    assert await reason(delete(event_id=on_sale.id)) == "EVENT_STATE"
    await catalog.call("DeleteEvent", delete(event_id=draft.id, expected_version=1))
    assert await reason(delete(event_id=draft.id)) == "EVENT_NOT_FOUND"

    assert await catalog.titles(own_only=True) == ["The Tempest"]
    async with catalog.database.transaction() as session:
        left = await session.scalar("SELECT count(*) FROM tier WHERE event_id = :id", id=draft.id)
        assert left == 0


async def test_a_draft_is_deleted_or_published_but_never_both(catalog: Catalog) -> None:
    for _ in range(5):
        event = await catalog.event()
        request = catalog_pb2.DeleteEventRequest(event_id=event.id)
        published, deleted = await asyncio.gather(
            catalog.publish(event.id), catalog.call("DeleteEvent", request), return_exceptions=True
        )
        failed = [isinstance(outcome, RemoteError) for outcome in (published, deleted)]
        assert sorted(failed) == [False, True]


# --- on sale -----------------------------------------------------------------------------------


async def test_an_event_on_sale_is_told_again_at_every_change(catalog: Catalog) -> None:
    hall = await catalog.hall()
    event = await catalog.published(tiers=tiers_of(hall), venue_id=hall.id)
    tiers = list(event.tiers)
    tiers[0].price = 4321
    sales_to = stamp(days=29)

    edited = await edit(
        catalog,
        event.id,
        title="The Storm",
        description="Wet.",
        category="DANCE",
        starts_at=stamp(days=31),
        ends_at=stamp(days=32),
        doors_at=stamp(days=30),
        sales_from=stamp(days=1),
        sales_to=sales_to,
        max_per_customer=2,
        terms="None.",
        tiers=tiers,
    )

    first, second = await catalog.sent(messages_pb2.EventPublished)
    assert (first.version, second.version) == (3, 4) == (event.version, edited.version)
    assert [tier.price for tier in first.tiers] == [1000, 2000]
    assert [(tier.tier_id, tier.price) for tier in second.tiers] == [
        (tiers[0].id, 4321),
        (tiers[1].id, 2000),
    ]
    assert (second.title, second.max_per_customer) == ("The Storm", 2)
    assert second.sales_to.seconds == sales_to.seconds
    assert not edited.availability.sales_open
    assert await catalog.titles(max_price=3000) == ["The Storm"]
    assert await catalog.titles(max_price=1500) == []
    assert await catalog.titles(query="wet storm") == ["The Storm"]
    assert await edit(catalog, event.id, title="The Storm", tiers=tiers) == edited
    assert len(await catalog.sent(messages_pb2.EventPublished)) == 2


async def test_what_buyers_were_promised_does_not_change(catalog: Catalog) -> None:
    hall, other = await catalog.hall(), await catalog.hall()
    event = await catalog.published(tiers=tiers_of(hall), venue_id=hall.id)
    stalls, pit = event.tiers
    renamed, moved = catalog_pb2.Tier(), catalog_pb2.Tier()
    renamed.CopyFrom(stalls)
    renamed.name = "Front"
    moved.CopyFrom(stalls)
    del moved.section_ids[:]
    moved.section_ids.append(pit.section_ids[0])
    bare = catalog_pb2.Tier(id=pit.id, name="Pit", price=1, section_ids=stalls.section_ids)
    wrong: list[tuple[dict[str, Any], list[str]]] = [
        ({"venue_id": other.id, "tiers": tiers_of(other)}, ["venue_id", "tiers"]),
        ({"currency": "EUR"}, ["currency"]),
        ({"tax_basis_points": 1}, ["tax_percent"]),
        ({"tiers": [stalls]}, ["tiers"]),
        ({"tiers": [renamed, pit]}, ["tiers.0.name"]),
        ({"tiers": [moved, bare]}, ["tiers.0.section_ids", "tiers.1.section_ids"]),
    ]
    for said, fields in wrong:
        refused = await catalog.refusal("UpdateEvent", change(event.id, **said))
        assert refused.reason == "EVENT_STATE"
        assert refused.metadata["fields"] == str(fields).replace("'", '"')
    assert await catalog.get(event.id) == event


async def test_what_is_not_on_sale_any_more_or_not_yet_is_not_edited(catalog: Catalog) -> None:
    publishing, cancelled = await catalog.event(), await catalog.published()
    await catalog.publish(publishing.id)
    await catalog.cancel(cancelled.id)
    over = await catalog.published()
    await catalog.execute(
        "UPDATE event SET starts_at = '2020-01-01', ends_at = '2020-01-02' WHERE id = :id",
        id=over.id,
    )
    for event in (publishing, cancelled, over):
        refused = await catalog.refusal("UpdateEvent", change(event.id, title="x"))
        assert refused.reason == "EVENT_STATE"


async def test_an_event_that_runs_keeps_its_start_and_may_end_later(catalog: Catalog) -> None:
    event = await catalog.published()
    await catalog.execute("UPDATE event SET starts_at = now() - interval '1 hour'")
    ends_at = stamp(days=40)

    edited = await edit(catalog, event.id, ends_at=ends_at, description="Longer.")
    refused = await catalog.refusal(
        "UpdateEvent", change(event.id, starts_at=stamp(hours=-2), ends_at=stamp(hours=-1))
    )

    assert edited.draft.ends_at.seconds == ends_at.seconds
    assert set(refused.metadata) == {"starts_at", "ends_at"}


# --- room --------------------------------------------------------------------------------------


async def test_room_for_counted_tickets_is_made_before_it_is_said(catalog: Catalog) -> None:
    event = await catalog.published(tiers=[counted(), counted(0, "Students", 20)])
    regular, students = event.tiers
    regular.capacity, students.capacity = 90, 10

    edited = await edit(catalog, event.id, tiers=[regular, students])
    again = await edit(catalog, event.id, tiers=[regular, students])

    # Both at once; and the second time too, for what inventory has may have come apart.
    assert catalog.inventory.asked == [{regular.id: 90, students.id: 10}] * 2
    assert edited.capacity == 100
    assert [tier.capacity for tier in edited.tiers] == [90, 10]
    assert again == edited


async def test_no_less_than_what_is_sold_and_then_nothing_has_changed(catalog: Catalog) -> None:
    event = await catalog.published(
        tiers=[counted(), counted(0, "Students", 20), counted(5, "Friends", 30)]
    )
    regular, students, friends = event.tiers
    catalog.inventory.taken[friends.id] = 25
    regular.capacity, students.capacity, friends.capacity = 90, 1, 24

    refused = await catalog.refusal("UpdateEvent", change(event.id, tiers=list(event.tiers)))

    assert (refused.reason, refused.metadata["taken"]) == ("CAPACITY_BELOW_SOLD", "25")
    assert catalog.inventory.capacities == {}
    stored = await catalog.get(event.id)
    assert ([tier.capacity for tier in stored.tiers], stored.version) == ([60, 20, 30], 3)


async def test_while_inventory_is_away_nothing_is_said_and_later_it_is(catalog: Catalog) -> None:
    event = await catalog.published()
    event.tiers[0].capacity = 61
    catalog.inventory.is_away = True

    refused = await catalog.refusal("UpdateEvent", change(event.id, tiers=list(event.tiers)))
    untouched = await catalog.get(event.id)
    catalog.inventory.is_away = False
    await edit(catalog, event.id, tiers=list(event.tiers))

    assert refused.reason == "SERVICE_UNAVAILABLE"
    assert untouched.version == 3
    assert (await catalog.get(event.id)).tiers[0].capacity == 61


async def test_of_many_who_make_room_at_once_inventory_ends_with_what_is_said(
    catalog: Catalog,
) -> None:
    event = await catalog.published()
    tier = event.tiers[0]

    def wanted(capacity: int) -> catalog_pb2.UpdateEventRequest:
        changed = catalog_pb2.Tier()
        changed.CopyFrom(tier)
        changed.capacity = capacity
        return change(event.id, version=event.version, tiers=[changed])

    outcomes = await asyncio.gather(
        *(catalog.call("UpdateEvent", wanted(100 + n)) for n in range(8)), return_exceptions=True
    )

    done = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(done) == 1
    said = (await catalog.get(event.id)).tiers[0].capacity
    assert catalog.inventory.capacities[tier.id] == said


# --- what follows ------------------------------------------------------------------------------


async def test_events_follow_their_venues_new_name(catalog: Catalog) -> None:
    hall = await catalog.hall()
    on_sale = await catalog.published(tiers=tiers_of(hall), venue_id=hall.id)
    await catalog.event(tiers=tiers_of(hall), venue_id=hall.id, title="Draft")
    request = catalog_pb2.UpdateVenueRequest(venue_id=hall.id, name="Élysée", city="Sankt Pölten")
    await catalog.call("UpdateVenue", request)

    assert not await catalog.database.run(events.follow_venues)
    assert not await catalog.database.run(events.follow_venues)

    assert await catalog.titles(query="elysee") == ["The Tempest"]
    assert await catalog.titles(city="sankt polten") == ["The Tempest"]
    assert await catalog.titles(query="globe") == []
    told = await catalog.sent(messages_pb2.EventPublished)
    assert [(fact.place, fact.version) for fact in told] == [("Globe", 3), ("Élysée", 4)]
    assert (await catalog.get(on_sale.id)).version == 4


async def test_what_is_over_is_written_down_as_that_once(catalog: Catalog) -> None:
    over = [await catalog.published() for _ in range(3)]
    still = await catalog.published(title="Still")
    await catalog.execute(
        "UPDATE event SET starts_at = '2020-01-01', ends_at = '2020-01-02' WHERE id <> :id",
        id=still.id,
    )
    assert {(await catalog.get(event.id)).status for event in over} == {"COMPLETED"}
    assert (await catalog.get(over[0].id)).version == 3

    await asyncio.gather(*(catalog.database.run(events.complete_events) for _ in range(4)))

    assert {(await catalog.get(event.id)).version for event in over} == {4}
    assert (await catalog.get(still.id)).status == "PUBLISHED"


async def test_events_are_counted_for_their_organizer_and_all_of_them_for_admins(
    catalog: Catalog,
) -> None:
    await catalog.published()
    await catalog.event()
    await catalog.published(BINA)

    async def counts(who: str, *, own: bool) -> tuple[int, int]:
        reply = await catalog.call("CountEvents", catalog_pb2.CountEventsRequest(own_only=own), who)
        return reply.active, reply.total

    assert await counts(ASHA, own=True) == (1, 2)
    assert await counts(ROOT, own=True) == (0, 0)
    assert await counts(ROOT, own=False) == (2, 3)
    refused = await catalog.refusal("CountEvents", catalog_pb2.CountEventsRequest())
    assert refused.reason == "FORBIDDEN"
