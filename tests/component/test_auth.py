"""auth_service on a real database over real gRPC: who gets in, and who does not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jwt
import psycopg
import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf import json_format
from google.protobuf.message import Message
from parterre.auth.v1 import auth_pb2, auth_pb2_grpc
from parterre.messages.v1 import messages_pb2

from auth_service import handlers, storage
from auth_service.domain import (
    InvalidCredentialsError,
    Limits,
    Visitor,
    device_token,
    network_of,
    read_device,
    token_digest,
)
from auth_service.handlers import Auth
from auth_service.handlers.accounts import announce_some
from auth_service.keys import KeyRing, rotate
from auth_service.messaging import encode
from auth_service.passwords import HashingPool
from auth_service.rpc import SERVICE, AuthServicer
from auth_service.service import auth_service
from auth_service.settings import Settings
from chassis.broker import Broker
from chassis.context import request
from chassis.database import Database, DatabaseError
from chassis.errors import RemoteError, ServiceError
from chassis.grpc_client import GrpcClient
from chassis.identity import Identity, Jwks, Role, ServiceTokens, TokenVerifier, encode_key
from chassis.ids import uuid7
from chassis.migrate import migrate
from chassis.postgres import Connection as PostgresConnection
from chassis.revocations import fetch_from, followed
from chassis.topology import Topology
from deploy.postgres import Postgres
from deploy.processes import free_ports
from deploy.provision import MIGRATOR, SCHEMAS, provision, role_of, url_for

from .conftest import PASSWORDS, Caller, MakeDatabase, Serve, Until, one_answer

EMAIL = "asha@example.org"
PASSWORD = "plum-Kettle7"
PEPPER = "of-the-tests" * 4


@dataclass
class Box:
    """A served auth_service, and what is behind it."""

    auth: Auth
    caller: Caller

    @property
    def database(self) -> Database:
        return self.auth.database

    async def execute(self, sql: str, **parameters: Any) -> None:
        async with self.database.transaction() as session:
            await session.execute(sql, **parameters)

    async def scalar(self, sql: str, **parameters: Any) -> Any:
        async with self.database.transaction() as session:
            return await session.scalar(sql, **parameters)

    async def sent(self, type: str) -> list[dict[str, Any]]:
        """The messages of one type that wait in the outbox, oldest first."""
        async with self.database.transaction() as session:
            rows = await session.all("SELECT type, payload FROM outbox ORDER BY id")
        kind = getattr(messages_pb2, type)
        return [
            json_format.MessageToDict(
                kind.FromString(row.payload), preserving_proto_field_name=True
            )
            for row in rows
            if row.type == kind.DESCRIPTOR.full_name
        ]

    async def actions(self) -> list[str]:
        """The audit trail."""
        async with self.database.transaction() as session:
            return [row.action for row in await session.all("SELECT action FROM audit ORDER BY id")]

    async def ask_code(
        self, email: str = EMAIL, purpose: str = "REGISTER", address: str = ""
    ) -> str:
        """The id of the code that is on its way, or not."""
        message = auth_pb2.RequestCodeRequest(email=email, purpose=purpose, address=address)
        return str((await self.caller.as_gateway("RequestCode", message)).otp_id)

    async def mails(self) -> list[dict[str, Any]]:
        """The codes that are to be mailed, oldest first."""
        return [code for code in await self.sent("DeliverCode") if code["is_wanted"]]

    async def code(self, email: str = EMAIL) -> str:
        """Asks for a code and reads the mail."""
        await self.ask_code(email)
        return next(m["code"] for m in await self.mails() if m["email"] == email)

    async def register(self, code: str, email: str = EMAIL, **fields: str) -> auth_pb2.User:
        values = {"password": PASSWORD, "name": "Asha", **fields}
        message = auth_pb2.RegisterRequest(email=email, code=code, **values)
        user: auth_pb2.User = (await self.caller.as_gateway("Register", message)).user
        return user

    async def person(self, email: str = EMAIL) -> auth_pb2.User:
        """Somebody registered."""
        return await self.register(await self.code(email), email)

    async def log_in(
        self,
        email: str = EMAIL,
        password: str = PASSWORD,
        *,
        address: str = "192.0.2.7",
        device: str = "",
    ) -> auth_pb2.Tokens:
        reply = await self.known_log_in(email, password, address=address, device=device)
        return reply.tokens

    async def known_log_in(
        self,
        email: str = EMAIL,
        password: str = PASSWORD,
        *,
        address: str = "192.0.2.7",
        device: str = "",
    ) -> auth_pb2.LogInResponse:
        """With what the device is known by from then on."""
        message = auth_pb2.LogInRequest(
            email=email, password=password, address=address, user_agent="tests", device=device
        )
        reply: auth_pb2.LogInResponse = await self.caller.as_gateway("LogIn", message)
        return reply

    async def refresh(self, tokens: auth_pb2.Tokens) -> auth_pb2.Tokens:
        message = auth_pb2.RefreshRequest(refresh_token=tokens.refresh_token)
        fresh: auth_pb2.Tokens = (await self.caller.as_gateway("Refresh", message)).tokens
        return fresh

    async def account(self, tokens: auth_pb2.Tokens, method: str, message: Message) -> Any:
        """Calls with the session of these tokens."""
        claims = claims_of(tokens)
        token = self.caller.keys.sign({**claims, "exp": 4_000_000_000})
        role = Role[claims["role"]]
        identity = Identity(claims["sub"], role, claims["sid"], token, 4_000_000_000)
        with request(id="test", identity=identity, seconds=30):
            return await self.caller.client.call(
                getattr(self.caller.stub, method), message, seconds=30
            )

    async def admin(self) -> auth_pb2.Tokens:
        """An admin, logged in."""
        email = f"{uuid7().hex}@example.org"
        await handlers.bootstrap_admin(self.auth, email=email, password=PASSWORD)
        return await self.log_in(email)

    async def revoked(self) -> list[set[str]]:
        """The sessions of each SessionsRevoked, oldest first."""
        return [set(message["session_ids"]) for message in await self.sent("SessionsRevoked")]

    async def age_rotations(self) -> None:
        """Puts every rotation so far out of the grace."""
        await self.execute("UPDATE refresh_token SET rotated_at = rotated_at - interval '11 s'")

    async def age_codes(self) -> None:
        """Lets everybody ask for a code again, as after a minute."""
        await self.execute(
            "UPDATE code_quota SET sent_at ="
            " ARRAY(SELECT at - interval '61 s' FROM unnest(sent_at) WITH ORDINALITY AS s(at, n)"
            " ORDER BY n)"
        )

    async def age_log_ins(self) -> None:
        """Lets everybody try to log in again, as after the longest wait."""
        await self.execute("UPDATE login_throttle SET next_at = clock_timestamp()")


def claims_of(tokens: auth_pb2.Tokens) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(tokens.access_token, options={"verify_signature": False})
    return claims


async def refusal(call: Awaitable[object]) -> RemoteError:
    with pytest.raises(RemoteError) as refused:
        await call
    return refused.value


MakeBox = Callable[..., Awaitable[Box]]


@pytest.fixture
async def make_box(make_database: MakeDatabase, serve: Serve) -> AsyncIterator[MakeBox]:
    with HashingPool(2, 200, wait_seconds=60) as passwords:

        async def make(*, like: Box | None = None, **options: Any) -> Box:
            database = await make_database(
                "auth", encode=encode, like=like.database if like else None
            )
            keys = KeyRing(database)
            await keys.open()
            settings = {
                "code_pepper": PEPPER.encode(),
                "organizer_signup_open": True,
                "limits": Limits(),
                "passwords": passwords,
                **options,
            }
            auth = Auth(database, keys, **settings)
            caller = await serve("auth", SERVICE, AuthServicer(auth), auth_pb2_grpc.AuthServiceStub)
            return Box(auth, caller)

        yield make


@pytest.fixture
async def box(make_box: MakeBox) -> Box:
    return await make_box()


# --- one-time codes and registration -------------------------------------------------------------


async def test_one_key_mails_one_code_and_makes_one_account(box: Box) -> None:
    ask = auth_pb2.RequestCodeRequest(
        email=EMAIL, purpose="REGISTER", address="192.0.2.7", idempotency_key="ask"
    )
    asked = await one_answer(lambda: box.caller.as_gateway("RequestCode", ask))
    [mail] = await box.mails()
    message = auth_pb2.RegisterRequest(
        email=EMAIL,
        code=mail["code"],
        otp_id=asked.otp_id,
        password=PASSWORD,
        name="Asha",
        address="2001:db8:1:2::3",
        idempotency_key="make",
    )

    async def register(**change: str) -> auth_pb2.RegisterResponse:
        wanted = auth_pb2.RegisterRequest()
        wanted.CopyFrom(message)
        for field, value in change.items():
            setattr(wanted, field, value)
        reply: auth_pb2.RegisterResponse = await box.caller.as_gateway("Register", wanted)
        return reply

    made = await register()
    assert made.device.token
    # Whoever has the same network is the same visitor; what a device is known by is not kept.
    again = await one_answer(lambda: register(address="2001:db8:1:2::4"))
    assert again.user == made.user
    assert not again.device.token
    for change in ({"password": "another-Kettle7"}, {"name": "Bina"}):
        assert (await refusal(register(**change))).reason == "IDEMPOTENCY_KEY_REUSED"
    # From elsewhere it is another visitor's key, and the code was used.
    assert (await refusal(register(address="198.51.100.1"))).reason == "INVALID_CODE"
    assert await box.scalar("SELECT count(*) FROM account") == 1


async def test_a_wrong_code_with_a_key_uses_up_one_try(box: Box) -> None:
    otp_id = await box.ask_code()
    [mail] = await box.mails()
    for _ in range(9):
        call = box.register(other_than(mail["code"]), otp_id=otp_id, idempotency_key="k")
        assert (await refusal(call)).reason == "INVALID_CODE"
    assert (await box.register(mail["code"], otp_id=otp_id)).email == EMAIL


async def test_a_kept_fingerprint_gives_no_password_away(box: Box) -> None:
    message = auth_pb2.RegisterRequest(
        email=EMAIL, code="123456", password=PASSWORD, name="Asha", idempotency_key="k"
    )
    await refusal(box.caller.as_gateway("Register", message))
    kept = await box.scalar("SELECT fingerprint FROM idempotency")
    message.ClearField("idempotency_key")
    plain = message.DESCRIPTOR.full_name.encode() + b"\0"
    plain += message.SerializeToString(deterministic=True)
    assert bytes(kept) != hashlib.sha256(plain).digest()


async def test_a_newcomer_registers_with_the_code_from_the_mail_and_logs_in(box: Box) -> None:
    code = await box.code()
    user = await box.register(code, "ASHA@example.org", phone="+9779841000000", country="NP")
    tokens = await box.log_in("Asha@Example.org")

    assert (user.email, user.name, user.role) == (EMAIL, "Asha", "CUSTOMER")
    assert tokens.user == user
    assert (tokens.expires_in, tokens.refresh_expires_in) == (600, 30 * 24 * 3600)
    assert await box.sent("UserChanged") == [
        {
            "user_id": user.id,
            "email": EMAIL,
            "name": "Asha",
            "version": "1",
            "language": "en",
            "may_organize": False,
        }
    ]
    me = await box.caller.as_person(user.id, "GetMe", auth_pb2.GetMeRequest())
    assert me.user == user
    assert await box.actions() == ["REGISTERED", "LOGGED_IN"]


async def test_fifty_registrations_with_one_code_make_one_account(box: Box) -> None:
    otp_id = await box.ask_code()
    code = (await box.mails())[0]["code"]
    results = await asyncio.gather(
        *(box.register(code, otp_id=otp_id) for _ in range(50)), return_exceptions=True
    )

    refused = [result.reason for result in results if isinstance(result, RemoteError)]
    assert refused == ["INVALID_CODE"] * 49
    assert await box.scalar("SELECT count(*) FROM account") == 1
    assert len(await box.sent("UserChanged")) == 1


def other_than(code: str) -> str:
    return "000000" if code != "000000" else "000001"


async def test_five_wrong_tries_void_the_code(box: Box) -> None:
    otp_id = await box.ask_code()
    code = (await box.mails())[-1]["code"]
    tries = await asyncio.gather(
        *(refusal(box.register(other_than(code), otp_id=otp_id)) for _ in range(5))
    )
    assert {(error.reason, "otp" in error.metadata) for error in tries} == {("INVALID_CODE", True)}

    for given in (otp_id, ""):  # void for whoever tries it
        assert (await refusal(box.register(code, otp_id=given))).reason == "INVALID_CODE"
    await box.age_codes()
    otp_id = await box.ask_code()
    await box.register((await box.mails())[-1]["code"], otp_id=otp_id)


async def test_four_wrong_tries_leave_the_code_good(box: Box) -> None:
    otp_id = await box.ask_code()
    code = (await box.mails())[-1]["code"]
    for _ in range(4):
        await refusal(box.register(other_than(code), otp_id=otp_id))
    assert (await box.register(code, otp_id=otp_id)).email == EMAIL


async def test_a_stranger_does_not_put_anybodys_code_out_of_use(box: Box) -> None:
    otp_id = await box.ask_code(address="192.0.2.7")
    code = (await box.mails())[-1]["code"]
    # With the id of a code of their own, with none, and with one that there is not.
    theirs = await box.ask_code(address="198.51.100.1")
    for id in (theirs, "", str(uuid7()), "nonsense"):
        for _ in range(5):
            error = await refusal(box.register(other_than(code), otp_id=id, address="198.51.100.1"))
            assert error.reason == "INVALID_CODE"
    # The network has had its tries without an id: nothing is looked at.
    without_id = await refusal(box.register(code, address="198.51.100.200"))
    assert without_id.reason == "INVALID_CODE"

    await box.register(code, otp_id=otp_id, address="192.0.2.7")


async def test_who_knows_nothing_of_ids_has_five_tries_for_each_code_they_ask_for(
    box: Box,
) -> None:
    for _ in range(2):
        code = await box.code()
        for _ in range(5):
            assert (await refusal(box.register(other_than(code)))).reason == "INVALID_CODE"
        assert (await refusal(box.register(code))).reason == "INVALID_CODE"
        await box.age_codes()
    await box.ask_code()
    await box.register((await box.mails())[-1]["code"])


async def test_codes_tried_without_an_id_are_bounded_over_all_networks(box: Box) -> None:
    otp_id = await box.ask_code()
    code = (await box.mails())[-1]["code"]
    errors = await asyncio.gather(
        *(
            refusal(box.register(other_than(code), address=f"198.51.{network}.{host}"))
            for network in range(8)
            for host in range(5)
        )
    )
    reasons = [error.reason for error in errors]
    assert (reasons.count("INVALID_CODE"), reasons.count("CODE_THROTTLED")) == (20, 20)
    for throttled in (error for error in errors if error.reason == "CODE_THROTTLED"):
        assert 1 <= int(throttled.metadata["retry_after"]) <= 180
    await box.register(code, otp_id=otp_id)


async def test_a_code_that_was_mailed_is_good_without_its_id_whoever_asked_for_it(
    box: Box,
) -> None:
    await box.ask_code(address="198.51.100.1")
    await box.ask_code(address="192.0.2.7")
    first, second = [mail["code"] for mail in await box.mails()]
    await box.register(first, address="192.0.2.7")
    # The address is proved: the other one is of no use any more.
    assert (await refusal(box.register(second))).reason == "INVALID_CODE"
    assert await box.scalar("SELECT count(*) FROM one_time_code WHERE used_at IS NULL") == 0


async def test_wrong_codes_are_in_the_trail(box: Box) -> None:
    user = await box.person()
    for email in (EMAIL, "nobody@example.org"):
        otp_id = await box.ask_code(email, "PASSWORD_RESET")
        for id in (otp_id, ""):
            error = await refusal(reset(box, "12345x", email, otp_id=id, address="192.0.2.7"))
            assert error.reason == "INVALID_CODE"
    async with box.database.transaction() as session:
        rows = await session.all(
            "SELECT account_id, detail FROM audit WHERE action = 'CODE_REFUSED' ORDER BY id"
        )
    details = {"purpose": "PASSWORD_RESET", "address": "192.0.2.7"}
    assert [(row.account_id, row.detail) for row in rows] == [
        *[(UUID(user.id), {"email": EMAIL, **details})] * 2,
        *[(None, {"email": "nobody@example.org", **details})] * 2,
    ]


async def test_a_stranger_does_not_use_up_anybodys_codes(box: Box) -> None:
    for _ in range(5):
        await box.ask_code(address="198.51.100.1")
        await box.age_codes()
    assert (await refusal(box.ask_code(address="198.51.100.9"))).reason == "CODE_THROTTLED"
    await box.ask_code(address="192.0.2.7")
    await box.ask_code(purpose="PASSWORD_RESET", address="198.51.100.1")  # counted by purpose

    # Over all networks together an address gets so many, and then one at a time.
    results = await asyncio.gather(
        *(box.ask_code(address=f"203.0.{network}.1") for network in range(10)),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, RemoteError)]
    assert len(refused) == 6
    assert {error.reason for error in refused} == {"CODE_THROTTLED"}
    assert all(1 <= int(error.metadata["retry_after"]) <= 360 for error in refused)


async def test_a_code_is_good_for_its_time_its_address_and_its_purpose_only(box: Box) -> None:
    code = await box.code()
    assert (await refusal(box.register(code, "chandra@example.org"))).reason == "INVALID_CODE"
    await box.execute(
        "UPDATE one_time_code SET purpose = 'PASSWORD_RESET' WHERE email = :e", e=EMAIL
    )
    assert (await refusal(box.register(code))).reason == "INVALID_CODE"
    await box.execute("UPDATE one_time_code SET purpose = 'REGISTER' WHERE email = :e", e=EMAIL)
    await box.execute("UPDATE one_time_code SET expires_at = clock_timestamp()")
    assert (await refusal(box.register(code))).reason == "INVALID_CODE"


async def test_of_many_asked_for_at_once_one_code_is_sent(box: Box) -> None:
    results = await asyncio.gather(*(box.ask_code() for _ in range(20)), return_exceptions=True)

    refused = [result for result in results if isinstance(result, RemoteError)]
    assert {error.reason for error in refused} == {"CODE_THROTTLED"}
    assert all(1 <= int(error.metadata["retry_after"]) <= 60 for error in refused)
    assert len(refused) == 19
    assert len(await box.mails()) == 1


async def test_an_address_gets_five_codes_an_hour(box: Box) -> None:
    for _ in range(5):
        await box.ask_code()
        await box.age_codes()
    error = await refusal(box.ask_code())
    assert error.reason == "CODE_THROTTLED"
    assert 3000 < int(error.metadata["retry_after"]) <= 3600

    await box.execute(
        "UPDATE code_quota SET sent_at[5] = clock_timestamp() - interval '61 minutes'"
    )
    await box.ask_code()
    assert len(await box.mails()) == 6


async def test_a_known_and_an_unknown_address_get_the_same_answers(box: Box) -> None:
    await box.person()
    await box.age_codes()
    mailed = len(await box.mails())

    await box.ask_code(EMAIL, "REGISTER")
    await box.ask_code("nobody@example.org", "PASSWORD_RESET")
    again = await asyncio.gather(
        refusal(box.ask_code(EMAIL, "REGISTER")),
        refusal(box.ask_code("nobody@example.org", "PASSWORD_RESET")),
    )
    assert {error.reason for error in again} == {"CODE_THROTTLED"}
    assert len(await box.mails()) == mailed

    await box.age_codes()
    await box.ask_code(EMAIL, "PASSWORD_RESET")
    assert (await box.mails())[-1]["purpose"] == "PASSWORD_RESET"


async def test_a_known_and_an_unknown_address_are_the_same_work(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same statements with parameters of the same size, and messages of the same size."""
    await box.person()
    await box.age_codes()
    await box.execute("DELETE FROM outbox")
    work: list[list[tuple[str, int]]] = []
    bind = PostgresConnection.bind

    def spy(self: PostgresConnection, sql: str, parameters: Mapping[str, Any]) -> Any:
        bound = bind(self, sql, parameters)
        work[-1].append((sql, sum(len(value or b"") for value in bound.values or ())))
        return bound

    answers = []
    monkeypatch.setattr(PostgresConnection, "bind", spy)
    known, unknown = EMAIL, "usha@example.org"
    for email in (known, unknown):
        for purpose in ("REGISTER", "PASSWORD_RESET"):
            work.append([])
            answers.append(await box.ask_code(email, purpose))
            work.append([])
            refused = await refusal(reset(box, "12345x", email, otp_id=answers[-1]))
            assert refused.reason == "INVALID_CODE"
    monkeypatch.undo()

    statements = len(work) // 2
    assert work[:statements] == work[statements:]
    assert {len(UUID(otp_id).bytes) for otp_id in answers} == {16}
    sizes = await box.scalar("SELECT array_agg(octet_length(payload) ORDER BY id) FROM outbox")
    assert len(sizes) == 4
    assert sizes[:2] == sizes[2:]
    assert [mail["email"] for mail in await box.mails()] == [known, unknown]


