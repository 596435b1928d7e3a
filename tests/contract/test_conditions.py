"""What a client has is not sent again, what changed is not overwritten, lists are compressed."""

from __future__ import annotations

import gzip
from typing import Any

import brotli
import httpx
import pytest
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2

from chassis.identity import Role
from chassis.ids import uuid7
from gateway.snapshots import best_encoding
from gateway.versions import expected_version, held
from tests.contract import samples
from tests.contract.conftest import Edge

EVENT = f"/events/{samples.EVENT}"
VENUE = f"/venues/{samples.VENUE}"


@pytest.fixture
def many(edge: Edge) -> None:
    """Events, venues and reviews enough to be worth compressing."""
    edge.catalog.answers["ListEvents"] = catalog_pb2.ListEventsResponse(
        events=[samples.event() for _ in range(20)]
    )
    edge.catalog.answers["ListVenues"] = catalog_pb2.ListVenuesResponse(
        venues=[samples.venue() for _ in range(20)]
    )
    edge.catalog.answers["GetVenue"] = catalog_pb2.GetVenueResponse(venue=samples.venue())
    edge.catalog.answers["ReadEvents"] = samples.read(samples.event())
    edge.booking.answers["ListBookings"] = booking_pb2.ListBookingsResponse(
        bookings=[samples.booking() for _ in range(20)]
    )


PUBLIC = ["/events", "/venues", EVENT, VENUE]


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("path", [*PUBLIC, "/bookings", "/organizer/events"])
async def test_what_the_client_has_is_not_sent_again(edge: Edge, path: str) -> None:
    first = await edge.get(path, role=Role.ORGANIZER)
    tag = first.headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*", f'"a,b" ,W/"x",{tag}'):
        again = await edge.get(path, role=Role.ORGANIZER, headers={"If-None-Match": given})
        assert (again.status_code, again.content) == (304, b""), given
        assert again.headers["etag"] == tag or given == "*"
        assert again.headers.get("cache-control") == first.headers.get("cache-control")
        assert again.headers.get("vary") == first.headers.get("vary")
    lines = [("If-None-Match", '"a"'), ("If-None-Match", tag)]
    token = {"Authorization": f"Bearer {edge.keys.token(Role.ORGANIZER)}"}
    split = await edge.http.get(f"/api/v1{path}", headers=[*token.items(), *lines])
    assert split.status_code == 304
    for given in ('"other"', tag.strip('"'), '""', f'"{tag}'[:5]):
        other = await edge.get(path, role=Role.ORGANIZER, headers={"If-None-Match": given})
        assert other.status_code == 200, given


@pytest.mark.usefixtures("many")
async def test_what_is_left_of_an_event_makes_it_another_answer(edge: Edge) -> None:
    event = samples.event()
    event.id = str(uuid7())
    path = f"/events/{event.id}"
    edge.catalog.answers["ReadEvents"] = samples.read(event)
    first = (await edge.get(path, role=Role.ADMIN)).headers["etag"]
    event.availability.available -= 1
    edge.catalog.answers["ReadEvents"] = samples.read(event)
    answer = await edge.get(path, role=Role.ADMIN, headers={"If-None-Match": first})
    assert answer.status_code == 200
    # And an edit is still one of the same version.
    edge.catalog.answers["UpdateEvent"] = catalog_pb2.UpdateEventResponse(event=event)
    edge.catalog.calls.clear()
    await edge.patch(path, {"terms": "x"}, role=Role.ORGANIZER, headers={"If-Match": first})
    assert edge.catalog.asked.expected_version == event.version


async def raw(edge: Edge, path: str, accept: str) -> tuple[httpx.Response, bytes]:
    """An answer, and its body as it came."""
    async with edge.http.stream(
        "GET", f"/api/v1{path}", headers={"Accept-Encoding": accept}
    ) as answer:
        return answer, b"".join([part async for part in answer.aiter_raw()])


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("path", ["/events", "/venues", EVENT])
async def test_what_anybody_may_read_is_compressed(edge: Edge, path: str) -> None:
    plain, body = await raw(edge, path, "identity")
    zipped, by_gzip = await raw(edge, path, "gzip")
    small, by_brotli = await raw(edge, path, "gzip, br")
    assert gzip.decompress(by_gzip) == brotli.decompress(by_brotli) == body
    assert len(by_brotli) < len(body) / 2 or path == EVENT
    assert "content-encoding" not in plain.headers
    codings = [answer.headers["content-encoding"] for answer in (zipped, small)]
    assert codings == ["gzip", "br"]
    answers = (plain, zipped, small)
    assert len({answer.headers["etag"] for answer in answers}) == 3
    assert {answer.headers["vary"] for answer in answers} == {"Accept-Encoding"}
    # What the client has in one coding it has in all.
    for answer in answers:
        again = await edge.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.headers["etag"]) == (304, answer.headers["etag"])


@pytest.mark.usefixtures("many")
async def test_what_is_somebodys_own_is_not_compressed(edge: Edge) -> None:
    answer = await edge.get("/bookings", headers={"Accept-Encoding": "br, gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", "identity"),
        ("gzip", "gzip"),
        ("gzip, deflate, br", "br"),
        ("br;q=0.2, gzip;q=0.9", "gzip"),
        ("br;q=0, *", "gzip"),
        ("*", "br"),
        ("*;q=0", "identity"),
        ("identity, gzip;q=0.5", "identity"),
        ("gzip;q=nonsense", "identity"),
        ("GZIP ; q=1.0", "gzip"),
    ],
)
def test_the_coding_is_the_one_that_is_liked_best(accept: str, coding: str) -> None:
    assert best_encoding(accept) == coding


# --- changes -------------------------------------------------------------------------------------

NOW = 7


async def current() -> int:
    return NOW


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        ([], 0),
        (["*"], 0),
        ([' "6" '], 6),
        (['"6-0123456789abcdef01"'], 6),
        (['"6-0123456789abcdef01-br"'], 6),
        (['"6", "7-00"'], 7),
        (['"6"', '"7"'], 7),
        (['"5", "6"'], 6),
        (['W/"7", "6"'], 6),
        (['"of somebody else", "6"'], 6),
    ],
)
async def test_a_change_is_made_for_one_of_the_versions_that_are_given(
    lines: list[str], version: int
) -> None:
    assert await expected_version(lines, current) == version


@pytest.mark.parametrize("given", ['W/"7"', '"x"', "7", '""', '"0"', '"-1"', "garbage", '"7x"'])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_tag_that_is_no_versions_changes_nothing(
    edge: Edge, method: str, given: str
) -> None:
    body: dict[str, Any] = {"json": {"terms": "x"}} if method == "PATCH" else {}
    answer = await edge.call(
        method, EVENT, role=Role.ORGANIZER, headers={"If-Match": given}, **body
    )
    assert (answer.status_code, answer.json()["reason"]) == (412, "STALE_VERSION")
    assert not edge.catalog.calls


def test_a_long_list_of_tags_is_read_in_linear_time() -> None:
    assert not held(['"' * 8000 + "W/" * 4000], "7")
    assert not held(['"x", ' * 3000], "7")
