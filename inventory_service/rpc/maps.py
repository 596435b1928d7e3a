"""Which places there are and which are free: a part of the gRPC servicer."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from cachetools import LRUCache
from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from parterre.types.v1 import types_pb2

from chassis.database import Database
from chassis.ids import parse_uuid
from inventory_service.domain import Layout
from inventory_service.handlers import events
from inventory_service.rpc.shapes import Call
from inventory_service.storage import availability
from inventory_service.storage.events import Layouts


class MapsServicer(inventory_pb2_grpc.InventoryServiceServicer):
    """Seat maps, for anybody."""

    _database: Database
    _layouts: Layouts
    _maps: LRUCache[UUID, inventory_pb2.SeatMap]  # of events whose places are all free

    async def GetSeatMap(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.GetSeatMapRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.GetSeatMapResponse:
        async with self._database.transaction() as session:
            layout = await events.find_open_layout(
                session, self._layouts, parse_uuid(request.event_id)
            )
            now = await availability.seat_map(session, layout.event_id)
        if request.known_version == now.version:
            return inventory_pb2.GetSeatMapResponse(unchanged=True)
        reply = inventory_pb2.GetSeatMapResponse()
        seat_map = reply.seat_map
        seat_map.CopyFrom(self._empty_map(layout))
        seat_map.version = int(now.version)
        for section in seat_map.sections:
            # A section with rows has no pool.
            section.available, section.capacity = now.pools.get(section.id, (0, 0))
        taken = {"HELD": now.held, "SOLD": now.sold, "BLOCKED": now.blocked}
        for status, seat_nos in taken.items():
            if seat_nos:
                seat_map.taken.add(status=status, seat_ids=map(str, sorted(seat_nos)))
        return reply

    def _empty_map(self, layout: Layout) -> inventory_pb2.SeatMap:
        seat_map = self._maps.get(layout.event_id)
        if seat_map is None:
            seat_map = inventory_pb2.SeatMap(event_id=str(layout.event_id))
            for section in layout.sections:
                shown = seat_map.sections.add(
                    id=str(section.id),
                    name=section.name,
                    kind=section.kind,
                    tier_id=str(section.tier_id),
                    capacity=0 if section.rows else section.capacity,
                    area=types_pb2.Area(**asdict(section.area)) if section.area else None,
                )
                for row in section.rows:
                    seats = shown.rows.add(label=row.label).seats
                    places = zip(row.numbers, row.xs, row.ys, strict=True)
                    for seat_no, (number, x, y) in enumerate(places, row.first):
                        seats.add(id=str(seat_no), number=number, x=x, y=y)
            self._maps[layout.event_id] = seat_map
        return seat_map

    async def GetSeatStates(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.GetSeatStatesRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.GetSeatStatesResponse:
        async with self._database.transaction() as session:
            layout = await events.find_open_layout(
                session, self._layouts, parse_uuid(request.event_id)
            )
            known = request.known_version
            if known and known == await availability.version(session, layout.event_id):
                return inventory_pb2.GetSeatStatesResponse(unchanged=True)
            now = await availability.seat_states(session, layout.event_id)
        reply = inventory_pb2.GetSeatStatesResponse(
            states=now.states, versions=now.versions, version=int(now.version)
        )
        for section_id, free, version, capacity in now.pools:
            reply.pools.add(
                section_id=section_id, available=free, version=version, capacity=capacity
            )
        return reply