async def test_that_an_address_is_taken_is_told_only_with_its_code(box: Box) -> None:
    first = await box.code()
    await box.register(first)
    assert (await refusal(box.register(first))).reason == "INVALID_CODE"

    # The code was asked for before the account was there, and comes too late.
    other = "bina@example.org"
    code = await box.code(other)
    await box.execute("UPDATE account SET email = :email", email=other)
    assert (await refusal(box.register(code, other))).reason == "EMAIL_TAKEN"
    assert (await refusal(box.register(code, other))).reason == "INVALID_CODE"


async def test_a_weak_password_does_not_cost_the_code(box: Box) -> None:
    code = await box.code()
    error = await refusal(box.register(code, password="password123"))
    assert (error.reason, "password" in error.metadata) == ("WEAK_PASSWORD", True)
    await box.register(code)


async def test_a_malformed_application_names_its_fields(box: Box) -> None:
    error = await refusal(box.register("123456", "nonsense", country="Nepal", role="ADMIN"))
    assert error.reason == "INVALID_ACCOUNT"
    assert {"email", "country", "role"} <= set(error.metadata)
    assert (await refusal(box.ask_code(EMAIL, "LOGIN"))).reason == "INVALID_ACCOUNT"


async def test_who_asks_to_be_an_organizer_is_one_where_sign_up_is_open(make_box: MakeBox) -> None:
    open_box = await make_box()
    organizer = await open_box.register(await open_box.code(), role="ORGANIZER")
    closed_box = await make_box(organizer_signup_open=False)
    waiting = await closed_box.register(await closed_box.code(), role="ORGANIZER")

    assert (organizer.role, organizer.organizer_requested) == ("ORGANIZER", False)
    assert (waiting.role, waiting.organizer_requested) == ("CUSTOMER", True)


async def test_only_the_gateway_learns_who_sells_and_of_nobody_else(make_box: MakeBox) -> None:
    box = await make_box()
    organizer = await box.register(await box.code(), role="ORGANIZER")
    customer = await box.register(await box.code("b@example.org"), "b@example.org")
    wish = auth_pb2.GetOrganizerRequest(user_id=organizer.id)
    assert (await box.caller.as_gateway("GetOrganizer", wish)).name == "Asha"
    for nobody in (customer.id, str(uuid7()), "x"):
        message = auth_pb2.GetOrganizerRequest(user_id=nobody)
        error = await refusal(box.caller.as_gateway("GetOrganizer", message))
        assert error.reason == "USER_NOT_FOUND"
    person = box.caller.as_person(customer.id, "GetOrganizer", wish, Role.ADMIN)
    assert (await refusal(person)).reason == "FORBIDDEN"


