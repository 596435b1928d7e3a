"""A replica that is added later gets calls: its name's new address is found without a restart."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import AsyncExitStack
from typing import cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from parterre.notification.v1 import notification_pb2, notification_pb2_grpc

from chassis.context import request
from chassis.grpc_client import GrpcClient
from chassis.grpc_server import serve_grpc
from chassis.identity import ServiceTokens, TokenVerifier, encode_key
from deploy.processes import free_port
from tests.contract.conftest import SERVICES, Fake

from .conftest import TestKeys, Until

FIRST, SECOND = "127.0.0.1", "127.0.0.2"
_IPV4 = 1


class NameServer(asyncio.DatagramProtocol):
    """Answers each question for an IPv4 address with all of `addresses` (RFC 1035)."""

    def __init__(self) -> None:
        self.addresses = [FIRST]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", 12) + 5  # after the name: its type and class
        kind = struct.unpack(">H", data[end - 4 : end - 2])[0]
        found = self.addresses if kind == _IPV4 else []
        answers = [
            struct.pack(">HHHIH", 0xC00C, kind, 1, 0, 4) + socket.inet_aton(address)
            for address in found
        ]
        head = data[:2] + struct.pack(">HHHHH", 0x8180, 1, len(answers), 0, 0)
        self._transport.sendto(b"".join([head, data[12:end], *answers]), addr)


class Replica(Fake):
    """Counts the calls that come to it."""

    def __init__(self) -> None:
        super().__init__(SERVICES["notification"])
        self.calls = 0

    async def ListMailbox(  # noqa: N802 - the RPC's name
        self, _request: notification_pb2.ListMailboxRequest, _call: object
    ) -> notification_pb2.ListMailboxResponse:
        self.calls += 1
        return notification_pb2.ListMailboxResponse()


async def test_a_replica_that_is_added_later_gets_its_share_of_the_calls(until: Until) -> None:
    key, port = Ed25519PrivateKey.generate(), free_port()
    peers = {"gateway": encode_key(key.public_key().public_bytes_raw())}
    names = NameServer()
    replicas = {FIRST: Replica(), SECOND: Replica()}
    async with AsyncExitStack() as stack:

        async def start(host: str) -> None:
            await stack.enter_async_context(
                serve_grpc(
                    SERVICES["notification"],
                    replicas[host],
                    TokenVerifier("notification", TestKeys(), peers),
                    address=f"{host}:{port}",
                    max_concurrent=100,
                    drain_seconds=1,
                    connection_seconds=1,
                )
            )

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: names, (FIRST, 0))
        stack.callback(transport.close)
        resolver = "{}:{}".format(*transport.get_extra_info("sockname"))
        await start(FIRST)
        client = GrpcClient(
            "notification",
            f"dns://{resolver}/notification.parterre.test:{port}",
            ServiceTokens("gateway", encode_key(key.private_bytes_raw())),
        )
        stack.push_async_callback(client.close)
        stub = notification_pb2_grpc.NotificationServiceStub(client.channel)

        async def call() -> None:
            with request(id="test", seconds=5):
                await client.call(stub.ListMailbox, notification_pb2.ListMailboxRequest())

        await call()
        assert (replicas[FIRST].calls, replicas[SECOND].calls) == (1, 0)

        await start(SECOND)
        names.addresses.append(SECOND)

        async def both_are_called() -> bool:
            await call()  # no call is lost meanwhile: it would raise
            return replicas[SECOND].calls >= 5

        await until(both_are_called)
        before = {host: replica.calls for host, replica in replicas.items()}
        for _ in range(20):
            await call()
        assert all(replica.calls - before[host] >= 5 for host, replica in replicas.items())
