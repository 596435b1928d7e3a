"""catalog_service: drafts of events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.catalog.v1 import catalog_pb2
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from chassis.database import IntegrityError
from chassis.errors import RemoteError
from tests.component.conftest import one_answer

from .box import ASHA, BINA, ROOT, Catalog, counted, event_request, stamp, tiers_of


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


WRONG: list[tuple[Callable[[], catalog_pb2.CreateEventRequest], str]] = [
    (lambda: event_request(title=""), "title"),
    (lambda: event_request(title="x" * 201), "title"),
    (lambda: event_request(title="a\x00b"), "title"),
    (lambda: event_request(description="x" * 10_001), "description"),
    (lambda: event_request(description="a\x00b"), "description"),
    (lambda: event_request(category="OPERA"), "category"),
    (lambda: event_request(location=""), "location"),
    (lambda: event_request(timezone=""), "timezone"),
    (lambda: event_request(timezone="Factory"), "timezone"),
    (lambda: event_request(timezone="localtime"), "timezone"),
    (lambda: event_request(timezone="posixrules"), "timezone"),
    (lambda: event_request(timezone="Asia/Katmandu2"), "timezone"),
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


async def test_one_key_makes_one_draft_however_often_it_is_sent(catalog: Catalog) -> None:
    message = event_request(idempotency_key="k")
    reply = await one_answer(lambda: catalog.call("CreateEvent", message))
    async with catalog.database.transaction() as session:
        assert await session.scalar("SELECT count(*) FROM event") == 1
    assert await catalog.get(reply.event.id) == reply.event
    other = event_request(title="Another", idempotency_key="k")
    assert (await catalog.refusal("CreateEvent", other)).reason == "IDEMPOTENCY_KEY_REUSED"
    # Another person's key is another one.
    assert (await catalog.call("CreateEvent", message, BINA)).event.organizer_id == BINA


async def test_one_key_publishes_and_calls_off_once(catalog: Catalog) -> None:
    event = await catalog.event()
    publish = catalog_pb2.PublishEventRequest(event_id=event.id, idempotency_key="p")
    published = await one_answer(lambda: catalog.call("PublishEvent", publish))
    await catalog.opened(event.id)
    cancel = catalog_pb2.CancelEventRequest(event_id=event.id, reason="Rain", idempotency_key="c")
    cancelled = await one_answer(lambda: catalog.call("CancelEvent", cancel))
    assert cancelled.event.status == "CANCELLED"
    # What was answered then is answered still, whatever has happened since.
    assert await catalog.call("PublishEvent", publish) == published


async def test_booking_is_told_of_a_draft_whenever_it_changes(catalog: Catalog) -> None:
    event = await catalog.event()
    change = catalog_pb2.UpdateEventRequest(event_id=event.id, fields=["title"])
    change.draft.title = "The Storm"
    await catalog.call("UpdateEvent", change)
    told = [message.event for message in await catalog.sent(messages_pb2.EventDrafted)]
    assert [(each.event_id, each.organizer_id, each.title) for each in told] == [
        (event.id, ASHA, "The Tempest"),
        (event.id, ASHA, "The Storm"),
    ]
    assert told[0].version < told[1].version
    assert not await catalog.sent(messages_pb2.EventPublished)