async def test_codes_passwords_and_refresh_tokens_are_stored_hashed_only(box: Box) -> None:
    code = await box.code()
    await box.register(code)
    tokens = await box.log_in()
    await box.execute("DELETE FROM outbox")
    async with box.database.transaction() as session:
        stored = "\n".join(
            [
                *map(str, await session.all("SELECT one_time_code::text FROM one_time_code")),
                *map(str, await session.all("SELECT account::text FROM account")),
                *map(str, await session.all("SELECT refresh_token::text FROM refresh_token")),
                *map(str, await session.all("SELECT audit::text FROM audit")),
            ]
        )
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in stored
    for secret in (PASSWORD, tokens.refresh_token, tokens.access_token):
        assert secret not in stored
        assert secret.encode().hex() not in stored
    assert await box.scalar(
        "SELECT digest <> sha256(CAST(:code AS bytea)) FROM one_time_code", code=code.encode()
    )


# --- log-in --------------------------------------------------------------------------------------


async def test_unknown_address_wrong_password_and_disabled_account_look_the_same(box: Box) -> None:
    await box.person()
    await box.person("bina@example.org")
    await box.execute(
        "UPDATE account SET disabled_at = clock_timestamp() WHERE email = 'bina@example.org'"
    )
    errors = [
        await refusal(box.log_in("nobody@example.org")),
        await refusal(box.log_in(EMAIL, "wrong-Kettle7")),
        await refusal(box.log_in("bina@example.org", "wrong-Kettle7")),
    ]
    assert {(error.code, error.reason, error.detail) for error in errors} == {
        (errors[0].code, "INVALID_CREDENTIALS", "The e-mail address or the password is wrong.")
    }
    assert (await refusal(box.log_in("bina@example.org"))).reason == "ACCOUNT_DISABLED"
    assert (await box.actions()).count("LOG_IN_FAILED") == 3


