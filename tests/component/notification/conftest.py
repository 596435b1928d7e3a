"""What tests of mails share: facts, a mail server of its own process, and a mailer."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from chassis.consumer import Together
from chassis.database import Database
from chassis.errors import RemoteError
from chassis.ids import uuid7
from chassis.lifecycle import background
from chassis.sealing import Seal
from chassis.timestamps import timestamp
from deploy.processes import free_port
from notification_service import messaging
from notification_service.domain import Event, EventNotFoundError, Guest
from notification_service.letters import Composer, Links
from notification_service.mailer import Mailer
from notification_service.rpc.bookings import Audience
from notification_service.smtp import Smtp
from notification_service.writing import Sender, Writer
from tests.component.conftest import MakeDatabase

STARTS_AT = datetime(2027, 1, 2, 13, 15, tzinfo=UTC)
KEY = b"k" * 32
SEAL = Seal(KEY)
COMPOSER = Composer("Parterre")


@pytest.fixture
async def make_database(make_database: MakeDatabase) -> MakeDatabase:
    """Makes databases that write the service's messages."""
    return partial(make_database, encode=messaging.encode)


def code_message(
    code: str = "123456", to: str = "asha@example.org", until: float = 4_000_000_000
) -> messages_pb2.DeliverCode:
    return messages_pb2.DeliverCode(
        email=to,
        purpose="REGISTER",
        code=code,
        expires_at=Timestamp(seconds=int(until), nanos=(int(code) * 7 + 13) % 1_000_000 * 1000),
    )


def user(
    id: str, version: int = 1, email: str = "asha@example.org", language: str = ""
) -> messages_pb2.UserChanged:
    return messages_pb2.UserChanged(
        user_id=id, email=email, name="Asha", version=version, language=language
    )


def ended(
    customer_id: str,
    status: str,
    *,
    booking_id: str = "",
    version: int = 1,
    reason: str = "CARD_DECLINED",
    title: str = "The Tempest",
    amount: int = 125_000,
) -> messages_pb2.BookingEnded:
    return messages_pb2.BookingEnded(
        booking_id=booking_id or str(uuid7()),
        version=version,
        reference="PT-ABCD1234",
        customer_id=customer_id,
        event_title=title,
        starts_at=timestamp(STARTS_AT),
        timezone="Asia/Kathmandu",
        status=status,
        reason="" if status == "CONFIRMED" else reason,
        amount=types_pb2.Money(amount=amount, currency="NPR"),
    )


async def handle(database: Database, *messages: Any) -> None:
    """One batch, as the consumer takes it."""
    handlers = {kind: each for queue in messaging.QUEUES.values() for kind, each in queue.items()}
    handler = handlers[type(messages[0])]
    async with database.transaction() as session:
        if isinstance(handler, Together):
            await handler.handle(session, messages)
        else:
            for message in messages:
                await handler(session, message)


async def mailed(database: Database) -> list[str]:
    """The kinds of the mails that were written down, oldest first."""
    async with database.transaction() as session:
        return [row.kind for row in await session.all("SELECT kind FROM mail ORDER BY id")]


async def scalar(database: Database, sql: str) -> Any:
    async with database.transaction() as session:
        return await session.scalar(sql)


async def due_now(database: Database) -> None:
    """Has what was put off tried at once."""
    async with database.transaction() as session:
        await session.execute("UPDATE mail SET due_at = clock_timestamp() WHERE sent_at IS NULL")


