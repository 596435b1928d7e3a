"""catalog_service over real gRPC on a real database: venues, events, publishing, lists."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from obstore.store import LocalStore
from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from catalog_service import messaging, reopener
from catalog_service.handlers import events
from catalog_service.media import ObjectMedia
from catalog_service.rpc import SERVICE, CatalogServicer
from catalog_service.storage import listing
from catalog_service.uploads import Uploads
from chassis.broker import Broker
from chassis.consumer import Consumer
from chassis.database import Database, IntegrityError, Session
from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.ids import uuid7
from chassis.lifecycle import background
from chassis.outbox import Relay, encoded
from chassis.topology import Topology

from .conftest import Caller, MakeDatabase, Serve, Until

ASHA, BINA, ROOT = (str(uuid7()) for _ in range(3))


def stamp(**ahead: float) -> Timestamp:
    """A time from now; far enough ahead or behind for any clock to agree."""
    result = Timestamp()
    result.FromDatetime(datetime.now(UTC) + timedelta(**ahead))
    return result


class Catalog(NamedTuple):
    """The served catalog, and its database."""

    caller: Caller
    database: Database

    async def call(self, method: str, message: Message, who: str = ASHA) -> Any:
        role = Role.ADMIN if who == ROOT else Role.ORGANIZER
        return await self.caller.as_person(who, method, message, role)

    async def refusal(self, method: str, message: Message, who: str = ASHA) -> RemoteError:
        with pytest.raises(RemoteError) as refused:
            await self.call(method, message, who)
        return refused.value

    async def venue(self, who: str = ASHA, **change: Any) -> catalog_pb2.Venue:
        facts = {
            "name": "Globe",
            "address": "1 Bankside",
            "city": "London",
            "country": "GB",
            "timezone": "Europe/London",
            **change,
        }
        message = catalog_pb2.CreateVenueRequest(venue=catalog_pb2.Venue(**facts))
        return (await self.call("CreateVenue", message, who)).venue

    async def section(self, venue_id: str, who: str = ASHA, **change: Any) -> catalog_pb2.Section:
        return (await self.call("AddSection", section_request(venue_id, **change), who)).section

    async def hall(self, who: str = ASHA) -> catalog_pb2.Venue:
        """A venue with seated stalls and a standing pit."""
        venue = await self.venue(who)
        await self.section(venue.id, who)
        await self.section(venue.id, who, name="Pit", kind="STANDING", rows=[], capacity=50)
        message = catalog_pb2.GetVenueRequest(venue_id=venue.id)
        return (await self.call("GetVenue", message)).venue

    async def event(
        self, who: str = ASHA, tiers: list[catalog_pb2.Tier] | None = None, **change: Any
    ) -> catalog_pb2.Event:
        message = event_request(tiers, **change)
        return (await self.call("CreateEvent", message, who)).event

    async def published(self, who: str = ASHA, **change: Any) -> catalog_pb2.Event:
        event = await self.event(who, **change)
        await self.publish(event.id, who)
        await self.opened(event.id)
        return await self.get(event.id)

    async def publish(self, event_id: str, who: str = ASHA) -> catalog_pb2.Event:
        message = catalog_pb2.PublishEventRequest(event_id=event_id)
        return (await self.call("PublishEvent", message, who)).event

    async def cancel(self, event_id: str, who: str = ASHA) -> catalog_pb2.Event:
        message = catalog_pb2.CancelEventRequest(event_id=event_id, reason=" Rain\nall day ")
        return (await self.call("CancelEvent", message, who)).event

    async def get(self, event_id: str, who: str = ASHA) -> catalog_pb2.Event:
        message = catalog_pb2.GetEventRequest(event_id=event_id)
        return (await self.call("GetEvent", message, who)).event

    async def opened(self, event_id: str, capacity: int = 60) -> None:
        message = messages_pb2.EventOpened(event_id=event_id, capacity=capacity)
        async with self.database.transaction() as session:
            await messaging.on_event_opened(session, message)

    async def sent(self, kind: type[Any]) -> list[Any]:
        """What of a type waits in the outbox."""
        async with self.database.transaction() as session:
            rows = await session.all(
                "SELECT body FROM outbox WHERE type = :type ORDER BY id",
                type=kind.DESCRIPTOR.full_name,
            )
        return [json_format.Parse(row.body, kind()) for row in rows]

    async def execute(self, sql: str, **parameters: Any) -> None:
        async with self.database.transaction() as session:
            await session.execute(sql, **parameters)

    async def titles(self, who: str | None = ASHA, **search: Any) -> list[str]:
        message = catalog_pb2.ListEventsRequest(**search)
        if who is None:
            page = await self.caller.as_gateway("ListEvents", message)
        else:
            page = await self.call("ListEvents", message, who)
        return [event.draft.title for event in page.events]


def section_request(venue_id: str, **change: Any) -> catalog_pb2.AddSectionRequest:
    facts = {
        "name": "Stalls",
        "kind": "SEATED",
        "rows": [
            catalog_pb2.Row(label="A", seats=["1", "2", "3"]),
            catalog_pb2.Row(label="B", seats=["1", "2", "3", "4", "5", "6", "7"]),
        ],
        **change,
    }
    return catalog_pb2.AddSectionRequest(venue_id=venue_id, section=catalog_pb2.Section(**facts))


def counted(price: int = 1500, name: str = "Regular", capacity: int = 60) -> catalog_pb2.Tier:
    return catalog_pb2.Tier(name=name, price=price, capacity=capacity)


def event_request(
    tiers: list[catalog_pb2.Tier] | None = None, **change: Any
) -> catalog_pb2.CreateEventRequest:
    facts = {
        "title": "The Tempest",
        "category": "THEATRE",
        "location": "" if change.get("venue_id") else "The park",
        "starts_at": stamp(days=30),
        "ends_at": stamp(days=30, hours=3),
        "currency": "NPR",
        **change,
    }
    return catalog_pb2.CreateEventRequest(
        draft=catalog_pb2.EventDraft(**facts), tiers=[counted()] if tiers is None else tiers
    )


def tiers_of(hall: catalog_pb2.Venue) -> list[catalog_pb2.Tier]:
    """A tier for each of its sections."""
    return [
        catalog_pb2.Tier(name=section.name, price=1000 * number, section_ids=[section.id])
        for number, section in enumerate(hall.sections, start=1)
    ]


@pytest.fixture
async def catalog(make_database: MakeDatabase, serve: Serve, tmp_path: Path) -> Catalog:
    database = await make_database("catalog", encode=messaging.encode)
    stub = catalog_pb2_grpc.CatalogServiceStub
    servicer = CatalogServicer(database, Uploads(database, ObjectMedia(LocalStore(tmp_path))))
    return Catalog(await serve("catalog", SERVICE, servicer, stub), database)


# --- venues ------------------------------------------------------------------------------------


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


# --- drafts ------------------------------------------------------------------------------------


async def test_a_draft_comes_back_as_it_was_written_with_the_defaults(catalog: Catalog) -> None:
    hall = await catalog.hall()
    written = event_request(
        tiers_of(hall),
        venue_id=hall.id,
        description="A play.\nIn five acts.",
        doors_at=stamp(days=29, hours=23),
        sales_from=stamp(days=1),
        sales_to=stamp(days=29),
        tax_basis_points=1300,
        terms="None.",
    )
    event = (await catalog.call("CreateEvent", written)).event

    expected = catalog_pb2.EventDraft()
    expected.CopyFrom(written.draft)
    expected.timezone = "Europe/London"
    expected.max_per_customer = 10
    expected.refund_policy.CopyFrom(types_pb2.RefundPolicy(until_hours_before=24, percent=100))
    for field in ("starts_at", "ends_at", "doors_at", "sales_from", "sales_to"):
        # PostgreSQL keeps microseconds.
        nanos = getattr(expected, field).nanos
        getattr(expected, field).nanos = nanos - nanos % 1000
    assert event.draft == expected
    assert (event.status, event.organizer_id, event.version) == ("DRAFT", ASHA, 1)
    assert [(tier.name, tier.price, list(tier.section_ids)) for tier in event.tiers] == [
        ("Stalls", 1000, [hall.sections[0].id]),
        ("Pit", 2000, [hall.sections[1].id]),
    ]
    assert event.venue.name == "Globe"
    assert [len(section.rows) for section in event.venue.sections] == [0, 0]
    assert await catalog.get(event.id) == event


async def test_no_refund_at_all_is_a_policy_too(catalog: Catalog) -> None:
    event = await catalog.event(refund_policy=types_pb2.RefundPolicy())
    assert event.draft.refund_policy == types_pb2.RefundPolicy(until_hours_before=0, percent=0)
    assert event.draft.timezone == "UTC"


WRONG: list[tuple[Callable[[], catalog_pb2.CreateEventRequest], str]] = [
    (lambda: event_request(title=""), "title"),
    (lambda: event_request(title="x" * 201), "title"),
    (lambda: event_request(title="a\x00b"), "title"),
    (lambda: event_request(description="x" * 10_001), "description"),
    (lambda: event_request(description="a\x00b"), "description"),
    (lambda: event_request(category="OPERA"), "category"),
    (lambda: event_request(location=""), "location"),
    (lambda: event_request(starts_at=stamp(days=-1)), "starts_at"),
    (lambda: event_request(starts_at=None), "starts_at"),
    (lambda: event_request(starts_at=Timestamp(seconds=10**15)), "starts_at"),
    (lambda: event_request(starts_at=stamp(days=4000), ends_at=stamp(days=4001)), "starts_at"),
    (lambda: event_request(ends_at=stamp(days=30)), "ends_at"),
    (lambda: event_request(ends_at=stamp(days=400)), "ends_at"),
    (lambda: event_request(ends_at=None), "ends_at"),
    (lambda: event_request(doors_at=stamp(days=31)), "doors_at"),
    (lambda: event_request(sales_from=stamp(days=31)), "sales_from"),
    (lambda: event_request(sales_from=stamp(days=9), sales_to=stamp(days=8)), "sales_from"),
    (lambda: event_request(sales_to=stamp(days=-1)), "sales_to"),
    (lambda: event_request(sales_to=stamp(days=31)), "sales_to"),
    (lambda: event_request(timezone="Mars/Olympus"), "timezone"),
    (lambda: event_request(currency="XXX"), "currency"),
    (lambda: event_request(currency="npr"), "currency"),
    (lambda: event_request(max_per_customer=101), "max_per_customer"),
    (lambda: event_request(max_per_customer=-1), "max_per_customer"),
    (lambda: event_request(tax_basis_points=-1), "tax_percent"),
    (lambda: event_request(tax_basis_points=10_001), "tax_percent"),
    (
        lambda: event_request(refund_policy=types_pb2.RefundPolicy(percent=101)),
        "refund_policy.percent",
    ),
    (
        lambda: event_request(refund_policy=types_pb2.RefundPolicy(until_hours_before=-1)),
        "refund_policy.until_hours_before",
    ),
    (lambda: event_request([]), "tiers"),
    (lambda: event_request([counted(name=str(number)) for number in range(51)]), "tiers"),
    (lambda: event_request([counted(name="")]), "tiers.0.name"),
    (lambda: event_request([counted(), counted(name="REGULAR")]), "tiers.1.name"),
    (lambda: event_request([counted(price=-1)]), "tiers.0.price"),
    (lambda: event_request([counted(price=10**12 + 1)]), "tiers.0.price"),
    (lambda: event_request([counted(capacity=0)]), "tiers.0.capacity"),
    (lambda: event_request([counted(capacity=1_000_001)]), "tiers.0.capacity"),
    (
        lambda: event_request([catalog_pb2.Tier(name="A", capacity=1, section_ids=[ASHA])]),
        "tiers.0.section_ids",
    ),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
async def test_an_unsound_event_is_refused_with_its_field(
    catalog: Catalog, wrong: Callable[[], catalog_pb2.CreateEventRequest], field: str
) -> None:
    refused = await catalog.refusal("CreateEvent", wrong())
    assert (refused.reason, list(refused.metadata)) == ("INVALID_EVENT", [field])


async def test_tiers_and_sections_of_a_venue_must_fit(catalog: Catalog) -> None:
    hall, other = await catalog.hall(), await catalog.hall()
    stalls, pit = (section.id for section in hall.sections)

    async def refused(*tiers: dict[str, Any], **change: Any) -> tuple[str, list[str]]:
        made = [catalog_pb2.Tier(name=str(number), **facts) for number, facts in enumerate(tiers)]
        error = await catalog.refusal(
            "CreateEvent", event_request(made, **{"venue_id": hall.id, **change})
        )
        return error.reason, list(error.metadata)

    overlap = ("INVALID_EVENT", ["tiers.1.section_ids"])
    foreign = ("SECTION_NOT_FOUND", ["tiers.1.section_ids"])
    assert await refused({"section_ids": [stalls]}, {"section_ids": [pit, stalls]}) == overlap
    assert await refused({"section_ids": [stalls]}, {"section_ids": [pit, pit]}) == overlap
    assert await refused({"section_ids": [stalls]}, {"section_ids": []}) == overlap
    assert await refused({"section_ids": [stalls]}, {"section_ids": ["x"]}) == foreign
    assert (
        await refused({"section_ids": [stalls]}, {"section_ids": [other.sections[0].id]}) == foreign
    )
    assert await refused({"section_ids": [stalls], "capacity": 5}) == (
        "INVALID_EVENT",
        ["tiers.0.capacity"],
    )
    assert await refused({"section_ids": [stalls]}, location="Here") == (
        "INVALID_EVENT",
        ["location"],
    )


async def test_only_owner_and_admin_make_events_at_a_venue(catalog: Catalog) -> None:
    hall = await catalog.hall()
    wanted = event_request(tiers_of(hall), venue_id=hall.id)

    refused = await catalog.refusal("CreateEvent", wanted, BINA)
    made = (await catalog.call("CreateEvent", wanted, ROOT)).event

    assert (refused.reason, made.organizer_id) == ("VENUE_NOT_FOUND", ROOT)


async def test_the_database_itself_refuses_a_section_of_another_venue_or_a_second_tier(
    catalog: Catalog,
) -> None:
    hall, other = await catalog.hall(), await catalog.hall()
    event = await catalog.event(tiers=tiers_of(hall)[:1], venue_id=hall.id)
    add = (
        "INSERT INTO tier_section (event_id, section_id, tier_id, venue_id)"
        " VALUES (:event, :section, :tier, :venue)"
    )
    facts = {"event": event.id, "tier": event.tiers[0].id}

    for venue, section in (
        (hall.id, other.sections[0].id),
        (other.id, other.sections[0].id),
        (hall.id, hall.sections[0].id),
    ):
        with pytest.raises(IntegrityError):
            await catalog.execute(add, venue=venue, section=section, **facts)


async def test_a_draft_is_seen_by_owner_and_admin_only(catalog: Catalog) -> None:
    event = await catalog.event()
    message = catalog_pb2.GetEventRequest(event_id=event.id)

    with pytest.raises(RemoteError) as as_nobody:
        await catalog.caller.as_gateway("GetEvent", message)
    refused = await catalog.refusal("GetEvent", message, BINA)

    assert (as_nobody.value.reason, refused.reason) == ("EVENT_NOT_FOUND", "EVENT_NOT_FOUND")
    assert (await catalog.get(event.id, ROOT)).id == event.id


# --- publishing and calling off ----------------------------------------------------------------


async def test_publishing_asks_inventory_to_open_every_place_and_its_answer_publishes(
    catalog: Catalog,
) -> None:
    hall = await catalog.hall()
    event = await catalog.event(
        tiers=tiers_of(hall), venue_id=hall.id, max_per_customer=4, tax_basis_points=1300
    )

    publishing = await catalog.publish(event.id)
    (command,) = await catalog.sent(messages_pb2.OpenEvent)
    await catalog.opened(event.id)
    published = await catalog.get(event.id, BINA)
    (fact,) = await catalog.sent(messages_pb2.EventPublished)

    assert (publishing.status, published.status) == ("PUBLISHING", "PUBLISHED")
    assert (publishing.version, published.version, published.capacity) == (2, 3, 60)
    assert (command.event_id, command.organizer_id) == (event.id, ASHA)
    assert (command.currency, command.max_per_customer) == ("NPR", 4)
    assert command.starts_at == event.draft.starts_at
    assert not command.HasField("sales_from")
    assert [(tier.tier_id, tier.price) for tier in command.tiers] == [
        (tier.id, tier.price) for tier in event.tiers
    ]
    stalls, pit = command.sections
    assert (stalls.section_id, stalls.tier_id) == (hall.sections[0].id, event.tiers[0].id)
    assert [(row.label, list(row.numbers)) for row in stalls.rows] == [
        ("A", ["1", "2", "3"]),
        ("B", ["1", "2", "3", "4", "5", "6", "7"]),
    ]
    assert list(stalls.rows[0].xs) == [-0.6, 0.0, 0.6]
    assert list(stalls.rows[1].ys) == [1.0] * 7
    assert (pit.section_id, pit.capacity, len(pit.rows)) == (hall.sections[1].id, 50, 0)
    assert (command.focal_x, command.focal_y) == (0.0, -1.0)
    assert (fact.title, fact.place, fact.timezone) == ("The Tempest", "Globe", "Europe/London")
    assert (fact.version, fact.tax_basis_points, fact.refund_policy.percent) == (3, 1300, 100)


async def test_counted_tickets_are_opened_as_one_standing_section_a_tier(catalog: Catalog) -> None:
    event = await catalog.event(tiers=[counted(), counted(0, "Students", 20)])

    await catalog.publish(event.id)

    (command,) = await catalog.sent(messages_pb2.OpenEvent)
    assert [
        (section.section_id, section.tier_id, section.name, section.capacity)
        for section in command.sections
    ] == [
        (event.tiers[0].id, event.tiers[0].id, "Regular", 60),
        (event.tiers[1].id, event.tiers[1].id, "Students", 20),
    ]
    await catalog.opened(event.id, 80)
    (fact,) = await catalog.sent(messages_pb2.EventPublished)
    assert fact.place == "The park"


async def test_twenty_who_publish_at_once_open_the_event_once(catalog: Catalog) -> None:
    event = await catalog.event()

    answers = await asyncio.gather(*(catalog.publish(event.id) for _ in range(20)))

    assert {(answer.status, answer.version) for answer in answers} == {("PUBLISHING", 2)}
    assert len(await catalog.sent(messages_pb2.OpenEvent)) == 1


async def test_publishing_what_is_published_answers_it_as_it_is(catalog: Catalog) -> None:
    event = await catalog.published()

    assert await catalog.publish(event.id) == event
    assert len(await catalog.sent(messages_pb2.OpenEvent)) == 1


async def test_an_answer_that_comes_twice_or_after_the_cancellation_changes_nothing(
    catalog: Catalog,
) -> None:
    event = await catalog.published()
    await catalog.opened(event.id, 61)
    assert (await catalog.get(event.id)).capacity == 60

    cancelled = await catalog.event()
    await catalog.publish(cancelled.id)
    await catalog.cancel(cancelled.id)
    await catalog.opened(cancelled.id)
    await catalog.opened(str(uuid7()))

    assert (await catalog.get(cancelled.id)).status == "CANCELLED"
    assert len(await catalog.sent(messages_pb2.EventPublished)) == 1


async def test_what_is_not_ready_is_not_published_and_stays_a_draft(catalog: Catalog) -> None:
    hall = await catalog.hall()
    event = await catalog.event(tiers=tiers_of(hall)[:1], venue_id=hall.id)
    await catalog.execute(
        "UPDATE event SET starts_at = starts_at - interval '31 days', sales_to = '2020-01-01'"
    )

    message = catalog_pb2.PublishEventRequest(event_id=event.id)
    refused = await catalog.refusal("PublishEvent", message)

    assert refused.reason == "EVENT_NOT_PUBLISHABLE"
    assert set(refused.metadata) == {"tiers", "starts_at", "sales_to"}
    assert "Pit" in refused.metadata["tiers"]
    assert ((await catalog.get(event.id)).status, (await catalog.get(event.id)).version) == (
        "DRAFT",
        1,
    )
    assert await catalog.sent(messages_pb2.OpenEvent) == []


async def test_nobody_but_the_organizer_publishes(catalog: Catalog) -> None:
    event = await catalog.event()
    message = catalog_pb2.PublishEventRequest(event_id=event.id)

    for who in (BINA, ROOT):
        assert (await catalog.refusal("PublishEvent", message, who)).reason == "EVENT_NOT_FOUND"
    assert (await catalog.get(event.id)).status == "DRAFT"


@pytest.mark.parametrize("who", [ASHA, ROOT], ids=["organizer", "admin"])
async def test_organizer_or_admin_call_an_event_off_once(catalog: Catalog, who: str) -> None:
    event = await catalog.published()

    cancelled = await catalog.cancel(event.id, who)
    again = await catalog.cancel(event.id, who)

    assert cancelled == again
    assert (cancelled.status, cancelled.cancel_reason) == ("CANCELLED", "Rain\nall day")
    assert await catalog.sent(messages_pb2.EventCancelled) == [
        messages_pb2.EventCancelled(event_id=event.id, reason="Rain\nall day")
    ]
    message = catalog_pb2.PublishEventRequest(event_id=event.id)
    assert (await catalog.refusal("PublishEvent", message)).reason == "EVENT_STATE"


async def test_what_is_not_on_sale_is_not_called_off(catalog: Catalog) -> None:
    draft, over = await catalog.event(), await catalog.published()
    await catalog.execute(
        "UPDATE event SET starts_at = '2020-01-01', ends_at = '2020-01-02' WHERE id = :id",
        id=over.id,
    )

    for event in (draft, over):
        message = catalog_pb2.CancelEventRequest(event_id=event.id, reason="Rain")
        assert (await catalog.refusal("CancelEvent", message)).reason == "EVENT_STATE"
        assert (await catalog.refusal("CancelEvent", message, BINA)).reason == "EVENT_NOT_FOUND"
        message.reason = " "
        refused = await catalog.refusal("CancelEvent", message)
        assert (refused.reason, list(refused.metadata)) == ("INVALID_EVENT", ["reason"])
    assert (await catalog.get(over.id)).status == "COMPLETED"
    assert await catalog.sent(messages_pb2.EventCancelled) == []


async def test_publishing_and_calling_off_at_once_end_in_one_of_two_ways(catalog: Catalog) -> None:
    event = await catalog.event()
    cancel = catalog_pb2.CancelEventRequest(event_id=event.id, reason="Rain")

    await asyncio.gather(
        catalog.publish(event.id),
        *(catalog.call("CancelEvent", cancel) for _ in range(5)),
        return_exceptions=True,
    )

    status = (await catalog.get(event.id)).status
    told = len(await catalog.sent(messages_pb2.EventCancelled))
    assert (status, told) in {("PUBLISHING", 0), ("CANCELLED", 1)}


# --- openings that are never answered ----------------------------------------------------------

OVERDUE = "UPDATE event SET open_due_at = open_due_at - interval '16 seconds'"


async def test_an_opening_that_is_not_answered_is_asked_for_again_word_for_word(
    catalog: Catalog,
) -> None:
    hall = await catalog.hall()
    event = await catalog.event(tiers=tiers_of(hall), venue_id=hall.id)
    await catalog.publish(event.id)
    assert await catalog.database.run(events.ask_again) is None

    await catalog.section(hall.id, name="Added later")
    await catalog.execute(OVERDUE)
    assert str(await catalog.database.run(events.ask_again)) == event.id
    assert await catalog.database.run(events.ask_again) is None

    first, second = await catalog.sent(messages_pb2.OpenEvent)
    assert first == second
    await catalog.opened(event.id)
    await catalog.execute("UPDATE event SET open_tries = 0")
    assert await catalog.database.run(events.ask_again) is None


async def test_processes_that_ask_again_at_once_ask_once_an_event(catalog: Catalog) -> None:
    for _ in range(3):
        await catalog.publish((await catalog.event()).id)
    await catalog.execute(OVERDUE)

    asked = await asyncio.gather(*(catalog.database.run(events.ask_again) for _ in range(8)))

    assert len([id for id in asked if id]) == len({id for id in asked if id}) == 3
    assert len(await catalog.sent(messages_pb2.OpenEvent)) == 6


async def test_the_loop_asks_again_by_itself(catalog: Catalog, until: Until) -> None:
    await catalog.publish((await catalog.event()).id)
    await catalog.execute(OVERDUE)

    async def asked() -> bool:
        return len(await catalog.sent(messages_pb2.OpenEvent)) == 2

    async with background("reopener", lambda: reopener.run(catalog.database)):
        await until(asked)


async def test_an_event_goes_on_sale_through_the_broker(
    catalog: Catalog, make_database: MakeDatabase, broker_url: str, until: Until
) -> None:
    broker = Broker(broker_url, Topology.of(messages_pb2.DESCRIPTOR), process="test")

    async def open_event(session: Session, message: messages_pb2.OpenEvent) -> None:
        capacity = sum(section.capacity for section in message.sections)
        session.send(messages_pb2.EventOpened(event_id=message.event_id, capacity=capacity))

    inventory = await make_database("inventory", encode=encoded)  # type: ignore[arg-type]
    opener = {messages_pb2.OpenEvent: open_event}
    works = {
        "catalog-relay": Relay(catalog.database, broker).run,
        "inventory-relay": Relay(inventory, broker).run,
        "inventory": Consumer("inventory.commands", opener, inventory, broker).run,
        "catalog": Consumer(
            "catalog.replies", messaging.QUEUES["catalog.replies"], catalog.database, broker
        ).run,
    }
    event = await catalog.event()

    async def published() -> bool:
        return (await catalog.get(event.id)).status == "PUBLISHED"

    try:
        async with (
            background("catalog-relay", works["catalog-relay"]),
            background("inventory-relay", works["inventory-relay"]),
            background("inventory", works["inventory"]),
            background("catalog", works["catalog"]),
        ):
            await catalog.publish(event.id)
            await until(published)
    finally:
        await broker.close()
    assert (await catalog.get(event.id)).capacity == 60


# --- lists -------------------------------------------------------------------------------------


async def test_the_list_shows_what_is_on_sale_and_not_over(catalog: Catalog) -> None:
    await catalog.event(title="Draft")
    await catalog.publish((await catalog.event(title="Publishing")).id)
    await catalog.published(title="On sale")
    called_off = await catalog.published(title="Called off")
    await catalog.cancel(called_off.id)
    over = await catalog.published(title="Over")
    await catalog.execute(
        "UPDATE event SET starts_at = '2020-01-01', ends_at = '2020-01-02' WHERE id = :id",
        id=over.id,
    )

    assert await catalog.titles(None) == ["On sale"]
    assert await catalog.titles(BINA, status="PUBLISHED") == ["On sale"]
    assert await catalog.titles(None, status="CANCELLED") == ["Called off"]
    assert await catalog.titles(None, status="COMPLETED") == ["Over"]
    everything = {"Draft", "Publishing", "On sale", "Called off", "Over"}
    assert set(await catalog.titles(ASHA, own_only=True)) == everything
    assert await catalog.titles(ASHA, own_only=True, status="DRAFT") == ["Draft"]
    assert await catalog.titles(ASHA, own_only=True, status="COMPLETED") == ["Over"]
    assert await catalog.titles(BINA, own_only=True) == []
    assert await catalog.titles(ROOT, own_only=True) == []
    assert await catalog.titles(BINA, organizer_id=ASHA) == ["On sale"]
    assert await catalog.titles(BINA, organizer_id=BINA) == []


async def test_events_are_found_by_words_place_category_time_and_price(catalog: Catalog) -> None:
    hall = await catalog.hall()
    await catalog.published(
        title="The Tempest", description="Storm_and stress, 100% wet", category="THEATRE"
    )
    await catalog.published(
        title="Blues night",
        category="CONCERT",
        tiers=tiers_of(hall),
        venue_id=hall.id,
        starts_at=stamp(days=2),
        ends_at=stamp(days=3),
    )
    tempest, blues = ["The Tempest"], ["Blues night"]

    assert await catalog.titles(query="tempest  STORM") == tempest
    assert await catalog.titles(query="tempest blues") == []
    assert await catalog.titles(query="park") == tempest
    assert await catalog.titles(query="globe london") == blues
    assert await catalog.titles(query="100%") == tempest
    assert await catalog.titles(query="10%0") == []
    assert await catalog.titles(query="storm_and") == tempest
    assert await catalog.titles(query="te_pest") == []
    assert await catalog.titles(query="\\") == []
    assert await catalog.titles(city="LONDON") == blues
    assert await catalog.titles(city="Paris") == []
    assert await catalog.titles(category="THEATRE") == tempest
    assert await catalog.titles(starts_from=stamp(days=10)) == tempest
    assert await catalog.titles(starts_before=stamp(days=10)) == blues
    assert await catalog.titles(min_price=1001) == tempest
    assert await catalog.titles(max_price=1000) == blues
    assert await catalog.titles(min_price=0, max_price=0) == []
    assert await catalog.titles() == blues + tempest


async def test_a_list_shows_the_beginning_of_an_event(catalog: Catalog) -> None:
    hall = await catalog.hall()
    event = await catalog.published(
        tiers=tiers_of(hall), venue_id=hall.id, description="x" * 9000, terms="y" * 9000
    )

    page = await catalog.call("ListEvents", catalog_pb2.ListEventsRequest())

    (listed,) = page.events
    assert (len(listed.draft.description), listed.draft.terms) == (500, "")
    assert listed.tiers == event.tiers
    assert (listed.venue.name, list(listed.venue.sections)) == ("Globe", [])
    assert len((await catalog.get(event.id)).draft.description) == 9000


@pytest.mark.parametrize(
    ("search", "reason"),
    [
        ({"status": "DRAFT"}, "INVALID_FILTER"),
        ({"status": "SOLD", "own_only": True}, "INVALID_FILTER"),
        ({"category": "OPERA"}, "INVALID_FILTER"),
        ({"sort": "title"}, "INVALID_FILTER"),
        ({"sort": "title", "cursor": "x"}, "INVALID_FILTER"),
        ({"organizer_id": "x"}, "INVALID_FILTER"),
        ({"query": "a\x00b"}, "INVALID_FILTER"),
        ({"starts_from": Timestamp(seconds=10**15)}, "INVALID_FILTER"),
        ({"limit": 101}, "INVALID_FILTER"),
        ({"limit": -1}, "INVALID_FILTER"),
        ({"cursor": "x"}, "INVALID_CURSOR"),
    ],
)
async def test_what_can_not_be_searched_by_is_refused(
    catalog: Catalog, search: dict[str, Any], reason: str
) -> None:
    refused = await catalog.refusal("ListEvents", catalog_pb2.ListEventsRequest(**search))
    assert refused.reason == reason


async def test_nobody_in_particular_has_no_events_of_their_own(catalog: Catalog) -> None:
    with pytest.raises(RemoteError) as refused:
        await catalog.caller.as_gateway("ListEvents", catalog_pb2.ListEventsRequest(own_only=True))
    assert refused.value.reason == "INVALID_FILTER"


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("", [0, 1, 2, 3, 4, 5, 6]),
        ("-starts_at", [6, 5, 4, 3, 2, 1, 0]),
        ("price", [6, 5, 2, 3, 4, 1, 0]),
        ("-price", [0, 1, 4, 3, 2, 5, 6]),
    ],
)
async def test_a_walk_sees_each_event_once_in_order_while_others_arrive(
    catalog: Catalog, sort: str, order: list[int]
) -> None:
    # Three share time and price, and a page ends amid them, so that ids must break the tie.
    times = [stamp(days=30 + number) for number in range(7)]
    for number in range(7):
        rank = 3 if number in {2, 3, 4} else number
        await catalog.published(
            title=str(number),
            starts_at=times[rank],
            ends_at=stamp(days=40),
            tiers=[counted(9000, "Dear"), counted(900 - rank * 100)],
        )
    seen: list[str] = []
    cursor = ""
    for page_number in range(10):
        message = catalog_pb2.ListEventsRequest(sort=sort, limit=3, cursor=cursor)
        page = await catalog.call("ListEvents", message)
        assert len(page.events) <= 3
        seen += [event.draft.title for event in page.events]
        cursor = page.next_cursor
        if not cursor:
            break
        await catalog.published(
            title="newcomer",
            starts_at=stamp(days=29 + page_number * 3),
            ends_at=stamp(days=60),
            tiers=[counted(350 + page_number * 100)],
        )
    assert [title for title in seen if title != "newcomer"] == [str(number) for number in order]
    other = catalog_pb2.ListEventsRequest(sort="price" if sort != "price" else "-price", limit=2)
    first = catalog_pb2.ListEventsRequest(sort=sort, limit=2)
    other.cursor = (await catalog.call("ListEvents", first)).next_cursor
    assert (await catalog.refusal("ListEvents", other)).reason == "INVALID_CURSOR"


async def test_lists_walk_their_index_from_the_cursor_on(catalog: Catalog) -> None:
    await catalog.execute(
        """
        INSERT INTO event (id, organizer_id, status, title, description, category, location,
                           starts_at, ends_at, timezone, currency, max_per_customer,
                           refund_until_hours, refund_percent, tax_basis_points, terms, min_price,
                           capacity)
        SELECT uuidv7(), :asha, 'PUBLISHED', 'Event ' || n, '', 'OTHER', 'Here',
               now() + n * interval '1 minute', now() + (n + 60) * interval '1 minute', 'UTC',
               'NPR', 10, 24, 100, 0, '', n, 10
          FROM generate_series(1, 3000) AS n
        """,
        asha=ASHA,
    )
    facts = {
        "owner_id": None,
        "status": "",
        "category": "",
        "city": "",
        "starts_from": None,
        "starts_before": None,
        "min_price": None,
        "max_price": None,
        "organizer_id": None,
        "patterns": [],
        "id": str(uuid7()),
        "limit": 21,
    }
    async with catalog.database.transaction() as session:
        for sort, key, index in (
            ("starts_at", "2026-01-01", "event_by_start"),
            ("-starts_at", "2090-01-01", "event_by_start"),
            ("price", "500", "event_by_price"),
            ("-price", "500", "event_by_price"),
        ):
            rows = await session.all(
                "EXPLAIN " + listing._PAGES["PUBLISHED", sort], key=key, **facts
            )
            plan = "\n".join(row[0] for row in rows)
            assert index in plan
            assert "ROW(" in plan.split(index, 1)[1].split("Filter", 1)[0]
            assert "Sort" not in plan.split("SubPlan")[0]
