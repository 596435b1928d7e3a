"""The services behind the gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Generic, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from parterre.auth.v1 import auth_pb2, auth_pb2_grpc
from parterre.booking.v1 import booking_pb2, booking_pb2_grpc
from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from parterre.notification.v1 import notification_pb2, notification_pb2_grpc
from parterre.payment.v1 import payment_pb2, payment_pb2_grpc
from parterre.vitals.v1 import vitals_pb2, vitals_pb2_grpc

from chassis import context
from chassis.errors import RemoteError
from chassis.grpc_client import GrpcClient, Method
from chassis.idempotency import REPLAYED
from chassis.identity import ServiceTokens
from chassis.telemetry import Check
from chassis.tls import tls_of
from gateway.settings import Settings

StubT = TypeVar("StubT")
RequestT = TypeVar("RequestT")
MessageT = TypeVar("MessageT", bound=Message)
ReplyT = TypeVar("ReplyT", bound=Message)

_SECONDS = 5.0
# Who looks whether a service is well does not wait for one that is not.
_VITALS_SECONDS = 3.0


def is_unknown(error: Exception) -> bool:
    """Whether a service does not know the method: one of the version before, in a rollout."""
    return isinstance(error, RemoteError) and error.code is grpc.StatusCode.UNIMPLEMENTED


class NotServingError(Exception):
    """A service answers, and says that it does not serve."""


class Remote(Generic[StubT]):
    """One service: `await remote(remote.rpc.GetThing, request)`, in the name of the caller."""

    def __init__(self, client: GrpcClient, rpc: StubT, descriptor: ServiceDescriptor) -> None:
        self.rpc = rpc
        self._client = client
        self._vitals = vitals_pb2_grpc.VitalsServiceStub(client.channel)
        self._name = descriptor.full_name
        self._health = health_pb2_grpc.HealthStub(client.channel)

    async def __call__(
        self, method: Method[RequestT, ReplyT], request: RequestT, seconds: float = _SECONDS
    ) -> ReplyT:
        """Calls in the name of whoever calls the gateway.

        Raises:
            RemoteError: the service refused, failed, or did not answer in time.
        """
        return await self._client.call(method, request, seconds=seconds)

    async def as_gateway(
        self, method: Method[RequestT, ReplyT], request: RequestT, seconds: float = _SECONDS
    ) -> ReplyT:
        """Calls in the gateway's own name, whoever calls the gateway.

        Raises:
            RemoteError: the service refused, failed, or did not answer in time.
        """
        with context.request(seconds=seconds):
            return await self._client.call(method, request, seconds=seconds)

    async def parts_as_gateway(
        self,
        method: grpc.aio.UnaryStreamMultiCallable[MessageT, ReplyT],
        request: MessageT,
        seconds: float,
    ) -> AsyncGenerator[ReplyT]:
        """Calls in the gateway's own name, and gives the parts of the answer as they come.

        Raises:
            RemoteError: the service refused, failed, or was not done in time.
        """
        with context.request(seconds=seconds):
            parts = self._client.parts(method, request, seconds=seconds)
            async with aclosing(parts):
                async for part in parts:
                    yield part

    async def replayable(
        self, method: Method[RequestT, ReplyT], request: RequestT, seconds: float = _SECONDS
    ) -> tuple[ReplyT, bool]:
        """Calls, and says whether the reply is one that was stored under the idempotency key.

        Raises:
            RemoteError: the service refused, failed, or did not answer in time.
        """
        reply, trailers = await self._client.call_with_trailers(method, request, seconds=seconds)
        return reply, trailers.get(REPLAYED[0]) == REPLAYED[1]

    async def replayable_as_gateway(
        self, method: Method[RequestT, ReplyT], request: RequestT
    ) -> tuple[ReplyT, bool]:
        """As `replayable`, in the gateway's own name: for whoever has not said who they are.

        Raises:
            RemoteError: the service refused, failed, or did not answer in time.
        """
        with context.request(seconds=_SECONDS):
            return await self.replayable(method, request)

    async def vitals(self) -> vitals_pb2.GetVitalsResponse:
        """How the service is, asked in the name of whoever calls the gateway.

        Raises:
            RemoteError: the service refused, failed, or did not answer in time.
        """
        request = vitals_pb2.GetVitalsRequest()
        return await self(self._vitals.GetVitals, request, seconds=_VITALS_SECONDS)

    async def check(self) -> None:
        """Asks the service's health.

        Raises:
            NotServingError: it says no.
            grpc.aio.AioRpcError: it does not answer.
        """
        request = health_pb2.HealthCheckRequest(service=self._name)
        reply = await self._health.Check(request, timeout=_SECONDS)
        if reply.status != health_pb2.HealthCheckResponse.SERVING:
            raise NotServingError(self._name)


class Services:
    """A channel to each service."""

    def __init__(self, settings: Settings) -> None:
        tokens = ServiceTokens("gateway", settings.service_key.get_secret_value())
        tls = tls_of(settings)
        self._clients: list[GrpcClient] = []

        def remote(
            address: str,
            stub: Callable[[grpc.aio.Channel], StubT],
            file: ServiceDescriptor,
        ) -> Remote[StubT]:
            # parterre.catalog.v1.CatalogService is the process "catalog".
            client = GrpcClient(file.full_name.split(".")[1], address, tokens, tls)
            self._clients.append(client)
            return Remote(client, stub(client.channel), file)

        self.auth = remote(
            settings.auth_address,
            auth_pb2_grpc.AuthServiceStub,
            auth_pb2.DESCRIPTOR.services_by_name["AuthService"],
        )
        self.catalog = remote(
            settings.catalog_address,
            catalog_pb2_grpc.CatalogServiceStub,
            catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
        )
        self.inventory = remote(
            settings.inventory_address,
            inventory_pb2_grpc.InventoryServiceStub,
            inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"],
        )
        self.booking = remote(
            settings.booking_address,
            booking_pb2_grpc.BookingServiceStub,
            booking_pb2.DESCRIPTOR.services_by_name["BookingService"],
        )
        self.payment = remote(
            settings.payment_address,
            payment_pb2_grpc.PaymentServiceStub,
            payment_pb2.DESCRIPTOR.services_by_name["PaymentService"],
        )
        self.notification = remote(
            settings.notification_address,
            notification_pb2_grpc.NotificationServiceStub,
            notification_pb2.DESCRIPTOR.services_by_name["NotificationService"],
        )

    def checks(self, *, with_mailbox: bool) -> Mapping[str, Check]:
        """What has to answer for the gateway to be of use; mails wait without harm."""
        checks: dict[str, Check] = {
            "auth": self.auth.check,
            "catalog": self.catalog.check,
            "inventory": self.inventory.check,
            "booking": self.booking.check,
            "payment": self.payment.check,
        }
        if with_mailbox:
            checks["notification"] = self.notification.check
        return checks

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Services]:
        """The channels, closed when the block ends."""
        services = cls(settings)
        try:
            yield services
        finally:
            for client in services._clients:
                await client.close()
