"""Builds notification_service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parseaddr

from chassis.identity import decode_key
from chassis.sealing import Seal
from chassis.service import Chassis
from notification_service import loops
from notification_service.calling import Caller
from notification_service.deliverer import Deliverer
from notification_service.figures import read_mails, read_webhooks
from notification_service.letters import Composer, Links
from notification_service.mailer import Mailer
from notification_service.messaging import MESSAGES, QUEUES, encode
from notification_service.payloads import Payloads
from notification_service.rpc import (
    SERVICE,
    Catcher,
    NotificationServicer,
    RemoteBookings,
    RemoteEvents,
)
from notification_service.settings import Settings
from notification_service.smtp import Smtp
from notification_service.writing import Sender, Writer


@asynccontextmanager
async def notification_service(settings: Settings) -> AsyncIterator[None]:
    """The running service."""
    is_local = settings.profile == "local"
    key = decode_key(settings.service_key.get_secret_value())
    seal = Seal(settings.webhook_key.get_secret_value().encode(), b"WEBHOOK SECRET")
    sender = Sender(*parseaddr(settings.sender))
    async with Chassis.open("notification", settings) as chassis:
        database = chassis.database("notification", encode)
        await chassis.relay(database, MESSAGES)
        chassis.figures.add_from(database, "mails", read_mails)
        chassis.figures.add_from(database, "webhooks", read_webhooks)
        bookings = RemoteBookings(chassis.client("booking", settings.booking_address))
        events = RemoteEvents(chassis.client("catalog", settings.catalog_address))
        for queue, handlers in QUEUES.items():
            await chassis.consume(queue, handlers, database, MESSAGES)
        await chassis.run("old-news", lambda: loops.forget(database))
        await chassis.run("reminders", lambda: loops.remind(database))
        await chassis.run("announcements", lambda: loops.announce(database, bookings))
        composer = Composer(sender.name)
        if settings.smtp_url:
            links = Links(settings.booking_link, settings.unsubscribe_link)
            mailer = Mailer(
                database,
                Writer(database, bookings, events, composer, sender, links=links, key=key),
                Smtp(
                    settings.smtp_url.get_secret_value(),
                    sender.address,
                    needs_tls=not (is_local or settings.network_is_encrypted),
                    authority=settings.smtp_authority,
                ),
                many_per_second=settings.many_per_second,
            )
            await chassis.run("mailer", mailer.run)
        deliverer = Deliverer(
            database, Payloads(bookings, events), Caller(allows_loopback=is_local), seal
        )
        await chassis.run("webhooks", deliverer.run)
        servicer = NotificationServicer(
            database,
            bookings,
            composer,
            key=key,
            messages_per_day=settings.messages_per_day,
            catcher=Catcher(settings.mailbox_url) if is_local else None,
            seal=seal,
            allows_loopback=is_local,
        )
        await chassis.serve(SERVICE, servicer)
        yield