@dataclass
class FakeBookings:
    """What booking_service would answer."""

    shown: dict[str, booking_pb2.ShowBookingResponse] = field(default_factory=dict)
    event: Event | None = None
    guests: list[Guest] = field(default_factory=list)
    is_down: bool = False
    pages: int = 0
    asked_called_off: bool = False

    async def show(self, booking_id: str) -> booking_pb2.ShowBookingResponse | None:
        self._answer()
        return self.shown.get(booking_id)

    async def audience(
        self, event_id: UUID, *, called_off: bool, after: UUID | None, limit: int
    ) -> Audience:
        self._answer()
        self.asked_called_off = called_off
        self.pages += 1
        if self.event is None or self.event.id != event_id:
            raise EventNotFoundError("There is no such event.")
        page = [guest for guest in self.guests if after is None or guest.booking_id > after]
        return Audience(self.event, page[:limit], len(self.guests))

    def _answer(self) -> None:
        if self.is_down:
            raise RemoteError(grpc.StatusCode.UNAVAILABLE, "", "down", {})

    def confirm(
        self,
        booking_id: str,
        *,
        title: str = "The Tempest",
        attendees: Sequence[booking_pb2.Attendee] = (),
        seats: Sequence[str] = ("7",),
        status: str = "CONFIRMED",
    ) -> None:
        """Has a booking of these seats."""
        event = booking_pb2.BookedEvent(
            id=str(uuid7()),
            title=title,
            place="Rastriya Naach Ghar",
            starts_at=timestamp(STARTS_AT),
            timezone="Asia/Kathmandu",
        )
        money = types_pb2.Money(amount=62_500, currency="NPR")
        lines = [
            types_pb2.Line(
                seat_id=seat,
                section="Stalls",
                row="C",
                number=seat,
                tier="Gold",
                quantity=1,
                price=money,
            )
            for seat in seats
        ]
        booking = booking_pb2.Booking(
            id=booking_id,
            reference="PT-ABCD1234",
            status=status,
            event=event,
            lines=lines,
            attendees=attendees,
            created_at=timestamp(STARTS_AT),
        )
        names = {who.seat_id: who.name for who in attendees}
        tickets = [
            booking_pb2.Ticket(
                id=str(uuid7()),
                line=line,
                status="VALID",
                token=f"token-{line.seat_id}",
                event=event,
                booking_reference="PT-ABCD1234",
                attendee_name=names.get(line.seat_id, ""),
            )
            for line in lines
        ]
        self.shown[booking_id] = booking_pb2.ShowBookingResponse(booking=booking, tickets=tickets)


@dataclass
class FakeEvents:
    """The catalog; away, unless it has events."""

    events: dict[str, catalog_pb2.Event] = field(default_factory=dict)
    shows: int = 0

    async def show(self, event_id: str) -> catalog_pb2.Event | None:
        self.shows += 1
        return self.events.get(event_id)

    async def find(self, event_id: str) -> catalog_pb2.Event | None:
        return self.events.get(event_id)


@dataclass(frozen=True)
class Happened:
    """Something that the mail server saw."""

    what: str
    to: str
    content: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


class MailServer:
    """The mail server, as a process of its own."""

    def __init__(self, file: Path) -> None:
        self.port = free_port()
        self._file = file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("smtp_server.py")),
                str(self.port),
                str(self._file),
            ],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def saw(self, what: str, to: str = "") -> list[Happened]:
        """What happened so far."""
        if not self._file.exists():
            return []
        # What has no end yet is being written.
        *whole, _ = self._file.read_text().split("\n")
        entries = map(json.loads, whole)
        return [
            Happened(each["what"], each["to"], base64.b64decode(each["content"]))
            for each in entries
            if each["what"] == what and to in each["to"]
        ]


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put off and is due again is sent at once."""
    monkeypatch.setattr("notification_service.mailer._POLL_SECONDS", 0.05)


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[MailServer]:
    """A running mail server."""
    server = MailServer(tmp_path / "mails.jsonl")
    server.start()
    yield server
    server.stop()


@asynccontextmanager
async def mailing(
    database: Database,
    port: int,
    bookings: FakeBookings | None = None,
    events: FakeEvents | None = None,
) -> AsyncIterator[Mailer]:
    """Sends what the mailbox holds to the mail server of that port."""
    links = Links("https://box.example/b/{reference}", "https://box.example/u/{token}")
    mailer = Mailer(
        database,
        Writer(
            database,
            bookings or FakeBookings(),
            events or FakeEvents(),
            COMPOSER,
            Sender("Parterre", "box@parterre.example"),
            links=links,
            key=KEY,
        ),
        Smtp(f"smtp://127.0.0.1:{port}", "box@parterre.example", needs_tls=False),
        many_per_second=1000,
    )
    async with background("mailer", mailer.run):
        yield mailer
