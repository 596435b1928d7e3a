"""notification_service on a real database: what is mailed to whom."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.messages.v1 import messages_pb2
from parterre.notification.v1 import notification_pb2, notification_pb2_grpc
from parterre.types.v1 import types_pb2

from chassis.consumer import Together
from chassis.database import Database
from chassis.errors import RemoteError
from chassis.ids import uuid7
from chassis.lifecycle import background
from deploy.processes import free_port
from notification_service import messaging, storage
from notification_service.domain import UnknownPersonError
from notification_service.mailer import Mailer
from notification_service.rpc import SERVICE, NotificationServicer

from .conftest import MakeDatabase, Serve, Until


def code_message(code: str = "123456") -> messages_pb2.DeliverCode:
    return messages_pb2.DeliverCode(
        email="asha@example.org",
        purpose="REGISTER",
        code=code,
        expires_at=Timestamp(seconds=4_000_000_000),
    )


async def handle(database: Database, *messages: Any) -> None:
    """One batch, as the consumer takes it."""
    handlers = {kind: each for queue in messaging.QUEUES.values() for kind, each in queue.items()}
    handler = handlers[type(messages[0])]
    assert isinstance(handler, Together)
    async with database.transaction() as session:
        await handler.handle(session, messages)


def user(id: str, version: int = 1, email: str = "asha@example.org") -> messages_pb2.UserChanged:
    return messages_pb2.UserChanged(user_id=id, email=email, name="Asha", version=version)


async def mailed(database: Database) -> list[str]:
    async with database.transaction() as session:
        return [row.kind for row in await session.all("SELECT kind FROM mail ORDER BY id")]


def ended(
    customer_id: str, status: str, *, booking_id: str = "", version: int = 1
) -> messages_pb2.BookingEnded:
    starts_at = Timestamp()
    starts_at.FromDatetime(datetime(2027, 1, 2, 13, 15, tzinfo=UTC))
    return messages_pb2.BookingEnded(
        booking_id=booking_id or str(uuid7()),
        version=version,
        reference="PT-ABCD1234",
        customer_id=customer_id,
        event_title="The Tempest",
        starts_at=starts_at,
        timezone="Asia/Kathmandu",
        status=status,
        reason="CARD_DECLINED",
        amount=types_pb2.Money(amount=125000, currency="NPR"),
        lines=[types_pb2.Line(seat_id="7", section="Stalls", row="C", number="12", quantity=1)],
    )


async def test_a_code_reaches_the_local_mailbox(make_database: MakeDatabase, serve: Serve) -> None:
    database = await make_database("notification")
    await handle(database, code_message())
    servicer = NotificationServicer(database, mailbox_open=True)
    caller = await serve(
        "notification", SERVICE, servicer, notification_pb2_grpc.NotificationServiceStub
    )

    request = notification_pb2.ListMailboxRequest(to="Asha@example.org", limit=10)
    mails = (await caller.as_gateway("ListMailbox", request)).mails

    assert [(mail.kind, mail.to) for mail in mails] == [("code", "asha@example.org")]
    assert "123456" in mails[0].body


async def test_the_mailbox_is_closed_outside_the_local_profile_and_to_people(
    make_database: MakeDatabase, serve: Serve
) -> None:
    servicer = NotificationServicer(await make_database("notification"), mailbox_open=False)
    caller = await serve(
        "notification", SERVICE, servicer, notification_pb2_grpc.NotificationServiceStub
    )
    request = notification_pb2.ListMailboxRequest()

    with pytest.raises(RemoteError) as closed:
        await caller.as_gateway("ListMailbox", request)
    with pytest.raises(RemoteError) as forbidden:
        await caller.as_person(str(uuid7()), "ListMailbox", request)

    assert (closed.value.reason, forbidden.value.reason) == ("MAILBOX_CLOSED", "FORBIDDEN")


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("CONFIRMED", "Stalls, row C, seat 12"),
        ("FAILED", "card declined"),
        ("EXPIRED", "not paid in time"),
        ("CANCELLED", "NPR\N{NO-BREAK SPACE}1,250.00 goes back"),
    ],
)
async def test_the_buyer_is_told_how_the_booking_ended(
    make_database: MakeDatabase, status: str, says: str
) -> None:
    database = await make_database("notification")
    customer = str(uuid7())
    await handle(database, ended(customer, status), user(customer))
    async with database.transaction() as session:
        mail = await session.one("SELECT recipient, kind, body FROM mail")

    assert (mail.recipient, mail.kind) == ("asha@example.org", f"booking_{status.lower()}")
    assert says in mail.body


async def test_an_ending_that_overtakes_its_buyer_is_tried_again(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    booking = ended(str(uuid7()), "CONFIRMED")
    with pytest.raises(UnknownPersonError):
        await handle(database, booking)
    await handle(database, user(booking.customer_id))
    await handle(database, booking)
    assert await mailed(database) == ["booking_confirmed"]


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
@pytest.mark.parametrize("order", [*permutations(range(3))])
async def test_of_a_bookings_endings_no_older_one_is_told_after_a_newer_one(
    make_database: MakeDatabase, order: tuple[int, ...], together: bool
) -> None:
    database = await make_database("notification")
    customer, booking = str(uuid7()), str(uuid7())
    await handle(database, user(customer))
    statuses = ["EXPIRED", "CONFIRMED", "CANCELLED"]
    endings = [ended(customer, statuses[at], booking_id=booking, version=at + 1) for at in order]
    if together:
        await handle(database, *endings)
        told = ["booking_cancelled"]
    else:
        for ending in endings:
            await handle(database, ending)
        newest = [at for place, at in enumerate(order) if at == max(order[: place + 1])]
        told = [f"booking_{statuses[at].lower()}" for at in newest]
    await handle(database, *endings)  # told again, it changes nothing
    assert await mailed(database) == told


async def test_many_are_told_together(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    people = [str(uuid7()) for _ in range(30)]
    await handle(database, *(user(id) for id in people))
    await handle(database, *(ended(id, "CONFIRMED") for id in people))
    await handle(database, *(code_message(f"{number:06}") for number in range(30)))
    assert await mailed(database) == ["booking_confirmed"] * 30 + ["code"] * 30


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_an_older_address_does_not_overwrite_a_newer_one(
    make_database: MakeDatabase, together: bool
) -> None:
    database = await make_database("notification")
    id = str(uuid7())
    told = [user(id, 2, "new@example.org"), user(id, 1, "old@example.org")]
    for batch in [told] if together else [[each] for each in told]:
        await handle(database, *batch)
    async with database.transaction() as session:
        assert await session.scalar("SELECT email FROM person") == "new@example.org"


class Inbox:
    """A mail server that refuses the first mail it is given."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refused = 0

    async def handle_DATA(self, _server: SMTP, _session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if not self.refused:
            self.refused += 1
            return "451 try again"
        self.envelopes.append(envelope)
        return "250 OK"


async def test_a_mail_the_server_refused_is_sent_at_the_next_try(
    make_database: MakeDatabase, until: Until
) -> None:
    database = await make_database("notification")
    await handle(database, code_message())
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        mailer = Mailer(database, f"smtp://127.0.0.1:{controller.port}", "box@parterre.example")
        async with background("mailer", mailer.run):

            async def refused() -> bool:
                return inbox.refused == 1

            await until(refused)
            async with database.transaction() as session:
                await session.execute("UPDATE mail SET due_at = clock_timestamp()")

            async def sent() -> bool:
                async with database.transaction() as session:
                    return await session.scalar("SELECT count(*) FROM mail") == 0  # it has a code

            await until(sent)
    finally:
        controller.stop()
    assert inbox.envelopes[0].rcpt_tos == ["asha@example.org"]


async def test_a_mail_without_a_code_stays_when_it_is_sent(
    make_database: MakeDatabase, until: Until
) -> None:
    database = await make_database("notification")
    asha = str(uuid7())
    await handle(database, user(asha), ended(asha, "CONFIRMED"))
    inbox = Inbox()
    inbox.refused = 1
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        mailer = Mailer(database, f"smtp://127.0.0.1:{controller.port}", "box@parterre.example")
        async with background("mailer", mailer.run):

            async def sent() -> bool:
                async with database.transaction() as session:
                    return await session.scalar("SELECT sent_at FROM mail") is not None

            await until(sent)
    finally:
        controller.stop()
    assert await mailed(database) == ["booking_confirmed"]


async def test_a_code_that_nobody_is_to_have_is_not_mailed(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    wanted, unwanted, by_a_version_before = code_message(), code_message(), code_message()
    wanted.is_wanted, unwanted.is_wanted = True, False
    unwanted.email = "taken@example.org"
    await handle(database, wanted, unwanted, by_a_version_before)
    async with database.transaction() as session:
        rows = await session.all("SELECT recipient FROM mail")
    assert [row.recipient for row in rows] == ["asha@example.org"] * 2


async def test_a_code_that_is_too_old_is_neither_shown_nor_sent_nor_kept(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    asha = str(uuid7())
    await handle(database, user(asha), ended(asha, "CONFIRMED"))
    await handle(database, code_message("111111"), code_message("222222"))
    async with database.transaction() as session:
        await session.execute(
            "UPDATE mail SET expires_at = clock_timestamp() WHERE body LIKE '%111111%'"
        )
    late = code_message("333333")
    late.expires_at.FromSeconds(1)
    await handle(database, late)

    async with database.transaction() as session:
        shown = await storage.list_mails(session, None, 10)
        leased = await storage.lease_mails(session, limit=10, tries=12, lease_seconds=30)
        assert await storage.forget_expired(session, 10) == 1
        assert await storage.forget_expired(session, 10) == 0
    for seen in (shown, leased):
        assert sorted(row.subject for row in seen) == [
            "Your Parterre code",
            "Your tickets for The Tempest",
        ]
        assert not any("111111" in row.body for row in seen)
    assert sorted(await mailed(database)) == ["booking_confirmed", "code"]


class SlowInbox:
    """A mail server that takes its time to say that it took the mail."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begun = 0

    async def handle_DATA(self, _server: SMTP, _session: object, _envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.begun += 1
        await asyncio.sleep(self._seconds)
        return "250 OK"


async def test_a_slow_server_gets_each_mail_once_from_however_many_senders(
    make_database: MakeDatabase, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dialogue takes several times as long as a lease."""
    monkeypatch.setattr("notification_service.mailer._LEASE_SECONDS", 0.5)
    monkeypatch.setattr("notification_service.mailer._RENEW_SECONDS", 0.1)
    monkeypatch.setattr("notification_service.mailer._POLL_SECONDS", 0.05)
    database = await make_database("notification")
    other = await make_database("notification", like=database)
    inbox = SlowInbox(2.0)
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        url = f"smtp://127.0.0.1:{controller.port}"
        mailers = [Mailer(each, url, "box@parterre.example") for each in (database, other)]
        async with background("one", mailers[0].run), background("two", mailers[1].run):
            await handle(database, *(code_message(f"{number:06}") for number in range(4)))

            async def sent() -> bool:
                async with database.transaction() as session:
                    return await session.scalar("SELECT count(*) FROM mail") == 0

            await until(sent)
    finally:
        controller.stop()
    assert inbox.begun == 4