async def test_an_unknown_address_costs_the_same_hashing(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    await box.person()
    parameters: list[str] = []
    verify = PasswordHasher.verify

    def spy(self: PasswordHasher, hashed: str, password: str) -> bool:
        parameters.append(hashed.rsplit("$", 2)[0])
        return verify(self, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", spy)
    await refusal(box.log_in("nobody@example.org"))
    await refusal(box.log_in(EMAIL, "wrong-Kettle7"))
    assert parameters == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org"])
async def test_failed_log_ins_wait_longer_and_longer_but_never_for_ever(
    box: Box, email: str
) -> None:
    await box.person()
    for _ in range(5):
        assert (await refusal(box.log_in(email, "wrong"))).reason == "INVALID_CREDENTIALS"
    assert await box.scalar("SELECT failures FROM login_throttle") == 5
    for failures, seconds in ((12, 128), (13, 256), (14, 512), (15, 900), (900, 900)):
        await box.age_log_ins()
        await box.execute("UPDATE login_throttle SET failures = :before", before=failures - 1)
        assert (await refusal(box.log_in(email, "wrong"))).reason == "INVALID_CREDENTIALS"
        error = await refusal(box.log_in(email))
        assert error.reason == "LOGIN_THROTTLED"
        assert seconds - 60 < int(error.metadata["retry_after"]) <= seconds


async def guess(box: Box, address: str, device: str = "", email: str = EMAIL) -> str:
    """The reason that a wrong password is refused for."""
    return (await refusal(box.log_in(email, "wrong", address=address, device=device))).reason


async def test_a_stranger_does_not_keep_anybody_out(box: Box) -> None:
    await box.person()
    stranger = [f"198.51.100.{host}" for host in range(8)]  # of one network
    assert [await guess(box, address) for address in stranger] == [
        *["INVALID_CREDENTIALS"] * 5,
        *["LOGIN_THROTTLED"] * 3,
    ]
    await box.log_in(address="192.0.2.7")
    # That the owner got in forgives the stranger nothing.
    assert await guess(box, stranger[0]) == "LOGIN_THROTTLED"


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org"])
async def test_guesses_from_many_networks_are_bounded_for_known_and_unknown(
    box: Box, email: str
) -> None:
    await box.person()
    addresses = [f"198.{network}.100.1" for network in range(15) for _ in range(4)]
    reasons = [await guess(box, address, email=email) for address in addresses]
    assert reasons == ["INVALID_CREDENTIALS"] * 50 + ["LOGIN_THROTTLED"] * 10
    error = await refusal(box.log_in(email, address="203.0.113.1"))
    assert error.reason == "LOGIN_THROTTLED"
    assert 200 < int(error.metadata["retry_after"]) <= 300

    await box.execute("UPDATE account_throttle SET drained_at = drained_at - interval '300 s'")
    assert await guess(box, "203.0.113.1", email=email) == "INVALID_CREDENTIALS"


async def test_a_device_that_was_logged_in_before_gets_in_whatever_strangers_do(box: Box) -> None:
    await box.person()
    device = (await box.known_log_in(address="192.0.2.7")).device
    assert device.expires_in == 180 * 24 * 3600
    for network in range(20):
        for _ in range(4):
            await guess(box, f"198.{network}.100.1")
    for _ in range(6):
        await guess(box, "203.0.113.1")  # the network that the owner is in now
    assert await guess(box, "203.0.113.1") == "LOGIN_THROTTLED"

    reply = await box.known_log_in(address="203.0.113.1", device=device.token)
    # It is known by the same name from then on, and its own failures count by that name.
    for _ in range(5):
        assert await guess(box, "203.0.113.1", reply.device.token) == "INVALID_CREDENTIALS"
    for token in (device.token, reply.device.token):
        assert await guess(box, "192.0.2.7", token) == "LOGIN_THROTTLED"


async def test_a_device_is_known_to_one_account_for_its_time_and_its_password(
    make_box: MakeBox,
) -> None:
    box = await make_box()
    await box.person()
    await box.person("bina@example.org")
    device = (await box.known_log_in()).device.token
    hers = (await box.known_log_in("bina@example.org")).device.token
    claimed = device.rsplit(".", 1)[1]
    forged = [
        hers,
        "",
        "x" * 500,
        "1.2.3.4",
        "\u0664.\u0664.x.\u0664",
        device[:-1],
        f"2.4000000000.device:x.{claimed}",
        device_token(
            b"another" * 8,
            EMAIL,
            source="device:x",
            password_version=1,
            expires_at=datetime.fromtimestamp(4e9, UTC),
        ),
    ]
    for _ in range(5):
        await guess(box, "198.51.100.1")
    for token in forged:
        assert await guess(box, "198.51.100.1", token) == "LOGIN_THROTTLED"
    too_old = device_token(
        PEPPER.encode(),
        EMAIL,
        source="device:x",
        password_version=1,
        expires_at=datetime.fromtimestamp(1e9, UTC),
    )
    assert await guess(box, "198.51.100.1", too_old) == "LOGIN_THROTTLED"
    assert await guess(box, "198.51.100.1", device) == "INVALID_CREDENTIALS"

    await box.execute("UPDATE account SET password_version = 2 WHERE email = :e", e=EMAIL)
    assert await guess(box, "198.51.100.1", device) == "LOGIN_THROTTLED"


async def test_who_proves_the_address_is_known_from_then_on(box: Box) -> None:
    message = auth_pb2.RegisterRequest(
        email=EMAIL, code=await box.code(), password=PASSWORD, name="Asha"
    )
    registered = (await box.caller.as_gateway("Register", message)).device
    for _ in range(5):
        await guess(box, "192.0.2.7")
    await box.log_in(device=registered.token)

    otp_id, code = await asked_reset(box)
    device = await reset(box, code, otp_id=otp_id)
    for network in range(20):
        for _ in range(4):
            await guess(box, f"198.{network}.100.1")
    assert await guess(box, "192.0.2.7", registered.token) == "LOGIN_THROTTLED"
    await box.log_in(password="other-Kettle9", device=device.token)


def test_networks_are_what_one_stranger_often_has_all_of() -> None:
    assert network_of("198.51.100.7") == network_of("198.51.100.250") == "198.51.100.0/24"
    assert network_of("::ffff:198.51.100.7") == "198.51.100.0/24"
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("") == "-"


def test_a_devices_token_says_what_was_put_in() -> None:
    until = datetime.fromtimestamp(1_900_000_000, UTC)
    token = device_token(b"k" * 32, EMAIL, source="device:x", password_version=3, expires_at=until)
    device = read_device(b"k" * 32, EMAIL, token)
    assert device is not None
    assert (device.source, device.password_version, device.expires_at) == ("device:x", 3, until)
    assert read_device(b"k" * 32, "bina@example.org", token) is None
    assert EMAIL not in token


async def test_a_good_log_in_forgives_the_failures_before_it(box: Box) -> None:
    await box.person()
    for _ in range(5):
        await refusal(box.log_in(EMAIL, "wrong"))
    await box.age_log_ins()
    await box.log_in()
    for _ in range(4):
        assert (await refusal(box.log_in(EMAIL, "wrong"))).reason == "INVALID_CREDENTIALS"
    await box.log_in()


async def test_of_a_hundred_guesses_at_once_five_are_looked_at(make_box: MakeBox) -> None:
    first = await make_box()
    second = await make_box(like=first)
    await first.person()
    errors = await asyncio.gather(
        *(refusal(box.log_in(EMAIL, f"guess-{n}")) for n in range(50) for box in (first, second))
    )
    reasons = [error.reason for error in errors]
    # A second's wait may end while they come in; each guess it lets through doubles the next one.
    assert 5 <= reasons.count("INVALID_CREDENTIALS") <= 10
    assert set(reasons) == {"INVALID_CREDENTIALS", "LOGIN_THROTTLED"}


async def test_many_good_log_ins_at_once_all_succeed(box: Box) -> None:
    await box.person()
    sessions = {claims_of(tokens)["sid"] for tokens in await asyncio.gather(
        *(box.log_in() for _ in range(20))
    )}  # fmt: skip
    assert len(sessions) == 20


async def test_no_more_wait_for_hashing_than_there_is_room_for(make_box: MakeBox) -> None:
    with HashingPool(1, 1, wait_seconds=60) as passwords:
        box = await make_box(passwords=passwords)
        with passwords.place(), passwords.place():
            error = await refusal(box.log_in())
        assert (error.reason, error.metadata["retry_after"]) == ("OVERLOADED", "1")
        # The refused try was not counted against the address.
        assert await box.scalar("SELECT count(*) FROM login_throttle") == 0
        assert (await refusal(box.log_in())).reason == "INVALID_CREDENTIALS"


async def test_the_count_of_a_try_that_was_answered_outlives_a_crash_of_the_database(
    tmp_path: Path,
) -> None:
    with Postgres(tmp_path) as server, HashingPool(1, 0, memory_kib=64) as passwords:
        provision(server.admin_url, "crashing", PASSWORDS)
        migrator, own = (
            url_for(server.admin_url, "crashing", role, PASSWORDS[role])
            for role in (MIGRATOR, role_of("auth"))
        )
        migrate(migrator, SCHEMAS["auth"], "auth")
        database = Database(own, "auth", encode=encode)
        auth = Auth(database, KeyRing(database), passwords, PEPPER.encode(), True, Limits())
        client = {"address": "192.0.2.7", "user_agent": "tests"}
        with pytest.raises(InvalidCredentialsError):
            await handlers.log_in(auth, email=EMAIL, password=PASSWORD, **client)
        server.kill()
        await database.close()
        server.start()
        with psycopg.connect(own) as connection:
            counted = connection.execute("SELECT failures FROM auth.login_throttle").fetchone()
            addresses = connection.execute("SELECT address FROM auth.address_throttle").fetchall()
    assert counted == (1,)
    assert addresses == [("192.0.2.7",)]


async def test_nobody_waits_for_hashing_longer_than_they_should(make_box: MakeBox) -> None:
    with HashingPool(1, 100, wait_seconds=1e-9) as passwords:
        box = await make_box(passwords=passwords)
        with passwords.place():
            assert (await refusal(box.log_in())).reason == "OVERLOADED"
        # Who need not wait at all is let in, however slow hashes are.
        assert (await refusal(box.log_in())).reason == "INVALID_CREDENTIALS"


async def test_a_hash_of_weaker_parameters_is_replaced_at_the_next_log_in(
    make_box: MakeBox,
) -> None:
    with HashingPool(1, 10, memory_kib=8192) as weaker:
        old = await make_box(passwords=weaker)
        await old.person()
    new = await make_box(like=old)
    await new.log_in()
    assert "m=19456" in await new.scalar("SELECT password_hash FROM account")
    await new.log_in()


async def test_a_session_is_not_opened_with_a_password_replaced_meanwhile(box: Box) -> None:
    await box.person()
    async with box.database.transaction() as session:
        known = (await storage.begin_log_in(session, EMAIL, Visitor("", "-"), Limits())).known
    assert known is not None
    await box.execute("UPDATE account SET password_version = password_version + 1")
    async with box.database.transaction() as session:
        opened_at = await storage.open_session(
            session,
            uuid7(),
            known,
            source="-",
            digest=token_digest("fresh"),
            limits=Limits(),
            client={"address": "", "user_agent": ""},
            commits=True,
        )
        assert opened_at is None


async def test_a_log_in_from_a_device_that_is_not_known_is_told_to_its_owner(box: Box) -> None:
    user = await box.person()
    known = await box.known_log_in()
    await box.known_log_in(device=known.device.token)

    [told] = await box.sent("NewDeviceSignedIn")
    session_id = await box.scalar("SELECT CAST(id AS text) FROM session ORDER BY id LIMIT 1")
    assert told.pop("at")
    assert told == {
        "user_id": user.id,
        "session_id": session_id,
        "user_agent": "tests",
        "address": "192.0.2.7",
    }


# --- sessions ------------------------------------------------------------------------------------


async def test_a_log_in_beyond_the_most_sessions_ends_the_one_used_longest_ago(
    make_box: MakeBox,
) -> None:
    box = await make_box(limits=Limits(sessions=3))
    await box.person()
    first, second, third = [await box.log_in() for _ in range(3)]
    first = await box.refresh(first)
    await box.log_in()

    assert await box.scalar("SELECT count(*) FROM session WHERE ended_at IS NULL") == 3
    assert (await refusal(box.refresh(second))).reason == "INVALID_REFRESH_TOKEN"
    assert await box.sent("SessionsRevoked") == [{"session_ids": [claims_of(second)["sid"]]}]
    for tokens in (first, third):
        await box.refresh(tokens)


async def test_a_guess_at_a_throttled_account_counts_for_the_clients_address(
    make_box: MakeBox,
) -> None:
    limits = Limits(
        free_log_in_failures=1,
        longest_log_in_wait_seconds=900,
        address_passwords=3,
        address_password_seconds=60,
    )
    box = await make_box(limits=limits)
    reasons = [(await refusal(box.log_in(EMAIL, "guess-1"))).reason for _ in range(4)]
    assert reasons == [
        "INVALID_CREDENTIALS",
        "INVALID_CREDENTIALS",
        "LOGIN_THROTTLED",
        "ADDRESS_THROTTLED",
    ]
    # The address that has had its share counts nothing against anybody's account.
    await refusal(box.log_in("other@example.org", "guess-1"))
    assert await box.scalar("SELECT array_agg(email) FROM login_throttle") == [EMAIL]


async def test_a_refresh_rotates_the_token_and_reads_the_role_again(box: Box) -> None:
    await box.person()
    first = await box.log_in()
    await box.execute("UPDATE account SET role = 'ORGANIZER'")
    second = await box.refresh(first)

    assert second.refresh_token != first.refresh_token
    assert (claims_of(first)["role"], claims_of(second)["role"]) == ("CUSTOMER", "ORGANIZER")
    assert claims_of(first)["sid"] == claims_of(second)["sid"]
    await box.refresh(second)


async def test_reuse_ends_the_session_but_not_the_persons_others(box: Box) -> None:
    await box.person()
    stolen, other = await box.log_in(), await box.log_in()
    successor = await box.refresh(stolen)
    await box.age_rotations()

    assert (await refusal(box.refresh(stolen))).reason == "INVALID_REFRESH_TOKEN"
    assert (await refusal(box.refresh(successor))).reason == "INVALID_REFRESH_TOKEN"
    assert (await box.actions()).count("REFRESH_REUSED") == 1
    await box.refresh(other)


async def test_a_lost_reply_is_answered_again_within_the_grace(box: Box) -> None:
    await box.person()
    first = await box.log_in()
    lost = await box.refresh(first)
    again = await box.refresh(first)

    assert again.refresh_token != lost.refresh_token
    assert (await refusal(box.refresh(lost))).reason == "INVALID_REFRESH_TOKEN"
    await box.refresh(again)  # that the lost one came so soon ended nothing


async def test_a_reply_that_was_put_out_of_use_ends_the_session_when_it_comes_later(
    box: Box,
) -> None:
    await box.person()
    first = await box.log_in()
    lost, again = await box.refresh(first), await box.refresh(first)
    await box.age_rotations()

    assert (await refusal(box.refresh(lost))).reason == "INVALID_REFRESH_TOKEN"
    assert (await refusal(box.refresh(again))).reason == "INVALID_REFRESH_TOKEN"
    assert (await box.actions()).count("REFRESH_REUSED") == 1


async def test_within_the_grace_a_token_whose_reply_was_used_ends_the_session(box: Box) -> None:
    await box.person()
    first = await box.log_in()
    successor = await box.refresh(await box.refresh(first))

    assert (await refusal(box.refresh(first))).reason == "INVALID_REFRESH_TOKEN"
    assert (await refusal(box.refresh(successor))).reason == "INVALID_REFRESH_TOKEN"
    assert await box.sent("SessionsRevoked") == [{"session_ids": [claims_of(first)["sid"]]}]


async def test_of_refreshes_at_once_one_reply_carries_the_session_on(make_box: MakeBox) -> None:
    first = await make_box()
    second = await make_box(like=first)
    await first.person()
    for _ in range(5):
        tokens = await first.log_in()
        replies = await asyncio.gather(
            *(box.refresh(tokens) for _ in range(5) for box in (first, second))
        )
        carried_on = await asyncio.gather(
            *(first.refresh(reply) for reply in replies), return_exceptions=True
        )
        refused = [each.reason for each in carried_on if isinstance(each, RemoteError)]
        assert refused == ["INVALID_REFRESH_TOKEN"] * 9
        [alive] = [each for each in carried_on if isinstance(each, auth_pb2.Tokens)]
        await second.refresh(alive)


async def test_a_session_ends_with_its_ninetieth_day_however_often_it_is_refreshed(
    box: Box,
) -> None:
    await box.person()
    me = await box.log_in()
    age = "UPDATE session SET created_at = clock_timestamp() - interval '1 s' * :seconds"
    await box.execute(age, seconds=90 * 24 * 3600 - 100)
    me = await box.refresh(me)
    assert 90 <= me.refresh_expires_in <= 100
    assert await box.scalar(
        "SELECT max(expires_at) < clock_timestamp() + interval '101 s' FROM refresh_token"
        " WHERE rotated_at IS NULL"
    )
    sessions = auth_pb2.ListSessionsRequest()
    assert len((await box.account(me, "ListSessions", sessions)).sessions) == 1

    await box.execute(age, seconds=90 * 24 * 3600)
    assert (await refusal(box.refresh(me))).reason == "INVALID_REFRESH_TOKEN"
    assert not (await box.account(me, "ListSessions", sessions)).sessions
    assert (await box.log_in()).refresh_expires_in == 30 * 24 * 3600


async def test_a_token_past_its_time_or_never_given_out_is_refused(box: Box) -> None:
    await box.person()
    tokens = await box.log_in()
    await box.execute("UPDATE refresh_token SET expires_at = clock_timestamp()")
    for token in (tokens.refresh_token, tokens.access_token, "", "x" * 43):
        error = await refusal(box.refresh(auth_pb2.Tokens(refresh_token=token)))
        assert error.reason == "INVALID_REFRESH_TOKEN"
    assert "REFRESH_REUSED" not in await box.actions()


async def test_a_disabled_account_is_not_carried_on(box: Box) -> None:
    user = await box.person()
    tokens = await box.log_in()
    await box.execute("UPDATE account SET disabled_at = clock_timestamp()")
    assert (await refusal(box.refresh(tokens))).reason == "INVALID_REFRESH_TOKEN"
    me = box.caller.as_person(user.id, "GetMe", auth_pb2.GetMeRequest())
    assert (await refusal(me)).reason == "ACCOUNT_DISABLED"


async def log_out(box: Box, subject: str, session_id: str) -> None:
    token = box.caller.keys.sign(
        {"iss": "parterre-auth", "aud": "parterre", "sub": subject, "role": "CUSTOMER",
         "sid": session_id, "nbf": 0, "exp": 4_000_000_000}
    )  # fmt: skip
    identity = Identity(subject, Role.CUSTOMER, session_id, token, 4_000_000_000)
    with request(id="test", identity=identity, seconds=30):
        await box.caller.client.call(box.caller.stub.LogOut, auth_pb2.LogOutRequest())


async def test_logging_out_ends_ones_own_session_and_no_other(box: Box) -> None:
    user = await box.person()
    here, elsewhere = await box.log_in(), await box.log_in()
    session_id = claims_of(here)["sid"]

    await log_out(box, str(uuid7()), session_id)  # somebody else's token
    here = await box.refresh(here)
    await log_out(box, user.id, session_id)
    await log_out(box, user.id, session_id)

    assert (await refusal(box.refresh(here))).reason == "INVALID_REFRESH_TOKEN"
    await box.refresh(elsewhere)
    assert (await box.actions()).count("LOGGED_OUT") == 1


async def test_a_log_out_during_a_refresh_ends_the_fresh_token_too(box: Box, until: Until) -> None:
    user = await box.person()
    tokens = await box.log_in()
    digest = token_digest(tokens.refresh_token)
    async with box.database.transaction() as session:  # a refresh, halfway
        family = await storage.lock_session(session, digest, Limits())
        assert family is not None
        leaving = asyncio.create_task(log_out(box, user.id, str(family.id)))

        async def waiting_or_through() -> bool:
            waiting = await box.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return waiting > 0 or leaving.done()

        await until(waiting_or_through)
        assert await storage.rotate(session, digest, Limits())
        fresh = token_digest("fresh")
        storage.add_refresh_token(session, family.id, fresh, Limits(), parent=digest)
    await leaving

    assert await box.scalar("SELECT count(*) FROM refresh_token") == 0
    assert (await refusal(box.refresh(tokens))).reason == "INVALID_REFRESH_TOKEN"


async def test_refreshes_and_log_outs_at_once_leave_no_token_alive(box: Box) -> None:
    user = await box.person()
    for _ in range(5):
        tokens = await box.log_in()
        session_id = claims_of(tokens)["sid"]
        results = await asyncio.gather(
            *(box.refresh(tokens) for _ in range(3)),
            log_out(box, user.id, session_id),
            return_exceptions=True,
        )
        assert results[-1] is None
        refused = {result.reason for result in results if isinstance(result, RemoteError)}
        assert refused <= {"INVALID_REFRESH_TOKEN"}
        assert await box.scalar("SELECT count(*) FROM refresh_token") == 0


async def test_only_the_gateway_opens_sessions_and_only_people_end_them(box: Box) -> None:
    person = str(uuid7())
    for method, message in (
        ("RequestCode", auth_pb2.RequestCodeRequest()),
        ("Register", auth_pb2.RegisterRequest()),
        ("LogIn", auth_pb2.LogInRequest()),
        ("Refresh", auth_pb2.RefreshRequest()),
    ):
        error = await refusal(box.caller.as_person(person, method, message, Role.ADMIN))
        assert error.reason == "FORBIDDEN"
    for method, message in (
        ("LogOut", auth_pb2.LogOutRequest()),
        ("GetMe", auth_pb2.GetMeRequest()),
    ):
        assert (await refusal(box.caller.as_gateway(method, message))).reason == "FORBIDDEN"
    nobody = box.caller.as_person(person, "GetMe", auth_pb2.GetMeRequest())
    assert (await refusal(nobody)).reason == "ACCOUNT_NOT_FOUND"


# --- devices, profile, passwords -----------------------------------------------------------------


def sid(tokens: auth_pb2.Tokens) -> str:
    return str(claims_of(tokens)["sid"])


async def test_somebody_sees_their_own_devices_and_ends_one(box: Box) -> None:
    await box.person()
    await box.person("bina@example.org")
    here, lost, hers = [
        await box.log_in(),
        await box.log_in(),
        await box.log_in("bina@example.org"),
    ]
    here = await box.refresh(here)

    found = (await box.account(here, "ListSessions", auth_pb2.ListSessionsRequest())).sessions
    assert [(one.id, one.current) for one in found] == [(sid(here), True), (sid(lost), False)]
    assert {(one.address, one.user_agent) for one in found} == {("192.0.2.7", "tests")}
    assert found[0].last_used_at.ToDatetime() > found[0].created_at.ToDatetime()

    end = auth_pb2.RevokeSessionRequest
    await box.account(here, "RevokeSession", end(session_id=sid(lost)))
    for nothing_to_end in (sid(lost), sid(hers), str(uuid7()), "", "x"):
        again = box.account(here, "RevokeSession", end(session_id=nothing_to_end))
        assert (await refusal(again)).reason == "SESSION_NOT_FOUND"
    assert (await refusal(box.refresh(lost))).reason == "INVALID_REFRESH_TOKEN"
    await box.refresh(hers)
    found = (await box.account(here, "ListSessions", auth_pb2.ListSessionsRequest())).sessions
    assert [one.id for one in found] == [sid(here)]
    assert await box.revoked() == [{sid(lost)}]


async def test_logging_out_and_a_reused_refresh_token_are_told_to_every_process(box: Box) -> None:
    user = await box.person()
    stolen, elsewhere = await box.log_in(), await box.log_in()
    await box.refresh(stolen)
    await box.age_rotations()
    await refusal(box.refresh(stolen))
    await log_out(box, user.id, sid(elsewhere))

    assert await box.revoked() == [{sid(stolen)}, {sid(elsewhere)}]
    assert set(await handlers.ended_sessions(box.auth)) == {sid(stolen), sid(elsewhere)}


async def test_a_session_is_on_the_list_while_its_token_could_be_good(box: Box) -> None:
    user = await box.person()
    tokens = await box.log_in()
    await log_out(box, user.id, sid(tokens))
    age = "UPDATE session SET last_used_at = last_used_at - interval '1 s' * :seconds"
    await box.execute(age, seconds=655)
    assert await handlers.ended_sessions(box.auth) == [sid(tokens)]
    await box.execute(age, seconds=6)
    assert await handlers.ended_sessions(box.auth) == []


async def test_a_profile_changes_where_something_is_given(box: Box) -> None:
    await box.person()
    me = await box.log_in()
    change = auth_pb2.UpdateProfileRequest
    user = (await box.account(me, "UpdateProfile", change(phone="+9779841000000"))).user
    assert (user.name, user.phone, user.country) == ("Asha", "+9779841000000", "")
    user = (await box.account(me, "UpdateProfile", change(name=" Asha Rai ", phone=""))).user
    assert (user.name, user.phone) == ("Asha Rai", "")
    told = [(message["name"], message["version"]) for message in await box.sent("UserChanged")]
    assert told == [("Asha", "1"), ("Asha Rai", "2")]

    for wrong in ({"name": ""}, {"name": "a\0b"}, {"phone": "98410"}, {"country": "np"}):
        error = await refusal(box.account(me, "UpdateProfile", change(**wrong)))
        assert (error.reason, set(error.metadata)) == ("INVALID_ACCOUNT", set(wrong))
    assert (await box.actions()).count("PROFILE_CHANGED") == 2


async def test_who_asks_to_be_an_organizer_later_waits_for_an_admin(make_box: MakeBox) -> None:
    box = await make_box(organizer_signup_open=False)
    await box.person()
    me, admin = await box.log_in(), await box.admin()
    change = auth_pb2.UpdateProfileRequest
    user = (await box.account(me, "UpdateProfile", change(request_organizer=True))).user
    assert (user.role, user.organizer_requested) == ("CUSTOMER", True)
    waiting = auth_pb2.ListUsersRequest(status="ORGANIZER_REQUESTED", limit=10)
    found = (await box.account(admin, "ListUsers", waiting)).users
    assert [one.user.id for one in found] == [user.id]

    approve = auth_pb2.UpdateUserRequest(user_id=user.id, role="ORGANIZER")
    changed = (await box.account(admin, "UpdateUser", approve)).user.user
    assert (changed.role, changed.organizer_requested) == ("ORGANIZER", False)
    assert [told["user_id"] for told in await box.sent("OrganizerApproved")] == [user.id]
    assert (await box.account(admin, "ListUsers", waiting)).users == []
    assert claims_of(await box.log_in())["role"] == "ORGANIZER"
    assert await box.revoked() == [{sid(me)}]


async def test_a_request_can_be_declined_and_withdrawn(make_box: MakeBox) -> None:
    box = await make_box(organizer_signup_open=False)
    await box.person()
    me, admin = await box.log_in(), await box.admin()
    change = auth_pb2.UpdateProfileRequest
    await box.account(me, "UpdateProfile", change(request_organizer=True))
    decline = auth_pb2.UpdateUserRequest(user_id=claims_of(me)["sub"], role="CUSTOMER")
    changed = (await box.account(admin, "UpdateUser", decline)).user.user
    assert (changed.role, changed.organizer_requested) == ("CUSTOMER", False)
    await box.account(me, "UpdateProfile", change(request_organizer=True))
    user = (await box.account(me, "UpdateProfile", change(request_organizer=False))).user
    assert not user.organizer_requested
    assert await box.revoked() == []
    assert "ORGANIZER_DECLINED" in await box.actions()


async def test_the_name_of_a_business_is_seen_once_an_admin_has_approved_it(
    make_box: MakeBox,
) -> None:
    box = await make_box(organizer_signup_open=False)
    person = await box.person()
    before, admin = await box.log_in(), await box.admin()
    change, approve = auth_pb2.UpdateProfileRequest, auth_pb2.UpdateUserRequest
    waiting = auth_pb2.ListUsersRequest(status="BUSINESS_NAME_REQUESTED", limit=10)

    async def seen() -> str:
        wish = auth_pb2.GetOrganizerRequest(user_id=person.id)
        return str((await box.caller.as_gateway("GetOrganizer", wish)).business_name)

    await box.account(admin, "UpdateUser", approve(user_id=person.id, role="ORGANIZER"))
    me = await box.log_in()
    user = (await box.account(me, "UpdateProfile", change(business_name=" Naach Ghar "))).user
    assert (user.business_name, user.requested_business_name) == ("", "Naach Ghar")
    assert await seen() == ""
    assert [one.user.id for one in (await box.account(admin, "ListUsers", waiting)).users] == [
        person.id
    ]
    named = approve(user_id=person.id, business_name="Naach Ghar")
    user = (await box.account(admin, "UpdateUser", named)).user.user
    assert (user.business_name, user.requested_business_name) == ("Naach Ghar", "")
    assert (await box.account(admin, "ListUsers", waiting)).users == []
    # Another name waits, and the old one is seen meanwhile.
    user = (await box.account(me, "UpdateProfile", change(business_name="Nepal Police"))).user
    assert (user.business_name, user.requested_business_name) == ("Naach Ghar", "Nepal Police")
    assert await seen() == "Naach Ghar"
    # To stay with the old one takes the request back, and so does an admin who keeps to it.
    user = (await box.account(me, "UpdateProfile", change(business_name="Naach Ghar"))).user
    assert user.requested_business_name == ""
    await box.account(me, "UpdateProfile", change(business_name="Nepal Police"))
    user = (await box.account(admin, "UpdateUser", named)).user.user
    assert (user.business_name, user.requested_business_name) == ("Naach Ghar", "")
    # To have no name needs nobody's approval.
    user = (await box.account(me, "UpdateProfile", change(business_name=""))).user
    assert (user.business_name, await seen()) == ("", "")
    assert (await box.actions()).count("BUSINESS_NAMED") == 2
    # A name ends nobody's session; the role did, which came before.
    assert await box.revoked() == [{sid(before)}]


@pytest.mark.parametrize("name", ["n" * 101, "a\0b"], ids=["too long", "unprintable"])
async def test_what_is_no_name_of_a_business_is_refused_whoever_says_it(
    box: Box, name: str
) -> None:
    person = await box.person()
    me, admin = await box.log_in(), await box.admin()
    own = auth_pb2.UpdateProfileRequest(business_name=name)
    by_admin = auth_pb2.UpdateUserRequest(user_id=person.id, business_name=name)
    for token, method, message in ((me, "UpdateProfile", own), (admin, "UpdateUser", by_admin)):
        error = await refusal(box.account(token, method, message))
        assert (error.reason, set(error.metadata)) == ("INVALID_ACCOUNT", {"business_name"})


async def test_where_sign_up_is_open_and_for_an_admins_own_a_name_needs_no_approval(
    make_box: MakeBox,
) -> None:
    ask = auth_pb2.UpdateProfileRequest(business_name="Naach Ghar")
    open_box = await make_box()
    await open_box.person()
    user = (await open_box.account(await open_box.log_in(), "UpdateProfile", ask)).user
    assert (user.business_name, user.requested_business_name) == ("Naach Ghar", "")
    closed_box = await make_box(organizer_signup_open=False)
    user = (await closed_box.account(await closed_box.admin(), "UpdateProfile", ask)).user
    assert (user.business_name, user.requested_business_name) == ("Naach Ghar", "")


async def test_where_sign_up_is_open_an_organizer_is_one_from_the_next_refresh_on(
    box: Box,
) -> None:
    await box.person()
    me = await box.log_in()
    ask = auth_pb2.UpdateProfileRequest(request_organizer=True)
    assert (await box.account(me, "UpdateProfile", ask)).user.role == "ORGANIZER"
    assert claims_of(await box.refresh(me))["role"] == "ORGANIZER"


def new_password(current: str = PASSWORD, new: str = "other-Kettle9") -> Message:
    return auth_pb2.ChangePasswordRequest(current_password=current, new_password=new)


async def test_a_changed_password_ends_the_other_sessions_and_keeps_this_one(box: Box) -> None:
    await box.person()
    here, elsewhere = await box.log_in(), await box.log_in()
    await box.account(here, "ChangePassword", new_password())

    assert await box.revoked() == [{sid(elsewhere)}]
    assert (await refusal(box.refresh(elsewhere))).reason == "INVALID_REFRESH_TOKEN"
    await box.refresh(here)
    assert (await refusal(box.log_in())).reason == "INVALID_CREDENTIALS"
    await box.log_in(password="other-Kettle9")


async def test_the_current_password_cannot_be_guessed_through_an_open_session(box: Box) -> None:
    await box.person()
    me = await box.log_in()
    weak = await refusal(box.account(me, "ChangePassword", new_password("wrong", "password123")))
    assert weak.reason == "WEAK_PASSWORD"
    for _ in range(5):
        error = await refusal(box.account(me, "ChangePassword", new_password("wrong")))
        assert (error.reason, set(error.metadata)) == ("WRONG_PASSWORD", {"current_password"})
    sixth = await refusal(box.account(me, "ChangePassword", new_password()))
    assert (sixth.reason, "retry_after" in sixth.metadata) == ("LOGIN_THROTTLED", True)
    await box.age_log_ins()
    await box.account(me, "ChangePassword", new_password())
    assert (await box.actions()).count("PASSWORD_CHANGE_FAILED") == 5


async def test_a_strangers_failures_do_not_keep_anybody_from_changing_their_password(
    box: Box,
) -> None:
    await box.person()
    me = await box.log_in()
    for network in range(20):
        for _ in range(5):
            await guess(box, f"198.{network}.100.1")
    await box.account(me, "ChangePassword", new_password())
    # And wrong ones at the change keep nobody from logging in.
    for _ in range(6):
        await refusal(box.account(me, "ChangePassword", new_password("wrong")))
    await box.execute("DELETE FROM account_throttle")
    await box.log_in(password="other-Kettle9")


async def test_of_two_changes_of_a_password_at_once_one_happens(make_box: MakeBox) -> None:
    first = await make_box()
    second = await make_box(like=first)
    await first.person()
    me = await first.log_in()
    results = await asyncio.gather(
        first.account(me, "ChangePassword", new_password(new="first-Kettle1")),
        second.account(me, "ChangePassword", new_password(new="second-Kettle2")),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, RemoteError)]
    assert [error.reason for error in refused] == ["WRONG_PASSWORD"]
    assert await first.scalar("SELECT password_version FROM account") == 2


async def reset(
    box: Box, code: str, email: str = EMAIL, *, password: str = "other-Kettle9", **fields: str
) -> auth_pb2.Device:
    message = auth_pb2.ResetPasswordRequest(email=email, code=code, new_password=password, **fields)
    device: auth_pb2.Device = (await box.caller.as_gateway("ResetPassword", message)).device
    return device


async def reset_code(box: Box, email: str = EMAIL) -> str:
    return (await asked_reset(box, email))[1]


async def asked_reset(box: Box, email: str = EMAIL) -> tuple[str, str]:
    """A code's id, and the code."""
    await box.age_codes()
    otp_id = await box.ask_code(email, "PASSWORD_RESET")
    return otp_id, str((await box.mails())[-1]["code"])


async def test_a_reset_password_ends_every_session_and_works_once(box: Box) -> None:
    await box.person()
    here, elsewhere = await box.log_in(), await box.log_in()
    for _ in range(5):
        await refusal(box.log_in(password="forgotten"))
    code = await reset_code(box)
    assert (await refusal(reset(box, code, password="password123"))).reason == "WEAK_PASSWORD"
    await reset(box, code)

    assert await box.revoked() == [{sid(here), sid(elsewhere)}]
    for tokens in (here, elsewhere):
        assert (await refusal(box.refresh(tokens))).reason == "INVALID_REFRESH_TOKEN"
    assert (await refusal(reset(box, code))).reason == "INVALID_CODE"
    await box.log_in(password="other-Kettle9")  # the failures before are forgiven
    assert "PASSWORD_RESET" in await box.actions()


async def test_a_reset_needs_the_code_for_it(box: Box) -> None:
    await box.person()
    await box.age_codes()
    registering = await box.code("bina@example.org")
    assert (await refusal(reset(box, registering))).reason == "INVALID_CODE"
    assert (await refusal(reset(box, registering, "bina@example.org"))).reason == "INVALID_CODE"
    otp_id, code = await asked_reset(box)
    for _ in range(5):
        error = await refusal(reset(box, other_than(code), otp_id=otp_id))
        assert error.reason == "INVALID_CODE"
    assert (await refusal(reset(box, code, otp_id=otp_id))).reason == "INVALID_CODE"

    code = await reset_code(box)
    await box.execute("UPDATE one_time_code SET expires_at = clock_timestamp()")
    assert (await refusal(reset(box, code))).reason == "INVALID_CODE"
    await box.log_in()


async def test_a_log_in_with_the_old_password_during_a_reset_opens_nothing(box: Box) -> None:
    await box.person()
    code = await reset_code(box)
    results = await asyncio.gather(
        reset(box, code), *(box.log_in() for _ in range(5)), return_exceptions=True
    )
    assert isinstance(results[0], auth_pb2.Device)
    opened = {sid(tokens) for tokens in results[1:] if isinstance(tokens, auth_pb2.Tokens)}
    assert await box.scalar("SELECT count(*) FROM session WHERE ended_at IS NULL") == 0
    assert set().union(*await box.revoked()) == opened


# --- throttles by client address -----------------------------------------------------------------


async def test_an_address_is_throttled_over_all_accounts_and_replicas(make_box: MakeBox) -> None:
    limits = Limits(address_passwords=3, address_password_seconds=60)
    first = await make_box(limits=limits)
    second = await make_box(like=first, limits=limits)
    errors = await asyncio.gather(
        *(refusal(box.log_in(f"{n}@example.org")) for n in range(5) for box in (first, second))
    )
    reasons = [error.reason for error in errors]
    assert sorted(set(reasons)) == ["ADDRESS_THROTTLED", "INVALID_CREDENTIALS"]
    assert reasons.count("INVALID_CREDENTIALS") == 3
    waits = [int(e.metadata["retry_after"]) for e in errors if e.reason == "ADDRESS_THROTTLED"]
    assert all(50 <= wait <= 60 for wait in waits)

    await first.execute("UPDATE address_throttle SET drained_at = drained_at - interval '61 s'")
    assert (await refusal(first.log_in("1@example.org"))).reason == "INVALID_CREDENTIALS"
    assert (await refusal(first.log_in("1@example.org"))).reason == "ADDRESS_THROTTLED"


async def test_registrations_resets_and_codes_are_throttled_by_address_too(
    make_box: MakeBox,
) -> None:
    box = await make_box(limits=Limits(address_passwords=2, address_codes=2))
    address = "2001:db8::1"

    async def ask(address: str, n: int) -> None:
        message = auth_pb2.RequestCodeRequest(
            email=f"{n}@example.org", purpose="REGISTER", address=address
        )
        await box.caller.as_gateway("RequestCode", message)

    await ask(address, 1)
    await ask("2001:db8::2", 2)  # the same customer's network
    assert (await refusal(ask(address, 3))).reason == "ADDRESS_THROTTLED"
    await ask("2001:db8:0:1::1", 3)

    assert (await refusal(box.register("000000", address=address))).reason == "INVALID_CODE"
    message = auth_pb2.ResetPasswordRequest(
        email=EMAIL, code="000000", new_password=PASSWORD, address=address
    )
    error = await refusal(box.caller.as_gateway("ResetPassword", message))
    assert error.reason == "INVALID_CODE"
    error = await refusal(box.caller.as_gateway("ResetPassword", message))
    assert error.reason == "ADDRESS_THROTTLED"
    assert (await refusal(box.register("000000", address=address))).reason == "ADDRESS_THROTTLED"


# --- administration ------------------------------------------------------------------------------


def update(user_id: str, **changes: Any) -> Message:
    return auth_pb2.UpdateUserRequest(user_id=user_id, **changes)


async def test_a_disabled_account_is_out_everywhere_until_it_is_enabled(box: Box) -> None:
    user = await box.person()
    tokens = [await box.log_in(), await box.log_in()]
    admin = await box.admin()
    changed = (await box.account(admin, "UpdateUser", update(user.id, disabled=True))).user
    assert changed.disabled
    assert changed.last_log_in_at.ToDatetime() > user.created_at.ToDatetime()
    await box.account(admin, "UpdateUser", update(user.id, disabled=True))  # changes nothing

    assert await box.revoked() == [{sid(one) for one in tokens}]
    assert (await refusal(box.log_in())).reason == "ACCOUNT_DISABLED"
    assert (await refusal(box.refresh(tokens[0]))).reason == "INVALID_REFRESH_TOKEN"
    disabled = auth_pb2.ListUsersRequest(status="DISABLED", limit=10)
    found = (await box.account(admin, "ListUsers", disabled)).users
    assert [one.user.id for one in found] == [user.id]

    await box.account(admin, "UpdateUser", update(user.id, disabled=False))
    await box.log_in()
    actions = await box.actions()
    assert (actions.count("DISABLED"), actions.count("ENABLED")) == (1, 1)


async def test_another_role_ends_the_sessions_that_say_the_old_one(box: Box) -> None:
    user = await box.person()
    tokens, admin = await box.log_in(), await box.admin()
    changed = (await box.account(admin, "UpdateUser", update(user.id, role="ADMIN"))).user
    assert changed.user.role == "ADMIN"
    assert await box.revoked() == [{sid(tokens)}]
    assert (await refusal(box.refresh(tokens))).reason == "INVALID_REFRESH_TOKEN"
    # Others hear of each change of who may organize, with a newer version.
    for change in ({"disabled": True}, {"disabled": False}, {"role": "CUSTOMER"}):
        await box.account(admin, "UpdateUser", update(user.id, **change))
    told = [
        (message["version"], message["may_organize"])
        for message in await box.sent("UserChanged")
        if message["user_id"] == user.id
    ]
    assert told == [("1", False), ("2", True), ("3", False), ("4", True), ("5", False)]
    unknown = await refusal(box.account(admin, "UpdateUser", update(user.id, role="OWNER")))
    assert (unknown.reason, set(unknown.metadata)) == ("INVALID_ACCOUNT", {"role"})


async def test_an_admin_cannot_shut_themselves_out(box: Box) -> None:
    admin = await box.admin()
    own = claims_of(admin)["sub"]
    for change in ({"disabled": True}, {"role": "CUSTOMER"}, {"role": "ADMIN", "disabled": True}):
        error = await refusal(box.account(admin, "UpdateUser", update(own, **change)))
        assert error.reason == "OWN_ACCOUNT"
    await box.account(admin, "UpdateUser", update(own, role="ADMIN", disabled=False))


async def test_two_admins_who_disable_each_other_at_once_leave_one(make_box: MakeBox) -> None:
    first = await make_box()
    second = await make_box(like=first)
    for _ in range(5):
        one, other = await first.admin(), await first.admin()
        results = await asyncio.gather(
            first.account(one, "UpdateUser", update(claims_of(other)["sub"], disabled=True)),
            second.account(other, "UpdateUser", update(claims_of(one)["sub"], disabled=True)),
            return_exceptions=True,
        )
        refused = [result for result in results if isinstance(result, RemoteError)]
        assert [error.reason for error in refused] == ["FORBIDDEN"]


async def test_who_is_no_longer_an_admin_changes_nobody(box: Box) -> None:
    user = await box.person()
    nobody = box.caller.as_person(str(uuid7()), "UpdateUser", update(user.id), Role.ADMIN)
    assert (await refusal(nobody)).reason == "FORBIDDEN"
    admin = await box.admin()
    for id in (str(uuid7()), "", "x"):
        assert (await refusal(box.account(admin, "UpdateUser", update(id)))).reason == (
            "USER_NOT_FOUND"
        )
        get = auth_pb2.GetUserRequest(user_id=id)
        assert (await refusal(box.account(admin, "GetUser", get))).reason == "USER_NOT_FOUND"


async def test_a_log_in_while_the_account_is_disabled_leaves_no_session_open(
    make_box: MakeBox,
) -> None:
    first = await make_box()
    second = await make_box(like=first)
    user = await first.person()
    admin = await first.admin()
    for _ in range(5):
        tokens = await first.log_in()
        results = await asyncio.gather(
            first.account(admin, "UpdateUser", update(user.id, disabled=True)),
            *(second.log_in() for _ in range(3)),
            *(second.refresh(tokens) for _ in range(3)),
            return_exceptions=True,
        )
        assert not isinstance(results[0], BaseException)
        mine = "SELECT count(*) FROM session WHERE account_id = :id AND ended_at IS NULL"
        assert await first.scalar(mine, id=UUID(user.id)) == 0
        issued = {sid(one) for one in results[1:] if isinstance(one, auth_pb2.Tokens)}
        assert issued <= set().union(*await first.revoked())
        await first.account(admin, "UpdateUser", update(user.id, disabled=False))


async def test_people_are_told_of_again_once_after_an_upgrade(make_box: MakeBox) -> None:
    first = await make_box()
    second = await make_box(like=first)
    ids = {(await first.person(f"n{n}@example.net")).id for n in range(3)}
    await first.execute("UPDATE account SET words = ''")
    admin = await first.admin()
    wanted = auth_pb2.ListUsersRequest(query="ASHA n1@", limit=10)
    [unindexed] = (await first.account(admin, "ListUsers", wanted)).users

    await asyncio.gather(*(box.database.run(announce_some) for box in [first, second] * 5))
    while await first.database.run(announce_some):
        pass

    told = [message["user_id"] for message in await first.sent("UserChanged")]
    assert [told.count(id) for id in ids] == [2, 2, 2]
    assert await first.scalar("SELECT count(*) FROM account WHERE words = ''") == 0
    assert (await first.account(admin, "ListUsers", wanted)).users == [unindexed]


async def test_people_are_found_whatever_their_case_and_accents(box: Box) -> None:
    admin = await box.admin()
    user = await box.register(await box.code(), name="Ásha Straße-Δρόμος")
    for query, found in (
        ("asha", [user.id]),
        ("STRASSE δρομοσ", [user.id]),
        ("ash example.org", [user.id]),
        ("asha nobody", []),
    ):
        wanted = auth_pb2.ListUsersRequest(query=query, limit=10)
        users = (await box.account(admin, "ListUsers", wanted)).users
        assert [each.user.id for each in users] == found, query


async def test_accounts_are_searched_page_by_page(box: Box) -> None:
    admin = await box.admin()
    ids = []
    for n in range(5):
        email = f"n{n}@example.net"
        ids.append((await box.register(await box.code(email), email, name=f"100%_{n}")).id)

    async def page(**filters: Any) -> Any:
        return await box.account(
            admin, "ListUsers", auth_pb2.ListUsersRequest(**{"limit": 100, **filters})
        )

    found, cursor = [], ""
    while True:
        reply = await page(query="EXAMPLE.NET", limit=2, cursor=cursor)
        found += [one.user.id for one in reply.users]
        cursor = reply.next_cursor
        if not cursor:
            break
    assert found == ids[::-1]
    for query, count in (("%_", 5), ("100%_3", 1), ("1%0", 0), ("\\", 0), ("_", 5), ("", 6)):
        assert len((await page(query=query)).users) == count, query
    assert len((await page(role="ADMIN")).users) == 1
    assert len((await page(status="ACTIVE")).users) == 6
    one = (await box.account(admin, "GetUser", auth_pb2.GetUserRequest(user_id=ids[0]))).user
    assert (one.user.id, one.disabled, one.HasField("last_log_in_at")) == (ids[0], False, False)

    for wrong, field in (
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"role": "OWNER"}, "role"),
        ({"status": "GONE"}, "status"),
        ({"query": "x" * 101}, "q"),
        ({"query": "\0"}, "q"),
    ):
        error = await refusal(page(**wrong))
        assert (error.reason, set(error.metadata)) == ("INVALID_FILTER", {field})
    for cursor in ("x", "====", "nonsense", "é"):
        assert (await refusal(page(cursor=cursor))).reason == "INVALID_CURSOR"


