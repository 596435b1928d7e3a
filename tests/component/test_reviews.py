"""Reviews of events over real gRPC on a real database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from obstore.store import LocalStore
from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from catalog_service import messaging
from catalog_service.media import ObjectMedia
from catalog_service.rpc import SERVICE, CatalogServicer
from catalog_service.uploads import Uploads
from chassis.database import Database, IntegrityError
from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.ids import uuid7

from .conftest import Caller, MakeDatabase, Serve

ORGANIZER, ASHA, BINA = (str(uuid7()) for _ in range(3))


@dataclass
class Reviews:
    """The served catalog and its database."""

    caller: Caller
    database: Database

    async def event(self, *, begun: bool = True) -> str:
        """An event on sale; time is moved by moving the event."""
        draft = catalog_pb2.EventDraft(
            title="A play", category="THEATRE", location="Patan", timezone="UTC", currency="NPR"
        )
        draft.starts_at.FromDatetime(datetime.now(UTC) + timedelta(days=30))
        draft.ends_at.FromDatetime(datetime.now(UTC) + timedelta(days=30, hours=2))
        tiers = [catalog_pb2.Tier(name="Any", price=100, capacity=10)]
        reply = await self.caller.as_person(
            ORGANIZER,
            "CreateEvent",
            catalog_pb2.CreateEventRequest(draft=draft, tiers=tiers),
            Role.ORGANIZER,
        )
        shift = "31 days" if begun else "0 days"
        async with self.database.transaction() as session:
            await session.execute(
                "UPDATE event SET status = 'PUBLISHED', capacity = 10,"
                " starts_at = starts_at - CAST(:shift AS interval),"
                " ends_at = ends_at - CAST(:shift AS interval) WHERE id = :id",
                id=UUID(reply.event.id),
                shift=shift,
            )
        return str(reply.event.id)

    async def booking_ends(
        self,
        event_id: str,
        who: str,
        status: str = "CONFIRMED",
        booking_id: str = "",
        version: int = 1,
    ) -> str:
        """What booking tells of a booking's end, handled as its queue does."""
        message = messages_pb2.BookingEnded(
            booking_id=booking_id or str(uuid7()),
            event_id=event_id,
            customer_id=who,
            status=status,
            version=version,
            lines=[types_pb2.Line(quantity=1)],
        )
        handle: Any = messaging.QUEUES["catalog.events"][messages_pb2.BookingEnded]
        async with self.database.transaction() as session:
            if callable(handle):
                await handle(session, message)
            else:  # takes what comes together
                await handle.handle(session, [message])
        return message.booking_id

    async def write(
        self, event_id: str, who: str = ASHA, rating: int = 5, **changes: Any
    ) -> catalog_pb2.WriteReviewResponse:
        facts = {"event_id": event_id, "rating": rating, "author": "Asha", **changes}
        return await self.caller.as_person(
            who, "WriteReview", catalog_pb2.WriteReviewRequest(**facts)
        )

    async def refusal(self, *args: Any, **options: Any) -> str:
        with pytest.raises(RemoteError) as refused:
            await self.write(*args, **options)
        return refused.value.reason

    async def listed(self, event_id: str, **page: Any) -> catalog_pb2.ListReviewsResponse:
        message = catalog_pb2.ListReviewsRequest(event_id=event_id, **page)
        return await self.caller.as_gateway("ListReviews", message)

    async def rating(self, event_id: str) -> tuple[int, int]:
        """As the event shows it: the average in hundredths, and of how many."""
        message = catalog_pb2.GetEventRequest(event_id=event_id)
        rating = (await self.caller.as_gateway("GetEvent", message)).event.rating
        return rating.average_hundredths, rating.count

    async def counted(self, event_id: str) -> tuple[int, int, int, int]:
        """What the event says its reviews add up to, and what they do."""
        async with self.database.transaction() as session:
            row = await session.one(
                "SELECT rating_sum, rating_count, (SELECT coalesce(sum(rating), 0)::int FROM review"
                " WHERE event_id = :id) AS sum, (SELECT count(*)::int FROM review"
                " WHERE event_id = :id) AS count FROM event WHERE id = :id",
                id=UUID(event_id),
            )
        return row.rating_sum, row.rating_count, row.sum, row.count


@pytest.fixture
async def reviews(make_database: MakeDatabase, serve: Serve, tmp_path: Path) -> Reviews:
    database = await make_database("catalog", encode=messaging.encode)
    uploads = Uploads(database, ObjectMedia(LocalStore(tmp_path)))
    servicer = CatalogServicer(database, uploads, None)  # no room is made
    stub = catalog_pb2_grpc.CatalogServiceStub
    return Reviews(await serve("catalog", SERVICE, servicer, stub), database)


async def test_who_was_there_reviews_once_and_may_change_their_mind(reviews: Reviews) -> None:
    event = await reviews.event()
    await reviews.booking_ends(event, ASHA)
    first = await reviews.write(event, rating=2, text="  Long.\r\nVery long. ")
    assert (first.created, first.review.text) == (True, "Long.\r\nVery long.")
    assert await reviews.rating(event) == (200, 1)
    second = await reviews.write(event, rating=5, author="Asha R.")
    assert not second.created
    assert second.review.id == first.review.id
    assert second.review.created_at == first.review.created_at
    assert second.review.updated_at.ToNanoseconds() > first.review.updated_at.ToNanoseconds()
    assert (await reviews.listed(event)).reviews == [second.review]
    assert await reviews.rating(event) == (500, 1)


