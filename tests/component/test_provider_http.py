"""Calls to a provider: what never left, what may have arrived, and connections that are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from deploy.processes import free_port
from payment_service.providers.http import HttpClient, NoAnswerError, NotSentError

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
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
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


@asynccontextmanager
async def client_of(server: Server, *, connections: int = 4) -> AsyncIterator[HttpClient]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    client = _client(server.port, connections)
    try:
        yield client
    finally:
        client.close()
        listening.close()
        await asyncio.gather(*server.serving)


def _client(port: int, connections: int = 4) -> HttpClient:
    return HttpClient(
        f"http://127.0.0.1:{port}/base/",
        headers="X-Every: time\r\n",
        connections=connections,
        connect_seconds=0.3,
        deadline_seconds=1.0,
        max_bytes=1000,
    )


async def test_a_connection_is_kept_and_each_request_is_whole() -> None:
    server = Server()
    async with client_of(server) as client:
        for number in range(3):
            answer = await client.send("POST", f"/v1/{number}", b"{}", "Idempotency-Key: k\r\n")
            assert (answer.status, answer.body) == (200, b"{}")
    assert server.connections == 1
    head, _, body = server.requests[2].partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /base/v1/2 HTTP/1.1",
        b"Host: 127.0.0.1:%d" % server.port,
        b"X-Every: time",
        b"Idempotency-Key: k",
        b"Content-Length: 2",
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
    async with client_of(Server(answer)) as client:
        assert (await client.send("GET", "/")).body == b"{}"
        assert (await client.send("GET", "/")).body == b"{}"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"not HTTP at all\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_unknown_and_costs_its_connection(answer: bytes | None) -> None:
    server = Server(answer)
    async with client_of(server) as client:
        with pytest.raises(NoAnswerError):
            await client.send("GET", "/")
        assert (await client.send("GET", "/")).status == 200
    assert server.connections == 2


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.1.1/\r\nContent-Length: 0\r\n\r\n"
    async with client_of(Server(moved)) as client:
        assert (await client.send("GET", "/")).status == 302


async def test_nothing_is_sent_where_nobody_listens_or_every_connection_is_busy() -> None:
    with pytest.raises(NotSentError):
        await _client(free_port()).send("GET", "/")
    server = Server(None)
    async with client_of(server, connections=1) as client:
        busy = asyncio.create_task(client.send("GET", "/"))
        await _until(lambda: len(server.requests) == 1)
        with pytest.raises(NotSentError):
            await client.send("GET", "/second")
        assert len(server.requests) == 1
        with pytest.raises(NoAnswerError):
            await busy


async def test_more_calls_than_connections_take_turns() -> None:
    server = Server()
    async with client_of(server, connections=3) as client:
        answers = await asyncio.gather(*(client.send("GET", f"/{n}") for n in range(60)))
    assert [answer.status for answer in answers] == [200] * 60
    assert (server.connections, len(server.requests)) == (3, 60)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)
