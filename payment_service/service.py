"""Builds payment_service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from chassis.service import Chassis
from payment_service.figures import MoneyFigures
from payment_service.loops import Workers, forget_webhooks
from payment_service.messaging import MESSAGES, QUEUE, commands, encode
from payment_service.providers import registry
from payment_service.rpc import SERVICE, PaymentServicer
from payment_service.settings import Settings

# The most calls that an adapter makes for one, and the recording of it end long before.
_LEASE_DEADLINES = 4


@asynccontextmanager
async def payment_service(settings: Settings) -> AsyncIterator[None]:
    """The running service."""
    async with AsyncExitStack() as providers, Chassis.open("payment", settings) as chassis:
        known = registry.opened(settings)
        for provider in known.values():
            await providers.enter_async_context(aclosing(provider))
        database = chassis.database("payment", encode=encode)
        workers = Workers(
            database,
            known,
            methods=settings.providers,
            concurrency=settings.concurrency,
            max_tries=settings.max_tries,
            lease_seconds=_LEASE_DEADLINES * settings.provider_seconds,
        )
        for name, loop in workers.loops().items():
            await chassis.run(name, loop)
        await chassis.run("webhook-housekeeping", lambda: forget_webhooks(database))
        await chassis.relay(database, MESSAGES)
        chassis.figures.add_from(database, "money", MoneyFigures(known).read)
        await chassis.consume(QUEUE, commands(workers), database, MESSAGES)
        await chassis.serve(SERVICE, PaymentServicer(database, workers))
        yield
