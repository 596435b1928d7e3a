"""The served catalog, and what is asked of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.catalog.v1 import catalog_pb2
from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from parterre.messages.v1 import messages_pb2

from catalog_service import messaging
from chassis.database import Database
from chassis.errors import RemoteError, ServiceError
from chassis.identity import Role
from chassis.ids import uuid7
from tests.component.conftest import Caller

ASHA, BINA, ROOT = (str(uuid7()) for _ in range(3))


def stamp(**ahead: float) -> Timestamp:
    """A time from now; far enough ahead or behind for any clock to agree."""
    result = Timestamp()
    result.FromDatetime(datetime.now(UTC) + timedelta(**ahead))
    return result


class FakeInventory(inventory_pb2_grpc.InventoryServiceServicer):
    """Answers SetCapacity as its contract says: in order, and never below what is taken."""

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}  # by section
        self.capacities: dict[str, int] = {}
        self.asked: list[dict[str, int]] = []
        self.version = 0
        self.is_away = False

    async def SetCapacity(  # noqa: N802 - the proto's name
        self, request: inventory_pb2.SetCapacityRequest, _context: Any
    ) -> inventory_pb2.SetCapacityResponse:
        asked = {section.section_id: section.capacity for section in request.sections}
        self.asked.append(asked)
        if self.is_away:
            raise ServiceError("UNAVAILABLE", "SERVICE_UNAVAILABLE", "Away.")
        if request.version > self.version and request.instead_of in {0, self.version}:
            for section, capacity in asked.items():
                taken = self.taken.get(section, 0)
                if capacity < taken:
                    raise ServiceError(
                        "STATE", "CAPACITY_BELOW_SOLD", "More is taken.", taken=str(taken)
                    )
            self.capacities |= asked
            self.version = request.version
        return inventory_pb2.SetCapacityResponse(
            event_capacity=sum(self.capacities.values()), version=self.version
        )


class Catalog(NamedTuple):
    """The served catalog, its database, and the inventory beside it."""

    caller: Caller
    database: Database
    inventory: FakeInventory

    async def call(self, method: str, message: Message, who: str = ASHA) -> Any:
        role = Role.ADMIN if who == ROOT else Role.ORGANIZER
        return await self.caller.as_person(who, method, message, role)

    async def refusal(self, method: str, message: Message, who: str = ASHA) -> RemoteError:
        with pytest.raises(RemoteError) as refused:
            await self.call(method, message, who)
        return refused.value

    async def venue(self, who: str = ASHA, **change: Any) -> catalog_pb2.Venue:
        facts = {
            "name": "Globe",
            "address": "1 Bankside",
            "city": "London",
            "country": "GB",
            "timezone": "Europe/London",
            **change,
        }
        message = catalog_pb2.CreateVenueRequest(venue=catalog_pb2.Venue(**facts))
        return (await self.call("CreateVenue", message, who)).venue

    async def section(self, venue_id: str, who: str = ASHA, **change: Any) -> catalog_pb2.Section:
        return (await self.call("AddSection", section_request(venue_id, **change), who)).section

    async def hall(self, who: str = ASHA) -> catalog_pb2.Venue:
        """A venue with seated stalls and a standing pit."""
        venue = await self.venue(who)
        await self.section(venue.id, who)
        await self.section(venue.id, who, name="Pit", kind="STANDING", rows=[], capacity=50)
        message = catalog_pb2.GetVenueRequest(venue_id=venue.id)
        return (await self.call("GetVenue", message)).venue

    async def event(
        self, who: str = ASHA, tiers: list[catalog_pb2.Tier] | None = None, **change: Any
    ) -> catalog_pb2.Event:
        message = event_request(tiers, **change)
        return (await self.call("CreateEvent", message, who)).event

    async def published(self, who: str = ASHA, **change: Any) -> catalog_pb2.Event:
        event = await self.event(who, **change)
        await self.publish(event.id, who)
        await self.opened(event.id)
        return await self.get(event.id)

    async def publish(self, event_id: str, who: str = ASHA) -> catalog_pb2.Event:
        message = catalog_pb2.PublishEventRequest(event_id=event_id)
        return (await self.call("PublishEvent", message, who)).event

    async def cancel(self, event_id: str, who: str = ASHA) -> catalog_pb2.Event:
        message = catalog_pb2.CancelEventRequest(event_id=event_id, reason="  Rain all day ")
        return (await self.call("CancelEvent", message, who)).event

    async def get(self, event_id: str, who: str = ASHA) -> catalog_pb2.Event:
        message = catalog_pb2.GetEventRequest(event_id=event_id)
        return (await self.call("GetEvent", message, who)).event

    async def opened(self, event_id: str, capacity: int = 60) -> None:
        message = messages_pb2.EventOpened(event_id=event_id, capacity=capacity)
        async with self.database.transaction() as session:
            await messaging.on_events_opened(session, [message])

    async def sent(self, kind: type[Any]) -> list[Any]:
        """What of a type waits in the outbox."""
        async with self.database.transaction() as session:
            rows = await session.all(
                "SELECT payload FROM outbox WHERE type = :type ORDER BY id",
                type=kind.DESCRIPTOR.full_name,
            )
        return [kind.FromString(row.payload) for row in rows]

    async def execute(self, sql: str, **parameters: Any) -> None:
        async with self.database.transaction() as session:
            await session.execute(sql, **parameters)

    async def titles(self, who: str | None = ASHA, **search: Any) -> list[str]:
        message = catalog_pb2.ListEventsRequest(**search)
        if who is None:
            page = await self.caller.as_gateway("ListEvents", message)
        else:
            page = await self.call("ListEvents", message, who)
        return [event.draft.title for event in page.events]


def section_request(venue_id: str, **change: Any) -> catalog_pb2.AddSectionRequest:
    facts = {
        "name": "Stalls",
        "kind": "SEATED",
        "rows": [
            catalog_pb2.Row(label="A", seats=["1", "2", "3"]),
            catalog_pb2.Row(label="B", seats=["1", "2", "3", "4", "5", "6", "7"]),
        ],
        **change,
    }
    return catalog_pb2.AddSectionRequest(venue_id=venue_id, section=catalog_pb2.Section(**facts))


def counted(price: int = 1500, name: str = "Regular", capacity: int = 60) -> catalog_pb2.Tier:
    return catalog_pb2.Tier(name=name, price=price, capacity=capacity)


def event_request(
    tiers: list[catalog_pb2.Tier] | None = None, *, idempotency_key: str = "", **change: Any
) -> catalog_pb2.CreateEventRequest:
    facts = {
        "title": "The Tempest",
        "category": "THEATRE",
        "location": "" if change.get("venue_id") else "The park",
        "timezone": "" if change.get("venue_id") else "Asia/Kathmandu",
        "starts_at": stamp(days=30),
        "ends_at": stamp(days=30, hours=3),
        "currency": "NPR",
        **change,
    }
    return catalog_pb2.CreateEventRequest(
        draft=catalog_pb2.EventDraft(**facts),
        tiers=[counted()] if tiers is None else tiers,
        idempotency_key=idempotency_key,
    )


def tiers_of(hall: catalog_pb2.Venue) -> list[catalog_pb2.Tier]:
    """A tier for each of its sections."""
    return [
        catalog_pb2.Tier(name=section.name, price=1000 * number, section_ids=[section.id])
        for number, section in enumerate(hall.sections, start=1)
    ]
