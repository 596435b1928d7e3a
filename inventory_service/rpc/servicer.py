"""The gRPC servicer, put together."""

from __future__ import annotations

from uuid import UUID

from cachetools import LRUCache
from parterre.inventory.v1 import inventory_pb2

from chassis.batching import Batcher
from chassis.database import Database
from chassis.identity import TokenVerifier
from inventory_service.domain import Hold, HoldTerms
from inventory_service.handlers.making import Asked, Replayed
from inventory_service.rpc.holds import LIMITS, HoldsServicer
from inventory_service.rpc.maps import MapsServicer
from inventory_service.rpc.organizing import OrganizerServicer
from inventory_service.rpc.reserving import ReservingServicer
from inventory_service.storage.events import Layouts
from inventory_service.vacancies import Vacancies

SERVICE = inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"]
_MAPS_KEPT = 32


class InventoryServicer(MapsServicer, HoldsServicer, ReservingServicer, OrganizerServicer):
    """Seats and holds."""

    def __init__(self, database: Database, terms: HoldTerms, verifier: TokenVerifier) -> None:
        self._database = database
        self._verifier = verifier
        self._terms = terms
        self._layouts = Layouts()
        self._vacancies = Vacancies()
        self._batcher: Batcher[UUID, Asked, Hold | Replayed] = Batcher(
            "holds", self._make, LIMITS, clear=self._expire
        )
        self._maps: LRUCache[UUID, inventory_pb2.SeatMap] = LRUCache(_MAPS_KEPT)
