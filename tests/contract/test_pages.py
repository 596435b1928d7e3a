"""The web page over HTTP: what each address answers, to browsers, to programs and to strangers."""

from __future__ import annotations

import json
import re
from typing import Any

import brotli
import httpx
import pytest
from parterre.catalog.v1 import catalog_pb2

from chassis.identity import Role
from chassis.ids import uuid7
from gateway.routes.pages import pages_of
from gateway.settings import Settings
from gateway.site.pages import PAGES
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError, running_gateway
from tests.contract.test_edge import LOCAL, path_of

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "media-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ROUTES = [
    route
    for route in pages_of(LOCAL).declared
    if route.path in PAGES and not PAGES[route.path].shows_event
]


async def shown(edge: Edge, path: str, **headers: str) -> httpx.Response:
    """What a browser gets."""
    return await edge.http.get(path, headers={**BROWSER, **headers})


def on_sale(edge: Edge, **changes: Any) -> str:
    """An event that the catalog has; its id."""
    event = samples.event(str(uuid7()))
    for name, value in changes.items():
        setattr(event, name, value)
    edge.catalog.answers["ReadEvents"] = samples.read(event)
    return event.id


def version_in(answer: httpx.Response) -> str:
    found = re.search(r'"/assets/([0-9a-f]+)/main\.js"', answer.text)
    assert found
    return found[1]


def test_every_page_is_open_to_everybody_and_no_part_of_the_api(edge: Edge) -> None:
    declared = pages_of(LOCAL).declared
    assert {route.access.name for route in declared} == {"OPEN"}
    assert {route.method for route in declared} == {"GET"}
    assert not {route.path for route in declared} & {*edge.document["paths"]}
    assert {*PAGES} <= {route.path for route in declared}


@pytest.mark.parametrize("path", [route.path for route in ROUTES])
async def test_a_page_answers_its_document(edge: Edge, path: str) -> None:
    route = next(route for route in ROUTES if route.path == path)
    answer = await shown(edge, path_of(route))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    is_public = PAGES[path].is_public
    cache = "no-cache" if is_public else "private, no-store"
    assert answer.headers["cache-control"] == cache
    assert '<div id="app">' in answer.text
    asked = {call.method for fake in edge.fakes.values() for call in fake.calls}
    assert asked <= ({"ListEvents"} if path == "/" else set())


