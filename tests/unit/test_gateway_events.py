"""The gateway's pages of events: when they are trusted, and who makes the catalog be asked."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import grpc
import orjson
import pytest
from parterre.auth.v1 import auth_pb2
from parterre.catalog.v1 import catalog_pb2

from chassis.context import request
from chassis.errors import RemoteError
from chassis.identity import Identity, Role
from chassis.ids import uuid7
from gateway.events import LIMITS, EventPage, Events
from gateway.organizers import Organizers
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


class Auth:
    """The names of who sells; stands in for the stub and the channel to it."""

    GetOrganizer = "GetOrganizer"

    def __init__(self) -> None:
        self.names = {ASHA: "Naach Ghar"}
        self.failure: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked: list[str] = []
        self.rpc = self

    async def as_gateway(self, _method: str, wanted: Any, _seconds: float) -> Any:
        self.asked.append(wanted.user_id)
        await self.may_answer.wait()
        if self.failure:
            raise self.failure
        return auth_pb2.GetOrganizerResponse(
            name="Asha Rai", business_name=self.names.get(wanted.user_id, "")
        )


@pytest.fixture
def catalog() -> Catalog:
    return Catalog()


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
def organizers(auth: Auth, catalog: Catalog) -> Organizers:
    return Organizers(cast("Any", auth), lambda: catalog.now)


@pytest.fixture
def events(catalog: Catalog, organizers: Organizers) -> Events:
    return Events(cast("Any", catalog), organizers, lambda: catalog.now)


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
    catalog: Catalog, organizers: Organizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.events._KEPT_BYTES", 10_000)
    events = Events(cast("Any", catalog), organizers, lambda: catalog.now)
    for number in range(100):
        catalog.put(str(number), "Title")
        await look(events, str(number))
    assert await look(events, "99") == "Title"
    assert len(catalog.asked) == 100
    await look(events, "0")
    assert len(catalog.asked) == 101


async def shown(events: Events, event_id: str) -> tuple[str, EventPage]:
    """Who sells the event, as its page says it, "" for nobody; and the page."""
    page = await events.page(event_id)
    organizer = orjson.loads(page.body)["organizer"]
    return organizer["name"] if organizer else "", page


async def answered(organizers: Organizers) -> None:
    """Lets what auth_service was asked be answered, and heard."""
    while organizers.under_way:
        await asyncio.sleep(0)


async def test_an_event_names_the_business_that_sells_it_and_a_draft_does(
    catalog: Catalog, events: Events
) -> None:
    catalog.put("e", "Title")
    catalog.drafts["d"] = catalog_pb2.Event(id="d", organizer_id=ASHA)
    assert (await shown(events, "e"))[0] == "Naach Ghar"
    identity = Identity(ASHA, Role.ORGANIZER, "s", "token", 4_000_000_000)
    with request(id="test", identity=identity, seconds=30):
        assert (await shown(events, "d"))[0] == "Naach Ghar"


async def test_who_has_no_business_name_is_not_named_by_their_own(
    catalog: Catalog, events: Events, auth: Auth
) -> None:
    auth.names.clear()
    catalog.put("e", "Title")
    name, page = await shown(events, "e")
    assert name == ""
    assert b"Asha Rai" not in page.body


async def test_another_name_is_seen_within_a_minute_and_changes_the_tag(
    catalog: Catalog, events: Events, auth: Auth
) -> None:
    catalog.put("e", "Title", 7)
    before = (await shown(events, "e"))[1]
    before.compressed["br"] = b"of before"
    auth.names[ASHA] = "Rangashala"
    catalog.now += 29
    name, same = await shown(events, "e")
    assert (name, same.tag) == ("Naach Ghar", before.tag)
    assert len(auth.asked) == 1
    catalog.now += 32  # nobody looked meanwhile: it is too old to be shown
    name, page = await shown(events, "e")
    assert name == "Rangashala"
    assert page.tag != before.tag
    assert page.tag.startswith("7-")
    assert page.compressed == {}
    assert catalog.asked[-1] == [("e", "v7")]  # the catalog had nothing new to tell


async def test_a_name_is_asked_for_again_beside_whoever_is_shown_it(
    catalog: Catalog, events: Events, auth: Auth, organizers: Organizers
) -> None:
    catalog.put("e", "Title")
    await shown(events, "e")
    auth.names[ASHA] = "Rangashala"
    auth.may_answer.clear()
    catalog.now += 31
    assert (await shown(events, "e"))[0] == "Naach Ghar"
    catalog.now += 1
    assert (await shown(events, "e"))[0] == "Naach Ghar"
    assert auth.asked == [ASHA, ASHA]
    auth.may_answer.set()
    await answered(organizers)
    catalog.now += 1
    assert (await shown(events, "e"))[0] == "Rangashala"


async def test_no_name_is_asked_again_soon(catalog: Catalog, events: Events, auth: Auth) -> None:
    auth.names.clear()
    catalog.put("e", "Title")
    await shown(events, "e")
    auth.names[ASHA] = "Naach Ghar"
    catalog.now += 11
    await shown(events, "e")
    catalog.now += 1
    assert (await shown(events, "e"))[0] == "Naach Ghar"


REFUSED = RemoteError(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN", "No.", {})
DOWN = RemoteError(grpc.StatusCode.UNAVAILABLE, "", "down", {})


@pytest.mark.parametrize("failure", [DOWN, REFUSED], ids=["down", "refuses"])
async def test_without_auth_an_event_is_shown_without_its_organizer_and_auth_is_left_alone(
    catalog: Catalog, events: Events, auth: Auth, failure: Exception
) -> None:
    auth.failure = failure
    catalog.put("e", "Title")
    for _ in range(4):
        assert (await shown(events, "e"))[0] == ""
        catalog.now += 1
    assert auth.asked == [ASHA]
    auth.failure = None
    catalog.now += 2
    await shown(events, "e")
    catalog.now += 1
    assert (await shown(events, "e"))[0] == "Naach Ghar"


async def test_a_name_outlives_an_outage_of_auth_by_an_hour_at_most(
    catalog: Catalog, events: Events, auth: Auth
) -> None:
    catalog.put("e", "Title")
    await shown(events, "e")
    auth.failure = DOWN
    catalog.now += 3500
    assert (await shown(events, "e"))[0] == "Naach Ghar"
    catalog.now += 200
    assert (await shown(events, "e"))[0] == ""


async def test_who_sells_nothing_any_more_is_not_named(
    catalog: Catalog, events: Events, auth: Auth
) -> None:
    catalog.put("e", "Title")
    await shown(events, "e")
    auth.failure = RemoteError(grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND", "Nobody.", {})
    catalog.now += 61
    assert (await shown(events, "e"))[0] == ""


async def test_a_slow_auth_is_waited_for_once_and_its_answer_is_used(
    catalog: Catalog, events: Events, auth: Auth, organizers: Organizers
) -> None:
    auth.may_answer.clear()
    for number in range(30):
        catalog.put(str(number), "Title")
    names = await asyncio.gather(*(shown(events, str(n)) for n in range(30)))
    assert {name for name, _page in names} == {""}
    assert auth.asked == [ASHA]
    # Nobody waits for it now: this does not even let go of the loop.
    async with asyncio.timeout(0):
        assert await organizers.name(BINA) == ""
    auth.may_answer.set()
    await answered(organizers)
    catalog.now += 1
    assert (await shown(events, "0"))[0] == "Naach Ghar"


async def test_auth_is_asked_for_so_many_names_at_once_and_no_more(
    auth: Auth, organizers: Organizers
) -> None:
    auth.may_answer.clear()
    ids = [str(uuid7()) for _ in range(100)]
    assert set((await organizers.names(ids)).values()) == {""}
    assert len(auth.asked) == 64
    auth.may_answer.set()
    await answered(organizers)
    assert organizers.under_way == 0
