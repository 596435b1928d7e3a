"""Writes mails when they are sent: what they print is asked for, and all of it put together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID

from cachetools import TTLCache
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2

from chassis.database import Database
from notification_service.domain import Outgoing, ticket_mail, unsubscribe_token
from notification_service.leisure import AtLeisure, be_patient
from notification_service.letters import Composer, Letter, Links
from notification_service.rpc.bookings import Bookings
from notification_service.rpc.events import Events
from notification_service.smtp import RefusedError
from notification_service.storage import mails, people
from presentation import calendar, pdf
from presentation.places import address, seat_name
from presentation.plain import one_line

# To write a mail with tickets takes a processor: one at a time, and after whoever sells.
_PRINTERS = 1
# So many at most are asked for and printed at once: what a ticket says is not old when it is sent.
_AT_ONCE = 4
# What tickets of an event say of it is asked for anew after so long.
_KNOWN_SECONDS = 5.0
_KNOWN_EVENTS = 100
# A mail with more pages than this is refused by many servers: the tickets are with the booking.
_MOST_PAGES = 100


class _Headers(HeaderRegistry):
    """Makes the class of a header once. The library makes one for each header of each mail, which
    was a third of what it costs to put a mail together."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, type[Any]] = {}

    def __getitem__(self, name: str) -> type[Any]:
        key = name.lower()
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = super().__getitem__(name)
        return made


_POLICY = SMTP.clone(header_factory=_Headers())


class MootError(Exception):
    """What the mail would tell is not so any more."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """Where the address is."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class _Enclosure:
    name: str
    type: str  # as in text/calendar
    content: bytes


@dataclass(frozen=True, slots=True)
class _Event:
    """What tickets say of their event beyond their booking."""

    event: catalog_pb2.Event
    organizer: str  # the name of who sells it; empty: not known


@dataclass(frozen=True, slots=True)
class _Printed:
    """What is to be printed: a booking's tickets, or some of them."""

    booking: booking_pb2.Booking
    tickets: Sequence[booking_pb2.Ticket]
    known: _Event | None  # None: nothing could be had


_Facts = Mapping[str, Any]


