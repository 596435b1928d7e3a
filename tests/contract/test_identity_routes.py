"""Accounts and sessions, as clients see them."""

from __future__ import annotations

from http.cookies import SimpleCookie

import httpx
import pytest
from parterre.auth.v1 import auth_pb2

from chassis.identity import Role
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError

REGISTRATION = {
    "email": "Asha@Parterre.Example",
    "password": "correct horse battery",
    "name": "Asha",
    "otp": "481516",
    "country": "NP",
}
CREDENTIALS = {"email": "asha@example.test", "password": "correct horse battery"}


def cookie_of(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"]


async def test_a_code_is_asked_for_in_the_gateways_name(edge: Edge) -> None:
    answer = await edge.post(
        "/auth/otp", {"email": "asha@parterre.example", "purpose": "REGISTER"}, role=Role.CUSTOMER
    )
    assert answer.status_code == 202
    assert edge.auth.calls[0].identity.subject == "gateway"
    assert edge.auth.asked.purpose == "REGISTER"


async def test_an_address_is_normalised_before_it_is_registered(edge: Edge) -> None:
    edge.auth.answers["Register"] = auth_pb2.RegisterResponse(user=samples.user())
    answer = await edge.post("/auth/register", REGISTRATION, role=None)
    assert answer.status_code == 201
    assert answer.json()["user"]["phone"] is None
    asked = edge.auth.asked
    assert (asked.email, asked.code, asked.role) == ("asha@parterre.example", "481516", "CUSTOMER")


async def test_a_log_in_answers_with_a_token_and_a_strict_cookie(edge: Edge) -> None:
    edge.auth.answers["LogIn"] = auth_pb2.LogInResponse(tokens=samples.tokens())
    answer = await edge.post("/auth/login", CREDENTIALS, role=None, headers={"User-Agent": "test"})
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer"
    assert "refresh" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    [cookie] = SimpleCookie(cookie_of(answer)).values()
    assert (cookie.key, cookie.value) == ("parterre_refresh", "refresh-me")
    assert cookie["httponly"]
    assert (cookie["path"], cookie["samesite"]) == ("/api/v1/auth", "strict")
    assert (edge.auth.asked.address, edge.auth.asked.user_agent) == ("127.0.0.1", "test")


async def test_an_expired_token_is_no_obstacle_to_logging_in(edge: Edge) -> None:
    edge.auth.answers["LogIn"] = auth_pb2.LogInResponse(tokens=samples.tokens())
    stale = {"Authorization": f"Bearer {edge.keys.token(exp=1)}"}
    answer = await edge.post("/auth/login", CREDENTIALS, headers=stale)
    assert answer.status_code == 200


async def test_a_throttled_log_in_says_when_to_come_back(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.auth.answers["LogIn"] = refusal("THROTTLED", "LOGIN_THROTTLED", retry_after="17")
    answer = await edge.post("/auth/login", CREDENTIALS, role=None)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "17"
    assert "retry_after" not in answer.json()


async def test_wrong_credentials_are_a_401_with_a_challenge(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.auth.answers["LogIn"] = refusal("UNAUTHENTICATED", "INVALID_CREDENTIALS")
    answer = await edge.post("/auth/login", CREDENTIALS, role=None)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


REFRESH = {"X-Requested-With": "parterre", "Cookie": "parterre_refresh=old-one"}


@pytest.mark.parametrize("origin", [None, "own"])
async def test_a_refresh_rotates_the_cookie(edge: Edge, origin: str | None) -> None:
    edge.auth.answers["Refresh"] = auth_pb2.RefreshResponse(tokens=samples.tokens())
    headers = REFRESH if origin is None else {**REFRESH, "Origin": edge.url}
    answer = await edge.post("/auth/refresh", role=None, headers=headers)
    assert answer.status_code == 200
    assert edge.auth.asked.refresh_token == "old-one"
    assert cookie_of(answer).startswith("parterre_refresh=refresh-me;")


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Cookie": REFRESH["Cookie"]}, 403, "CROSS_SITE_REQUEST"),
        ({**REFRESH, "Origin": "https://evil.example"}, 403, "CROSS_SITE_REQUEST"),
        ({**REFRESH, "Origin": "null"}, 403, "CROSS_SITE_REQUEST"),
        ({"X-Requested-With": "parterre"}, 401, "INVALID_REFRESH_TOKEN"),
    ],
)
async def test_a_refresh_from_another_site_or_without_a_cookie_is_refused(
    edge: Edge, headers: dict[str, str], status: int, reason: str
) -> None:
    answer = await edge.post("/auth/refresh", role=None, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert not edge.auth.calls


async def test_a_log_out_revokes_and_forgets_the_cookie(edge: Edge) -> None:
    answer = await edge.post("/auth/logout")
    assert (answer.status_code, answer.content) == (204, b"")
    assert edge.auth.calls[0].method == "LogOut"
    assert "Max-Age=0" in cookie_of(answer)


async def test_me_is_asked_with_ones_own_token(edge: Edge) -> None:
    edge.auth.answers["GetMe"] = auth_pb2.GetMeResponse(user=samples.user())
    answer = await edge.get("/auth/me")
    assert answer.json()["email"] == "asha@parterre.example"
    assert edge.auth.calls[0].identity.role is Role.CUSTOMER


async def test_the_signing_keys_are_public(edge: Edge) -> None:
    answer = await edge.http.get("/.well-known/jwks.json")
    edge.check("GET", answer)
    assert answer.json() == edge.keys.document()


@pytest.mark.parametrize(
    "address",
    ["asha", "asha@", "@x.example", "a b@x.example", "asha@localhost", "asha@x.example\x00"],
)
async def test_what_is_no_address_is_refused(edge: Edge, address: str) -> None:
    answer = await edge.post("/auth/otp", {"email": address, "purpose": "REGISTER"}, role=None)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "email"


async def test_a_password_is_never_sent_back(edge: Edge) -> None:
    answer = await edge.post("/auth/register", {**REGISTRATION, "password": "canary!"}, role=None)
    assert answer.status_code == 422
    assert "canary" not in answer.text
