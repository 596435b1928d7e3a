"""Builds the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from chassis.broker import Broker
from chassis.identity import Jwks, TokenVerifier
from chassis.lifecycle import background
from chassis.revocations import fetch_from, followed
from chassis.telemetry import Health, internal_app, serve_http
from chassis.tls import client_context, tls_of
from chassis.topology import Topology
from gateway.app import application, bounds_of, room_of
from gateway.live import Live
from gateway.notices import Notices
from gateway.services import Services
from gateway.settings import Settings
from gateway.streams import Streams, StreamTerms

_KEYS_SECONDS = 30.0


@asynccontextmanager
async def gateway(settings: Settings) -> AsyncIterator[None]:
    """The running gateway: the public port, and the internal one with health and metrics."""
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(Services.open(settings))
        health = Health()
        for name, check in services.checks(with_mailbox=settings.is_local).items():
            health.add(name, check)
        trusted = client_context(tls_of(settings))
        jwks = Jwks(settings.jwks_url, trusted)
        await stack.enter_async_context(background("signing-keys", lambda: _keep_fresh(jwks)))
        await stack.enter_async_context(
            serve_http(
                internal_app(health, {}),
                settings.internal_host,
                settings.internal_port,
                drain_seconds=1,
            )
        )
        broker = None
        if settings.amqp_url is not None:
            url = settings.amqp_url.get_secret_value()
            broker = Broker(url, Topology({}, {}, {}), process="gateway")
            stack.push_async_callback(broker.close)
        ended = await stack.enter_async_context(
            followed(fetch_from(settings.jwks_url, trusted), broker)
        )
        health.add("revocations", ended.check)
        verifier = TokenVerifier("gateway", jwks, settings.service_peers, ended)
        live = await stack.enter_async_context(
            Live.open(services, broker, settings.seats_check_seconds)
        )
        notices = await stack.enter_async_context(Notices.open(services.notification, broker))
        streams = Streams(live, notices, ended, StreamTerms.of(settings))
        room = room_of(settings)
        await stack.enter_async_context(
            serve_http(
                application(settings, services, jwks, verifier, health, streams=streams, room=room),
                settings.host,
                settings.port,
                drain_seconds=settings.drain_seconds,
                bounds=bounds_of(settings, room),
            )
        )
        stack.callback(streams.end)
        stack.callback(setattr, health, "draining", True)  # noqa: FBT003
        yield


async def _keep_fresh(jwks: Jwks) -> None:
    """Has new keys before the first token that is signed with one."""
    while True:
        await jwks.refresh()
        await asyncio.sleep(_KEYS_SECONDS)
