"""What component tests share: a service's own migrated schema, and callers with real tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from inspect import isfunction
from typing import Any

import aio_pika
import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from parterre.messages.v1 import messages_pb2

from chassis.context import request
from chassis.database import Database
from chassis.grpc_client import GrpcClient
from chassis.grpc_server import serve_grpc
from chassis.identity import Identity, Role, ServiceTokens, TokenVerifier, encode_key
from chassis.ids import uuid7
from chassis.migrate import migrate
from chassis.outbox import Encode
from chassis.topology import Topology
from deploy.postgres import Postgres
from deploy.processes import free_port
from deploy.provision import MIGRATOR, SCHEMAS, provision, role_of, url_for
from deploy.rabbitmq import RabbitMQ

PASSWORDS = dict.fromkeys([MIGRATOR, *map(role_of, SCHEMAS)], "of-the-tests")
_FAR_FUTURE = 4_000_000_000

_PEERS = ("gateway", "booking", "notification")
MakeDatabase = Callable[..., Awaitable[Database]]


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> Callable[[str], str]:
    """Gives the name of a database whose one schema is migrated; each is made once."""
    made: set[str] = set()

    def make(schema: str) -> str:
        name = f"template_{schema}"
        if schema not in made:
            provision(postgres.admin_url, name, PASSWORDS)
            url = url_for(postgres.admin_url, name, MIGRATOR, PASSWORDS[MIGRATOR])
            migrate(url, SCHEMAS[schema], schema)
            made.add(schema)
        return name

    return make


@asynccontextmanager
async def databases(
    postgres: Postgres, template: Callable[[str], str]
) -> AsyncIterator[MakeDatabase]:
    """Makes a fresh `Database` on a service's migrated schema, under the service's own role.

    `make_database("inventory", encode=messaging.encode)`; further calls with `like=` another give
    a second pool on the same data, as a second process would have.
    """
    opened: list[Database] = []

    async def make(
        schema: str, *, encode: Encode | None = None, like: Database | None = None, **options: Any
    ) -> Database:
        if like is None:
            name = f"test_{uuid7().hex}"
            with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template(schema)}"')
        else:
            name = psycopg.conninfo.conninfo_to_dict(like.url)["dbname"]
        role = role_of(schema)
        url = url_for(postgres.admin_url, name, role, PASSWORDS[role])
        database = Database(url, schema, encode=encode, **options)
        opened.append(database)
        return database

    yield make
    for database in opened:
        await database.close()


@pytest.fixture
async def make_database(
    postgres: Postgres, template: Callable[[str], str]
) -> AsyncIterator[MakeDatabase]:
    """Makes databases that are closed after the test."""
    async with databases(postgres, template) as make:
        yield make


async def emptied(rabbitmq: RabbitMQ) -> str:
    """The address of the broker, now without any of our queues."""
    connection = await aio_pika.connect(rabbitmq.url)
    async with connection, connection.channel() as channel:
        for queue in Topology.of(messages_pb2.DESCRIPTOR).queues:
            for name in (queue, f"{queue}.retry", f"{queue}.dead"):
                await channel.queue_delete(name)
    return rabbitmq.url


@pytest.fixture
async def broker_url(rabbitmq: RabbitMQ) -> str:
    """The address of a broker without any of our queues."""
    return await emptied(rabbitmq)


def _claims(subject: str, role: Role) -> dict[str, Any]:
    return {
        "iss": "parterre-auth",
        "aud": "parterre",
        "sub": subject,
        "role": role.name,
        "sid": str(uuid7()),
        "nbf": 0,
        "exp": _FAR_FUTURE,
    }


class TestKeys:
    """A key source with one key, and tokens signed with it."""

    __test__ = False

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    async def key(self, key_id: str) -> Ed25519PublicKey | None:
        return self._key.public_key() if key_id == "test" else None

    def document(self) -> dict[str, Any]:
        """The JWK set that auth_service would serve."""
        raw = self._key.public_key().public_bytes_raw()
        key = {"kty": "OKP", "crv": "Ed25519", "kid": "test", "alg": "EdDSA", "use": "sig"}
        return {"keys": [{**key, "x": encode_key(raw)}]}

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        return jwt.encode(
            claims,
            self._key,
            algorithm="EdDSA",
            headers={"typ": "at+jwt", "kid": "test", **headers},
        )

    def access(self, subject: str, role: Role) -> str:
        return self.sign(_claims(subject, role))

    def for_api_key(self, subject: str, *scopes: str, **claims: str) -> str:
        """What the gateway is given for a key of an organizer."""
        scope = " ".join(scopes)
        return self.sign(
            {**_claims(subject, Role.ORGANIZER), "scope": scope, **claims}, typ="ak+jwt"
        )


@dataclass
class Caller:
    """Calls a served service as somebody; refusals arrive as `RemoteError`."""

    client: GrpcClient
    keys: TestKeys
    stub: Any
    booking: GrpcClient | None = None  # with booking's own token
    notification: GrpcClient | None = None  # with notification's own token

    async def as_person(
        self, subject: str, method: str, message: Message, role: Role = Role.CUSTOMER
    ) -> Any:
        """Calls as a signed-in person."""
        token = self.keys.access(subject, role)
        identity = Identity(subject, role, "", token, _FAR_FUTURE)
        with request(id="test", identity=identity, seconds=30):
            return await self.client.call(getattr(self.stub, method), message, seconds=30)

    async def as_gateway(self, method: str, message: Message) -> Any:
        """Calls with the gateway's own token."""
        with request(id="test", seconds=30):
            return await self.client.call(getattr(self.stub, method), message, seconds=30)

    async def as_booking(self, method: str, message: Message) -> Any:
        """Calls with booking's own token."""
        assert self.booking is not None
        with request(id="test", seconds=30):
            return await self.booking.call(getattr(self.stub, method), message, seconds=30)

    async def as_notification(self, method: str, message: Message) -> Any:
        """Calls with notification's own token."""
        assert self.notification is not None
        with request(id="test", seconds=30):
            return await self.notification.call(getattr(self.stub, method), message, seconds=30)


