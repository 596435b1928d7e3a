"""Calls to a provider: what never left, what may have arrived, and connections that are kept."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop

from deploy.processes import free_port
from payment_service.domain import Unknown, Unreachable
from payment_service.providers.transport import Answer, Transport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each request with the next of `answers`; None: never. Counts what came."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.serving: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        serving = asyncio.current_task()
        assert serving is not None
        self.serving.add(serving)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0) if self.answers else OK
                if answer is None:
                    await reader.read()  # until the client has enough of it
                    return
                writer.write(answer)
                await writer.drain()
                if b"connection: close" in answer.lower() or not answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


DEADLINE_SECONDS = 1.0


@asynccontextmanager
async def transport_to(server: Server, *, connections: int = 4) -> AsyncIterator[Transport]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    async with aclosing(_transport(server.port, connections)) as transport:
        yield transport
    listening.close()
    await asyncio.gather(*server.serving)


def _transport(port: int, connections: int = 4) -> Transport:
    return Transport(
        f"http://127.0.0.1:{port}/base/",
        headers={"X-Every": "time"},
        connections=connections,
        connect_seconds=0.3,
        deadline_seconds=DEADLINE_SECONDS,
        max_answer_bytes=1000,
    )


async def test_a_connection_is_kept_and_each_request_is_whole() -> None:
    server = Server()
    async with transport_to(server) as transport:
        for number in range(3):
            answer = await transport.send(
                "POST", f"/v1/{number}?a=%3A1", b"{}", {"Idempotency-Key": "charge:1"}
            )
            assert answer == Answer(200, b"{}")
    assert server.connections == 1
    head, _, body = server.requests[2].partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    assert first == b"POST /base/v1/2?a=%3A1 HTTP/1.1"
    assert sorted(headers) == [
        b"Content-Length: 2",
        b"Content-Type: application/octet-stream",
        b"Host: 127.0.0.1:%d" % server.port,
        b"Idempotency-Key: charge:1",
        b"X-Every: time",
    ]
    assert body == b"{}"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_answers_in_every_form_are_read_and_the_next_call_works(answer: bytes) -> None:
    async with transport_to(Server(answer)) as transport:
        assert await transport.send("GET", "/") == Answer(200, b"{}")
        assert await transport.send("GET", "/") == Answer(200, b"{}")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 2000,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"not HTTP at all\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_unknown_and_costs_its_connection(answer: bytes | None) -> None:
    server = Server(answer)
    async with transport_to(server) as transport:
        assert isinstance(await transport.send("POST", "/", b"{}"), Unknown)
        assert len(server.requests) == 1  # it is never sent again by itself
        assert isinstance(await transport.send("POST", "/", b"{}"), Answer)
    assert server.connections == 2


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.1.1/\r\nContent-Length: 0\r\n\r\n"
    async with transport_to(Server(moved)) as transport:
        assert await transport.send("GET", "/") == Answer(302, b"")


async def test_nothing_is_sent_where_nobody_listens_or_every_connection_is_busy() -> None:
    async with aclosing(_transport(free_port())) as nobody:
        assert isinstance(await nobody.send("GET", "/"), Unreachable)
    server = Server(None)
    async with transport_to(server, connections=1) as transport:
        busy = asyncio.create_task(transport.send("POST", "/", b"{}"))
        await _until(lambda: len(server.requests) == 1)
        assert isinstance(await transport.send("POST", "/second", b"{}"), Unreachable)
        assert len(server.requests) == 1
        assert isinstance(await busy, Unknown)


async def test_more_calls_than_connections_take_turns() -> None:
    server = Server()
    async with transport_to(server, connections=3) as transport:
        answers = await asyncio.gather(*(transport.send("GET", f"/{n}") for n in range(60)))
    assert answers == [Answer(200, b"{}")] * 60
    assert (server.connections, len(server.requests)) == (3, 60)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_process_that_was_stopped_reads_the_answer_that_came_meanwhile(
    run: Callable[[Coroutine[Any, Any, object]], object],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                time.sleep(0.3)  # the process is stopped by now
                connection.sendall(OK)
                connection.recv(1)

        server = threading.Thread(target=answer)
        server.start()

        async def call() -> object:
            async with aclosing(_transport(listening.getsockname()[1])) as transport:
                made = asyncio.create_task(transport.send("POST", "/", b"{}"))
                await asyncio.sleep(0.1)
                time.sleep(DEADLINE_SECONDS + 0.5)  # noqa: ASYNC251 - as SIGSTOP does
                return await made

        answered = run(call())
        server.join()
    assert answered == Answer(200, b"{}")


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)
