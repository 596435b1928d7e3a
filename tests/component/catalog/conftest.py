"""A catalog for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import LocalStore
from parterre.catalog.v1 import catalog_pb2_grpc
from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc

from catalog_service import messaging
from catalog_service.media import ObjectMedia
from catalog_service.rpc import SERVICE, CatalogServicer
from catalog_service.rpc.inventory import Inventory
from catalog_service.uploads import Uploads
from tests.component.conftest import MakeDatabase, Serve, TestKeys

from .box import Catalog, FakeInventory


@pytest.fixture
async def catalog(make_database: MakeDatabase, serve: Serve, tmp_path: Path) -> Catalog:
    """catalog_service over real gRPC on a real database, beside an inventory that counts pools."""
    database = await make_database("catalog", encode=messaging.encode)
    inventory = FakeInventory()
    keys = TestKeys()
    remote = await serve(
        "inventory",
        inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"],
        inventory,
        inventory_pb2_grpc.InventoryServiceStub,
        keys,
    )
    uploads = Uploads(database, ObjectMedia(LocalStore(tmp_path)))
    servicer = CatalogServicer(database, uploads, Inventory(remote.client))
    caller = await serve("catalog", SERVICE, servicer, catalog_pb2_grpc.CatalogServiceStub, keys)
    return Catalog(caller, database, inventory)
