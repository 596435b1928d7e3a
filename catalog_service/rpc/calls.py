"""What every RPC of the catalog needs: who calls, and values out of messages and into them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from catalog_service.domain import (
    RELEASED_FOR,
    CatalogError,
    EventNotFoundError,
    Person,
    VenueNotFoundError,
)
from catalog_service.rpc.inventory import Inventory
from catalog_service.uploads import Uploads
from chassis.context import caller
from chassis.database import Database
from chassis.identity import Role
from chassis.ids import parse_uuid

Call = grpc.aio.ServicerContext[Any, Any]


class Rpcs:
    """Some RPCs of the catalog; `CatalogServicer` has all of them."""

    def __init__(
        self,
        database: Database,
        uploads: Uploads,
        inventory: Inventory,
        released_for: timedelta = RELEASED_FOR,
    ) -> None:
        self._released_for = released_for
        self._database = database
        self._uploads = uploads
        self._inventory = inventory


def who_asks() -> Person:
    """The caller of an RPC that only people may call."""
    identity = caller()
    return Person(UUID(identity.subject), identity.role is Role.ADMIN)


def who_looks() -> Person | None:
    """The caller, if it is a person."""
    return None if caller().is_process else who_asks()


def venue_id_of(text: str) -> UUID:
    id = parse_uuid(text)
    if id is None:
        raise VenueNotFoundError
    return id


def event_id_of(text: str) -> UUID:
    id = parse_uuid(text)
    if id is None:
        raise EventNotFoundError
    return id


def instant(stamp: Timestamp, field: str, error: type[CatalogError]) -> datetime:
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise error(f"{field} is no time.", **{field: "must be a time"}) from None
