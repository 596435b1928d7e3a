"""The events that the first page begins with: read seldom, and never waited for in vain."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import grpc
from parterre.catalog.v1 import catalog_pb2

from chassis.errors import RemoteError
from gateway.site.programme import EVENTS, Programme


class Catalog:
    """Answers with a page that has the number of the question as its cursor."""

    def __init__(self) -> None:
        self.rpc = SimpleNamespace(ListEvents=None)
        self.asked: list[catalog_pb2.ListEventsRequest] = []
        self.is_away = False

    async def as_gateway(
        self, _method: Any, request: catalog_pb2.ListEventsRequest, seconds: float
    ) -> catalog_pb2.ListEventsResponse:
        assert seconds <= 2
        self.asked.append(request)
        await asyncio.sleep(0)
        if self.is_away:
            raise RemoteError(grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE", "", {})
        return catalog_pb2.ListEventsResponse(next_cursor=str(len(self.asked)))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def programme() -> tuple[Programme, Catalog, Clock]:
    catalog, clock = Catalog(), Clock()
    return Programme(cast("Any", catalog), clock), catalog, clock


async def cursor(of: Programme) -> str | None:
    listing = await of.next()
    return listing.page["next_cursor"] if listing else None


async def test_of_many_who_come_at_once_one_asks_for_the_next_events() -> None:
    events, catalog, _clock = programme()
    assert await asyncio.gather(*(cursor(events) for _ in range(20))) == ["1"] * 20
    assert [(it.sort, it.limit, it.status) for it in catalog.asked] == [("starts_at", EVENTS, "")]


async def test_what_is_told_of_the_next_events_is_two_seconds_old_at_most() -> None:
    events, _catalog, clock = programme()
    first = await events.next()
    clock.now += 1.9
    assert await events.next() is first
    clock.now += 0.2
    again = await events.next()
    assert first
    assert again
    assert again.page["next_cursor"] == "2"
    assert again.tag != first.tag


async def test_while_the_catalog_is_away_nobody_waits_for_it_in_turn() -> None:
    events, catalog, clock = programme()
    catalog.is_away = True
    assert await asyncio.gather(*(events.next() for _ in range(20))) == [None] * 20
    assert len(catalog.asked) == 1
    catalog.is_away = False
    clock.now += 2.1
    assert await cursor(events) == "2"
