"""What the service answers: its mailbox, organizers' messages, links that switch mails off."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from parterre.notification.v1 import notification_pb2, notification_pb2_grpc

from chassis.database import Database
from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.ids import uuid7
from deploy.processes import free_port
from notification_service.domain import Event, Guest, unsubscribe_token
from notification_service.loops import announce_slice
from notification_service.rpc import SERVICE, Catcher, NotificationServicer
from tests.component.conftest import Caller, MakeDatabase, Serve, Until

from .conftest import (
    COMPOSER,
    KEY,
    SEAL,
    STARTS_AT,
    FakeBookings,
    code_message,
    handle,
    mailing,
    scalar,
    user,
)

ORGANIZER = str(uuid7())


@dataclass
class Box:
    database: Database
    bookings: FakeBookings
    caller: Caller
    event_id: UUID

    async def message(self, who: str = ORGANIZER, **fields: Any) -> Any:
        request = notification_pb2.MessageAttendeesRequest(
            event_id=str(self.event_id), subject="Doors at six", text="Come early.\nWe do."
        )
        for name, value in fields.items():
            setattr(request, name, value)
        return await self.caller.as_person(who, "MessageAttendees", request, Role.ORGANIZER)


@pytest.fixture
async def box(make_database: MakeDatabase, serve: Serve) -> Box:
    """The service, an event, and three bookings of it."""
    database, event_id = await make_database("notification"), uuid7()
    bookings = FakeBookings(
        event=Event(event_id, UUID(ORGANIZER), "The Tempest", "Hall", STARTS_AT, "UTC", 0),
        guests=[Guest(uuid7(), "PT-A", uuid7(), []) for _ in range(3)],
    )
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
    return Box(database, bookings, caller, event_id)


async def refused(call: Any) -> str:
    with pytest.raises(RemoteError) as error:
        await call
    return error.value.reason


async def test_the_mailbox_is_closed_outside_the_local_profile_and_to_people(box: Box) -> None:
    request = notification_pb2.ListMailboxRequest()
    assert await refused(box.caller.as_gateway("ListMailbox", request)) == "MAILBOX_CLOSED"
    forbidden = box.caller.as_person(str(uuid7()), "ListMailbox", request)
    assert await refused(forbidden) == "FORBIDDEN"


@asynccontextmanager
async def catching() -> AsyncIterator[tuple[int, str]]:
    """The catcher, as a process of its own: its SMTP port, and where it shows what it caught."""
    smtp, http = free_port(), free_port()
    environment = {
        **os.environ,
        "CATCHER_SMTP_PORT": str(smtp),
        "CATCHER_HTTP_PORT": str(http),
        "CATCHER_MOST_MAILS": "20",
    }
    process = subprocess.Popen(  # noqa: ASYNC220 - it is there in a moment
        [sys.executable, "-m", "notification_service.catcher"], env=environment
    )
    url = f"http://127.0.0.1:{http}"
    try:
        async with httpx.AsyncClient() as client, asyncio.timeout(20):
            while True:
                try:
                    await client.get(f"{url}/healthz")
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                else:
                    break
        yield smtp, url
    finally:
        process.terminate()
        assert process.wait(10) == 0


async def test_a_code_reaches_the_local_mailbox(
    make_database: MakeDatabase, serve: Serve, until: Until
) -> None:
    database = await make_database("notification")
    async with catching() as (port, url), mailing(database, port):
        servicer = NotificationServicer(
            database,
            FakeBookings(),
            COMPOSER,
            key=KEY,
            messages_per_day=2,
            catcher=Catcher(url),
            seal=SEAL,
            allows_loopback=True,
        )
        caller = await serve(
            "notification", SERVICE, servicer, notification_pb2_grpc.NotificationServiceStub
        )
        await handle(
            database, *(code_message(f"{number:06}") for number in range(100_000, 100_025))
        )

        async def mails(to: str) -> Any:
            request = notification_pb2.ListMailboxRequest(to=to, limit=100)
            return (await caller.as_gateway("ListMailbox", request)).mails

        async def all_sent() -> bool:
            return bool(await scalar(database, "SELECT bool_and(sent_at IS NOT NULL) FROM mail"))

        await until(all_sent)
        found = await mails("Asha@Example.org")
        assert len(found) == 20  # the newest
        assert {(mail.kind, mail.to) for mail in found} == {("code", "asha@example.org")}
        assert "100" in found[0].body
        assert "<html" in found[0].html
        assert list(await mails("nobody@example.org")) == []


async def test_without_the_catcher_the_mailbox_says_so(
    make_database: MakeDatabase, serve: Serve
) -> None:
    servicer = NotificationServicer(
        await make_database("notification"),
        FakeBookings(),
        COMPOSER,
        key=KEY,
        messages_per_day=2,
        catcher=Catcher(f"http://127.0.0.1:{free_port()}"),
        seal=SEAL,
        allows_loopback=True,
    )
    caller = await serve(
        "notification", SERVICE, servicer, notification_pb2_grpc.NotificationServiceStub
    )
    asked = caller.as_gateway("ListMailbox", notification_pb2.ListMailboxRequest())
    assert await refused(asked) == "SERVICE_UNAVAILABLE"


async def test_an_organizer_sees_what_would_be_sent_and_sends_it_to_all_who_go(box: Box) -> None:
    shown = await box.message(preview=True)
    assert (shown.subject, shown.bookings, shown.messages_left) == ("Doors at six", 3, 2)
    assert "> Come early.\n> We do." in shown.text
    assert "Come early." in shown.html
    assert shown.message_id == ""
    assert await scalar(box.database, "SELECT count(*) FROM announcement") == 0

    sent = await box.message()
    assert sent.messages_left == 1
    assert sent.message_id
    while await announce_slice(box.database, box.bookings):
        pass
    assert await scalar(box.database, "SELECT count(*) FROM mail") == 3


async def test_a_message_is_sent_once_under_its_key_and_a_few_times_a_day(box: Box) -> None:
    first = await box.message(idempotency_key="k")
    assert (await box.message(idempotency_key="k")).message_id == first.message_id
    assert await refused(box.message(idempotency_key="k", text="Other")) == "IDEMPOTENCY_KEY_REUSED"
    outcomes = await asyncio.gather(*(box.message() for _ in range(5)), return_exceptions=True)
    refusals = [each.reason for each in outcomes if isinstance(each, RemoteError)]
    assert refusals == ["TOO_MANY_MESSAGES"] * 4
    assert await scalar(box.database, "SELECT count(*) FROM announcement") == 2


async def test_others_events_and_unsound_words_are_refused(box: Box) -> None:
    assert await refused(box.message(who=str(uuid7()))) == "EVENT_NOT_FOUND"
    assert await refused(box.message(event_id=str(uuid7()))) == "EVENT_NOT_FOUND"
    assert await refused(box.message(event_id="no id")) == "EVENT_NOT_FOUND"
    customer = box.caller.as_person(
        ORGANIZER, "MessageAttendees", notification_pb2.MessageAttendeesRequest(), Role.CUSTOMER
    )
    assert await refused(customer) == "FORBIDDEN"
    for wrong in (
        {"subject": " "},
        {"subject": "x" * 151},
        {"subject": "a\nBcc: b"},
        {"text": ""},
        {"text": "x" * 5001},
        {"text": "\x07"},
    ):
        assert await refused(box.message(**wrong)) == "INVALID_MESSAGE"
    assert await scalar(box.database, "SELECT count(*) FROM announcement") == 0


async def test_a_link_switches_off_the_kind_that_it_was_made_for(box: Box) -> None:
    asha = str(uuid7())
    await handle(box.database, user(asha))
    token = unsubscribe_token(KEY, asha, "event_tomorrow")
    request = notification_pb2.UnsubscribeRequest(token=token, preview=True)
    shown = await box.caller.as_gateway("Unsubscribe", request)
    assert shown.kind == "event_tomorrow"
    assert await scalar(box.database, "SELECT count(*) FROM preference") == 0  # only looked at

    for _ in range(2):
        request = notification_pb2.UnsubscribeRequest(token=token)
        await box.caller.as_gateway("Unsubscribe", request)
    async with box.database.transaction() as session:
        rows = await session.all("SELECT addressee, kind, channel, is_wanted FROM preference")
    assert [tuple(row) for row in rows] == [(asha, "event_tomorrow", "MAIL", False)]


@pytest.mark.parametrize(
    "token",
    [
        "",
        "-",
        "é",
        "A" * 2000,
        unsubscribe_token(b"another key", "asha@example.org", "event_tomorrow"),
        unsubscribe_token(KEY, "asha@example.org", "event_tomorrow")[:-2],
        unsubscribe_token(KEY, "asha@example.org", "code"),
    ],
)
async def test_a_link_that_was_not_made_here_switches_nothing_off(box: Box, token: str) -> None:
    request = notification_pb2.UnsubscribeRequest(token=token)
    assert await refused(box.caller.as_gateway("Unsubscribe", request)) == "INVALID_UNSUBSCRIPTION"
