"""Calls to addresses that strangers name: what comes of each fault, and that none leads inside."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from deploy.certificates import Authority
from notification_service.calling import Caller

from .webhook_receiver import Receiver, receiving


class FixedResolver(AbstractResolver):
    """Every name has these addresses, one after the other at each question."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        address = self.addresses[min(self.asked, len(self.addresses) - 1)]
        self.asked += 1
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=0)
        ]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    """Calls loopback too, as on a developer's machine."""
    caller = Caller(allows_loopback=True, seconds=0.4)
    yield caller
    await caller.close()


@pytest.mark.parametrize(
    ("path", "status", "beginning", "error"),
    [
        ("ok", 200, "thank", ""),
        ("no-content", 204, "", ""),
        ("broken", 500, "no\ufffdpe!", ""),
        ("redirect", 307, "", ""),
        ("hang", None, "", "TIMEOUT"),
        ("drip", None, "", "TIMEOUT"),
        ("close", None, "", "NO_HTTP_ANSWER"),
        ("nonsense", None, "", "NO_HTTP_ANSWER"),
    ],
)
async def test_whatever_happens_is_an_answer(
    receiver: Receiver,
    caller: Caller,
    path: str,
    status: int | None,
    beginning: str,
    error: str,
) -> None:
    answer = await caller.post(receiver.url(path), b"{}", {})
    assert (answer.status, answer.beginning, answer.error) == (status, beginning, error)
    assert [each.path for each in receiver.requests] == [f"/{path}"]  # no redirect, no second try


async def test_no_more_of_an_answer_is_read_than_a_little(
    receiver: Receiver, caller: Caller
) -> None:
    answer = await caller.post(receiver.url("huge"), b"{}", {})
    assert (answer.status, answer.beginning) == (200, "x" * 1024)
    await asyncio.sleep(0)
    assert receiver.written < 10_000_000  # what fits into the sockets' buffers, and not a gigabyte


async def test_an_address_where_nobody_listens_is_no_fault_of_ours(caller: Caller) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        assert (await caller.post(url, b"{}", {})).error == "CONNECTION_FAILED"


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's certificate for 127.0.0.1, and somebody who trusts its authority."""
    certificate, key, authority = Authority(tmp_path).issue("hooks", ["127.0.0.1"])
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(authority))


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    caller: Caller, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async with receiving(tls[0]) as receiver:
        answer = await caller.post(receiver.url("ok", "https"), b"{}", {})
    assert (answer.status, answer.error) == (None, "TLS_FAILED")
    assert receiver.requests == []


async def test_a_certificate_of_another_host_is_refused(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    caller = Caller(allows_loopback=True, authorities=tls[1])
    async with receiving(tls[0]) as receiver:
        good = await caller.post(receiver.url("ok", "https"), b"{}", {})
        bad = await caller.post(f"https://localhost:{receiver.port}/ok", b"{}", {})
    await caller.close()
    assert (good.status, bad.error) == (200, "TLS_FAILED")


async def test_no_cookie_is_kept_and_no_proxy_asked(
    receiver: Receiver, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    for _ in range(2):
        assert (await caller.post(receiver.url("cookie"), b"{}", {})).status == 200
    assert all("cookie" not in each.headers for each in receiver.requests)


CLOSED = [
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "169.254.169.254",
    "172.31.255.255",
    "192.168.1.1",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
    "2001:db8::1",
    "100::1",
]


@pytest.mark.parametrize("address", CLOSED)
async def test_a_name_that_leads_inside_is_refused_when_it_is_connected_to(address: str) -> None:
    caller = Caller(allows_loopback=False, resolver=FixedResolver(address), seconds=5)
    answer = await caller.post("https://hooks.example.org/", b"{}", {})
    assert (answer.status, answer.error) == (None, "ADDRESS_REFUSED")


async def test_a_name_that_changes_its_mind_is_refused_each_time() -> None:
    """DNS rebinding: what was good a moment ago decides nothing."""
    resolver = FixedResolver("192.0.2.1", "127.0.0.1", "::ffff:127.0.0.1")
    caller = Caller(allows_loopback=False, resolver=resolver, seconds=5)
    async with receiving() as receiver:
        for _ in range(3):
            answer = await caller.post("https://hooks.example.org/", b"{}", {})
            assert answer.error == "ADDRESS_REFUSED"
    assert resolver.asked == 3  # nothing is remembered between two calls
    assert receiver.requests == []


async def test_what_is_written_as_an_address_is_refused_too() -> None:
    caller = Caller(allows_loopback=False, seconds=5)
    async with receiving() as receiver:
        for url in (receiver.url("ok"), receiver.url("ok", "https"), "https://[::1]/"):
            assert (await caller.post(url, b"{}", {})).error == "URL_REFUSED"
    await caller.close()
    assert receiver.requests == []


async def test_a_name_that_is_none_is_said_so(caller: Caller) -> None:
    answer = await caller.post("https://no-such-name.invalid/", b"{}", {})
    assert answer.error in {"UNKNOWN_HOST", "TIMEOUT"}  # a name server may be slow to say so
