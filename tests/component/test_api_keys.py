"""API keys at auth_service: made, used, ended; who may, and what is kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from parterre.auth.v1 import auth_pb2

from auth_service import handlers, storage
from auth_service.domain import Limits
from chassis.api_keys import is_whole, new_key
from chassis.context import request
from chassis.identity import Identity, Role
from chassis.ids import uuid7
from chassis.scopes import SCOPES

from .test_auth import Box, MakeBox, box, claims_of, make_box, refusal

__all__ = ["box", "make_box"]

ADDRESS = "192.0.2.7"
Made = auth_pb2.CreateApiKeyResponse


async def organizer(box: Box) -> str:
    """Somebody's id."""
    email = f"{uuid7().hex}@example.org"
    return str((await box.register(await box.code(email), email, role="ORGANIZER")).id)


async def make(box: Box, owner: str, **wish: Any) -> Made:
    wish = {"name": "North gate", "scopes": ["check-ins:write"], **wish}
    made: Made = await box.caller.as_person(
        owner, "CreateApiKey", auth_pb2.CreateApiKeyRequest(**wish), Role.ORGANIZER
    )
    return made


async def keys_of(box: Box, owner: str, **page: Any) -> auth_pb2.ListApiKeysResponse:
    wanted = auth_pb2.ListApiKeysRequest(**{"limit": 100, **page})
    found: auth_pb2.ListApiKeysResponse = await box.caller.as_person(
        owner, "ListApiKeys", wanted, Role.ORGANIZER
    )
    return found


async def revoke(box: Box, owner: str, id: str) -> None:
    wanted = auth_pb2.RevokeApiKeyRequest(api_key_id=id)
    await box.caller.as_person(owner, "RevokeApiKey", wanted, Role.ORGANIZER)


async def use(box: Box, key: str, address: str = ADDRESS) -> dict[str, Any]:
    """The claims of the token that the gateway is given for it."""
    wanted = auth_pb2.ExchangeApiKeyRequest(key=key, address=address)
    reply = await box.caller.as_gateway("ExchangeApiKey", wanted)
    identity = await box.auth.keys.key(jwt.get_unverified_header(reply.access_token)["kid"])
    assert identity is not None
    claims: dict[str, Any] = jwt.decode(
        reply.access_token, identity, algorithms=["EdDSA"], audience="parterre"
    )
    assert claims["exp"] - claims["iat"] == reply.expires_in
    assert jwt.get_unverified_header(reply.access_token)["typ"] == "ak+jwt"
    return claims


async def is_refused(box: Box, key: str, address: str = ADDRESS) -> str:
    return (await refusal(use(box, key, address))).reason


async def test_a_key_is_told_once_and_kept_as_a_digest(box: Box) -> None:
    owner, event = await organizer(box), str(uuid7())
    made = await make(box, owner, scopes=["check-ins:write", "sales:read"], event_id=event)
    assert is_whole(made.key)
    assert made.key.startswith(made.api_key.prefix)
    [listed] = (await keys_of(box, owner)).api_keys
    assert listed == made.api_key
    assert (listed.status, listed.name, listed.event_id) == ("ACTIVE", "North gate", event)
    for table in ("api_key", "audit", "outbox", "idempotency"):
        rows = await box.scalar(f"SELECT coalesce(string_agg(t::text, ''), '') FROM {table} AS t")
        assert made.key not in rows
        assert made.key.removeprefix(made.api_key.prefix) not in rows


async def test_a_keys_token_speaks_for_its_owner_with_its_scopes_and_its_event(box: Box) -> None:
    owner, event = await organizer(box), str(uuid7())
    made = await make(box, owner, scopes=["check-ins:write", "sales:read"], event_id=event)
    claims = await use(box, made.key)
    assert (claims["sub"], claims["role"], claims["sid"]) == (owner, "ORGANIZER", made.api_key.id)
    assert (claims["scope"], claims["confined_to"]) == ("check-ins:write sales:read", event)
    assert claims["exp"] - claims["iat"] == 600
    [listed] = (await keys_of(box, owner)).api_keys
    assert listed.last_used_at.ToDatetime(UTC) > listed.created_at.ToDatetime(UTC)
    free = await use(box, (await make(box, owner)).key)
    assert "confined_to" not in free


