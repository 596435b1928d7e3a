"""Events as their organizers describe them, asked for when tickets are printed."""

from __future__ import annotations

from typing import Protocol

from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc

from chassis.errors import RemoteError
from chassis.grpc_client import GrpcClient
from chassis.logs import get_logger

_SECONDS = 2.0

log = get_logger(__name__)


class Events(Protocol):
    """What mails need of the catalog."""

    async def show(self, event_id: str) -> catalog_pb2.Event | None:
        """An event; None: it can't be had now, and a ticket says less of it."""

    async def find(self, event_id: str) -> catalog_pb2.Event | None:
        """An event as anybody sees it; None: there is none.

        Raises:
            RemoteError: catalog_service does not answer.
        """


class RemoteEvents:
    """catalog_service, asked."""

    def __init__(self, client: GrpcClient) -> None:
        self._client = client
        self._stub = catalog_pb2_grpc.CatalogServiceStub(client.channel)

    async def show(self, event_id: str) -> catalog_pb2.Event | None:
        try:
            return await self.find(event_id)
        except RemoteError as error:
            log.warning("a ticket says less of its event", error=str(error))
            return None

    async def find(self, event_id: str) -> catalog_pb2.Event | None:
        request = catalog_pb2.GetEventRequest(event_id=event_id)
        try:
            reply = await self._client.call(self._stub.GetEvent, request, seconds=_SECONDS)
        except RemoteError as error:
            if error.reason == "EVENT_NOT_FOUND":
                return None
            raise
        return reply.event
