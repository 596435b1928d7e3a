"""The whole gateway over real HTTP, in front of fakes that implement the protos over real gRPC.

Every answer a test gets is held to the OpenAPI document: its status must be declared for the
route, and its body must be of the declared shape.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from jsonschema import Draft202012Validator
from parterre.auth.v1 import auth_pb2
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from parterre.inventory.v1 import inventory_pb2
from parterre.notification.v1 import notification_pb2
from parterre.payment.v1 import payment_pb2
from prometheus_client import REGISTRY, CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from chassis.context import caller
from chassis.figures import Figures
from chassis.grpc_server import serve_grpc
from chassis.identity import Identity, Jwks, Role, TokenVerifier, encode_key
from chassis.ids import uuid7
from chassis.revocations import PATH as REVOCATIONS_PATH
from chassis.telemetry import serve_http
from chassis.vitals import SERVICE as VITALS
from chassis.vitals import Vitals
from deploy.processes import free_ports
from gateway.description.headers import HEADERS
from gateway.description.problems import MEMBERS
from gateway.service import gateway
from gateway.settings import Settings
from tests.contract.replies import reply

FAR_FUTURE = 4_000_000_000
SERVICES: Mapping[str, ServiceDescriptor] = {
    file.package.split(".")[1]: next(iter(file.services_by_name.values()))
    for file in (
        auth_pb2.DESCRIPTOR,
        catalog_pb2.DESCRIPTOR,
        inventory_pb2.DESCRIPTOR,
        booking_pb2.DESCRIPTOR,
        payment_pb2.DESCRIPTOR,
        notification_pb2.DESCRIPTOR,
    )
}


# What an answer may say only where its description says so too.
DESCRIBED_HEADERS = {name.lower() for name in HEADERS} - {"cache-control"}


async def grown(seen: Sequence[object], length: int) -> None:
    """Waits until there are as many."""
    async with asyncio.timeout(30):
        while len(seen) < length:
            await asyncio.sleep(0.001)


@dataclass
class Call:
    """What a fake was asked, and by whom."""

    method: str
    request: Any
    identity: Identity


# What the gateway asks beside what it is asked, at moments of its own choice: only who prepares an
# answer looks at it.
ASIDE = {"GetOrganizer"}
_STREAMS = ("parterre_notice_stream_listeners", "parterre_seat_stream_listeners")


# What a fake answers a call with, or how it is made of the request; of an RPC that answers in parts
# every part.
Answer = Message | Exception | Callable[[Any], Message | Exception | AsyncIterator[Message]]


class Fake:
    """A service that answers what a test has prepared, and remembers what it was asked."""

    def __init__(self, descriptor: ServiceDescriptor) -> None:
        self._methods = {method.name: method for method in descriptor.methods}
        self.answers: dict[str, Answer] = {}
        self.registry = CollectorRegistry()  # what it tells of how it is
        self.trailers: tuple[tuple[str, str], ...] = ()
        self.calls: list[Call] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def __getattr__(self, name: str) -> Callable[[Any, Any], Any]:
        method = self.__dict__.get("_methods", {}).get(name)
        if method is None:
            raise AttributeError(name)

        async def answer(request: Any, context: Any) -> Message:
            if method.client_streaming:
                request = [part async for part in request]
            if name not in ASIDE or name in self.answers:
                self.calls.append(Call(name, request, caller()))
            await self.may_answer.wait()
            if self.trailers:
                context.set_trailing_metadata(self.trailers)
            prepared = self._prepared(name, request)
            return prepared or reply(GetMessageClass(method.output_type))

        async def parts(request: Any, _context: Any) -> AsyncGenerator[Message]:
            self.calls.append(Call(name, request, caller()))
            await self.may_answer.wait()
            prepared = self._prepared(name, request)
            if prepared is None or isinstance(prepared, Message):
                yield prepared or reply(GetMessageClass(method.output_type))
            else:
                async for part in prepared:
                    yield part

        return parts if method.server_streaming else answer

    def _prepared(self, name: str, request: Any) -> Any:
        prepared = self.answers.get(name)
        if callable(prepared):
            prepared = prepared(request)
        if isinstance(prepared, Exception):
            raise prepared
        return prepared

    def forget(self) -> None:
        self.answers.clear()
        self.calls.clear()
        self.trailers = ()

    async def was_asked(self) -> bool:
        return bool(self.calls)

    @property
    def asked(self) -> Any:
        """The one request there was."""
        assert len(self.calls) == 1, self.calls
        return self.calls[0].request


class SigningKeys:
    """auth_service's key, and tokens signed with it."""

    def __init__(self) -> None:
        # The same in every run: the description's examples show its public half.
        self.private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))

    def document(self) -> dict[str, Any]:
        raw = self.private.public_key().public_bytes_raw()
        return {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "kid": "test",
                    "x": encode_key(raw),
                    "alg": "EdDSA",
                    "use": "sig",
                }
            ]
        }

    def token(self, of: Role = Role.CUSTOMER, *, typ: str = "at+jwt", **claims: Any) -> str:
        good = {
            "iss": "parterre-auth",
            "aud": "parterre",
            "sub": str(uuid7()),
            "role": of.name,
            "sid": str(uuid7()),
            "nbf": 0,
            "exp": FAR_FUTURE,
        }
        return jwt.encode(
            {**good, **claims},
            self.private,
            algorithm="EdDSA",
            headers={"typ": typ, "kid": "test"},
        )

    def for_api_key(self, *scopes: str, of: Role = Role.ORGANIZER, **claims: Any) -> str:
        """What auth_service gives for a key."""
        return self.token(of, typ="ak+jwt", scope=" ".join(scopes), **claims)