async def test_that_a_key_is_used_is_noted_now_and_then(box: Box) -> None:
    key = (await make(box, await organizer(box))).key
    await use(box, key)
    first = await box.scalar("SELECT last_used_at FROM api_key")
    await use(box, key)
    assert await box.scalar("SELECT last_used_at FROM api_key") == first
    await box.execute("UPDATE api_key SET last_used_at = last_used_at - interval '6 min'")
    await use(box, key)
    assert await box.scalar("SELECT last_used_at FROM api_key") > first


async def test_a_revoked_key_is_refused_and_everybody_is_told(box: Box) -> None:
    owner = await organizer(box)
    made, other = await make(box, owner), await make(box, owner)
    await revoke(box, owner, made.api_key.id)
    assert await is_refused(box, made.key) == "INVALID_API_KEY"
    await use(box, other.key)
    assert await box.revoked() == [{made.api_key.id}]
    assert made.api_key.id in await handlers.ended_sessions(box.auth)
    newer, older = (await keys_of(box, owner)).api_keys
    assert (newer.status, older.status) == ("ACTIVE", "REVOKED")
    assert older.HasField("revoked_at")
    await revoke(box, owner, made.api_key.id)  # it stays so
    assert await box.revoked() == [{made.api_key.id}]
    await box.execute("UPDATE api_key SET revoked_at = revoked_at - interval '11 min'")
    assert made.api_key.id not in await handlers.ended_sessions(box.auth)


async def test_an_admin_sees_and_revokes_anothers_key(box: Box) -> None:
    owner, rival = await organizer(box), await organizer(box)
    made = await make(box, owner)
    admin = await box.admin()

    async def keys_of_user(user_id: str) -> Any:
        request = auth_pb2.ListUserApiKeysRequest(user_id=user_id, limit=9)
        return (await box.account(admin, "ListUserApiKeys", request)).api_keys

    async def revoke_of(user_id: str) -> None:
        request = auth_pb2.RevokeUserApiKeyRequest(user_id=user_id, api_key_id=made.api_key.id)
        await box.account(admin, "RevokeUserApiKey", request)

    assert [key.id for key in await keys_of_user(owner)] == [made.api_key.id]
    assert list(await keys_of_user(rival)) == []
    assert (await refusal(keys_of_user(str(uuid7())))).reason == "USER_NOT_FOUND"
    assert (await refusal(revoke_of(rival))).reason == "API_KEY_NOT_FOUND"
    await use(box, made.key)

    await revoke_of(owner)
    await revoke_of(owner)  # it stays so
    assert await is_refused(box, made.key) == "INVALID_API_KEY"
    assert await box.revoked() == [{made.api_key.id}]
    noted = "SELECT actor_id::text FROM audit WHERE action = 'API_KEY_REVOKED'"
    assert await box.scalar(noted) == claims_of(admin)["sub"]


async def test_another_persons_key_is_not_there(box: Box) -> None:
    owner, rival = await organizer(box), await organizer(box)
    made = await make(box, owner)
    assert not (await keys_of(box, rival)).api_keys
    for id in (made.api_key.id, str(uuid7()), "x"):
        assert (await refusal(revoke(box, rival, id))).reason == "API_KEY_NOT_FOUND"
    await use(box, made.key)


async def test_a_key_ends_when_its_time_is_over(box: Box) -> None:
    owner = await organizer(box)
    soon = datetime.now(UTC) + timedelta(seconds=300)
    made = await make(box, owner, expires_at=soon)
    claims = await use(box, made.key)
    assert 200 < claims["exp"] - claims["iat"] <= 300  # nor does its token last longer
    await box.execute(
        "UPDATE api_key SET created_at = created_at - interval '1 h',"
        " expires_at = expires_at - interval '10 min'"
    )
    assert await is_refused(box, made.key) == "INVALID_API_KEY"
    assert [key.status for key in (await keys_of(box, owner)).api_keys] == ["EXPIRED"]
    past = datetime.now(UTC) - timedelta(seconds=1)
    refused = await refusal(make(box, owner, expires_at=past))
    assert (refused.reason, set(refused.metadata)) == ("VALIDATION_FAILED", {"expires_at"})


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["check-ins:write", "everything"]}, "scopes"),
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"event_id": "the gala"}, "event_id"),
    ],
)
async def test_a_key_that_cannot_be_is_refused_by_field(
    box: Box, wish: dict[str, Any], field: str
) -> None:
    refused = await refusal(make(box, await organizer(box), **wish))
    assert (refused.reason, set(refused.metadata)) == ("VALIDATION_FAILED", {field})


