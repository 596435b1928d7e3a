"""A service that is stopped while it is called: what each caller is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from starlette.responses import PlainTextResponse

from chassis import context
from chassis.errors import RemoteError, ServiceError
from chassis.grpc_client import GrpcClient
from chassis.grpc_server import serve_grpc
from chassis.identity import Identity, Role, ServiceTokens, TokenVerifier, encode_key
from chassis.ids import uuid7
from chassis.telemetry import serve_http
from deploy.processes import free_port
from gateway.holds import Holds
from gateway.problems import ProblemError, from_remote_error, from_service_error
from gateway.services import Remote

from .conftest import TestKeys

SERVICE = inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"]
_ROUNDS = 12
_CALLERS_OF_A_KIND = 12
_ENOUGH = 30  # answers of a round before it is stopped


class Servicer(inventory_pb2_grpc.InventoryServiceServicer):
    """Answers sooner or later; one call of eight only when it is broken off."""

    def __init__(self, random: Random, answered: asyncio.Semaphore) -> None:
        self._random = random
        self._answered = answered

    async def _work(self) -> None:
        self._answered.release()
        if not self._random.randrange(8):
            await asyncio.Event().wait()
        for _ in range(self._random.randrange(50)):
            await asyncio.sleep(0)

    async def ReleaseHold(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the proto's name
        await self._work()
        return inventory_pb2.ReleaseHoldResponse()

    async def GetHold(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the proto's name
        await self._work()
        return inventory_pb2.GetHoldResponse()

    async def CreateHold(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the proto's name
        await self._work()
        return inventory_pb2.CreateHoldResponse(hold=inventory_pb2.Hold(id="h"))

    async def CreateHolds(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the proto's name
        await self._work()
        made = inventory_pb2.CreateHoldsResponse.Result(hold=inventory_pb2.Hold(id="h"))
        return inventory_pb2.CreateHoldsResponse(results=[made] * len(request.items))


async def told(work: Awaitable[object]) -> tuple[int, str | None]:
    """The status of the gateway's answer, and its Retry-After."""
    try:
        await work
    except RemoteError as error:
        problem = from_remote_error(error)
    except ServiceError as error:
        problem = from_service_error(error)
    else:
        return 200, None
    assert isinstance(problem, ProblemError)
    return problem.status, problem.headers.get("Retry-After")


async def test_what_a_stopping_service_breaks_off_may_be_asked_for_again() -> None:
    """Calls alone and in sets, as they come, through many stops: the answer, or 503."""
    key, keys = Ed25519PrivateKey.generate(), TestKeys()
    peers = {"gateway": encode_key(key.public_key().public_bytes_raw())}
    verifier = TokenVerifier("inventory", keys, peers)
    port, random = free_port(), Random(15)
    tokens = ServiceTokens("gateway", encode_key(key.private_bytes_raw()))
    client = GrpcClient("inventory", f"127.0.0.1:{port}", tokens)
    inventory = Remote(client, inventory_pb2_grpc.InventoryServiceStub(client.channel), SERVICE)
    holds = Holds(inventory)
    person = str(uuid7())
    identity = Identity(person, Role.CUSTOMER, "", keys.access(person, Role.CUSTOMER), 2**40)
    seen: Counter[tuple[str, int, bool]] = Counter()
    over = asyncio.Event()
    answered = asyncio.Semaphore(0)

    def asked(kind: str) -> Awaitable[object]:
        if kind == "hold":
            return holds.create(inventory_pb2.CreateHoldRequest(event_id="e"))
        if kind == "release":
            return inventory(inventory.rpc.ReleaseHold, inventory_pb2.ReleaseHoldRequest())
        return inventory(inventory.rpc.GetHold, inventory_pb2.GetHoldRequest())

    async def go_on(kind: str) -> None:
        while not over.is_set():
            with context.request(identity=identity, seconds=30):
                status, again = await told(asked(kind))
            seen[kind, status, again is not None] += 1
            await asyncio.sleep(0.005 * (status != 200))

    kinds: Sequence[str] = ("hold", "release", "look")
    async with asyncio.TaskGroup() as group:
        for kind in kinds:
            for _ in range(_CALLERS_OF_A_KIND):
                group.create_task(go_on(kind))
        for _ in range(_ROUNDS):
            while not answered.locked():
                await answered.acquire()
            async with serve_grpc(
                SERVICE,
                Servicer(random, answered),
                verifier,
                address=f"127.0.0.1:{port}",
                max_concurrent=random.choice([8, 1000]),
                drain_seconds=random.choice([0, 0.01, 0.2]),
            ):
                async with asyncio.timeout(10):
                    for _ in range(_ENOUGH):
                        await answered.acquire()
        over.set()
    await client.channel.close()
    assert {(status, again) for _kind, status, again in seen} == {(200, False), (503, True)}
    assert {kind for kind, status, _again in seen if status == 200} == set(kinds)


async def test_who_has_just_connected_to_a_gateway_that_stops_is_answered() -> None:
    """A connection that is closed before its first answer looks like a server that died."""
    port = free_port()
    head = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            serve_http(PlainTextResponse("here"), "127.0.0.1", port, drain_seconds=5)
        )
        silent, connected, half, kept = [
            await asyncio.open_connection("127.0.0.1", port) for _ in range(4)
        ]
        kept[1].write(head)
        assert (await kept[0].readuntil(b"here")).startswith(b"HTTP/1.1 200 ")
        half[1].write(head[:10])
        stopping = asyncio.create_task(stack.pop_all().aclose())
        assert await kept[0].read() == b""  # so the stop has begun; it may be closed at any time
        connected[1].write(head)
        half[1].write(head[10:])
        for reader, _writer in (connected, half):
            answer = (await reader.read()).lower()
            assert answer.startswith(b"http/1.1 200 ")
            assert b"connection: close" in answer
            assert answer.endswith(b"here")
        assert await silent[0].read() == b""
        await stopping
    for _reader, writer in (silent, connected, half, kept):
        writer.close()