async def test_the_trail_says_who_did_what_to_whom(box: Box) -> None:
    user = await box.person()
    await box.log_in()
    admin = await box.admin()
    await box.account(admin, "UpdateUser", update(user.id, role="ORGANIZER"))
    await refusal(box.log_in("nobody@example.org"))

    async def entries(**filters: Any) -> list[tuple[str, str, str]]:
        found, cursor = [], ""
        while True:
            message = auth_pb2.ListAuditRequest(limit=2, cursor=cursor, **filters)
            reply = await box.account(admin, "ListAudit", message)
            found += [(one.action, one.actor_id, one.subject_id) for one in reply.entries]
            cursor = reply.next_cursor
            if not cursor:
                return found

    own = claims_of(admin)["sub"]
    changed = ("ROLE_CHANGED", own, user.id)
    assert await entries(user_id=user.id) == [
        changed,
        ("LOGGED_IN", user.id, user.id),
        ("REGISTERED", user.id, user.id),
    ]
    assert await entries(user_id=own) == [
        changed,
        ("LOGGED_IN", own, own),
        ("REGISTERED", "", own),
    ]
    assert await entries(action="LOG_IN_FAILED") == [("LOG_IN_FAILED", "", "")]
    assert len(await entries()) == 6
    assert await entries(user_id=str(uuid7())) == []
    for wrong in ({"user_id": "x"}, {"action": "logged in"}, {"limit": 0}):
        message = auth_pb2.ListAuditRequest(**{"limit": 1, **wrong})
        error = await refusal(box.account(admin, "ListAudit", message))
        assert (error.reason, set(error.metadata)) == ("INVALID_FILTER", set(wrong))
    detail = (
        (await box.account(admin, "ListAudit", auth_pb2.ListAuditRequest(limit=1, user_id=user.id)))
        .entries[0]
        .detail
    )
    assert dict(detail) == {"before": "CUSTOMER", "after": "ORGANIZER"}


