"""Builds notification_service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.housekeeping import forget
from chassis.service import Chassis
from notification_service.loops import forget_expired
from notification_service.mailer import Mailer
from notification_service.messaging import MESSAGES, QUEUES
from notification_service.rpc import SERVICE, NotificationServicer
from notification_service.settings import Settings


@asynccontextmanager
async def notification_service(settings: Settings) -> AsyncIterator[None]:
    """The running service."""
    async with Chassis.open("notification", settings) as chassis:
        database = chassis.database("notification")
        for queue, handlers in QUEUES.items():
            await chassis.consume(queue, handlers, database, MESSAGES)
        await chassis.run("housekeeping", lambda: forget(database))
        await chassis.run("expired-mails", lambda: forget_expired(database))
        if settings.smtp_url:
            mailer = Mailer(database, settings.smtp_url.get_secret_value(), settings.sender)
            await chassis.run("mailer", mailer.run)
        servicer = NotificationServicer(database, mailbox_open=settings.profile == "local")
        await chassis.serve(SERVICE, servicer)
        yield
