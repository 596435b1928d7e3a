"""Accounts behind a running gateway: the real auth_service on a real database."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from google.protobuf.message import Message
from parterre.messages.v1 import messages_pb2

from auth_service.domain import Limits
from auth_service.handlers import Auth
from auth_service.keys import KeyRing
from auth_service.messaging import encode
from auth_service.passwords import HashingPool
from auth_service.rpc import AuthServicer
from chassis.database import Database
from tests.component.conftest import MakeDatabase
from tests.contract.conftest import Edge, running_gateway

ASHA = "asha@parterre.example"
PASSWORD = "plum-Kettle7"
OWNER, STRANGER = "192.0.2.7", "198.51.100.7"
COOKIES = {"X-Requested-With": "parterre"}


@dataclass
class Accounts:
    """What is tried on them, and from where."""

    edge: Edge
    database: Database

    def client(self, address: str = OWNER) -> httpx.AsyncClient:
        """A browser somewhere, with cookies of its own."""
        return httpx.AsyncClient(
            base_url=f"{self.edge.url}/api/v1", timeout=30, headers={"X-Forwarded-For": address}
        )

    async def post(self, path: str, body: Any = None, *, address: str = OWNER) -> httpx.Response:
        """From a browser that nobody has seen before."""
        async with self.client(address) as client:
            return await client.post(path, json=body)

    async def asked_code(self, purpose: str, *, address: str = OWNER, email: str = ASHA) -> str:
        """The id of a code."""
        body = {"email": email, "purpose": purpose}
        answer = await self.post("/auth/otp", body, address=address)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["otp_id"])

    async def messages(self) -> list[messages_pb2.DeliverCode]:
        """What was said of codes, oldest first."""
        async with self.database.transaction() as session:
            rows = await session.all("SELECT type, payload FROM outbox ORDER BY id")
        kind = messages_pb2.DeliverCode
        return [
            kind.FromString(row.payload) for row in rows if row.type == kind.DESCRIPTOR.full_name
        ]

    async def mailed_code(self) -> str:
        """The newest code in anybody's mail."""
        return [message.code for message in await self.messages() if message.is_wanted][-1]

    async def register(self, email: str = ASHA) -> None:
        otp_id = await self.asked_code("REGISTER", email=email)
        body = {
            "email": email,
            "password": PASSWORD,
            "name": "Asha",
            "otp": await self.mailed_code(),
            "otp_id": otp_id,
        }
        answer = await self.post("/auth/register", body)
        assert answer.status_code == 201, answer.text

    async def log_in(self, client: httpx.AsyncClient, password: str = PASSWORD) -> httpx.Response:
        return await client.post("/auth/login", json={"email": ASHA, "password": password})

    async def execute(self, sql: str, **parameters: Any) -> None:
        async with self.database.transaction() as session:
            await session.execute(sql, **parameters)

    async def scalar(self, sql: str, **parameters: Any) -> Any:
        async with self.database.transaction() as session:
            return await session.scalar(sql, **parameters)


@asynccontextmanager
async def running_accounts(make_database: MakeDatabase, **limits: Any) -> AsyncIterator[Accounts]:
    """A gateway that believes the addresses it is told, and auth_service with these limits."""
    database = await make_database("auth", encode=encode)
    keys = KeyRing(database)
    await keys.open()
    with HashingPool(1, 200, memory_kib=64, wait_seconds=60) as passwords:
        auth = Auth(
            database,
            keys,
            passwords,
            code_pepper=b"of-the-tests" * 4,
            organizer_signup_open=True,
            limits=Limits(**{"address_passwords": 10_000, "address_codes": 10_000, **limits}),
        )
        async with running_gateway(
            {"auth": AuthServicer(auth)}, trusted_proxies=("127.0.0.1",)
        ) as edge:
            yield Accounts(edge, database)


def reason_of(answer: httpx.Response) -> str:
    """Why it was refused; empty: it was not."""
    return str(answer.json()["reason"]) if answer.status_code >= 400 else ""


def without_code(message: messages_pb2.DeliverCode) -> Message:
    """What may differ between two who ask, taken out."""
    message.email = re.sub(r"\w", "x", message.email)
    message.code, message.is_wanted = "000000", False
    message.ClearField("expires_at")
    return message
