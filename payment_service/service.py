"""Builds payment_service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from chassis.service import Chassis
from payment_service.messaging import MESSAGES, QUEUE, commands, encode
from payment_service.providers.sandbox import SandboxProvider
from payment_service.rpc import SERVICE, PaymentServicer
from payment_service.settings import Settings
from payment_service.worker import Worker


def sandbox_provider(settings: Settings) -> SandboxProvider:
    """The sandbox provider's adapter, as configured."""
    secrets = (settings.sandbox_webhook_secret, settings.sandbox_webhook_secret_old)
    return SandboxProvider(
        url=settings.sandbox_url,
        api_key=settings.sandbox_api_key.get_secret_value(),
        webhook_secrets=[secret.get_secret_value() for secret in secrets if secret],
        return_url=settings.return_url,
        deadline_seconds=settings.provider_seconds,
        # The worker's, and some for customers who ask to verify.
        connections=settings.concurrency + 8,
    )


@asynccontextmanager
async def payment_service(settings: Settings) -> AsyncIterator[None]:
    """The running service."""
    provider = sandbox_provider(settings)
    async with aclosing(provider), Chassis.open("payment", settings) as chassis:
        database = chassis.database("payment", encode=encode)
        worker = Worker(
            database,
            provider,
            concurrency=settings.concurrency,
            max_tries=settings.max_tries,
            # A call and the recording of it end long before.
            lease_seconds=3 * settings.provider_seconds,
        )
        await chassis.run("provider-calls", worker.run)
        await chassis.run("webhook-housekeeping", worker.forget)
        await chassis.relay(database, MESSAGES)
        handlers = commands(provider.name, worker.lease, worker.start)
        await chassis.consume(QUEUE, handlers, database, MESSAGES)
        await chassis.serve(SERVICE, PaymentServicer(database, worker))
        yield