async def test_a_page_is_sent_once_while_it_is_the_same(edge: Edge) -> None:
    first = await shown(edge, "/")
    assert first.headers["content-encoding"] == "br"
    assert first.headers["vary"] == "Accept-Encoding"
    again = await shown(edge, "/", **{"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["content-security-policy"] == POLICY
    head = await edge.http.head("/", headers=BROWSER)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == first.headers["etag"]
    plain = await shown(edge, "/", **{"Accept-Encoding": "identity"})
    assert plain.text == first.text
    assert plain.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("path", ["/events/{}", "/events/{}/seats"])
async def test_an_event_comes_with_its_page(edge: Edge, path: str) -> None:
    event_id = on_sale(edge)
    whole = (await edge.get(f"/events/{event_id}", role=None)).json()
    for section in whole["venue"]["sections"]:
        section["rows"] = section["rows"] and []
    answer = await shown(edge, path.format(event_id))
    assert answer.status_code == 200
    boot = re.search(r'<script type="application/json" id="boot">(.*?)</script>', answer.text)
    assert boot
    assert json.loads(boot[1])["event"] == whole
    assert f'<link rel="canonical" href="{edge.url}/events/{event_id}">' in answer.text


@pytest.mark.parametrize("wrong", ["x", "0193C2A7", "%00", "%E2%80%A8", "..%2f..", "'"])
async def test_an_event_that_is_not_there_is_a_page_that_says_so(edge: Edge, wrong: str) -> None:
    edge.catalog.answers["ReadEvents"] = catalog_pb2.ReadEventsResponse(results=[{}])
    for path in (f"/events/{wrong}", f"/events/{uuid7()}", f"/events/{uuid7()}/seats"):
        answer = await shown(edge, path)
        assert answer.status_code == 404, path
        assert answer.headers["content-security-policy"] == POLICY
        assert '<meta name="robots" content="noindex">' in answer.text
        assert "Page not found" in answer.text


@pytest.mark.parametrize("role", [None, Role.ORGANIZER, Role.ADMIN])
async def test_a_draft_has_no_page_for_everybody_whoever_asks(
    edge: Edge, role: Role | None
) -> None:
    on_sale(edge, status="DRAFT")
    edge.catalog.answers["ReadEvents"] = catalog_pb2.ReadEventsResponse(results=[{}])
    draft = samples.event(str(uuid7()))
    draft.status = "DRAFT"
    edge.catalog.answers["GetEvent"] = catalog_pb2.GetEventResponse(event=draft)
    token = {"Authorization": f"Bearer {edge.keys.token(role)}"} if role else {}
    answer = await shown(edge, f"/events/{draft.id}", **token)
    assert answer.status_code == 404
    assert draft.draft.title not in answer.text


async def test_a_page_whose_event_can_not_be_had_now_comes_without_it(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.catalog.answers["ReadEvents"] = refusal("UNAVAILABLE", "SERVICE_UNAVAILABLE", "Too much.")
    answer = await shown(edge, f"/events/{uuid7()}")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.headers["content-security-policy"] == POLICY
    assert 'data-area="event"' in answer.text
    assert "Too much" not in answer.text


async def test_people_see_a_page_where_nothing_is_and_programs_a_problem(edge: Edge) -> None:
    answer = await shown(edge, "/nowhere/at/all")
    assert answer.status_code == 404
    assert "text/html" in answer.headers["content-type"]
    assert answer.headers["content-security-policy"] == POLICY
    head = await edge.http.head("/nowhere", headers=BROWSER)
    assert (head.status_code, head.content) == (404, b"")
    for path, headers in (
        ("/nowhere", {}),
        ("/nowhere", {"Accept": "application/json"}),
        ("/api/v1/nowhere", BROWSER),
        ("/api", BROWSER),
        ("/assets/x/nowhere.js", BROWSER),
        ("/.well-known/nowhere", BROWSER),
    ):
        answer = await edge.http.get(path, headers=headers)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json", path
    posted = await edge.http.post("/nowhere", headers=BROWSER)
    assert posted.headers["content-type"] == "application/problem+json"
    wrong = await edge.http.post("/tickets", headers=BROWSER)
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/tickets/", "/organizer/venues//"])
async def test_a_slash_too_many_leads_to_the_page(edge: Edge, path: str) -> None:
    answer = await shown(edge, path)
    assert (answer.status_code, answer.headers["location"]) == (308, path.rstrip("/"))


@pytest.mark.parametrize("path", ["//evil.example/", "//", "/\\evil.example/", "/evil.example//"])
async def test_no_slash_leads_to_another_host(edge: Edge, path: str) -> None:
    answer = await edge.http.get(edge.url + path, headers=BROWSER)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("query", "leads_to"),
    [
        ("booking=PT-ABCD1234", "/bookings/PT-ABCD1234"),
        (
            "booking=PT-ABCD1234&charge=ch_1&result=approved",
            "/bookings/PT-ABCD1234?result=approved&charge=ch_1",
        ),
        ("booking=//evil.example", "/tickets"),
        ("booking=PT-ABCD1234%0d%0aX:1", "/tickets"),
        ("", "/tickets"),
    ],
)
async def test_who_comes_back_from_paying_is_led_to_the_booking(
    edge: Edge, query: str, leads_to: str
) -> None:
    answer = await shown(edge, f"/bookings?{query}")
    assert (answer.status_code, answer.headers["location"]) == (303, leads_to)


async def test_a_file_of_this_version_is_kept_for_good(edge: Edge) -> None:
    version = version_in(await shown(edge, "/"))
    for path in ("main.js", "styles/tokens.css", "pages/event/page.js", "icons/icon.svg"):
        answer = await edge.http.get(f"/assets/{version}/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"] == "max-age=31536000, immutable"
        assert answer.headers["vary"] == "Accept-Encoding"
        tag = answer.headers["etag"]
        again = await edge.http.get(f"/assets/{version}/{path}", headers={"If-None-Match": tag})
        assert (again.status_code, again.headers["etag"]) == (304, tag)
        head = await edge.http.head(f"/assets/{version}/{path}")
        assert (head.content, head.headers["etag"]) == (b"", tag)
        assert head.headers["content-length"] == answer.headers["content-length"]
    script = await edge.http.get(f"/assets/{version}/main.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["content-security-policy"] == "default-src 'none'"
    assert script.headers["x-frame-options"] == "DENY"
    icon = await edge.http.get(f"/assets/{version}/icons/icon.svg")
    assert "frame-ancestors 'none'" in icon.headers["content-security-policy"]


# Of an empty browser, in kB as they travel, headers and all; pictures and what the API answers come
# on top. The goal for an event is 60 with the date that a server adds to each head (1.2 in all).
# What is more here is to be noticed before people do.
WEIGHTS = {
    "/": 55,
    "/events/{event_id}": 56,
    "/events/{event_id}/seats": 90,
    "/checkout/{hold_id}": 62,
    "/bookings/{reference}": 64,
    "/tickets": 54,
    "/login": 49,
    "/account": 53,
    "/organizer": 57,
    "/organizer/events/{event_id}": 88,
    "/organizer/venues/{venue_id}": 80,
    "/door/{event_id}": 66,
    "/operator": 64,
}
# Files before anything is drawn: over HTTP/1.1 each round of six costs a phone 0.4 seconds.
MOST_FILES = {"/": 24, "/events/{event_id}": 24}


@pytest.mark.parametrize("path", WEIGHTS)
async def test_the_first_load_of_a_page_weighs_no_more_than_it_may(edge: Edge, path: str) -> None:
    ids = {"event_id": on_sale(edge), "hold_id": str(uuid7()), "venue_id": str(uuid7())}
    page = await shown(edge, path.format(reference="PT-ABCD1234", **ids))
    files = re.findall(r'(?:rel="(?:stylesheet|modulepreload)" href|src)="([^"]+)"', page.text)
    answers = [page, *[await shown(edge, file) for file in dict.fromkeys(files)]]
    assert {answer.status_code for answer in answers} == {200}
    weight = sum(
        int(answer.headers["content-length"])
        + sum(len(name) + len(value) + 4 for name, value in answer.headers.raw)
        + len("HTTP/1.1 200 OK\r\n\r\n")
        for answer in answers
    )
    assert weight <= WEIGHTS[path] * 1000
    assert len(answers) - 1 <= MOST_FILES.get(path, 60)


async def test_of_another_version_nobody_keeps_what_there_is_instead(edge: Edge) -> None:
    version = version_in(await shown(edge, "/"))
    own = await edge.http.get(f"/assets/{version}/main.js")
    other = await edge.http.get("/assets/0123456789ab/main.js")
    assert other.headers["cache-control"] == "no-cache"
    assert other.content == own.content
    assert other.headers["etag"] == own.headers["etag"]


@pytest.mark.parametrize(
    "path",
    [
        "../pyproject.toml",
        "%2e%2e/pyproject.toml",
        "..%2f..%2fpyproject.toml",
        "core/..%2f__init__.py",
        "__init__.py",
        "types/own.d.ts",
        "vendor/LICENSES.md",
        "vendor/preact.d.ts",
        "main.js/",
        "main.js%00",
        "a/b/c/d",
    ],
)
async def test_nothing_but_the_files_of_the_page_is_served(edge: Edge, path: str) -> None:
    answer = await edge.http.get(f"{edge.url}/assets/x/{path}")
    assert answer.status_code == 404
    assert answer.json()["reason"] == "NOT_FOUND"


async def test_the_worker_of_the_door_may_serve_the_door(edge: Edge) -> None:
    answer = await edge.http.get("/sw.js")
    assert answer.status_code == 200
    assert answer.headers["service-worker-allowed"] == "/door"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"] == POLICY


async def test_the_icon_and_the_manifest_are_where_browsers_look(edge: Edge) -> None:
    icon = await edge.http.get("/favicon.ico")
    assert icon.headers["content-type"] == "image/svg+xml"
    manifest = await edge.http.get("/manifest.webmanifest")
    assert manifest.headers["content-type"] == "application/manifest+json"
    told = manifest.json()
    assert told["start_url"] in PAGES
    for each in told["icons"]:
        assert (await edge.http.get(each["src"])).status_code == 200


async def test_those_who_index_are_told_what_is_worth_finding(edge: Edge) -> None:
    event = samples.event(str(uuid7()))
    edge.catalog.answers["ListEvents"] = catalog_pb2.ListEventsResponse(events=[event])
    async with running_gateway() as other:
        other.catalog.answers["ListEvents"] = catalog_pb2.ListEventsResponse(events=[event])
        sitemap = await other.http.get("/sitemap.xml")
        assert f"<loc>{other.url}/events/{event.id}</loc>" in sitemap.text
        assert "<lastmod>2026-11-20</lastmod>" in sitemap.text
        await other.http.get("/sitemap.xml")
        assert len(other.catalog.calls) == 1
        assert other.catalog.calls[0].request.status == "PUBLISHED"
    robots = (await edge.http.get("/robots.txt")).text.splitlines()
    assert f"Sitemap: {edge.url}/sitemap.xml" in robots
    assert "Disallow: /organizer" in robots
    read = [line.removeprefix("Disallow: ") for line in robots if line.startswith("Disallow")]
    for path in ("/", "/events/x", "/api/v1/media/x", "/assets/x/main.js", "/api/v1/events"):
        assert not any(path.startswith(each) for each in read), path


async def test_addresses_are_those_the_operator_has_set(edge: Edge) -> None:
    evil = await shown(edge, "/", Host="evil.example")
    assert (evil.status_code, evil.json()["reason"]) == (421, "UNKNOWN_HOST")
    async with running_gateway(public_url="https://tickets.example") as other:
        answer = await shown(other, "/")
        assert '<link rel="canonical" href="https://tickets.example/">' in answer.text
        robots = await other.http.get("/robots.txt")
        assert "Sitemap: https://tickets.example/sitemap.xml" in robots.text


async def test_a_compressed_document_is_the_document(edge: Edge) -> None:
    async with edge.http.stream(
        "GET", "/login", headers={**BROWSER, "Accept-Encoding": "br"}
    ) as answer:
        packed = b"".join([part async for part in answer.aiter_raw()])
    plain = await shown(edge, "/login", **{"Accept-Encoding": "identity"})
    assert brotli.decompress(packed) == plain.content


async def test_files_of_the_page_are_counted_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Settings, "address_factor", 1)  # as anywhere but on a developer's machine
    async with running_gateway(address_burst=1, address_rate=0.1) as edge:
        pages = [await shown(edge, "/login") for _ in range(2)]
        assert pages[-1].status_code == 429
        files = [await edge.http.get("/assets/x/main.js") for _ in range(40)]
        assert [file.status_code for file in files[:30]] == [200] * 30
        assert "ratelimit-limit" not in files[0].headers
        assert files[-1].status_code == 429
        assert files[-1].headers["ratelimit-limit"] == "30"