async def test_only_admins_administer(box: Box) -> None:
    user = await box.person()
    for method, message in (
        ("ListUsers", auth_pb2.ListUsersRequest(limit=1)),
        ("GetUser", auth_pb2.GetUserRequest(user_id=user.id)),
        ("UpdateUser", update(user.id, role="ADMIN")),
        ("ListAudit", auth_pb2.ListAuditRequest(limit=1)),
    ):
        for role in (Role.CUSTOMER, Role.ORGANIZER):
            error = await refusal(box.caller.as_person(user.id, method, message, role))
            assert error.reason == "FORBIDDEN"
        assert (await refusal(box.caller.as_gateway(method, message))).reason == "FORBIDDEN"


# --- keys and tokens -----------------------------------------------------------------------------


async def test_replicas_that_start_together_agree_on_the_keys(make_database: MakeDatabase) -> None:
    first = await make_database("auth")
    databases = [first, *[await make_database("auth", like=first) for _ in range(4)]]
    rings = [KeyRing(database) for database in databases]
    await asyncio.gather(*(ring.open() for ring in rings))

    sets = [ring.jwk_set() for ring in rings]
    assert len(sets[0]["keys"]) == 2
    assert all(keys == sets[0] for keys in sets)
    assert all(set(key) == {"kty", "crv", "use", "alg", "kid", "x"} for key in sets[0]["keys"])


