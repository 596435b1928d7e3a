"""Builds catalog_service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from catalog_service import loops
from catalog_service.media import open_media
from catalog_service.messaging import MESSAGES, QUEUES, encode
from catalog_service.rpc import SERVICE, CatalogServicer
from catalog_service.rpc.inventory import Inventory
from catalog_service.settings import Settings
from catalog_service.uploads import Uploads
from chassis.service import Chassis


@asynccontextmanager
async def catalog_service(settings: Settings) -> AsyncIterator[None]:
    """The running service."""
    async with Chassis.open("catalog", settings) as chassis:
        database = chassis.database("catalog", encode=encode)
        await chassis.relay(database, MESSAGES)
        for queue, handlers in QUEUES.items():
            await chassis.consume(queue, handlers, database, MESSAGES)
        released_for = timedelta(hours=settings.moved_cancel_hours)
        await chassis.run("caretaker", lambda: loops.take_care(database, released_for))
        await chassis.run("words", lambda: loops.reword(database))
        uploads = Uploads(database, open_media(settings))
        await chassis.run("media", uploads.keep_tidy)
        inventory = Inventory(chassis.client("inventory", settings.inventory_address))
        await chassis.serve(SERVICE, CatalogServicer(database, uploads, inventory, released_for))
        yield