async def test_of_many_keys_asked_for_at_once_no_more_are_made_than_may_be(
    make_box: MakeBox,
) -> None:
    box = await make_box(limits=Limits(api_keys=3))
    owner, rival = await organizer(box), await organizer(box)
    outcomes = await asyncio.gather(*(make(box, owner) for _ in range(8)), return_exceptions=True)
    made = [each for each in outcomes if isinstance(each, Made)]
    refused = {each.reason for each in outcomes if not isinstance(each, Made)}
    assert (len(made), refused) == (3, {"TOO_MANY_API_KEYS"})
    await make(box, rival)
    await revoke(box, owner, made[0].api_key.id)
    await make(box, owner)


async def test_keys_are_for_organizers_and_no_key_makes_another(box: Box) -> None:
    customer = await box.person()
    wish = auth_pb2.CreateApiKeyRequest(name="x", scopes=["sales:read"])
    refused = await refusal(box.caller.as_person(customer.id, "CreateApiKey", wish))
    assert refused.reason == "FORBIDDEN"
    # Whose token says ORGANIZER, though the account does not any more.
    refused = await refusal(box.caller.as_person(customer.id, "CreateApiKey", wish, Role.ORGANIZER))
    assert refused.reason == "FORBIDDEN"
    owner = await organizer(box)
    made = await make(box, owner)
    token = box.caller.keys.for_api_key(owner, *SCOPES, sid=made.api_key.id)
    identity = Identity(owner, Role.ORGANIZER, made.api_key.id, token, 4_000_000_000)
    for method, message in (
        ("CreateApiKey", wish),
        ("ListApiKeys", auth_pb2.ListApiKeysRequest(limit=1)),
        ("RevokeApiKey", auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.id)),
        ("GetMe", auth_pb2.GetMeRequest()),
        ("LogOut", auth_pb2.LogOutRequest()),
    ):
        with request(id="test", identity=identity, seconds=10):
            call = box.caller.client.call(getattr(box.caller.stub, method), message)
            assert (await refusal(call)).reason == "INSUFFICIENT_SCOPE"


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "CUSTOMER"}, {"role": "ADMIN"}])
async def test_whom_an_admin_changes_has_no_keys_any_more(box: Box, change: dict[str, Any]) -> None:
    owner, other = await organizer(box), await organizer(box)
    made = [await make(box, owner) for _ in range(2)]
    kept = await make(box, other)
    admin = await box.admin()
    await box.account(admin, "UpdateUser", auth_pb2.UpdateUserRequest(user_id=owner, **change))
    for each in made:
        assert await is_refused(box, each.key) == "INVALID_API_KEY"
    await use(box, kept.key)
    assert {each.api_key.id for each in made} in await box.revoked()
    await box.account(
        admin,
        "UpdateUser",
        auth_pb2.UpdateUserRequest(user_id=owner, disabled=False, role="ORGANIZER"),
    )
    assert await is_refused(box, made[0].key) == "INVALID_API_KEY"  # for good
    assert (await box.actions()).count("API_KEY_REVOKED") == 2


async def test_a_key_that_is_made_while_its_owner_is_shut_out_is_none(box: Box) -> None:
    """Whichever commits first, no key is good afterwards."""
    admin = await box.admin()
    for _ in range(5):
        owner = await organizer(box)
        shut = auth_pb2.UpdateUserRequest(user_id=owner, disabled=True)
        outcomes = await asyncio.gather(
            *(make(box, owner) for _ in range(3)),
            box.account(admin, "UpdateUser", shut),
            return_exceptions=True,
        )
        for each in outcomes:
            if isinstance(each, Made):
                assert await is_refused(box, each.key) == "INVALID_API_KEY"
        good = "SELECT count(*) FROM api_key WHERE account_id = :id AND revoked_at IS NULL"
        assert await box.scalar(good, id=owner) == 0


