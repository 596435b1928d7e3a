"""catalog_service: events as the gateway keeps them, held to stamps."""

from __future__ import annotations

from typing import Any

import pytest
from parterre.catalog.v1 import catalog_pb2

from chassis.errors import RemoteError
from chassis.ids import uuid7

from .box import Catalog, counted, stamp, tiers_of
from .test_projections import left, tell


async def read(catalog: Catalog, *known: tuple[str, str]) -> Any:
    items = [{"event_id": id, "known_stamp": stamp} for id, stamp in known]
    message = catalog_pb2.ReadEventsRequest(items=items)
    return (await catalog.caller.as_gateway("ReadEvents", message)).results


async def test_whatever_is_shown_of_an_event_changes_its_stamp(catalog: Catalog) -> None:
    hall = await catalog.hall()
    event = await catalog.published(tiers=tiers_of(hall), venue_id=hall.id)
    [first] = await read(catalog, (event.id, ""))
    assert first.event == await catalog.get(event.id)
    [same] = await read(catalog, (event.id, first.stamp))
    assert (same.stamp, same.HasField("event")) == (first.stamp, False)

    async def edit() -> None:
        draft = catalog_pb2.EventDraft(title="Another")
        message = catalog_pb2.UpdateEventRequest(event_id=event.id, draft=draft, fields=["title"])
        await catalog.call("UpdateEvent", message)

    async def sell() -> None:
        await tell(catalog, left(event.id, 1, 59, 1))

    async def review() -> None:
        await catalog.execute(
            "UPDATE event SET rating_sum = 4, rating_count = 1 WHERE id = :id", id=event.id
        )

    async def picture() -> None:
        await catalog.execute(
            "INSERT INTO image (id, event_id, role, slot, widths, width, height, state)"
            " VALUES (:image, :id, 'BANNER', 0, '{320}', 320, 200, 'STORED')",
            id=event.id,
            image=uuid7(),
        )

    async def rename_hall() -> None:
        await catalog.call(
            "UpdateVenue", catalog_pb2.UpdateVenueRequest(venue_id=hall.id, name="Rose")
        )

    async def close_sales() -> None:
        await catalog.execute(
            "UPDATE event SET sales_to = '2020-01-01' WHERE id = :id", id=event.id
        )

    async def end() -> None:
        await catalog.execute(
            "UPDATE event SET starts_at = '2020-01-01', ends_at = '2020-01-02' WHERE id = :id",
            id=event.id,
        )

    stamp_before = first.stamp
    for change in (edit, sell, review, picture, rename_hall, close_sales, end):
        await change()
        [changed] = await read(catalog, (event.id, stamp_before))
        assert changed.stamp != stamp_before, change.__name__
        assert changed.event == await catalog.get(event.id), change.__name__
        stamp_before = changed.stamp


async def test_many_are_read_at_once_and_drafts_are_left_out(catalog: Catalog) -> None:
    draft = await catalog.event(title="Draft")
    events = [
        await catalog.published(title=str(n), starts_at=stamp(days=n + 1), ends_at=stamp(days=30))
        for n in range(3)
    ]
    asked = [(event.id, "") for event in events] + [(draft.id, ""), ("x", ""), (events[0].id, "")]
    results = await read(catalog, *asked)
    assert [result.event.draft.title for result in results] == ["0", "1", "2", "", "", "0"]
    assert [bool(result.stamp) for result in results] == [True, True, True, False, False, True]


@pytest.mark.parametrize("count", [0, 25])
async def test_so_many_events_are_not_read_at_once(catalog: Catalog, count: int) -> None:
    with pytest.raises(RemoteError) as refused:
        await read(catalog, *[(str(uuid7()), "")] * count)
    assert refused.value.reason == "INVALID_FILTER"


async def test_a_full_reply_fits_in_a_message(catalog: Catalog) -> None:
    long = "\u6771" * 10_000
    tiers = [counted(name="\u6771" * 58 + str(n)) for n in range(10, 60)]
    ids = [
        (await catalog.published(description=long, terms=long, tiers=tiers)).id for _ in range(24)
    ]
    results = await read(catalog, *[(id, "") for id in ids])
    assert [result.event.id for result in results] == ids
