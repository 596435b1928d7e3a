"""News in the app: what each person sees, once, in their language, and what they want to see."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from parterre.messages.v1 import messages_pb2
from parterre.notification.v1 import notification_pb2, notification_pb2_grpc

from chassis.database import Database
from chassis.errors import RemoteError
from chassis.ids import uuid7
from chassis.timestamps import timestamp
from notification_service.domain import APP, KINDS, MAIL, Draft, Event, Guest
from notification_service.handlers import news
from notification_service.loops import announce_slice
from notification_service.rpc import SERVICE, NotificationServicer
from notification_service.storage import notices
from tests.component.conftest import Caller, MakeDatabase, Serve

from .conftest import COMPOSER, KEY, SEAL, STARTS_AT, FakeBookings, ended, handle, scalar, user
from .test_facts import returned


@dataclass
class Box:
    database: Database
    caller: Caller
    bookings: FakeBookings
    asha: str

    @property
    def asha_id(self) -> UUID:
        return UUID(self.asha)

    async def ask(self, method: str, request: Any, *, who: str = "") -> Any:
        return await self.caller.as_person(who or self.asha, method, request)

    async def listed(self, **fields: Any) -> Any:
        return await self.ask("ListNotices", notification_pb2.ListNoticesRequest(**fields))

    async def want(self, *wishes: tuple[str, str, bool]) -> dict[tuple[str, str], bool]:
        request = notification_pb2.SetPreferencesRequest(
            preferences=[
                notification_pb2.Preference(kind=kind, channel=channel, wanted=wanted)
                for kind, channel, wanted in wishes
            ]
        )
        reply = await self.ask("SetPreferences", request)
        return {(each.kind, each.channel): each.wanted for each in reply.preferences}


@pytest.fixture
async def box(make_database: MakeDatabase, serve: Serve) -> Box:
    """The service, and Asha, who reads English."""
    database, asha = await make_database("notification"), str(uuid7())
    bookings = FakeBookings()
    servicer = NotificationServicer(
        database,
        bookings,
        COMPOSER,
        key=KEY,
        messages_per_day=2,
        catcher=None,
        seal=SEAL,
        allows_loopback=True,
    )
    caller = await serve(
        "notification", SERVICE, servicer, notification_pb2_grpc.NotificationServiceStub
    )
    await handle(database, user(asha))
    return Box(database, caller, bookings, asha)


async def refused(call: Any) -> str:
    with pytest.raises(RemoteError) as error:
        await call
    return error.value.reason


async def test_news_are_shown_newest_first_page_by_page_and_counted_until_they_are_read(
    box: Box,
) -> None:
    for status in ("CONFIRMED", "FAILED", "EXPIRED"):
        await handle(box.database, ended(box.asha, status))
    first = await box.listed(limit=2)
    assert [each.kind for each in first.notices] == ["booking_expired", "booking_failed"]
    assert first.unread == 3
    last = await box.listed(limit=2, cursor=first.next_cursor)
    assert ([each.kind for each in last.notices], last.next_cursor) == (["booking_confirmed"], "")
    [confirmed] = last.notices
    assert confirmed.title == "Your tickets for The Tempest"
    assert confirmed.text == "Your booking is confirmed. Its tickets are ready."
    assert confirmed.booking_reference == "PT-ABCD1234"
    assert not confirmed.HasField("read_at")

    request = notification_pb2.ReadNoticeRequest(notice_id=confirmed.id)
    read = (await box.ask("ReadNotice", request)).notice
    assert read.HasField("read_at")
    assert (await box.ask("ReadNotice", request)).notice == read  # since the first time
    unread = await box.listed(unread=True)
    assert ([each.kind for each in unread.notices], unread.unread) == (
        ["booking_expired", "booking_failed"],
        2,
    )
    await box.ask("ReadAllNotices", notification_pb2.ReadAllNoticesRequest())
    assert (await box.listed()).unread == 0
    count = notification_pb2.CountUnreadNoticesRequest(person_id=box.asha)
    assert (await box.caller.as_gateway("CountUnreadNotices", count)).unread == 0


async def test_a_fact_is_shown_once_however_often_and_together_it_arrives(box: Box) -> None:
    message = ended(box.asha, "CONFIRMED")
    await asyncio.gather(*(handle(box.database, message) for _ in range(10)))
    listed = await box.listed()
    assert (len(listed.notices), listed.unread) == (1, 1)


async def test_each_sees_their_own_alone(box: Box) -> None:
    await handle(box.database, ended(box.asha, "CONFIRMED"))
    [mine] = (await box.listed()).notices
    other = str(uuid7())
    request = notification_pb2.ReadNoticeRequest(notice_id=mine.id)
    assert await refused(box.ask("ReadNotice", request, who=other)) == "NOTICE_NOT_FOUND"
    await box.ask("ReadAllNotices", notification_pb2.ReadAllNoticesRequest(), who=other)
    listed = await box.ask("ListNotices", notification_pb2.ListNoticesRequest(), who=other)
    assert (list(listed.notices), listed.unread) == ([], 0)
    assert (await box.listed()).unread == 1
    for id in ("", "no id", str(uuid7())):
        request = notification_pb2.ReadNoticeRequest(notice_id=id)
        assert await refused(box.ask("ReadNotice", request)) == "NOTICE_NOT_FOUND"
    assert await refused(box.listed(cursor="nothing of ours")) == "INVALID_CURSOR"
    count = notification_pb2.CountUnreadNoticesRequest(person_id=box.asha)
    assert await refused(box.ask("CountUnreadNotices", count)) == "FORBIDDEN"


async def test_every_kind_that_the_app_shows_has_words_in_each_language(box: Box) -> None:
    event_id = uuid7()
    box.bookings.event = Event(event_id, uuid7(), "The Tempest", "Hall", STARTS_AT, "UTC", 0)
    box.bookings.guests = [Guest(uuid7(), "PT-A", box.asha_id, [])]
    at = timestamp(STARTS_AT)
    await handle(
        box.database,
        *(ended(box.asha, status) for status in ("CONFIRMED", "FAILED", "EXPIRED", "CANCELLED")),
    )
    await handle(box.database, returned(box.asha))
    await handle(box.database, returned(box.asha, paid_late=True))
    await handle(box.database, messages_pb2.OrganizerApproved(user_id=box.asha, at=at))
    await handle(
        box.database,
        messages_pb2.NewDeviceSignedIn(
            user_id=box.asha, user_agent="Firefox", address="192.0.2.1", at=at
        ),
    )
    await handle(
        box.database,
        messages_pb2.EventMoved(
            event_id=str(event_id), title="The Tempest", place="Hall", starts_at=at,
            timezone="Asia/Kathmandu", at=at, cancel_until=at, version=2,
        ),
    )  # fmt: skip
    await handle(
        box.database,
        messages_pb2.EventCancelled(event_id=str(event_id), reason="The hall has burnt down"),
    )
    async with box.database.transaction() as session:
        await session.execute(
            "INSERT INTO announcement (id, fact, kind, event_id, facts)"
            " VALUES (:one, 'reminder:1', 'event_tomorrow', :event, '{\"is_today\": false}'),"
            " (:two, 'message:1', 'organizer_message', :event,"
            "  '{\"subject\": \"Doors\", \"text\": \"Come early.\"}')",
            one=uuid7(), two=uuid7(), event=event_id,
        )  # fmt: skip
        disabled = {"url": "https://hooks.example.org/", "is_gone": True}
        news.tell(session, [Draft("hook", "webhook_disabled", disabled, person_id=box.asha_id)])
    while await announce_slice(box.database, box.bookings):
        pass
    listed = await box.listed(limit=100)
    assert {each.kind for each in listed.notices} == {
        kind.name for kind in KINDS.values() if kind.in_app
    }
    english = {each.kind: (each.title, each.text) for each in listed.notices}
    assert english["event_cancelled"][1].endswith("The hall has burnt down")
    assert english["organizer_message"][0] == "Doors"
    about = {each.kind: each.event_id for each in listed.notices if each.event_id}
    assert about["event_changed"] == about["event_tomorrow"] == str(event_id)

    await handle(box.database, user(box.asha, version=2, language="ne"))
    for each in (await box.listed(limit=100)).notices:
        assert each.text
        # An organizer's own words stay as they are.
        if each.kind != "organizer_message":
            assert each.title != english[each.kind][0], each.kind
        assert each.text != english[each.kind][1], each.kind


async def test_people_switch_news_off_by_kind_and_channel_but_for_essential_mail(box: Box) -> None:
    reply = await box.ask("GetPreferences", notification_pb2.GetPreferencesRequest())
    assert all(each.wanted for each in reply.preferences)
    essential = {each.kind for each in reply.preferences if each.essential}
    assert {"code", "booking_confirmed", "event_cancelled"} <= essential
    assert {each.channel for each in reply.preferences if each.essential} == {MAIL}

    wanted = await box.want(("booking_expired", APP, False), ("event_tomorrow", MAIL, False))
    assert {key for key, value in wanted.items() if not value} == {
        ("booking_expired", APP),
        ("event_tomorrow", MAIL),
    }
    await handle(box.database, ended(box.asha, "EXPIRED"))
    assert list((await box.listed()).notices) == []
    assert await scalar(box.database, "SELECT count(*) FROM mail") == 1  # that one is wanted

    wanted = await box.want(("event_tomorrow", MAIL, False))  # replaces all
    assert wanted["booking_expired", APP]
    assert wanted == {
        (each.kind, each.channel): each.wanted
        for each in (
            await box.ask("GetPreferences", notification_pb2.GetPreferencesRequest())
        ).preferences
    }


@pytest.mark.parametrize(
    "wishes",
    [
        [("booking_confirmed", MAIL, False)],
        [("code", APP, True)],
        [("no_kind", MAIL, True)],
        [("event_tomorrow", "PIGEON", True)],
        [("event_tomorrow", APP, True), ("event_tomorrow", APP, False)],
    ],
)
async def test_wishes_that_cannot_be_kept_are_refused_whole(
    box: Box, wishes: list[tuple[str, str, bool]]
) -> None:
    assert await refused(box.want(("event_tomorrow", MAIL, False), *wishes)) == "INVALID_PREFERENCE"
    assert await scalar(box.database, "SELECT count(*) FROM preference") == 0


async def test_who_reads_or_is_told_is_told_to_the_gateways(box: Box) -> None:
    await handle(box.database, ended(box.asha, "CONFIRMED"), ended(box.asha, "FAILED"))
    await box.ask("ReadAllNotices", notification_pb2.ReadAllNoticesRequest())
    async with box.database.transaction() as session:
        rows = await session.all("SELECT type, payload FROM outbox ORDER BY id")
    told = [messages_pb2.NoticesChanged.FromString(row.payload) for row in rows]
    assert {row.type for row in rows} == {messages_pb2.NoticesChanged.DESCRIPTOR.full_name}
    assert [list(each.person_ids) for each in told] == [[box.asha]] * 2


async def test_old_notices_are_forgotten_by_the_clock(box: Box) -> None:
    await handle(box.database, ended(box.asha, "CONFIRMED"), ended(box.asha, "FAILED"))
    async with box.database.transaction() as session:
        await session.execute(
            "UPDATE notice SET created_at = created_at - interval '91 days'"
            " WHERE kind = 'booking_confirmed'"
        )
        assert await notices.forget_old(session, 1000, days=90) == 1
    assert [each.kind for each in (await box.listed()).notices] == ["booking_failed"]