@dataclass
class Edge:
    """A running gateway and what stands behind it."""

    url: str
    internal_url: str
    http: httpx.AsyncClient
    keys: SigningKeys
    fakes: dict[str, Fake] = field(repr=False)
    document: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __getattr__(self, name: str) -> Fake:
        fake: Fake | None = self.__dict__["fakes"].get(name)
        if fake is None:
            raise AttributeError(name)
        return fake

    async def call(
        self, method: str, path: str, *, role: Role | None = Role.CUSTOMER, **options: Any
    ) -> httpx.Response:
        """A request below /api/v1 as a person of that role, or as a visitor."""
        headers = dict(options.pop("headers", {}))
        if role is not None:
            headers.setdefault("Authorization", f"Bearer {self.keys.token(role)}")
        answer = await self.http.request(method, f"/api/v1{path}", headers=headers, **options)
        self.check(method, answer)
        return answer

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        if body is not None:
            options["json"] = body
        return await self.call("POST", path, **options)

    async def put(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return await self.call("PUT", path, json=body, **options)

    async def patch(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return await self.call("PATCH", path, json=body, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.call("DELETE", path, **options)

    def check(self, method: str, answer: httpx.Response) -> None:
        """Holds an answer to what every answer must have, and to the OpenAPI document."""
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"]
        body = answer.json() if "json" in answer.headers.get("content-type", "") else None
        if answer.is_error:
            assert answer.headers["content-type"] == "application/problem+json"
            assert body is not None
            assert body["status"] == answer.status_code
            assert body["request_id"] == answer.headers["x-request-id"]
        operation = self.operation(method, answer.request.url.path)
        if operation is None:
            return
        asked = (method, answer.request.url.path, answer.status_code, body)
        declared = self.resolved(operation["responses"].get(str(answer.status_code)))
        assert declared is not None, asked
        told = {name.lower() for name in declared["headers"]}
        assert {*answer.headers} & DESCRIBED_HEADERS <= told, asked
        given = answer.headers.get("content-type", "").partition(";")[0]
        if "content" in declared:
            content = declared["content"]
            schema = content[given if given in content else "*/*"].get("schema")
            if schema and body is not None:
                whole = {**schema, "components": self.document["components"]}
                Draft202012Validator(whole).validate(body)
        if answer.is_error and body is not None:
            own = MEMBERS.get(body["reason"], {})
            usual = self.document["components"]["schemas"]["Problem"]["properties"]
            assert {*body} <= {*usual, *own}, asked

    def resolved(self, described: dict[str, Any] | None) -> dict[str, Any] | None:
        """What is described, or referred to among the components."""
        if described is None or "$ref" not in described:
            return described
        kind, name = described["$ref"].split("/")[-2:]
        found: dict[str, Any] = self.document["components"][kind][name]
        return found

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The OpenAPI operation of a request; one with a literal path before one with a pattern."""
        for template in sorted(self.document["paths"], key=lambda each: each.count("{")):
            pattern = re.sub(r"\{\w+\}", "[^/]+", template)
            operations = self.document["paths"][template]
            if re.fullmatch(pattern, path) and method.lower() in operations:
                found: dict[str, Any] = operations[method.lower()]
                return found
        return None


@asynccontextmanager
async def running_gateway(
    servicers: Mapping[str, object] | None = None, **changes: Any
) -> AsyncIterator[Edge]:
    """A gateway with settings changed so, in front of its own fakes, or of real `servicers`."""
    async with AsyncExitStack() as stack:
        keys = SigningKeys()
        ports = iter(free_ports(len(SERVICES) + 3))
        jwks_port = next(ports)

        async def document(_request: Request) -> JSONResponse:
            return JSONResponse(keys.document())

        async def nobody_left(_request: Request) -> JSONResponse:
            return JSONResponse({"sessions": []})

        auth_app = Starlette(
            routes=[Route("/jwks.json", document), Route(REVOCATIONS_PATH, nobody_left)]
        )
        await stack.enter_async_context(
            serve_http(auth_app, "127.0.0.1", jwks_port, drain_seconds=1)
        )
        jwks_url = f"http://127.0.0.1:{jwks_port}/jwks.json"
        own = Ed25519PrivateKey.generate()
        peers = {"gateway": encode_key(own.public_key().public_bytes_raw())}
        fakes = {}
        addresses = {}
        for name, descriptor in SERVICES.items():
            fakes[name] = Fake(descriptor)
            addresses[f"{name}_address"] = address = f"127.0.0.1:{next(ports)}"
            await stack.enter_async_context(
                serve_grpc(
                    descriptor,
                    (servicers or {}).get(name, fakes[name]),
                    TokenVerifier(name, Jwks(jwks_url), peers),
                    address=address,
                    max_concurrent=100,
                    drain_seconds=0,
                    beside={VITALS: Vitals(Figures(), fakes[name].registry)},
                )
            )
        port, internal_port = next(ports), next(ports)
        settings = Settings(
            **{
                "profile": "local",
                "port": port,
                "internal_port": internal_port,
                "jwks_url": jwks_url,
                "service_key": encode_key(own.private_bytes_raw()),
                "drain_seconds": 0,
                "network_is_encrypted": True,
                **addresses,
                **changes,
            }
        )
        await stack.enter_async_context(gateway(settings))
        url = f"http://127.0.0.1:{port}"
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))
        edge = Edge(url, f"http://127.0.0.1:{internal_port}", http, keys, fakes)
        if settings.shows_docs:
            edge.document = (await http.get("/api/openapi.json")).json()
        yield edge


async def names_its_organizer(edge: Edge, path: str) -> httpx.Response:
    """Waits until the event says who sells it, as no answer does for long; gives that answer."""
    async with asyncio.timeout(30):
        answer = await edge.get(path, role=None)
        while not answer.json()["organizer"]:
            await asyncio.sleep(0.01)
            answer = await edge.get(path, role=None)
    return answer


@pytest.fixture(scope="session")
async def shared_edge() -> AsyncIterator[Edge]:
    async with running_gateway() as edge:
        yield edge


@pytest.fixture
async def edge(shared_edge: Edge) -> Edge:
    """The local profile's gateway, its fakes empty, and no test's streams open, which ask them."""
    async with asyncio.timeout(30):
        while any(REGISTRY.get_sample_value(name) for name in _STREAMS):
            await asyncio.sleep(0.01)
    for fake in shared_edge.fakes.values():
        fake.forget()
    shared_edge.http.cookies.clear()
    return shared_edge


class RefusalError(Exception):
    """A service's refusal, as its domain would raise it."""

    def __init__(self, kind: str, reason: str, detail: str = "No.", **metadata: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.reason = reason
        self.metadata: Mapping[str, str] = metadata


@pytest.fixture
def refusal() -> type[RefusalError]:
    """Makes a refusal of a service: `refusal("STATE", "SALES_CLOSED")`."""
    return RefusalError