async def test_the_same_request_gives_the_same_key_and_it_is_stored_sealed(box: Box) -> None:
    owner = await organizer(box)
    made = await make(box, owner, idempotency_key="one")
    again = await make(box, owner, idempotency_key="one")
    assert again == made
    assert len((await keys_of(box, owner)).api_keys) == 1
    stored = bytes(await box.scalar("SELECT reply FROM idempotency"))
    assert made.key.encode() not in stored
    assert made.key[8:20].encode() not in stored
    refused = await refusal(make(box, owner, idempotency_key="one", name="Another"))
    assert refused.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_two_equal_requests_at_once_make_one_key(box: Box) -> None:
    owner = await organizer(box)
    outcomes = await asyncio.gather(
        *(make(box, owner, idempotency_key="race") for _ in range(6)), return_exceptions=True
    )
    keys = {each.key for each in outcomes if isinstance(each, Made)}
    reasons = {each.reason for each in outcomes if not isinstance(each, Made)}
    assert len(keys) == 1
    assert reasons <= {"IDEMPOTENCY_IN_PROGRESS"}
    assert len((await keys_of(box, owner)).api_keys) == 1


async def test_what_was_sealed_under_another_pepper_is_not_told_again(make_box: MakeBox) -> None:
    box = await make_box()
    owner = await organizer(box)
    await make(box, owner, idempotency_key="one")
    changed = await make_box(like=box, code_pepper=b"another" * 8)
    refused = await refusal(make(changed, owner, idempotency_key="one"))
    assert refused.reason == "API_KEY_NOT_SHOWN"


async def test_wrong_keys_are_throttled_by_address_and_keep_no_right_one_out(
    make_box: MakeBox,
) -> None:
    box = await make_box(limits=Limits(address_keys=3, address_key_seconds=60))
    key = (await make(box, await organizer(box))).key
    reasons = [await is_refused(box, new_key()) for _ in range(5)]
    assert reasons == ["INVALID_API_KEY"] * 3 + ["ADDRESS_THROTTLED"] * 2
    refused = await refusal(use(box, new_key()))
    assert 0 < int(refused.metadata["retry_after"]) <= 60
    await use(box, key)
    assert await is_refused(box, new_key(), "198.51.100.9") == "INVALID_API_KEY"
    assert await is_refused(box, "x" * 10_000, "198.51.100.9") == "INVALID_API_KEY"


async def test_the_use_of_a_revoked_key_is_noted_once_an_hour(box: Box) -> None:
    owner = await organizer(box)
    made = await make(box, owner)
    await revoke(box, owner, made.api_key.id)
    for _ in range(3):
        await is_refused(box, made.key)
    await is_refused(box, new_key())  # nobody's, so not noted
    assert (await box.actions()).count("API_KEY_REFUSED") == 1
    await box.execute("UPDATE api_key SET refused_at = refused_at - interval '61 min'")
    await is_refused(box, made.key, "198.51.100.9")
    noted = "SELECT detail->>'address' FROM audit WHERE action = 'API_KEY_REFUSED' ORDER BY id DESC"
    assert await box.scalar(noted) == "198.51.100.9"
    actions = await box.actions()
    assert [action for action in actions if action.startswith("API_KEY")] == [
        "API_KEY_CREATED",
        "API_KEY_REVOKED",
        "API_KEY_REFUSED",
        "API_KEY_REFUSED",
    ]


async def test_keys_are_paged_and_those_that_are_long_over_are_forgotten(box: Box) -> None:
    owner = await organizer(box)
    made = [(await make(box, owner, name=f"Gate {n}")).api_key.id for n in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = await keys_of(box, owner, limit=2, cursor=cursor)
        seen += [key.id for key in page.api_keys]
        cursor = page.next_cursor
        if not cursor:
            break
    assert seen == made[::-1]
    assert (await refusal(keys_of(box, owner, cursor="!"))).reason == "INVALID_CURSOR"
    assert (await refusal(keys_of(box, owner, limit=0))).reason == "INVALID_FILTER"
    for id in made[:2]:
        await revoke(box, owner, id)
    await box.execute(
        "UPDATE api_key SET revoked_at = revoked_at - interval '31 days' WHERE id = :id", id=made[0]
    )
    async with box.database.transaction() as session:
        await storage.forget(session, Limits(), 100)
    assert [key.id for key in (await keys_of(box, owner)).api_keys] == made[:0:-1]
