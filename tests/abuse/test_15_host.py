"""Issue 13, item 15: a gateway answers to its own names, so that no page rebinds one to it."""

from __future__ import annotations

import pytest
from parterre.notification.v1 import notification_pb2

from tests.abuse.conftest import BareSocket, running_gateway
from tests.contract.conftest import Edge


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.", "[::2]", ""],
)
@pytest.mark.parametrize("path", ["/dev/mailbox", "/auth/refresh", "/venues"])
async def test_another_host_is_refused_in_the_local_profile_too(
    edge: Edge, host: str, path: str
) -> None:
    answer = await edge.get(path, headers={"Host": host}, role=None)
    assert (answer.status_code, answer.json()["reason"]) == (421, "UNKNOWN_HOST")
    assert not edge.notification.calls


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1234", "localhost", "LOCALHOST:80", "[::1]:8080", "[::1]"]
)
async def test_a_machines_own_names_are_answered(edge: Edge, host: str) -> None:
    edge.notification.answers["ListMailbox"] = notification_pb2.ListMailboxResponse()
    answer = await edge.get("/dev/mailbox", headers={"Host": host}, role=None)
    assert answer.status_code == 200


async def test_outside_it_the_configured_names_alone_are_answered() -> None:
    async with running_gateway(profile="production", hosts="tickets.example, 10.0.0.1") as edge:
        for host, status in {
            "tickets.example": 401,
            "Tickets.Example:443": 401,
            "10.0.0.1": 401,
            "127.0.0.1": 421,
            "evil.example": 421,
        }.items():
            answer = await edge.http.get("/api/v1/auth/me", headers={"Host": host})
            assert answer.status_code == status, host
        # Whoever watches the process calls it by its address.
        assert (await edge.http.get("/healthz", headers={"Host": "10.1.2.3"})).status_code == 200


async def test_a_request_without_a_host_is_refused(edge: Edge) -> None:
    async with BareSocket.to(edge.url) as socket:
        await socket.send(b"GET /api/v1/venues HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert (await socket.said()).startswith(b"HTTP/1.1 421 ")
