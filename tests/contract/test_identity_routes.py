"""Accounts and sessions, as clients see them."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message
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
RESET = {
    "email": "asha@parterre.example",
    "otp": "481516",
    "new_password": "staple of another horse",
}
OTP_ID = "7f1c2b1e-53c5-4b8e-9d0e-0c5d6a1f2e3b"
DEVICE = auth_pb2.Device(token="1.1900000000.device:x.seal", expires_in=15552000)
CREDENTIALS = {"email": "asha@example.test", "password": "correct horse battery"}


def cookie_of(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"]


async def test_a_code_is_asked_for_in_the_gateways_name(edge: Edge) -> None:
    edge.auth.answers["RequestCode"] = auth_pb2.RequestCodeResponse(otp_id=OTP_ID)
    answer = await edge.post(
        "/auth/otp", {"email": "asha@parterre.example", "purpose": "REGISTER"}, role=Role.CUSTOMER
    )
    assert answer.status_code == 202
    assert answer.json()["otp_id"] == OTP_ID
    assert edge.auth.calls[0].identity.subject == "gateway"
    assert edge.auth.asked.purpose == "REGISTER"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/auth/otp", {"email": "asha@parterre.example", "purpose": "PASSWORD_RESET"}),
        ("/auth/register", REGISTRATION),
        ("/auth/login", CREDENTIALS),
        ("/auth/password-reset", {**RESET}),
    ],
)
async def test_whoever_may_be_guessing_is_known_by_address(
    edge: Edge, path: str, body: dict[str, str]
) -> None:
    spoofed = {"X-Forwarded-For": "203.0.113.7"}
    await edge.post(path, body, role=None, headers=spoofed)
    assert edge.auth.asked.address == "127.0.0.1"
    assert edge.auth.calls[0].identity.subject == "gateway"


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


async def test_a_code_is_tried_by_the_id_it_was_given_out_with(edge: Edge) -> None:
    edge.auth.answers["Register"] = auth_pb2.RegisterResponse(user=samples.user())
    for path, body in (("/auth/register", REGISTRATION), ("/auth/password-reset", RESET)):
        for given, asked in (({"otp_id": OTP_ID}, OTP_ID), ({}, ""), ({"otp_id": None}, "")):
            await edge.post(path, {**body, **given}, role=None)
            assert edge.auth.calls[-1].request.otp_id == asked


@pytest.mark.parametrize(
    ("path", "rpc", "reply", "body"),
    [
        (
            "/auth/login",
            "LogIn",
            auth_pb2.LogInResponse(tokens=samples.tokens(), device=DEVICE),
            CREDENTIALS,
        ),
        (
            "/auth/register",
            "Register",
            auth_pb2.RegisterResponse(user=samples.user(), device=DEVICE),
            REGISTRATION,
        ),
        (
            "/auth/password-reset",
            "ResetPassword",
            auth_pb2.ResetPasswordResponse(device=DEVICE),
            RESET,
        ),
    ],
)
async def test_who_proves_to_be_somebody_is_known_when_they_log_in_again(
    edge: Edge, path: str, rpc: str, reply: Message, body: dict[str, str]
) -> None:
    edge.auth.answers[rpc] = reply
    answer = await edge.post(path, body, role=None)
    [given] = [
        each
        for each in answer.headers.get_list("set-cookie")
        if each.startswith("parterre_device=")
    ]
    cookie = SimpleCookie(given)["parterre_device"]
    assert (cookie["path"], cookie["samesite"]) == ("/api/v1/auth/login", "strict")
    assert cookie["httponly"]
    assert cookie["max-age"] == "15552000"
    assert DEVICE.token not in answer.text

    edge.auth.answers["LogIn"] = auth_pb2.LogInResponse(tokens=samples.tokens())
    sent = given.partition(";")[0]
    await edge.post("/auth/login", CREDENTIALS, role=None, headers={"Cookie": sent})
    assert edge.auth.calls[-1].request.device == DEVICE.token
    for nonsense in ("", "parterre_device=" + "x" * 201):
        await edge.post("/auth/login", CREDENTIALS, role=None, headers={"Cookie": nonsense})
        assert edge.auth.calls[-1].request.device == ""


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


@pytest.mark.parametrize(
    ("path", "kind", "reason", "field", "status"),
    [
        ("/auth/register", "INVALID", "WEAK_PASSWORD", "password", 422),
        ("/auth/register", "INVALID", "INVALID_CODE", "otp", 422),
        ("/auth/register", "STATE", "EMAIL_TAKEN", None, 409),
        ("/auth/register", "THROTTLED", "ADDRESS_THROTTLED", None, 429),
        ("/auth/password-reset", "INVALID", "WEAK_PASSWORD", "new_password", 422),
        ("/auth/password-reset", "INVALID", "INVALID_CODE", "otp", 422),
        ("/auth/password-reset", "THROTTLED", "ADDRESS_THROTTLED", None, 429),
        ("/auth/password-reset", "THROTTLED", "CODE_THROTTLED", None, 429),
        ("/auth/register", "THROTTLED", "CODE_THROTTLED", None, 429),
        ("/auth/otp", "THROTTLED", "CODE_THROTTLED", None, 429),
        ("/auth/otp", "THROTTLED", "ADDRESS_THROTTLED", None, 429),
        ("/auth/login", "FORBIDDEN", "ACCOUNT_DISABLED", None, 403),
        ("/auth/login", "THROTTLED", "ADDRESS_THROTTLED", None, 429),
    ],
)
async def test_what_the_service_refuses_is_a_problem_that_names_the_field(
    edge: Edge,
    refusal: type[RefusalError],
    path: str,
    kind: str,
    reason: str,
    field: str | None,
    status: int,
) -> None:
    rpc, body = {
        "/auth/otp": ("RequestCode", {"email": RESET["email"], "purpose": "REGISTER"}),
        "/auth/register": ("Register", REGISTRATION),
        "/auth/password-reset": ("ResetPassword", RESET),
        "/auth/login": ("LogIn", CREDENTIALS),
    }[path]
    facts = {field: "No."} if field else {}
    edge.auth.answers[rpc] = refusal(kind, reason, **facts)
    answer = await edge.post(path, body, role=None)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert [error["field"] for error in answer.json().get("errors", [])] == list(facts)
    assert ("retry-after" in answer.headers) == (status == 429)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/auth/register", {**REGISTRATION, "role": "ADMIN"}, "role"),
        ("/auth/register", {**REGISTRATION, "role": "EMPEROR"}, "role"),
        ("/auth/register", {**REGISTRATION, "organizer_requested": True}, "organizer_requested"),
        ("/auth/register", {**REGISTRATION, "otp": "48151"}, "otp"),
        ("/auth/register", {**REGISTRATION, "otp": 481516}, "otp"),
        ("/auth/register", {**REGISTRATION, "otp_id": "x"}, "otp_id"),
        ("/auth/register", {**REGISTRATION, "password": "short"}, "password"),
        ("/auth/register", {**REGISTRATION, "password": "x" * 129}, "password"),
        ("/auth/otp", {"email": RESET["email"], "purpose": "LOGIN"}, "purpose"),
        ("/auth/password-reset", {**RESET, "otp": ""}, "otp"),
    ],
)
async def test_what_can_not_be_right_is_refused_before_anybody_is_asked(
    edge: Edge, path: str, body: dict[str, object], field: str
) -> None:
    answer = await edge.post(path, body, role=None)
    assert (answer.status_code, answer.json()["reason"]) == (422, "VALIDATION_FAILED")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not edge.auth.calls


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


# --- passwords, profile, devices -----------------------------------------------------------------


async def test_a_forgotten_password_is_replaced_by_a_code(edge: Edge) -> None:
    answer = await edge.post("/auth/password-reset", RESET, role=None)
    assert (answer.status_code, answer.content) == (204, b"")
    asked = edge.auth.asked
    assert (asked.email, asked.code) == (RESET["email"], RESET["otp"])
    assert asked.new_password == RESET["new_password"]


async def test_a_password_is_changed_in_ones_own_name(edge: Edge) -> None:
    body = {"current_password": "x", "new_password": "staple of another horse"}
    answer = await edge.put("/users/me/password", body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert edge.auth.calls[0].identity.role is Role.CUSTOMER
    assert edge.auth.asked.current_password == "x"
    assert edge.auth.asked.new_password == "staple of another horse"


async def test_a_wrong_password_names_its_field_and_ends_no_session(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.auth.answers["ChangePassword"] = refusal(
        "INVALID", "WRONG_PASSWORD", current_password="It is not the password."
    )
    body = {"current_password": "x", "new_password": "staple of another horse"}
    answer = await edge.put("/users/me/password", body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "WRONG_PASSWORD")
    assert [error["field"] for error in answer.json()["errors"]] == ["current_password"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"current_password": "x", "new_password": "canary!"}, "new_password"),
        ({"current_password": "x", "new_password": "c" * 129}, "new_password"),
        ({"current_password": "", "new_password": "long enough"}, "current_password"),
        ({"new_password": "long enough"}, "current_password"),
    ],
)
async def test_a_password_of_the_wrong_length_is_refused_before_anybody_is_asked(
    edge: Edge, body: dict[str, str], field: str
) -> None:
    answer = await edge.put("/users/me/password", body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert "canary" not in answer.text
    assert not edge.auth.calls


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, {}),
        ({"name": " Asha Rai "}, {"name": "Asha Rai"}),
        ({"phone": None}, {"phone": ""}),
        (
            {"phone": "+9779812345678", "country": "NP"},
            {"phone": "+9779812345678", "country": "NP"},
        ),
        ({"country": None, "name": None}, {"country": ""}),
        ({"organizer_requested": True}, {"request_organizer": True}),
        ({"organizer_requested": False}, {"request_organizer": False}),
    ],
)
async def test_a_profile_changes_where_it_is_told_to(
    edge: Edge, body: dict[str, object], told: dict[str, object]
) -> None:
    edge.auth.answers["UpdateProfile"] = auth_pb2.UpdateProfileResponse(user=samples.user())
    answer = await edge.patch("/users/me", body)
    assert answer.json()["name"] == "Asha"
    asked = edge.auth.asked
    assert {field.name: value for field, value in asked.ListFields()} == told


@pytest.mark.parametrize(
    "body",
    [
        {"role": "ADMIN"},
        {"email": "a@b.example"},
        {"disabled": False},
        {"organizer_requested": "yes"},
        {"name": ""},
        {"phone": "0981"},
        {"country": "Nepal"},
    ],
)
async def test_what_a_profile_does_not_have_can_not_be_changed(
    edge: Edge, body: dict[str, object]
) -> None:
    answer = await edge.patch("/users/me", body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "VALIDATION_FAILED")
    assert [error["field"] for error in answer.json()["errors"]] == list(body)
    assert not edge.auth.calls


async def test_ones_devices_are_listed(edge: Edge) -> None:
    edge.auth.answers["ListSessions"] = auth_pb2.ListSessionsResponse(sessions=[samples.session()])
    answer = await edge.get("/auth/sessions")
    assert answer.json() == {
        "items": [
            {
                "id": samples.SESSION,
                "address": "203.0.113.7",
                "user_agent": "test",
                "created_at": "2026-11-20T10:00:00Z",
                "last_used_at": "2026-11-20T10:05:00Z",
                "current": True,
            }
        ],
        "next_cursor": None,
    }


async def test_a_device_is_signed_out(edge: Edge, refusal: type[RefusalError]) -> None:
    answer = await edge.delete(f"/auth/sessions/{samples.SESSION}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert edge.auth.asked.session_id == samples.SESSION
    edge.auth.answers["RevokeSession"] = refusal("NOT_FOUND", "SESSION_NOT_FOUND")
    again = await edge.delete(f"/auth/sessions/{samples.SESSION}")
    assert (again.status_code, again.json()["reason"]) == (404, "SESSION_NOT_FOUND")
    never = await edge.delete("/auth/sessions/mine")
    assert (never.status_code, never.json()["reason"]) == (404, "SESSION_NOT_FOUND")


# --- administration ------------------------------------------------------------------------------


async def test_accounts_are_searched(edge: Edge) -> None:
    users = [samples.managed_user(), samples.managed_user(ever_logged_in=False)]
    edge.auth.answers["ListUsers"] = auth_pb2.ListUsersResponse(users=users, next_cursor="more")
    answer = await edge.get(
        "/admin/users?q=a%25&role=ORGANIZER&status=DISABLED&limit=2&cursor=abc", role=Role.ADMIN
    )
    body = answer.json()
    assert body["next_cursor"] == "more"
    first, second = body["items"]
    assert (first["disabled"], first["last_log_in_at"]) == (True, "2026-11-20T10:00:00Z")
    assert second["last_log_in_at"] is None
    asked = edge.auth.asked
    assert (asked.query, asked.role, asked.status) == ("a%", "ORGANIZER", "DISABLED")
    assert (asked.limit, asked.cursor) == (2, "abc")


@pytest.mark.parametrize("query", ["role=EMPEROR", "status=GONE", "name=x", "q=", "limit=101"])
async def test_accounts_can_not_be_searched_by_what_there_is_not(edge: Edge, query: str) -> None:
    answer = await edge.get(f"/admin/users?{query}", role=Role.ADMIN)
    assert answer.status_code == 422


async def test_an_account_is_shown(edge: Edge) -> None:
    edge.auth.answers["GetUser"] = auth_pb2.GetUserResponse(user=samples.managed_user())
    answer = await edge.get(f"/admin/users/{samples.PERSON}", role=Role.ADMIN)
    assert answer.json()["email"] == "asha@parterre.example"
    assert edge.auth.asked.user_id == samples.PERSON


@pytest.mark.parametrize(
    "body", [{"role": "ORGANIZER"}, {"disabled": False}, {"role": "ADMIN", "disabled": True}, {}]
)
async def test_an_account_changes_where_an_admin_says_so(
    edge: Edge, body: dict[str, object]
) -> None:
    edge.auth.answers["UpdateUser"] = auth_pb2.UpdateUserResponse(user=samples.managed_user())
    answer = await edge.patch(f"/admin/users/{samples.PERSON}", body, role=Role.ADMIN)
    assert answer.status_code == 200
    told = {field.name: value for field, value in edge.auth.asked.ListFields()}
    assert told == {"user_id": samples.PERSON, **body}


@pytest.mark.parametrize(
    "body", [{"role": "EMPEROR"}, {"disabled": "yes"}, {"disabled": 1}, {"email": "a@b.example"}]
)
async def test_an_account_can_not_be_changed_otherwise(edge: Edge, body: dict[str, object]) -> None:
    answer = await edge.patch(f"/admin/users/{samples.PERSON}", body, role=Role.ADMIN)
    assert (answer.status_code, answer.json()["reason"]) == (422, "VALIDATION_FAILED")
    assert not edge.auth.calls


async def test_an_admins_own_account_is_left_to_another(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.auth.answers["UpdateUser"] = refusal("STATE", "OWN_ACCOUNT")
    answer = await edge.patch(f"/admin/users/{samples.PERSON}", {"disabled": True}, role=Role.ADMIN)
    assert (answer.status_code, answer.json()["reason"]) == (409, "OWN_ACCOUNT")


async def test_the_audit_trail_is_shown(edge: Edge) -> None:
    edge.auth.answers["ListAudit"] = auth_pb2.ListAuditResponse(entries=[samples.audit_entry()])
    answer = await edge.get(
        f"/admin/audit?user_id={samples.PERSON}&action=ROLE_CHANGED", role=Role.ADMIN
    )
    assert answer.json()["items"] == [
        {
            "id": samples.SESSION,
            "at": "2026-11-20T10:00:00Z",
            "action": "ROLE_CHANGED",
            "actor_id": None,
            "subject_id": samples.PERSON,
            "detail": {"role": "ORGANIZER"},
        }
    ]
    asked = edge.auth.asked
    assert (asked.user_id, asked.action, asked.limit) == (samples.PERSON, "ROLE_CHANGED", 20)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"business_name": " Naach Ghar Ltd. "}, "Naach Ghar Ltd."),
        ({"business_name": None}, ""),
        ({}, None),
    ],
    ids=["a name", "no name any more", "nothing of it"],
)
async def test_the_name_of_a_business_is_passed_on_as_it_was_said(
    edge: Edge, body: dict[str, Any], said: str | None
) -> None:
    await edge.patch("/users/me", {"country": "NP", **body})
    await edge.patch(f"/admin/users/{samples.PERSON}", {"disabled": False, **body}, role=Role.ADMIN)
    for call in edge.auth.calls:
        given = call.request.business_name if call.request.HasField("business_name") else None
        assert given == said, call.method
    assert len(edge.auth.calls) == 2


async def test_a_person_sees_the_name_of_their_business_and_the_one_that_waits(edge: Edge) -> None:
    person = samples.user()
    person.business_name, person.requested_business_name = "Naach Ghar", "Rangashala"
    edge.auth.answers["GetMe"] = auth_pb2.GetMeResponse(user=person)
    me = (await edge.get("/auth/me")).json()
    assert (me["business_name"], me["requested_business_name"]) == ("Naach Ghar", "Rangashala")
