"""catalog_service: lists of events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.catalog.v1 import catalog_pb2

from catalog_service.domain import EventSearch, Position
from catalog_service.handlers import events as handlers
from catalog_service.storage import events as stored
from catalog_service.storage import listing
from chassis.database import Session
from chassis.errors import RemoteError
from chassis.ids import uuid7
from deploy.postgres import Postgres

from .box import ASHA, BINA, ROOT, Catalog, counted, stamp, tiers_of


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
    assert await catalog.titles(ASHA, own_only=True, status="COMPLETED") == ["Over"]
    assert not await catalog.database.run(handlers.complete_events)
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


async def test_words_are_found_whatever_their_accents_case_and_ends(catalog: Catalog) -> None:
    await catalog.published(title="Élan/Ángström: die Straße", location="Saint-Rémy")
    await catalog.published(title="भृकुटीमण्डप मेला", location="काठमाडौँ")
    await catalog.published(title="O\u2019Neil's <b>Big</b> Night, 2nd", location="Here")
    elan, mela, oneil = (
        "Élan/Ángström: die Straße",
        "भृकुटीमण्डप मेला",
        "O\u2019Neil's <b>Big</b> Night, 2nd",
    )
    for query, titles in (
        ("elan", [elan]),
        ("ELAN angst", [elan]),
        ("strasse saint-remy", [elan]),
        ("lan", []),
        ("भृकुटी", [mela]),
        ("काठमाडौँ", [mela]),
        ("o'neil", [oneil]),
        ("big ni 2n", [oneil]),
        ("d", []),
        ("<b>", [oneil]),
        ("bi", [oneil]),
        ("'", []),
        ("!! & |", []),
        ("a:* | b", []),
    ):
        assert await catalog.titles(query=query) == titles, query


async def test_parts_of_titles_without_spaces_are_found(catalog: Catalog) -> None:
    for title in ("東京の夜", "京都の東", "คอนเสิร์ตกรุงเทพ", "រាត្រីភ្នំពេញ", "မြန်မာည", "서울에서"):
        await catalog.published(title=title, location="ΟΔΥΣΣΕΥΣ")
    for query, titles in (
        ("夜", ["東京の夜"]),
        ("東京", ["東京の夜"]),
        ("京の夜", ["東京の夜"]),
        ("東", ["東京の夜", "京都の東"]),
        ("東京の夜", ["東京の夜"]),
        ("夜の", []),
        ("東京の夜 οδυσσεύς", ["東京の夜"]),
        ("กรุงเทพ", ["คอนเสิร์ตกรุงเทพ"]),
        ("เสิร์ต", ["คอนเสิร์ตกรุงเทพ"]),
        ("ភ្នំ", ["រាត្រីភ្នំពេញ"]),
        ("ည", ["မြန်မာည"]),
        ("서울", ["서울에서"]),
    ):
        assert await catalog.titles(query=query) == titles, query
    assert await catalog.titles(query="東京", sort="relevance") == ["東京の夜"]


async def test_events_of_before_are_indexed_anew_batch_by_batch(catalog: Catalog) -> None:
    hall = await catalog.hall()
    for title in ("東京の夜", "京都の東"):
        await catalog.published(title=title, venue_id=hall.id, tiers=tiers_of(hall))
    await catalog.execute("UPDATE event SET search = '', city = ''")
    assert await catalog.titles(query="夜") == []

    async def once(session: Session) -> int:
        return await stored.reword_some(session, 1)

    assert [await catalog.database.run(once) for _ in range(4)] == [1, 1, 0, 0]
    assert await catalog.titles(query="夜 globe", city="LONDON") == ["東京の夜"]
    assert await catalog.titles(query="globe") == ["東京の夜", "京都の東"]


async def test_the_best_match_comes_first_and_among_equals_the_soonest(catalog: Catalog) -> None:
    for title, description, days in (
        ("Late tempest", "", 40),
        ("Something else", "With a tempest.", 10),
        ("Soon tempest", "", 20),
        ("Another", "No storm at all.", 5),
        ("Tempest and tempest", "The tempest.", 50),
    ):
        await catalog.published(
            title=title,
            description=description,
            starts_at=stamp(days=days),
            ends_at=stamp(days=days + 1),
        )
    ranked = ["Tempest and tempest", "Soon tempest", "Late tempest", "Something else"]

    assert await catalog.titles(query="tempest", sort="relevance") == ranked
    seen, cursor = [], ""
    for _ in range(10):
        message = catalog_pb2.ListEventsRequest(
            query="tempest", sort="relevance", limit=1, cursor=cursor
        )
        page = await catalog.call("ListEvents", message)
        seen += [event.draft.title for event in page.events]
        cursor = page.next_cursor
        if not cursor:
            break
    assert seen == ranked


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
        ({"sort": "relevance"}, "INVALID_FILTER"),
        ({"updated_since": stamp(days=-1)}, "INVALID_FILTER"),
        ({"sort": "price", "updated_since": stamp(days=-1)}, "INVALID_FILTER"),
        ({"sort": "updated_at", "cursor": "x"}, "INVALID_CURSOR"),
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


LONG_AGO = Timestamp(seconds=1_577_836_800)


async def test_what_was_updated_comes_in_that_order_called_off_and_over_too(
    catalog: Catalog,
) -> None:
    events = [await catalog.published(title=str(number)) for number in range(4)]
    await catalog.event(title="Draft")
    await catalog.cancel(events[1].id)
    await catalog.execute(
        "UPDATE event SET starts_at = '2020-01-01', ends_at = '2020-01-02' WHERE id = :id",
        id=events[2].id,
    )
    assert not await catalog.database.run(handlers.complete_events)
    # As if an hour had passed, so that all is settled.
    await catalog.execute("UPDATE event SET updated_at = updated_at - interval '1 hour'")

    seen: list[str] = []
    cursor = ""
    for _ in range(10):
        message = catalog_pb2.ListEventsRequest(
            sort="updated_at", updated_since=LONG_AGO, limit=1, cursor=cursor
        )
        page = await catalog.call("ListEvents", message, BINA)
        seen += [event.draft.title for event in page.events]
        latest = page.events[-1].updated_at
        cursor = page.next_cursor
        if not cursor:
            break
    assert seen == ["0", "3", "1", "2"]
    search = {"sort": "updated_at", "updated_since": latest}
    assert await catalog.titles(BINA, **search) == ["2"]
    search["updated_since"] = LONG_AGO
    assert await catalog.titles(BINA, status="CANCELLED", **search) == ["1"]
    assert await catalog.titles(ASHA, own_only=True, **search) == ["0", "3", "Draft", "1", "2"]
    assert await catalog.titles(BINA, own_only=True, **search) == []


async def test_a_change_is_listed_once_it_is_settled(catalog: Catalog) -> None:
    event = await catalog.published(title="Old")
    await catalog.execute("UPDATE event SET updated_at = updated_at - interval '1 hour'")
    search = {"sort": "updated_at", "updated_since": LONG_AGO}
    before = (await catalog.get(event.id)).updated_at.ToDatetime()
    await catalog.execute(
        "UPDATE event SET rating_sum = 4, rating_count = 1 WHERE id = :id", id=event.id
    )
    assert (await catalog.get(event.id)).updated_at.ToDatetime() == before
    assert await catalog.titles(**search) == ["Old"]
    draft = catalog_pb2.EventDraft(title="New")
    message = catalog_pb2.UpdateEventRequest(event_id=event.id, draft=draft, fields=["title"])
    assert (await catalog.call("UpdateEvent", message)).event.updated_at.ToDatetime() > before
    async with asyncio.timeout(30):
        while await catalog.titles(**search) != ["New"]:
            await asyncio.sleep(0.05)


async def test_lists_walk_their_index_from_the_cursor_on(
    catalog: Catalog, postgres: Postgres
) -> None:
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
    await catalog.execute(
        "INSERT INTO availability (event_id, status, sold) SELECT id, status, min_price FROM event"
    )
    name = psycopg.conninfo.conninfo_to_dict(catalog.database.url)["dbname"]
    with psycopg.connect(postgres.admin_url, dbname=name) as owner:
        owner.execute("ANALYZE catalog.event, catalog.availability")
    async with catalog.database.transaction() as session:
        for sort, key, index in (
            ("starts_at", datetime(2026, 1, 1, tzinfo=UTC).isoformat(), "event_by_start"),
            ("-starts_at", datetime(2090, 1, 1, tzinfo=UTC).isoformat(), "event_by_start"),
            ("price", "500", "event_by_price"),
            ("-price", "500", "event_by_price"),
            ("popularity", "500", "availability_by_sold"),
            ("updated_at", datetime(2026, 1, 1, tzinfo=UTC).isoformat(), "event_by_update"),
        ):
            told = listing.parameters(EventSearch(sort=sort), Position([key], uuid7()))
            scope = "PUBLIC" if sort == "updated_at" else "PUBLISHED"
            rows = await session.all(
                "EXPLAIN " + listing.PAGES[scope, sort],
                limit=21,
                settled=datetime.max.replace(tzinfo=UTC),
                **told,
            )
            plan = "\n".join(row[0] for row in rows)
            assert index in plan
            assert "ROW(" in plan.split(index, 1)[1].split("Filter", 1)[0]
            assert "Sort" not in plan.split("Limit", 1)[1].split(index, 1)[0]