class Writer:
    """Writes mails."""

    def __init__(
        self,
        database: Database,
        bookings: Bookings,
        events: Events,
        composer: Composer,
        sender: Sender,
        *,
        links: Links,
        key: bytes,
    ) -> None:
        """`key`: seals the links that switch mails off."""
        self._database = database
        self._bookings = bookings
        self._events = events
        self._composer = composer
        self._sender = sender
        self._links = links
        self._key = key
        self._printers = ThreadPoolExecutor(_PRINTERS, "printer", be_patient)
        self._at_leisure = AtLeisure()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._known: TTLCache[str, _Event] = TTLCache(_KNOWN_EVENTS, _KNOWN_SECONDS)
        # What mails say beyond the facts they were written of; the others say those.
        self._fill: Mapping[str, Callable[[Outgoing], Awaitable[_Facts]]] = {
            "code": self._code,
            "money_returned": self._money,
            "paid_late": self._money,
        }
        self._prints: Mapping[str, Callable[[Outgoing], Awaitable[tuple[_Facts, _Printed]]]] = {
            "booking_confirmed": self._confirmed,
            "ticket": self._ticket,
        }

    async def write(self, mail: Outgoing, subject: str = "") -> bytes:
        """The message to send (RFC 5322); `subject` of one that a version before wrote.

        Raises:
            MootError: it would not be true any more.
            RefusedError: nobody can be written to at this address.
            RemoteError: what it prints can't be had now.
            jinja2.TemplateError: it can't be written.
        """
        if mail.is_written:
            message = self._envelope(mail)
            message["Subject"] = one_line(subject)
            message.set_content(mail.secret)
            return message.as_bytes()
        name = mail.kind.name
        if name in self._prints:
            async with self._turns:
                facts, printed = await self._prints[name](mail)
                return await self._print(partial(self._written, mail, facts, printed))
        return self._written(mail, await self._fill[name](mail) if name in self._fill else {})

    async def prepare(self) -> None:
        """Prints a ticket for nobody, so that the first buyer does not wait for the fonts."""
        nobody = booking_pb2.Ticket(token="-", booking_reference="-")  # noqa: S106 - no secret
        await self._print(partial(pdf.tickets_pdf, [nobody]))

    async def _print(self, work: Callable[[], bytes]) -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._printers, self._at_leisure.do, work)

    def _written(self, mail: Outgoing, more: _Facts, printed: _Printed | None = None) -> bytes:
        """Writes the mail; for a thread, where something is to be printed."""
        message = self._envelope(mail)
        stop = ""
        if not mail.kind.is_essential and self._links.unsubscribe:
            token = unsubscribe_token(self._key, mail.addressee, mail.kind.name)
            stop = self._links.unsubscribe.replace("{token}", token)
            message["List-Unsubscribe"] = f"<{stop}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
        facts = {"name": mail.name, "link": self._link(mail.facts), **mail.facts, **more}
        letter = self._composer.compose(mail.kind.name, mail.language, facts, unsubscribe=stop)
        _enclose(message, letter, () if printed is None else _enclosures(mail, printed))
        message["Content-Language"] = mail.language
        return message.as_bytes()

    def _envelope(self, mail: Outgoing) -> EmailMessage:
        message = EmailMessage(policy=_POLICY)
        message["From"] = Address(self._sender.name, addr_spec=self._sender.address)
        try:
            message["To"] = Address(one_line(mail.name)[:100], addr_spec=mail.to)
        except (ValueError, IndexError) as error:  # of the header parser
            raise RefusedError("INVALID_ADDRESS") from error
        # When it happened, and the same at every try, so that a second one can be recognised.
        message["Date"] = format_datetime(mail.written_at.astimezone(UTC))
        message["Message-ID"] = f"<{mail.message_key}@{self._sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes, please
        message["X-Parterre-Kind"] = mail.kind.name
        return message

    def _link(self, facts: Mapping[str, Any]) -> str:
        reference = facts.get("reference")
        return self._links.booking.replace("{reference}", quote(reference)) if reference else ""

    async def _code(self, mail: Outgoing) -> _Facts:
        left = (mail.expires_at - mail.now).total_seconds() if mail.expires_at else 0
        return {"code": mail.secret, "minutes": max(1, round(left / 60))}

    async def _shown(self, mail: Outgoing) -> booking_pb2.ShowBookingResponse:
        shown = await self._bookings.show(mail.facts["booking_id"])
        if shown is None:
            raise MootError("NO_BOOKING")
        return shown

    async def _confirmed(self, mail: Outgoing) -> tuple[_Facts, _Printed]:
        shown = await self._shown(mail)
        booking = shown.booking
        if booking.status != "CONFIRMED":
            raise MootError(booking.status)
        tickets = [ticket for ticket in shown.tickets if ticket.status != "REVOKED"]
        known = await self._know(booking.event.id)
        addresses = {who.email.lower() for who in booking.attendees if who.email}
        async with self._database.transaction() as session:
            mails.add(
                session,
                [
                    ticket_mail(UUID(booking.id), mail.fact, address, mail.language)
                    for address in sorted(addresses - {mail.to.lower()})
                ],
            )
        return {
            "places": [seat_name(line) for line in booking.lines],
            "place": _place(booking, known),
        }, _Printed(booking, tickets, known)

    async def _ticket(self, mail: Outgoing) -> tuple[_Facts, _Printed]:
        shown = await self._shown(mail)
        booking = shown.booking
        tickets = tickets_of(mail.facts["address"], booking, shown.tickets)
        tickets = [ticket for ticket in tickets if ticket.status != "REVOKED"]
        if not tickets:
            raise MootError(booking.status)
        known = await self._know(booking.event.id)
        return {
            "name": tickets[0].attendee_name,
            "title": booking.event.title,
            "place": _place(booking, known),
            "starts_at": booking.event.starts_at.ToDatetime(UTC),
            "timezone": booking.event.timezone,
            "places": [seat_name(ticket.line) for ticket in tickets],
        }, _Printed(booking, tickets, known)

    async def _money(self, mail: Outgoing) -> _Facts:
        event = (await self._shown(mail)).booking.event
        return {
            "title": event.title,
            "starts_at": event.starts_at.ToDatetime(UTC),
            "timezone": event.timezone,
        }

    async def _know(self, event_id: str) -> _Event | None:
        """What tickets say of an event, as it is or was a moment ago; None: it can't be had now."""
        known = self._known.get(event_id)
        if known is None:
            event = await self._events.show(event_id)
            if event is None:
                return None
            organizer_id = UUID(event.organizer_id)
            async with self._database.transaction() as session:
                found = await people.find(session, {organizer_id})
            known = _Event(event, found[organizer_id].name if organizer_id in found else "")
            self._known[event_id] = known
        return known


def _enclosures(mail: Outgoing, printed: _Printed) -> Sequence[_Enclosure]:
    """The tickets as a PDF, and the date."""
    booking, known = printed.booking, printed.known
    event = known.event if known else None
    date = _Enclosure(
        f"{booking.reference}.ics", "text/calendar", calendar.booking_calendar(booking, event)
    )
    if not 0 < len(printed.tickets) <= _MOST_PAGES:
        return [date]
    file = pdf.tickets_pdf(
        printed.tickets,
        # What was paid is told to who paid it.
        booking if mail.kind.name == "booking_confirmed" else None,
        event,
        known.organizer if known else "",
        mail.language,
    )
    return [_Enclosure(f"{booking.reference}.pdf", "application/pdf", file), date]


def _place(booking: booking_pb2.Booking, known: _Event | None) -> str:
    where = address(known.event) if known is not None else ""
    return ", ".join(filter(None, (booking.event.place, where)))


def tickets_of(
    address: str, booking: booking_pb2.Booking, tickets: Sequence[booking_pb2.Ticket]
) -> list[booking_pb2.Ticket]:
    """The tickets of those who go by an address: by their seat, or in the order of their names."""
    standing = [ticket for ticket in tickets if not ticket.line.seat_id]
    names_standing = [who for who in booking.attendees if not who.seat_id]
    seats = {who.seat_id for who in booking.attendees if who.email.lower() == address}
    found = [ticket for ticket in tickets if ticket.line.seat_id in seats - {""}]
    found += [
        ticket
        for who, ticket in zip(names_standing, standing, strict=False)
        if who.email.lower() == address
    ]
    return found


def _enclose(message: EmailMessage, letter: Letter, enclosures: Sequence[_Enclosure]) -> None:
    message["Subject"] = letter.subject
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    for enclosure in enclosures:
        kind, _, subtype = enclosure.type.partition("/")
        message.add_attachment(
            enclosure.content,
            maintype=kind,
            subtype=subtype,
            filename=enclosure.name,
        )
