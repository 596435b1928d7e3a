"""The gateway's pages of events: when they are trusted, and who makes the catalog be asked."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import grpc
import orjson
import pytest
from parterre.catalog.v1 import catalog_pb2

from chassis.context import request
from chassis.errors import RemoteError
from chassis.identity import Identity, Role
from chassis.ids import uuid7
from gateway.events import LIMITS, EventPage, Events
from gateway.problems import ProblemError

ASHA, BINA, ROOT = (str(uuid7()) for _ in range(3))


class Catalog:
    """Events by their ids; stands in for the stub and the channel to it."""

    ReadEvents = "ReadEvents"
    GetEvent = "GetEvent"

    def __init__(self) -> None:
        self.public: dict[str, catalog_pb2.Event] = {}
        self.drafts: dict[str, catalog_pb2.Event] = {}
        self.asked: list[list[tuple[str, str]]] = []
        self.calls: list[str] = []
        self.failure: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.now = 100.0
        self.rpc = self

    def put(self, event_id: str, title: str, version: int = 1) -> None:
        self.public[event_id] = catalog_pb2.Event(
            id=event_id,
            organizer_id=ASHA,
            version=version,
            draft=catalog_pb2.EventDraft(title=title, description="x" * 1000),
        )

    async def as_gateway(self, _method: str, wanted: Any) -> Any:
        self.asked.append([(item.event_id, item.known_stamp) for item in wanted.items])
        seen = dict(self.public)
        await self.may_answer.wait()
        if self.failure:
            raise self.failure
        reply = catalog_pb2.ReadEventsResponse()
        for item in wanted.items:
            event = seen.get(item.event_id)
            stamp = f"v{event.version}" if event else ""
            reply.results.add(stamp=stamp, event=event if stamp != item.known_stamp else None)
        return reply

    async def __call__(self, method: str, wanted: Any) -> Any:
        self.calls.append(method)
        if wanted.event_id not in self.drafts:
            raise RemoteError(grpc.StatusCode.NOT_FOUND, "EVENT_NOT_FOUND", "No.", {})
        return catalog_pb2.GetEventResponse(event=self.drafts[wanted.event_id])


@pytest.fixture
def catalog() -> Catalog:
    return Catalog()


@pytest.fixture
def events(catalog: Catalog) -> Events:
    return Events(cast("Any", catalog), lambda: catalog.now)


async def look(events: Events, event_id: str, who: str = "", role: Role = Role.CUSTOMER) -> str:
    identity = Identity(who, role, "s", "token", 4_000_000_000) if who else None
    with request(id="test", identity=identity, seconds=30):
        page: EventPage = await events.page(event_id)
    return str(orjson.loads(page.body)["title"])


async def test_a_page_is_trusted_for_less_than_a_second_and_then_compared(
    catalog: Catalog, events: Events
) -> None:
    catalog.put("e", "Old")
    assert await look(events, "e") == "Old"
    catalog.put("e", "New", 2)
    catalog.now += 0.4
    assert await look(events, "e", BINA) == "Old"
    assert len(catalog.asked) == 1
    catalog.now += 0.2
    assert await look(events, "e", BINA) == "New"
    catalog.now += 0.6
    assert await look(events, "e") == "New"
    assert catalog.asked == [[("e", "")], [("e", "v1")], [("e", "v2")]]


@pytest.mark.parametrize(
    ("who", "role"),
    [(ASHA, Role.ORGANIZER), (ROOT, Role.ADMIN)],
    ids=["its organizer", "an admin"],
)
async def test_who_may_have_changed_an_event_sees_it_as_it_is_at_once(
    catalog: Catalog, events: Events, who: str, role: Role
) -> None:
    catalog.put("e", "Old")
    await look(events, "e")
    catalog.put("e", "New", 2)
    assert await look(events, "e", BINA, Role.ORGANIZER) == "Old"
    assert await look(events, "e", who, role) == "New"
    assert await look(events, "e") == "New"


async def test_an_edit_that_is_made_while_the_catalog_answers_is_seen_by_who_asks_after_it(
    catalog: Catalog, events: Events
) -> None:
    catalog.put("e", "Old")
    catalog.may_answer.clear()
    first = asyncio.create_task(look(events, "e"))
    while not catalog.asked:
        await asyncio.sleep(0)
    catalog.put("e", "New", 2)
    second = asyncio.create_task(look(events, "e", ASHA, Role.ORGANIZER))
    catalog.now += 0.6  # the first answer took long: it is of before
    catalog.may_answer.set()
    assert (await first, await second) == ("Old", "New")


async def test_pages_that_are_asked_for_at_once_are_compared_at_once(
    catalog: Catalog, events: Events
) -> None:
    for number in range(30):
        catalog.put(str(number), f"Title {number}")
    titles = await asyncio.gather(*(look(events, str(n % 30)) for n in range(300)))
    assert titles == [f"Title {n % 30}" for n in range(300)]
    assert all(len(asked) <= LIMITS.size for asked in catalog.asked)
    assert len(catalog.asked) < 30


async def test_a_draft_is_its_organizers_and_never_kept(catalog: Catalog, events: Events) -> None:
    catalog.drafts["d"] = catalog_pb2.Event(
        id="d", organizer_id=ASHA, draft=catalog_pb2.EventDraft(title="Draft")
    )
    assert await look(events, "d", ASHA, Role.ORGANIZER) == "Draft"
    for who in ("", BINA):
        with pytest.raises(ProblemError) as refused:
            await look(events, "d", who)
        assert refused.value.reason == "EVENT_NOT_FOUND"
    assert catalog.calls == ["GetEvent"]


async def test_a_page_that_is_gone_is_forgotten(catalog: Catalog, events: Events) -> None:
    catalog.put("e", "Old")
    await look(events, "e")
    del catalog.public["e"]
    catalog.now += 1
    with pytest.raises(ProblemError):
        await look(events, "e")
    catalog.put("e", "Back")
    assert await look(events, "e") == "Back"


async def test_while_the_catalog_does_not_answer_nothing_old_is_shown(
    catalog: Catalog, events: Events
) -> None:
    catalog.put("e", "Old")
    await look(events, "e")
    catalog.now += 1
    catalog.failure = RemoteError(grpc.StatusCode.UNAVAILABLE, "", "down", {})
    with pytest.raises(RemoteError):
        await look(events, "e")


async def test_memory_is_bounded(
    catalog: Catalog, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.events._KEPT_BYTES", 10_000)
    events = Events(cast("Any", catalog), lambda: catalog.now)
    for number in range(100):
        catalog.put(str(number), "Title")
        await look(events, str(number))
    assert await look(events, "99") == "Title"
    assert len(catalog.asked) == 100
    await look(events, "0")
    assert len(catalog.asked) == 101
