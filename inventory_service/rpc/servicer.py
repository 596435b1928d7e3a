"""The gRPC servicer, put together."""

from __future__ import annotations

from uuid import UUID

from cachetools import LRUCache
from parterre.inventory.v1 import inventory_pb2

from chassis.database import Database
from chassis.identity import TokenVerifier
from inventory_service.domain import HoldTerms
from inventory_service.holding.desk import Desk
from inventory_service.rpc.holds import HoldsServicer, written
from inventory_service.rpc.maps import MapsServicer
from inventory_service.rpc.organizing import OrganizerServicer
from inventory_service.rpc.reserving import ReservingServicer
from inventory_service.storage.events import Layouts

SERVICE = inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"]
_MAPS_KEPT = 32


class InventoryServicer(MapsServicer, HoldsServicer, ReservingServicer, OrganizerServicer):
    """Seats and holds."""

    def __init__(self, database: Database, terms: HoldTerms, verifier: TokenVerifier) -> None:
        self._database = database
        self._verifier = verifier
        self._layouts = Layouts()
        self._desk = Desk(database, self._layouts, terms, written)
        self._maps: LRUCache[UUID, inventory_pb2.SeatMap] = LRUCache(_MAPS_KEPT)
