"""Events on sale that are moved to another time or place: what their page and others are told."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

from parterre.catalog.v1 import catalog_pb2
from parterre.messages.v1 import messages_pb2

from catalog_service.domain import EventChange, Person
from catalog_service.handlers import events

from .box import ASHA, Catalog, counted, stamp, tiers_of
from .test_editing import edit

DAY = timedelta(days=1)


def window(event: catalog_pb2.Event) -> timedelta:
    """How long after the move it can be cancelled."""
    moved = event.moved
    return moved.cancel_until.ToDatetime(UTC) - moved.at.ToDatetime(UTC)


async def told(catalog: Catalog) -> list[Any]:
    return await catalog.sent(messages_pb2.EventMoved)


async def test_another_start_is_a_move_and_is_told_with_its_window(catalog: Catalog) -> None:
    event = await catalog.published()
    assert not event.HasField("moved")

    starts_at = stamp(days=20)
    moved = await edit(catalog, event.id, starts_at=starts_at)

    assert abs(window(moved) - timedelta(hours=72)) < timedelta(seconds=1)
    assert await catalog.get(event.id) == moved
    (fact,) = await told(catalog)
    assert (fact.event_id, fact.title, fact.place) == (event.id, "The Tempest", "The park")
    assert (fact.starts_at, fact.starts_at_before) == (starts_at, event.draft.starts_at)
    assert (fact.cancel_until, fact.version) == (moved.moved.cancel_until, moved.version)
    published = (await catalog.sent(messages_pb2.EventPublished))[-1]
    assert (published.moved.version, published.version) == (moved.version, moved.version)
    assert published.moved.cancel_until == moved.moved.cancel_until


async def test_the_window_ends_when_the_event_starts(catalog: Catalog) -> None:
    event = await catalog.published()
    starts_at = stamp(hours=5)
    moved = await edit(catalog, event.id, starts_at=starts_at)
    assert moved.moved.cancel_until == starts_at


async def test_what_moves_nothing_keeps_the_window_of_the_last_move(catalog: Catalog) -> None:
    event = await catalog.published()
    draft = event.draft
    await edit(catalog, event.id, title="The Storm", ends_at=stamp(days=31), timezone="Asia/Tokyo")
    await edit(catalog, event.id, starts_at=draft.starts_at, ends_at=draft.ends_at)
    assert await told(catalog) == []

    moved = await edit(catalog, event.id, starts_at=stamp(days=20))
    event.tiers[0].capacity = 61
    later = await edit(catalog, event.id, terms="None.", tiers=list(event.tiers))
    assert later.moved == moved.moved
    assert later.version > moved.version
    published = (await catalog.sent(messages_pb2.EventPublished))[-1]
    assert (published.version, published.moved.version) == (later.version, moved.version)
    assert len(await told(catalog)) == 1

    again = await edit(catalog, event.id, starts_at=draft.starts_at)
    assert again.moved.at.ToDatetime() > moved.moved.at.ToDatetime()


async def test_a_draft_is_no_promise(catalog: Catalog) -> None:
    draft = await catalog.event()
    changed = await edit(catalog, draft.id, starts_at=stamp(days=20))
    assert not changed.HasField("moved")
    assert await told(catalog) == []


async def test_events_on_sale_move_with_their_venue(catalog: Catalog) -> None:
    hall = await catalog.hall()
    on_sale = await catalog.published(tiers=tiers_of(hall), venue_id=hall.id)
    drafted = await catalog.event(tiers=tiers_of(hall), venue_id=hall.id)
    begun = await catalog.published(tiers=tiers_of(hall), venue_id=hall.id)
    elsewhere = await catalog.published(tiers=[counted()])
    await catalog.execute(
        "UPDATE event SET starts_at = now() - interval '1 hour' WHERE id = :id", id=begun.id
    )
    change = catalog_pb2.UpdateVenueRequest
    await catalog.call("UpdateVenue", change(venue_id=hall.id, name="The Rose"))
    await catalog.database.run(events.follow_venues)
    assert await told(catalog) == []  # another name is no other place

    await catalog.call("UpdateVenue", change(venue_id=hall.id, address="2 Park Street"))
    # What is edited before the caretaker comes by is moved all the same.
    await edit(catalog, on_sale.id, title="The Storm")
    await catalog.publish(drafted.id)
    await catalog.opened(drafted.id)
    await asyncio.gather(*(catalog.database.run(events.follow_venues) for _ in range(3)))

    (fact,) = await told(catalog)
    moved = await catalog.get(on_sale.id)
    assert (fact.event_id, fact.place) == (on_sale.id, "The Rose")
    assert not fact.HasField("starts_at_before")
    assert abs(window(moved) - timedelta(hours=72)) < timedelta(seconds=1)
    assert fact.version == moved.version
    for other in (drafted, begun, elsewhere):
        assert not (await catalog.get(other.id)).HasField("moved")


async def test_how_long_is_a_setting(catalog: Catalog) -> None:
    event = await catalog.published()
    change = EventChange({"starts_at": event.draft.starts_at.ToDatetime(UTC) - DAY}, None, 0)
    async with catalog.database.transaction() as session:
        person = Person(UUID(ASHA), is_admin=False)
        await events.edit_event(
            session, person, UUID(event.id), change, released_for=timedelta(hours=5)
        )
    assert window(await catalog.get(event.id)) == timedelta(hours=5)