async def test_after_a_rotation_the_next_key_signs_and_the_old_one_is_still_accepted(
    box: Box,
) -> None:
    await box.person()
    before = await box.log_in()
    await box.execute(
        "UPDATE signing_key SET retired_at = clock_timestamp()"
        " WHERE kid = (SELECT kid FROM signing_key ORDER BY kid LIMIT 1)"
    )
    await box.auth.keys.open()
    after = await box.log_in()

    kids = [jwt.get_unverified_header(tokens.access_token)["kid"] for tokens in (before, after)]
    published = [key["kid"] for key in box.auth.keys.jwk_set()["keys"]]
    assert kids == published[:2]
    assert len(published) == 3
    verifier = TokenVerifier("auth", box.auth.keys, {})
    for tokens in (before, after):
        assert (await verifier.verify(tokens.access_token)).role is Role.CUSTOMER


async def test_keys_rotated_again_and_again_sign_only_when_everybody_has_them(box: Box) -> None:
    await box.person()
    tokens = [await box.log_in()]
    made = [await rotate(box.database) for _ in range(3)]
    await box.auth.keys.open()
    tokens.append(await box.log_in())
    await box.execute("UPDATE signing_key SET created_at = created_at - interval '121 s'")
    await box.auth.keys.open()
    tokens.append(await box.log_in())

    kids = [jwt.get_unverified_header(one.access_token)["kid"] for one in tokens]
    # The second key was made with the first; those after it wait for two minutes.
    assert kids == [made[0].retired, made[0].next, made[2].next]
    assert len(box.auth.keys.jwk_set()["keys"]) == 5
    verifier = TokenVerifier("booking", box.auth.keys, {})
    for one in tokens:
        assert (await verifier.verify(one.access_token)).role is Role.CUSTOMER
    assert (await box.actions()).count("KEYS_ROTATED") == 3


async def test_rotations_at_once_leave_two_live_keys(make_box: MakeBox) -> None:
    boxes = [await make_box()]
    boxes += [await make_box(like=boxes[0]) for _ in range(3)]
    made = await asyncio.gather(*(rotate(box.database) for box in boxes))
    assert len({one.retired for one in made}) == 4
    live = "SELECT count(*) FROM signing_key WHERE retired_at IS NULL"
    assert await boxes[0].scalar(live) == 2


