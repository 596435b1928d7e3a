"""What HTTP has words for: methods, challenges, preflights, bodies that are no JSON."""

from __future__ import annotations

import re

import httpx
import pytest

from chassis.identity import Role
from gateway.faults import FORMS
from tests.contract import samples
from tests.contract.conftest import Edge, running_gateway
from tests.contract.test_edge import ROUTES, path_of

SHOP = "https://shop.example"
# A parameter as RFC 9110 (11.2) has it, its value quoted.
PARAMETER = r'[a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]*"'
CHALLENGE = re.compile(rf"Bearer {PARAMETER}(, {PARAMETER})*")


# --- methods -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/bookings/quote", "OPTIONS, POST"),  # and not what /bookings/{reference} has
        (f"/bookings/{samples.REFERENCE}", "DELETE, GET, HEAD, OPTIONS"),
        ("/bookings", "GET, HEAD, OPTIONS, POST"),
        (f"/events/{samples.EVENT}", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/events/no-id", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/users/me/password", "OPTIONS, PUT"),
    ],
)
async def test_allow_names_what_the_path_allows(edge: Edge, path: str, allowed: str) -> None:
    url = f"/api/v1{path}"
    refused = await edge.http.request("PROPFIND", url)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
    asked = await edge.http.options(url)
    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, allowed, b"")
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(allowed.split(", ")):
        assert (await edge.http.request(method, url)).headers["allow"] == allowed


async def test_where_there_is_nothing_nothing_is_allowed(edge: Edge) -> None:
    for method in ("GET", "OPTIONS", "PROPFIND"):
        answer = await edge.call(method, "/nothing/of/the/kind")
        assert (answer.status_code, answer.json()["reason"]) == (404, "NOT_FOUND")
        assert "allow" not in answer.headers


GETS = sorted({path_of(route) for route in ROUTES if route.method == "GET"})


@pytest.mark.parametrize("path", GETS)
async def test_head_says_what_get_says_without_the_body(edge: Edge, path: str) -> None:
    headers = {"Authorization": f"Bearer {edge.keys.token(Role.ADMIN)}"}
    head = await edge.http.head(path, headers=headers)
    assert head.content == b""
    async with edge.http.stream("GET", path, headers=headers) as got:
        if "event-stream" not in got.headers.get("content-type", ""):
            await got.aread()
    assert head.status_code == got.status_code
    apart = {"date", "transfer-encoding", "x-request-id", "ratelimit-remaining", "ratelimit-reset"}
    if got.is_error:
        apart.add("content-length")  # the id of the request is told within
    kept = {name: value for name, value in got.headers.items() if name not in apart}
    assert {name: head.headers[name] for name in kept if name in head.headers} == kept


# --- challenges ----------------------------------------------------------------------------------


async def test_a_challenge_is_well_formed_and_says_what_is_wrong(edge: Edge) -> None:
    nobody = await edge.get("/auth/me", role=None)
    assert nobody.headers["www-authenticate"] == 'Bearer realm="parterre"'
    for token in ("garbage", edge.keys.token(exp=1), edge.keys.token(role="EMPEROR")):
        answer = await edge.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        challenge = answer.headers["www-authenticate"]
        assert CHALLENGE.fullmatch(challenge), challenge
        assert 'error="invalid_token", error_description="' in challenge
        assert answer.json()["detail"].rstrip(".") in challenge


async def test_every_401_has_a_challenge(edge: Edge) -> None:
    for method, path, body in (
        ("POST", "/auth/refresh", None),
        ("POST", "/auth/logout", None),
        ("GET", "/bookings", None),
    ):
        answer = await edge.call(
            method, path, json=body, role=None, headers={"X-Requested-With": "test"}
        )
        assert answer.status_code == 401
        assert CHALLENGE.fullmatch(answer.headers["www-authenticate"])


async def test_who_lacks_a_role_is_told_which(edge: Edge) -> None:
    answer = await edge.get("/admin/users", role=Role.ORGANIZER)
    body = answer.json()
    assert (answer.status_code, body["reason"]) == (403, "FORBIDDEN")
    assert body["detail"] == "This needs the role ADMIN; yours is ORGANIZER."
    assert body["required_role"] == "ADMIN"
    challenge = answer.headers["www-authenticate"]
    assert CHALLENGE.fullmatch(challenge)
    assert 'error="insufficient_scope"' in challenge


