"""A connection that is lost during COMMIT: nobody knows whether it happened, until asked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import pytest
from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc

from chassis.database import Database
from chassis.errors import RemoteError
from chassis.ids import uuid7
from inventory_service.messaging import encode
from inventory_service.rpc import SERVICE, InventoryServicer
from tests.component.conftest import Serve

from .box import TERMS, Box


class CuttingProxy:
    """Passes on what PostgreSQL is told, but cuts the connection that brings the next COMMIT."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        # When it cuts: before the server has heard of the COMMIT, or once it has answered.
        self.cuts: str | None = None

    async def serve(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        """One connection, until either side ends it or it is cut."""
        from_server, to_server = await asyncio.open_connection(*self._server)

        async def down() -> None:
            while data := await from_server.read(65536):
                if self.cuts == "after" and b"COMMIT\0" in data:
                    break
                to_client.write(data)

        async def up() -> None:
            while data := await from_client.read(65536):
                if self.cuts == "before" and b"COMMIT\0" in data:
                    break
                to_server.write(data)

        ways = [asyncio.create_task(way()) for way in (down, up)]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        to_server.close()
        to_client.close()


@asynccontextmanager
async def through_a_proxy(url: str) -> AsyncIterator[tuple[CuttingProxy, str]]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    proxy = CuttingProxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, url.replace(f":{parts.port}/", f":{port}/")
    finally:
        server.close()


@pytest.mark.parametrize(("cuts", "is_done"), [("before", False), ("after", True)])
async def test_who_asks_again_after_a_lost_commit_has_one_hold(
    box: Box, serve: Serve, cuts: str, *, is_done: bool
) -> None:
    event = await box.opened()
    person = str(uuid7())
    wish = inventory_pb2.CreateHoldRequest(
        event_id=event.event_id, seat_ids=["1", "2"], idempotency_key="k"
    )
    async with through_a_proxy(box.database.url) as (proxy, url):
        database = Database(url, "inventory", encode=encode)
        servicer = partial(InventoryServicer, database, TERMS)
        caller = await serve(
            "inventory", SERVICE, servicer, inventory_pb2_grpc.InventoryServiceStub
        )
        proxy.cuts = cuts
        with pytest.raises(RemoteError) as unknown:
            await caller.as_person(person, "CreateHold", wish)
        assert unknown.value.reason == "SERVICE_UNAVAILABLE"
        proxy.cuts = None
        assert list(await box.statuses(event)) == ([1, 2] if is_done else [])

        hold = (await caller.as_person(person, "CreateHold", wish)).hold
        assert (await caller.as_person(person, "CreateHold", wish)).hold == hold
        assert await box.statuses(event) == {1: "HELD", 2: "HELD"}
        await database.close()
