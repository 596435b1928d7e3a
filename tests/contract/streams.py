"""A client of the streams of seats."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.contract.conftest import Edge

Event = tuple[str, str, Any]  # id, name, data


async def events_of(answer: httpx.Response) -> AsyncIterator[Event]:
    """The events of a stream, as a browser would take them; comments are left out."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif not line and "event" in fields:
            yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
            fields = {}


@asynccontextmanager
async def listening(edge: Edge, event: str, **headers: str) -> AsyncIterator[AsyncIterator[Event]]:
    """The events that a stream of an event's seats brings."""
    path = f"/api/v1/events/{event}/seats/stream"
    async with edge.http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield events_of(answer)


@dataclass
class SeatPage:
    """What a page knows that follows a stream."""

    last_id: str = ""
    snapshots: int = 0
    version: int = 0
    taken: dict[str, str] = field(default_factory=dict)
    pools: dict[str, dict[str, int]] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Does with an event what the API's description says."""
        self.last_id, name, data = event
        self.version = data["version"]
        if name == "snapshot":
            self.snapshots += 1
            self.taken = {seat: status for status, ids in data["taken"].items() for seat in ids}
            self.pools = data["pools"]
        else:
            self.taken |= data["changes"]
            self.pools |= data["pools"]
            for seat in [seat for seat, status in self.taken.items() if status == "AVAILABLE"]:
                del self.taken[seat]