# --- pages of other origins ----------------------------------------------------------------------


async def test_a_page_of_a_listed_origin_may_send_and_read_all_that_clients_use() -> None:
    async with running_gateway(cors_origins=[SHOP]) as edge:
        wanted = (
            "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id,"
            " prefer, x-request-id, x-requested-with"
        )
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            asked = await edge.http.options(
                "/api/v1/holds",
                headers={
                    "Origin": SHOP,
                    "Access-Control-Request-Method": method,
                    "Access-Control-Request-Headers": wanted,
                },
            )
            assert asked.status_code == 200, asked.text
            assert asked.headers["access-control-allow-origin"] == SHOP
        answer = await edge.http.get("/api/v1/holds", headers={"Origin": SHOP})
        exposed = {
            name.strip().lower()
            for name in answer.headers["access-control-expose-headers"].split(",")
        }
        # Whatever of ours an answer may have; what every page may read is no concern.
        assert exposed >= {
            "allow",
            "content-disposition",
            "etag",
            "idempotency-replayed",
            "location",
            "preference-applied",
            "ratelimit-limit",
            "retry-after",
            "www-authenticate",
            "x-request-id",
        }
        stranger = await edge.http.get("/api/v1/holds", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers


# --- bodies that are no JSON ---------------------------------------------------------------------


async def sent(edge: Edge, body: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return await edge.call("POST", "/holds", content=body, headers=headers)


@pytest.mark.parametrize(
    ("body", "line", "column", "what"),
    [
        (b"{", 1, 2, "the end of the body"),
        (b'{"event_id": x}', 1, 14, "'x'"),
        ('{"é": "日本",\n  "b" 1}'.encode(), 2, 7, "'1'"),
        (b'{"a": 1,}', 1, 9, "'}'"),
        (b'{"a": "\xff"}', 1, 8, "no UTF-8"),
        (b"{} {}", 1, 4, "'{'"),
    ],
)
async def test_a_body_that_is_no_json_is_told_where(
    edge: Edge, body: bytes, line: int, column: int, what: str
) -> None:
    answer = await sent(edge, body)
    problem = answer.json()
    assert (answer.status_code, problem["reason"]) == (400, "MALFORMED_JSON")
    assert (problem["line"], problem["column"]) == (line, column), problem["detail"]
    assert what in problem["detail"]


@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"a": NaN}', b'{"a": -Infinity}'])
async def test_what_only_some_take_for_json_is_refused(edge: Edge, body: bytes) -> None:
    answer = await sent(edge, body)
    assert (answer.status_code, answer.json()["reason"]) == (400, "MALFORMED_JSON")


async def test_a_byte_order_mark_does_no_harm(edge: Edge) -> None:
    assert (await sent(edge, b"\xef\xbb\xbf{}")).json()["reason"] == "VALIDATION_FAILED"


async def test_every_form_that_a_client_is_held_to_has_words(edge: Edge) -> None:
    def patterns(schema: object) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(patterns, schema))
        if not isinstance(schema, dict):
            return set()
        own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
        return own.union(*map(patterns, schema.values()))

    asked: list[object] = []
    for operations in edge.document["paths"].values():
        for operation in operations.values():
            asked += [
                each["schema"] for each in operation.get("parameters", ()) if "schema" in each
            ]
            asked.append(operation.get("requestBody", {}))
    named = set(re.findall(r"#/components/schemas/(\w+)", str(asked)))
    schemas = edge.document["components"]["schemas"]
    for _ in range(5):
        named |= set(re.findall(r"#/components/schemas/(\w+)", str([schemas[n] for n in named])))
    found = patterns(asked) | patterns([schemas[name] for name in named])
    # A reference, and a provider's name: what is none is not found, or told by words of its own.
    others = {r"^([Pp][Tt])?([ -]?[0-9A-TV-Za-tv-z]){8}$", r"^[a-z][a-z0-9_-]{0,31}$"}
    assert len(found) > 5
    assert found - FORMS.keys() <= others
