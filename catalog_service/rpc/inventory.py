"""What inventory is asked for, in the caller's own name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID

from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc

from catalog_service.domain import CapacityBelowSoldError, Event, EventStateError
from chassis.errors import RemoteError
from chassis.grpc_client import GrpcClient


class Inventory:
    """inventory_service."""

    def __init__(self, client: GrpcClient) -> None:
        self._client = client
        self._stub = inventory_pb2_grpc.InventoryServiceStub(client.channel)

    async def make_room(self, event: Event, capacities: Mapping[UUID, int]) -> int:
        """Gives counted tiers of an event another capacity, all or none; gives the event's.

        Asked twice, it changes nothing more.

        Raises:
            CapacityBelowSoldError: more is held and sold already.
            EventStateError: inventory sells it no more.
            RemoteError: inventory does not answer; some may have changed.
        """
        before = {tier.id: tier.capacity for tier in event.tiers}
        # Only what becomes less can be refused, so that it comes first and can be given back.
        order = sorted(capacities, key=lambda tier_id: capacities[tier_id] - before[tier_id])
        whole = event.capacity
        for number, tier_id in enumerate(order):
            try:
                whole = await self._set_capacity(event.id, tier_id, capacities[tier_id])
            except RemoteError as error:
                for changed in order[:number]:
                    with suppress(RemoteError):
                        await self._set_capacity(event.id, changed, before[changed])
                if error.reason == "CAPACITY_BELOW_SOLD":
                    raise CapacityBelowSoldError(error.detail, **error.metadata) from error
                if error.reason == "EVENT_NOT_ON_SALE":
                    raise EventStateError(error.detail, status=event.status) from error
                raise
        return whole

    async def _set_capacity(self, event_id: UUID, tier_id: UUID, capacity: int) -> int:
        # A tier without sections is sold as a section of its own name and id.
        request = inventory_pb2.SetCapacityRequest(
            event_id=str(event_id), section_id=str(tier_id), capacity=capacity
        )
        return (await self._client.call(self._stub.SetCapacity, request)).event_capacity
