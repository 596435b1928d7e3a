"""Puts a gRPC service together; a service's `service.py` reads like a list of its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

from chassis import vitals
from chassis.broker import Broker
from chassis.consumer import Consumer, Handlers
from chassis.database import Database
from chassis.figures import Figures, read_outbox, read_queue
from chassis.grpc_client import GrpcClient
from chassis.grpc_server import serve_grpc
from chassis.housekeeping import forget
from chassis.identity import Jwks, KeySource, ServiceTokens, TokenVerifier
from chassis.lifecycle import background
from chassis.outbox import Encode
from chassis.relay import Relay
from chassis.revocations import Fetch, fetch_from, followed
from chassis.settings import ServiceSettings
from chassis.telemetry import Answer, Health, internal_app, routes_app, serve_http
from chassis.tls import client_context, server_context, tls_of
from chassis.topology import Topology


class Chassis:
    """The parts of one running service. What was started last is stopped first."""

    def __init__(self, name: str, settings: ServiceSettings, stack: AsyncExitStack) -> None:
        self.name = name
        self.health = Health()
        self.figures = Figures()
        self._settings = settings
        self._stack = stack
        self._tokens = ServiceTokens(name, settings.service_key.get_secret_value())
        self._broker: Broker | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, name: str, settings: ServiceSettings) -> AsyncIterator[Chassis]:
        """An empty chassis for the process `name`, closed with everything it was given."""
        async with AsyncExitStack() as stack:
            yield cls(name, settings, stack)

    def database(self, schema: str, encode: Encode | None = None) -> Database:
        """The service's own schema; counted among what must be ready."""
        settings = self._settings
        database = Database(
            settings.database_url.get_secret_value(),
            schema,
            encode=encode,
            pool_size=settings.database_pool_size,
            acquire_seconds=settings.database_acquire_seconds,
            statement_seconds=settings.database_statement_seconds,
            lock_seconds=settings.database_lock_seconds,
        )
        self._stack.push_async_callback(database.close)
        self.health.add("database", database.check)
        return database

    def client(self, callee: str, address: str) -> GrpcClient:
        """A channel to another service."""
        client = GrpcClient(callee, address, self._tokens, tls_of(self._settings))
        self._stack.push_async_callback(client.close)
        return client

    async def relay(self, database: Database, messages: FileDescriptor) -> None:
        """Publishes what the database's outbox holds, and forgets what the schema needs no more."""
        relay = Relay(database, self.broker(messages))
        self.figures.add_from(database, "outbox", read_outbox)
        await self.run("relay", relay.run)
        await self.run("housekeeping", lambda: forget(database))

    async def consume(
        self, queue: str, handlers: Handlers, database: Database, messages: FileDescriptor
    ) -> Consumer:
        """Takes the queue's messages.

        Raises:
            ValueError: no message is routed to the queue.
        """
        broker = self.broker(messages)
        if queue not in broker.topology.queues:
            raise ValueError(f"no message is routed to {queue}")
        consumer = Consumer(queue, handlers, database, broker)
        self.figures.add(queue, partial(read_queue, broker, queue))
        self.figures.add_from(database, f"{queue} parked", consumer.parking.figures)
        await self.run(f"consumer-{queue}", consumer.run)
        await self.run(f"parking-{queue}", consumer.parking.run)
        return consumer

    def broker(self, messages: FileDescriptor) -> Broker:
        """The service's one connection to the broker."""
        return self._the_broker(Topology.of(messages))

    def _the_broker(self, topology: Topology) -> Broker:
        if self._broker is None:
            url = self._settings.amqp_url.get_secret_value()
            self._broker = Broker(url, topology, process=self.name)
            self._stack.push_async_callback(self._broker.close)
            self.health.add("broker", self._broker.check)
        return self._broker

    async def run(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Keeps `work` running beside the service, started again when it fails."""
        await self._stack.enter_async_context(background(name, work))

    async def serve(
        self,
        descriptor: ServiceDescriptor,
        servicer: object,
        *,
        keys: KeySource | None = None,
        ended_sessions: Fetch | None = None,
        routes: Mapping[str, Answer] | None = None,
        routes_port: int | None = None,
    ) -> None:
        """Serves the internal port, then the RPCs; on the way out the RPCs are drained first.

        `keys` and `ended_sessions` are auth_service's own; every other service asks it for them.
        `routes` are on the internal port; with mutual TLS they are on `routes_port` instead, for
        processes with a certificate, as the internal port is plain for probes and metrics.
        Comes after `relay` and `consume`.
        """
        settings = self._settings
        tls = tls_of(settings)
        if tls and routes_port:
            await self._stack.enter_async_context(
                serve_http(
                    routes_app(routes or {}),
                    settings.grpc_host,
                    routes_port,
                    drain_seconds=1,
                    tls=server_context(tls),
                )
            )
            routes = {}
        app = internal_app(self.health, routes or {}, self.figures.refresh)
        await self._stack.enter_async_context(
            serve_http(app, settings.internal_host, settings.internal_port, drain_seconds=1)
        )
        trusted = client_context(tls)
        ended = await self._stack.enter_async_context(
            followed(
                ended_sessions or fetch_from(settings.jwks_url, trusted),
                self._the_broker(Topology({}, {}, {})),
            )
        )
        self.health.add("revocations", ended.check)
        verifier = TokenVerifier(
            self.name, keys or Jwks(settings.jwks_url, trusted), settings.service_peers, ended
        )
        await self._stack.enter_async_context(
            serve_grpc(
                descriptor,
                servicer,
                verifier,
                address=f"{settings.grpc_host}:{settings.grpc_port}",
                max_concurrent=settings.grpc_max_concurrent,
                drain_seconds=settings.drain_seconds,
                connection_seconds=settings.grpc_connection_seconds,
                tls=tls,
                beside={vitals.SERVICE: vitals.Vitals(self.figures)},
            )
        )
        self._stack.callback(setattr, self.health, "draining", True)  # noqa: FBT003