async def test_only_who_has_a_confirmed_booking_of_this_event_may(reviews: Reviews) -> None:
    event, other = await reviews.event(), await reviews.event()
    assert await reviews.refusal(event) == "NOT_AN_ATTENDEE"
    await reviews.booking_ends(other, ASHA)
    await reviews.booking_ends(event, BINA)
    for status in ("FAILED", "EXPIRED", "CANCELLED"):
        await reviews.booking_ends(event, ASHA, status)
    assert await reviews.refusal(event) == "NOT_AN_ATTENDEE"
    booking = await reviews.booking_ends(event, ASHA)
    await reviews.booking_ends(event, ASHA, "CANCELLED", booking, version=2)
    # What was told before the cancellation, and comes after it.
    await reviews.booking_ends(event, ASHA, "CONFIRMED", booking, version=1)
    assert await reviews.refusal(event) == "NOT_AN_ATTENDEE"
    await reviews.booking_ends(event, ASHA)
    assert (await reviews.write(event)).created
    assert (await reviews.listed(other)).reviews == []


async def test_nobody_reviews_what_has_not_begun_by_the_databases_clock(reviews: Reviews) -> None:
    event = await reviews.event(begun=False)
    await reviews.booking_ends(event, ASHA)
    assert await reviews.refusal(event) == "EVENT_NOT_BEGUN"
    assert await reviews.counted(event) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rating": 0}, "rating"),
        ({"rating": 6}, "rating"),
        ({"rating": -5}, "rating"),
        ({"text": "x" * 2001}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"author": ""}, "author"),
        ({"author": "x" * 101}, "author"),
    ],
)
async def test_an_unsound_review_changes_nothing(
    reviews: Reviews, changes: dict[str, Any], field: str
) -> None:
    event = await reviews.event()
    await reviews.booking_ends(event, ASHA)
    with pytest.raises(RemoteError) as refused:
        await reviews.write(event, **changes)
    assert (refused.value.reason, list(refused.value.metadata)) == ("INVALID_REVIEW", [field])
    assert await reviews.counted(event) == (0, 0, 0, 0)


async def test_the_table_itself_keeps_a_second_review_and_a_wrong_sum_out(
    reviews: Reviews,
) -> None:
    event = await reviews.event()
    await reviews.booking_ends(event, ASHA)
    await reviews.write(event)
    for statement in (
        "INSERT INTO review (id, event_id, customer_id, author, rating, text)"
        " SELECT uuidv7(), event_id, customer_id, author, rating, text FROM review",
        "UPDATE event SET rating_sum = rating_sum + 1",
        "UPDATE event SET rating_count = -1, rating_sum = -1",
    ):
        with pytest.raises(IntegrityError):
            async with reviews.database.transaction() as session:
                await session.execute(statement)


async def test_many_reviews_at_once_leave_the_rating_exact(reviews: Reviews) -> None:
    event = await reviews.event()
    people = [str(uuid7()) for _ in range(12)]
    for person in people:
        await reviews.booking_ends(event, person)
    chance = Random(7)
    # Everybody writes five times, all at once: first ones race changed ones, also one's own.
    replies = await asyncio.gather(
        *(
            reviews.write(event, person, rating=chance.randint(1, 5))
            for _ in range(5)
            for person in people
        )
    )
    assert sum(reply.created for reply in replies) == len(people)
    said_sum, said_count, real_sum, real_count = await reviews.counted(event)
    assert (said_sum, said_count) == (real_sum, real_count)
    assert real_count == len(people)
    shown = (await reviews.listed(event, limit=100)).reviews
    assert sum(review.rating for review in shown) == said_sum
    assert await reviews.rating(event) == (round(said_sum * 100 / said_count), said_count)


async def test_reviews_are_paged_newest_first_and_a_change_moves_none(reviews: Reviews) -> None:
    event = await reviews.event()
    people = [str(uuid7()) for _ in range(5)]
    for number, person in enumerate(people):
        await reviews.booking_ends(event, person)
        await reviews.write(event, person, author=f"Reader {number}")
    first = await reviews.listed(event, limit=2)
    await reviews.write(event, people[0], author="Reader 0, again")
    second = await reviews.listed(event, limit=2, cursor=first.next_cursor)
    third = await reviews.listed(event, limit=2, cursor=second.next_cursor)
    names = [review.author for page in (first, second, third) for review in page.reviews]
    assert names == ["Reader 4", "Reader 3", "Reader 2", "Reader 1", "Reader 0, again"]
    assert third.next_cursor == ""
    for cursor in ("x", first.next_cursor[:-3], "dmVudWVzIDE"):
        with pytest.raises(RemoteError) as refused:
            await reviews.listed(event, cursor=cursor)
        assert refused.value.reason == "INVALID_CURSOR"


async def test_what_is_not_there_is_not_reviewed(reviews: Reviews) -> None:
    for event_id in (str(uuid7()), "no id"):
        assert await reviews.refusal(event_id) == "EVENT_NOT_FOUND"
        with pytest.raises(RemoteError) as missing:
            await reviews.listed(event_id)
        assert missing.value.reason == "EVENT_NOT_FOUND"
