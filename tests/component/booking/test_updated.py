"""Lists of what was updated since: each change once at least, in their order, none missed."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.booking.v1 import booking_pb2

from chassis.database import Session
from chassis.identity import Role

from .box import ADMIN, ASHA, BIKRAM, Box, Payment, moment, refused

LONG_AGO = moment(datetime(2020, 1, 1, tzinfo=UTC))


async def age(box: Box, booking: Any, seconds: int) -> None:
    """Lets a booking have been updated so long ago."""
    async with box.database.transaction() as session:
        await session.execute(
            "UPDATE saga SET updated_at = clock_timestamp() - make_interval(secs => :seconds)"
            " WHERE booking_id = :id",
            id=UUID(booking.id),
            seconds=seconds,
        )


async def own(box: Box, **facts: Any) -> Any:
    request = booking_pb2.ListBookingsRequest(**({"limit": 9, "updated_since": LONG_AGO} | facts))
    return await box.caller.as_person(ASHA, "ListBookings", request)


async def sold(box: Box, **facts: Any) -> Any:
    return await box.organize(
        "ListEventBookings", **({"limit": 9, "updated_since": LONG_AGO} | facts)
    )


@pytest.mark.parametrize("read", [own, sold])
async def test_what_was_updated_comes_in_that_order_page_by_page(box: Box, read: Any) -> None:
    bookings = [await box.create(ASHA, box.hold()) for _ in range(4)]
    for booking, seconds in zip(bookings, (30, 20, 20, 40), strict=True):
        await age(box, booking, seconds)
    other = await box.create(BIKRAM, box.hold(BIKRAM))
    await age(box, other, 3600)
    first = await read(box, limit=2)
    last = await read(box, limit=9, cursor=first.next_cursor)
    seen = [*first.bookings, *last.bookings]
    if read is sold:
        assert seen.pop(0).id == other.id
    assert [booking.id for booking in seen] == [bookings[n].id for n in (3, 0, 1, 2)]
    assert last.next_cursor == ""
    assert [booking.updated_at.ToDatetime() for booking in seen] == sorted(
        booking.updated_at.ToDatetime() for booking in seen
    )
    # Who asks with the latest they had gets that one again, and what came since.
    since = await read(box, updated_since=seen[1].updated_at)
    assert [booking.id for booking in since.bookings] == [bookings[n].id for n in (0, 1, 2)]
    assert (await read(box, status="FAILED")).bookings == []


async def test_each_step_of_a_booking_is_an_update_and_the_answer_says_the_same(box: Box) -> None:
    booking = await box.create(ASHA, box.hold())
    assert booking.updated_at == booking.created_at
    assert (await box.get(booking)).updated_at == booking.updated_at
    await box.paid(booking, Payment.OUTCOME_CHARGED)
    confirmed = await box.get(booking)
    assert confirmed.updated_at.ToDatetime() > booking.updated_at.ToDatetime()
    waiting = await box.create(ASHA, box.hold())
    answer = asyncio.create_task(box.get(waiting, wait=20))
    while not box.wakeups._waiting:
        await asyncio.sleep(0)
    await box.paid(waiting, Payment.OUTCOME_CHARGED)
    assert (await answer).updated_at == (await box.get(waiting)).updated_at


async def test_what_is_not_settled_waits(box: Box) -> None:
    early, late = [await box.create(ASHA, box.hold()) for _ in range(2)]
    for booking in (early, late):
        await age(box, booking, 60)

    async with box.database.transaction() as session:
        await update(session, early)
        await age(box, late, -3600)  # as if it had been an hour since
        async with box.database.transaction() as reader:
            settled = await reader.settled()
        began = await session.scalar("SELECT now()")
        assert settled < began
        shown = (await own(box)).bookings
        assert [booking.id for booking in shown] == [early.id]  # as it was before


async def update(session: Session, booking: Any) -> None:
    await session.execute(
        "UPDATE saga SET updated_at = clock_timestamp() WHERE booking_id = :id",
        id=UUID(booking.id),
    )


async def test_who_follows_misses_no_change_however_long_transactions_take(box: Box) -> None:
    bookings = [await box.create(ASHA, box.hold()) for _ in range(6)]
    chance = random.Random(20261126)
    done = asyncio.Event()

    async def change(booking: Any) -> None:
        for _ in range(12):
            async with box.database.transaction() as session:
                await update(session, booking)
                await asyncio.sleep(chance.uniform(0, 0.1))  # it commits late

    async def change_all() -> None:
        await asyncio.gather(*map(change, bookings))
        done.set()

    seen: dict[str, Timestamp] = {}
    changing = asyncio.create_task(change_all())
    since, ends = LONG_AGO, None
    while ends is None or (await settled(box)) <= ends:
        if ends is None and done.is_set():
            async with box.database.transaction() as session:
                ends = await session.now()
        since = await follow(box, since, seen)
        await asyncio.sleep(0.01)
    await changing
    await follow(box, since, seen)
    now = {booking.id: (await box.get(booking)).updated_at for booking in bookings}
    assert seen == now


async def follow(box: Box, since: Timestamp, seen: dict[str, Timestamp]) -> Timestamp:
    """Walks through what was updated, as a client does; gives the latest moment of it."""
    cursor = ""
    while True:
        page = await sold(box, limit=2, cursor=cursor, updated_since=since)
        seen |= {booking.id: booking.updated_at for booking in page.bookings}
        if not page.next_cursor:
            return page.bookings[-1].updated_at if page.bookings else since
        cursor = page.next_cursor


async def settled(box: Box) -> datetime:
    async with box.database.transaction() as session:
        return await session.settled()


@pytest.mark.parametrize("read", [own, sold])
@pytest.mark.parametrize("cursor", ["x", "AAAA", "=", "a" * 512])
async def test_a_cursor_of_another_list_is_refused(box: Box, read: Any, cursor: str) -> None:
    assert await refused(read(box, cursor=cursor)) == "INVALID_CURSOR"


async def test_lists_do_not_take_each_others_cursors(box: Box) -> None:
    for _ in range(2):
        await age(box, await box.create(ASHA, box.hold()), 60)
    updated = (await own(box, limit=1)).next_cursor
    newest = (await own(box, limit=1, updated_since=None)).next_cursor
    assert await refused(own(box, cursor=newest)) == "INVALID_CURSOR"
    assert await refused(own(box, updated_since=None, cursor=updated)) == "INVALID_CURSOR"
    assert await refused(own(box, updated_since=Timestamp(seconds=10**15))) == "INVALID_FILTER"


async def test_an_admin_follows_an_event_too(box: Box) -> None:
    await age(box, await box.create(ASHA, box.hold()), 60)
    page = await sold(box, who=ADMIN, role=Role.ADMIN)
    assert len(page.bookings) == 1