async def test_the_operator_rotates_the_keys_of_the_running_system(
    box: Box, tmp_path: Path
) -> None:
    await box.person()
    before = await box.log_in()
    url = box.database.url
    run_file = tmp_path / "run.json"
    run_file.write_text(json.dumps({"database": {"auth": url}}))

    def command(
        *arguments: str, answer: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        given = arguments or ("rotate", "--yes")
        return subprocess.run(
            [Path(sys.executable).parent / "parterre", "keys", *given, "--run-file", run_file],
            env={"PATH": os.environ["PATH"], **environment},
            input=answer,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    made = json.loads((await asyncio.to_thread(command)).stdout)
    assert set(made) == {"retired", "next", "added"}
    await box.auth.keys.open()
    after = await box.log_in()
    kids = [jwt.get_unverified_header(one.access_token)["kid"] for one in (before, after)]
    assert kids == [made["retired"], made["next"]]
    verifier = TokenVerifier("booking", box.auth.keys, {})
    for tokens in (before, after):
        await verifier.verify(tokens.access_token)
    await box.refresh(before)
    listed = await asyncio.to_thread(command, "list", "--json")
    states = [(key["id"], key["state"]) for key in json.loads(listed.stdout)]
    assert states == [
        (made["retired"], "RETIRED"),
        (made["next"], "SIGNS"),
        (made["added"], "NEXT"),
    ]
    table = (await asyncio.to_thread(command, "list")).stdout.splitlines()
    assert [line.split()[:2] for line in table[1:]] == [list(each) for each in states]
    for answer in ("", "n\n"):
        asked = await asyncio.to_thread(command, "rotate", answer=answer)
        assert (asked.returncode, asked.stdout.strip()) == (1, "")
        assert "Retire the key" in asked.stderr
    unchanged = await asyncio.to_thread(command, "list", "--json")
    assert unchanged.stdout == listed.stdout
    agreed = await asyncio.to_thread(command, "rotate", answer="y\n")
    assert json.loads(agreed.stdout)["retired"] == made["next"]

    run_file.unlink()
    again = await asyncio.to_thread(command, AUTH_DATABASE_URL=url)
    assert json.loads(again.stdout)["retired"] == made["added"]
    nowhere = await asyncio.to_thread(command)
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
    assert "AUTH_DATABASE_URL" in nowhere.stderr


async def test_a_key_made_by_another_replica_is_found(make_box: MakeBox) -> None:
    box = await make_box()
    other = KeyRing(box.database)
    await box.person()
    tokens = await box.log_in()
    kid = jwt.get_unverified_header(tokens.access_token)["kid"]

    assert await other.key(kid) is not None
    assert await other.key(str(uuid7())) is None


async def test_only_a_good_access_token_is_taken_for_one(box: Box) -> None:
    user = await box.person()
    tokens = await box.log_in()
    header = jwt.get_unverified_header(tokens.access_token)
    claims = claims_of(tokens)
    assert set(claims) == {"iss", "aud", "sub", "role", "sid", "iat", "nbf", "exp", "jti"}
    assert claims["exp"] - claims["iat"] == 600
    async with box.database.transaction() as session:
        rows = await storage.list_keys(session)
    signer = Ed25519PrivateKey.from_private_bytes(rows[0].private_key)
    public = signer.public_key()
    verifier = TokenVerifier("auth", box.auth.keys, {})

    def signed(changes: dict[str, Any], **headers: Any) -> str:
        return jwt.encode(
            claims | changes, signer, algorithm="EdDSA", headers={**header, **headers}
        )

    def hmac_signed(secret: bytes) -> str:
        headers = {**header, "alg": "HS256"}
        parts = [
            jwt.utils.base64url_encode(json.dumps(part).encode()) for part in (headers, claims)
        ]
        signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
            b".".join(parts), secret
        )
        return b".".join([*parts, jwt.utils.base64url_encode(signature)]).decode()

    identity = await verifier.verify(signed({}))
    assert (identity.subject, identity.session_id) == (user.id, claims["sid"])
    stranger = Ed25519PrivateKey.generate()
    now = int(time.time())
    forged = {
        "alg none": jwt.encode(claims, None, algorithm="none", headers={**header, "alg": "none"}),
        "HS256 with the raw public key": hmac_signed(public.public_bytes_raw()),
        "HS256 with the PEM public key": hmac_signed(
            public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        ),
        "another's key": jwt.encode(claims, stranger, algorithm="EdDSA", headers=header),
        "a key of its own": jwt.encode(
            claims,
            stranger,
            algorithm="EdDSA",
            headers={
                **header,
                "jwk": {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "x": encode_key(stranger.public_key().public_bytes_raw()),
                },
            },
        ),
        "unknown key": signed({}, kid=str(uuid7())),
        "no type": signed({}, typ="JWT"),
        "wrong audience": signed({"aud": "elsewhere"}),
        "wrong issuer": signed({"iss": "elsewhere"}),
        "expired": signed({"exp": now - 120}),
        "not yet": signed({"nbf": now + 120}),
        "no such role": signed({"role": "OWNER"}),
        "a refresh token": tokens.refresh_token,
        "nothing": "",
    }
    for name, token in forged.items():
        with pytest.raises(ServiceError) as refused:
            await verifier.verify(token)
        assert refused.value.reason == "INVALID_TOKEN", name


# --- the trail, the first admin, the whole service -----------------------------------------------


async def test_the_audit_trail_cannot_be_rewritten(box: Box) -> None:
    await box.person()
    for statement in ("DELETE FROM audit", "UPDATE audit SET action = 'X'", "TRUNCATE audit"):
        with pytest.raises(DatabaseError, match="permission denied"):
            await box.execute(statement)
    assert await box.actions() == ["REGISTERED"]


async def test_the_first_admin_is_made_once_and_never_changed(make_box: MakeBox) -> None:
    first = await make_box()
    second = await make_box(like=first)
    await asyncio.gather(
        *(
            handlers.bootstrap_admin(box.auth, email="Admin@example.org", password=PASSWORD)
            for box in (first, second)
        )
    )
    await handlers.bootstrap_admin(
        first.auth, email="admin@example.org", password="another-Kettle8"
    )

    tokens = await first.log_in("admin@example.org")
    assert tokens.user.role == "ADMIN"
    assert len(await first.sent("UserChanged")) == 1


async def test_a_customer_is_not_made_an_admin_by_the_settings(box: Box) -> None:
    user = await box.person()
    await handlers.bootstrap_admin(box.auth, email=EMAIL, password="another-Kettle8")
    assert (await box.log_in()).user == user


async def test_what_is_over_is_forgotten_and_nothing_else(box: Box) -> None:
    await box.person()
    old, live = await box.log_in(), await box.log_in()
    await refusal(box.log_in("nobody@example.org"))
    sid = UUID(claims_of(old)["sid"])
    await box.execute(
        "UPDATE session SET last_used_at = last_used_at - interval '32 days' WHERE id = :sid",
        sid=sid,
    )
    await box.execute("UPDATE login_throttle SET next_at = next_at - interval '2 days'")
    await box.execute("UPDATE one_time_code SET expires_at = expires_at - interval '2 hours'")
    await box.execute("UPDATE code_quota SET sent_at[1] = sent_at[1] - interval '3 hours'")
    await box.execute("UPDATE account_throttle SET drained_at = drained_at - interval '3 hours'")
    async with box.database.transaction() as session:
        assert await storage.forget(session, Limits(), 1000) == 4
    async with box.database.transaction() as session:
        assert await storage.forget(session, Limits(), 1000) == 0
        for table in ("one_time_code", "code_quota", "login_throttle", "account_throttle"):
            assert await session.scalar(f"SELECT count(*) FROM {table}") == 0
        assert await session.scalar("SELECT count(*) FROM session") == 1
    await box.refresh(live)


async def test_the_whole_service_serves_its_keys_and_delivers_its_codes(
    make_database: MakeDatabase, broker_url: str, until: Until
) -> None:
    database = await make_database("auth")
    gateway = Ed25519PrivateKey.generate()
    rpc_port, internal_port = free_ports(2)
    jwks_url = f"http://127.0.0.1:{internal_port}/.well-known/jwks.json"
    settings = Settings(
        profile="local",
        internal_port=internal_port,
        grpc_port=rpc_port,
        jwks_url=jwks_url,
        service_key=encode_key(Ed25519PrivateKey.generate().private_bytes_raw()),
        service_peers={"gateway": encode_key(gateway.public_key().public_bytes_raw())},
        database_url=database.url,
        amqp_url=broker_url,
        code_pepper=PEPPER,
        bootstrap_admin_email="admin@example.org",
        bootstrap_admin_password=PASSWORD,
    )
    tokens = ServiceTokens("gateway", encode_key(gateway.private_bytes_raw()))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(auth_service(settings))
        client = GrpcClient("auth", f"127.0.0.1:{rpc_port}", tokens)
        stack.push_async_callback(client.close)
        stub = auth_pb2_grpc.AuthServiceStub(client.channel)

        reply = await client.call(
            stub.LogIn, auth_pb2.LogInRequest(email="admin@example.org", password=PASSWORD)
        )
        identity = await TokenVerifier("booking", Jwks(jwks_url), {}).verify(
            reply.tokens.access_token
        )
        assert identity.role is Role.ADMIN
        with request(id="test", identity=identity, seconds=30):
            me = await client.call(stub.GetMe, auth_pb2.GetMeRequest())
        assert me.user.id == identity.subject
        async with httpx.AsyncClient() as http:
            answer = await http.get(jwks_url)
        assert answer.headers["cache-control"] == "public, max-age=300"
        assert "private" not in answer.text
        await client.call(
            stub.RequestCode, auth_pb2.RequestCodeRequest(email=EMAIL, purpose="REGISTER")
        )

        async def published() -> bool:
            async with database.transaction() as session:
                return await session.scalar("SELECT count(*) FROM outbox") == 0

        await until(published)


async def test_what_ends_in_one_process_is_refused_in_another(
    make_database: MakeDatabase, broker_url: str, until: Until
) -> None:
    database = await make_database("auth")
    gateway = Ed25519PrivateKey.generate()
    rpc_port, internal_port = free_ports(2)
    jwks_url = f"http://127.0.0.1:{internal_port}/.well-known/jwks.json"
    settings = Settings(
        profile="local",
        internal_port=internal_port,
        grpc_port=rpc_port,
        jwks_url=jwks_url,
        service_key=encode_key(Ed25519PrivateKey.generate().private_bytes_raw()),
        service_peers={"gateway": encode_key(gateway.public_key().public_bytes_raw())},
        database_url=database.url,
        amqp_url=broker_url,
        code_pepper=PEPPER,
        bootstrap_admin_email="admin@example.org",
        bootstrap_admin_password=PASSWORD,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(auth_service(settings))
        tokens = ServiceTokens("gateway", encode_key(gateway.private_bytes_raw()))
        client = GrpcClient("auth", f"127.0.0.1:{rpc_port}", tokens)
        stack.push_async_callback(client.close)
        stub = auth_pb2_grpc.AuthServiceStub(client.channel)
        broker = Broker(broker_url, Topology({}, {}, {}), process="booking")
        stack.push_async_callback(broker.close)
        ended = await stack.enter_async_context(followed(fetch_from(jwks_url), broker))
        elsewhere = TokenVerifier("booking", Jwks(jwks_url), {}, ended)

        async def log_in(email: str) -> auth_pb2.Tokens:
            message = auth_pb2.LogInRequest(email=email, password=PASSWORD)
            return (await client.call(stub.LogIn, message)).tokens

        async def call(tokens: auth_pb2.Tokens, method: str, message: Message) -> Any:
            token = tokens.access_token
            with request(id="test", identity=Identity("", None, "", token, 0), seconds=30):
                return await client.call(getattr(stub, method), message)

        async def is_good(tokens: auth_pb2.Tokens) -> bool:
            try:
                await elsewhere.verify(tokens.access_token)
                await call(tokens, "GetMe", auth_pb2.GetMeRequest())
            except (ServiceError, RemoteError) as error:
                # A disabled account is told so until the news has arrived.
                assert error.reason in {"INVALID_TOKEN", "ACCOUNT_DISABLED"}  # noqa: PT017
                return error.reason == "ACCOUNT_DISABLED"
            return True

        async def is_out(tokens: auth_pb2.Tokens) -> bool:
            return not await is_good(tokens)

        async def refresh(tokens: auth_pb2.Tokens) -> auth_pb2.Tokens:
            message = auth_pb2.RefreshRequest(refresh_token=tokens.refresh_token)
            return (await client.call(stub.Refresh, message)).tokens

        admin = await log_in("admin@example.org")
        async with database.transaction() as session:
            await session.execute(
                "INSERT INTO account (id, email, name, role, password_hash)"
                " SELECT :id, :email, 'Asha', 'CUSTOMER', password_hash FROM account",
                id=uuid7(),
                email=EMAIL,
            )
        stolen, phone, tablet = await log_in(EMAIL), await log_in(EMAIL), await log_in(EMAIL)
        carried_on = await refresh(stolen)
        for one in (admin, stolen, carried_on, phone, tablet):
            assert await is_good(one)

        # The old refresh token comes back: its family is out, its access tokens too.
        async with database.transaction() as session:
            await session.execute(
                "UPDATE refresh_token SET rotated_at = rotated_at - interval '11 s'"
            )
        with pytest.raises(RemoteError):
            await refresh(stolen)
        await until(lambda: is_out(carried_on))
        assert await is_out(stolen)
        assert await is_good(phone)

        await call(phone, "LogOut", auth_pb2.LogOutRequest())
        await until(lambda: is_out(phone))
        assert await is_good(tablet)

        subject = claims_of(tablet)["sub"]
        disable = auth_pb2.UpdateUserRequest(user_id=subject, disabled=True)
        await call(admin, "UpdateUser", disable)
        await until(lambda: is_out(tablet))
        assert await is_good(admin)

        # A process that starts now knows at once.
        late = await stack.enter_async_context(followed(fetch_from(jwks_url), None))
        for one in (stolen, phone, tablet):
            assert claims_of(one)["sid"] in late


async def test_the_trail_is_not_searched_by_an_action_there_is_not(box: Box) -> None:
    wanted = auth_pb2.ListAuditRequest(action="BOGUS", limit=20)
    error = await refusal(box.caller.as_person(str(uuid7()), "ListAudit", wanted, Role.ADMIN))
    assert error.reason == "INVALID_FILTER"
    assert "LOGGED_IN, LOGGED_OUT" in error.metadata["action"]
