"""The box office of the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, cast

import pytest
from parterre.inventory.v1 import inventory_pb2_grpc

from chassis.consumer import Consumer
from inventory_service.messaging import QUEUES, encode
from inventory_service.rpc import SERVICE, InventoryServicer
from tests.component.conftest import MakeDatabase, Serve

from .box import TERMS, Box

if TYPE_CHECKING:
    from chassis.broker import Broker


@pytest.fixture
async def box(make_database: MakeDatabase, serve: Serve) -> AsyncIterator[Box]:
    first = await make_database("inventory", encode=encode, acquire_seconds=20)
    second = await make_database("inventory", encode=encode, like=first, acquire_seconds=20)
    callers = [
        await serve(
            "inventory",
            SERVICE,
            partial(InventoryServicer, database, TERMS),
            inventory_pb2_grpc.InventoryServiceStub,
        )
        for database in (first, second)
    ]
    handlers = {kind: handle for queue in QUEUES.values() for kind, handle in queue.items()}
    consumers = [
        Consumer("inventory.commands", handlers, database, cast("Broker", None))
        for database in (first, second)
    ]
    box = Box([first, second], callers, consumers)
    yield box
    await box.check()