Serve = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves a servicer over real gRPC: `await serve("inventory", rpc.SERVICE, servicer, Stub)`.

    The servicer may be a function that makes it with the verifier of its callers' tokens. With the
    `keys` of another's caller it knows the same people.
    """
    async with AsyncExitStack() as stack:

        async def start(
            name: str,
            descriptor: ServiceDescriptor,
            servicer: object,
            stub: type[Any],
            keys: TestKeys | None = None,
        ) -> Caller:
            keys = keys or TestKeys()
            peers = {peer: Ed25519PrivateKey.generate() for peer in _PEERS}
            verifier = TokenVerifier(
                name,
                keys,
                {
                    peer: encode_key(key.public_key().public_bytes_raw())
                    for peer, key in peers.items()
                },
            )
            address = f"127.0.0.1:{free_port()}"
            await stack.enter_async_context(
                serve_grpc(
                    descriptor,
                    servicer(verifier) if isfunction(servicer) else servicer,
                    verifier,
                    address=address,
                    max_concurrent=1000,
                    drain_seconds=0,
                )
            )
            clients = {
                peer: GrpcClient(
                    name, address, ServiceTokens(peer, encode_key(key.private_bytes_raw()))
                )
                for peer, key in peers.items()
            }
            for client in clients.values():
                stack.push_async_callback(client.close)
            stubs = stub(clients["gateway"].channel)
            return Caller(
                clients["gateway"], keys, stubs, clients["booking"], clients["notification"]
            )

        yield start


Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Waits until a condition holds, at most 30 seconds."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(30):
            while not await condition():
                await asyncio.sleep(0.05)

    return wait


async def one_answer(call: Callable[[], Awaitable[Any]], times: int = 6) -> Any:
    """The one answer that equal requests with one idempotency key have, however many at once.

    While the first is under way the others may be told so; whoever asks later is answered alike.
    """
    outcomes = await asyncio.gather(*(call() for _ in range(times)), return_exceptions=True)
    answers = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert {getattr(error, "reason", error) for error in refused} <= {"IDEMPOTENCY_IN_PROGRESS"}
    assert answers
    answers.append(await call())
    assert all(answer == answers[0] for answer in answers)
    return answers[0]
