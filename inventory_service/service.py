"""Builds inventory_service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from chassis.service import Chassis
from inventory_service.announcer import Announcer
from inventory_service.domain import HoldTerms
from inventory_service.figures import read_holds
from inventory_service.loops import sweep
from inventory_service.messaging import MESSAGES, QUEUES, encode
from inventory_service.rpc import SERVICE, InventoryServicer
from inventory_service.settings import Settings


@asynccontextmanager
async def inventory_service(settings: Settings) -> AsyncIterator[None]:
    """The running service."""
    async with Chassis.open("inventory", settings) as chassis:
        database = chassis.database("inventory", encode=encode)
        await chassis.relay(database, MESSAGES)
        chassis.figures.add_from(database, "holds", read_holds)
        for queue, handlers in QUEUES.items():
            await chassis.consume(queue, handlers, database, MESSAGES)
        await chassis.run("sweeper", lambda: sweep(database, settings.sweep_seconds))
        announcer = Announcer(database, chassis.broker(MESSAGES))
        database.when_noted = announcer.take
        await chassis.run("seats", announcer.tell)
        await chassis.run("counts", announcer.count)
        terms = HoldTerms(
            life=timedelta(seconds=settings.hold_seconds),
            limit=timedelta(seconds=settings.hold_limit_seconds),
        )
        await chassis.serve(SERVICE, lambda verifier: InventoryServicer(database, terms, verifier))
        yield
