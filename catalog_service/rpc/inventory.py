"""What inventory is asked for, in the caller's own name."""

from __future__ import annotations

from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc

from catalog_service.domain import CapacityBelowSoldError, CapacityEdit, EventStateError
from chassis.errors import RemoteError
from chassis.grpc_client import GrpcClient


class Inventory:
    """inventory_service."""

    def __init__(self, client: GrpcClient) -> None:
        self._client = client
        self._stub = inventory_pb2_grpc.InventoryServiceStub(client.channel)

    async def set_capacity(self, edit: CapacityEdit) -> int | None:
        """Gives counted tiers another capacity, all or none; gives the event's, None: too late.

        It is too late where a newer edit was heard. Asked twice, it changes nothing more.

        Raises:
            CapacityBelowSoldError: more is held and sold already.
            EventStateError: inventory sells it no more.
            RemoteError: inventory does not answer; it may have heard.
        """
        request = inventory_pb2.SetCapacityRequest(
            event_id=str(edit.event_id),
            # A tier without sections is sold as a section of its own name and id.
            sections=[
                inventory_pb2.SectionCapacity(section_id=str(tier_id), capacity=capacity)
                for tier_id, capacity in edit.capacities.items()
            ],
            version=edit.version,
            instead_of=edit.instead_of,
        )
        try:
            reply = await self._client.call(self._stub.SetCapacity, request)
        except RemoteError as error:
            if error.reason == "CAPACITY_BELOW_SOLD":
                raise CapacityBelowSoldError(error.detail, **error.metadata) from error
            if error.reason == "EVENT_NOT_ON_SALE":
                raise EventStateError(error.detail, status="CANCELLED") from error
            raise
        return reply.event_capacity if reply.version == edit.version else None
