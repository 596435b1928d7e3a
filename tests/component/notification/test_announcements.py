"""What all who go are told: in slices that go on after a crash, to each once, past no code."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from parterre.messages.v1 import messages_pb2

from chassis.database import Database
from chassis.ids import uuid7
from chassis.timestamps import timestamp
from notification_service import loops
from notification_service.domain import Event, Guest
from notification_service.loops import announce_slice
from tests.component.conftest import MakeDatabase, Until

from .conftest import (
    STARTS_AT,
    FakeBookings,
    MailServer,
    code_message,
    handle,
    mailing,
    scalar,
    user,
)


def audience(event_id: UUID, count: int) -> FakeBookings:
    return FakeBookings(
        event=Event(event_id, uuid7(), "The Tempest", "Hall", STARTS_AT, "Asia/Kathmandu", 0),
        guests=[Guest(uuid7(), f"PT-{number}", uuid7(), []) for number in range(count)],
    )


async def tell_all(database: Database, bookings: FakeBookings) -> None:
    while await announce_slice(database, bookings):
        pass


@pytest.mark.parametrize("count", [250, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_everybody_is_told_once_however_many_tell_and_whoever_dies(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(loops, "_MOST_WAITING", 1_000_000)
    monkeypatch.setattr(loops, "_ANNOUNCEMENT_SECONDS", 0.0)  # a lease is over at once
    database, event_id = await make_database("notification"), uuid7()
    other = await make_database("notification", like=database)
    bookings = audience(event_id, count)
    called_off = messages_pb2.EventCancelled(event_id=str(event_id), reason="Rain all day")
    await handle(database, called_off)
    await handle(database, called_off)

    # One dies with a slice in hand: it is leased, and was not told.
    async with database.transaction() as session:
        leased = await loops.events.next_announcement(
            session, most_waiting=1_000_000, lease_seconds=0.0
        )
    assert leased is not None
    await asyncio.gather(*(tell_all(each, bookings) for each in (database, other, database)))

    assert bookings.asked_called_off
    assert await scalar(database, "SELECT count(*) FROM mail") == count
    assert await scalar(database, "SELECT count(DISTINCT person_id) FROM mail") == count
    assert await scalar(database, "SELECT count(*) FROM announcement WHERE done_at IS NULL") == 0


async def test_no_slice_is_written_while_enough_mails_wait(make_database: MakeDatabase) -> None:
    database, event_id = await make_database("notification"), uuid7()
    bookings = audience(event_id, 1000)
    await handle(database, messages_pb2.EventCancelled(event_id=str(event_id), reason="Rain"))
    await tell_all(database, bookings)
    waiting = await scalar(database, "SELECT count(*) FROM mail")
    assert loops._MOST_WAITING <= waiting < 1000
    async with database.transaction() as session:
        await session.execute("UPDATE mail SET sent_at = clock_timestamp()")
    await tell_all(database, bookings)
    assert await scalar(database, "SELECT count(*) FROM mail") > waiting


async def test_an_event_without_bookings_has_nobody_to_tell(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    await handle(database, messages_pb2.EventCancelled(event_id=str(uuid7()), reason="Rain"))
    await tell_all(database, FakeBookings())
    assert await scalar(database, "SELECT done_at IS NOT NULL FROM announcement")


async def test_a_move_is_told_to_buyers_and_to_those_who_go_in_their_language(
    make_database: MakeDatabase, mail_server: MailServer, until: Until
) -> None:
    database, event_id, asha = await make_database("notification"), uuid7(), uuid7()
    bookings = audience(event_id, 0)
    bookings.guests = [
        Guest(uuid7(), "PT-1", asha, ["asha@example.org", "bina@example.org"]),
        Guest(uuid7(), "PT-2", asha, ["BINA@example.org"]),
    ]
    await handle(database, user(str(asha), language="ne"))
    moved = messages_pb2.EventMoved(
        event_id=str(event_id),
        title="The Tempest",
        place="The other hall",
        starts_at=timestamp(STARTS_AT),
        timezone="Asia/Kathmandu",
        cancel_until=timestamp(STARTS_AT),
        version=3,
    )
    await handle(database, moved)
    async with mailing(database, mail_server.port, bookings):
        await tell_all(database, bookings)

        async def sent() -> bool:
            return len(mail_server.saw("taken")) == 2

        await until(sent)
    [to_asha] = mail_server.saw("taken", "asha@example.org")
    [to_bina] = mail_server.saw("taken", "bina@example.org")
    assert to_asha.message["Subject"] == "परिवर्तन: The Tempest"
    assert to_bina.message["Subject"] == "Changed: The Tempest"
    assert "The other hall" in to_bina.message.get_body(("plain",)).get_content()  # type: ignore[union-attr]


async def test_a_code_does_not_wait_for_the_thousands(
    make_database: MakeDatabase,
    mail_server: MailServer,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loops, "_MOST_WAITING", 1_000_000)
    database, event_id = await make_database("notification"), uuid7()
    bookings = audience(event_id, 500)
    await handle(
        database,
        *(
            user(str(guest.customer_id), email=f"guest{number}@example.org")
            for number, guest in enumerate(bookings.guests)
        ),
    )
    await handle(database, messages_pb2.EventCancelled(event_id=str(event_id), reason="Rain"))
    await tell_all(database, bookings)
    async with mailing(database, mail_server.port, bookings):
        await handle(database, code_message())

        async def came() -> bool:
            return bool(mail_server.saw("taken", "asha@example.org"))

        await until(came)
        assert len(mail_server.saw("taken", "guest")) < 400

        async def all_came() -> bool:
            return len(mail_server.saw("taken")) == 501

        await until(all_came)
