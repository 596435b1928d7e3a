"""The load generator, against a server that answers in pieces."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from bench.cpu import Meter
from bench.load import (
    Call,
    Reply,
    UnexpectedAnswerError,
    Visit,
    closed_loop,
    open_loop,
    request,
    steady,
)


@asynccontextmanager
async def serving(answer: bytes, *, pieces: int = 1) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that gives the same answer to each request, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(65536):
            asked.append(head)
            size = -(-len(answer) // pieces)
            for start in range(0, len(answer), size):
                writer.write(answer[start : start + size])
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


def answer(status: int, body: bytes = b"") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nX-Kind: test\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def meter() -> Meter:
    return Meter({"system": os.getpid()})


def twice(seen: list[Reply]) -> Iterator[Visit]:
    def visit() -> Visit:
        seen.append((yield Call("first", request("POST", "/a", "token", {"a": 1}))))
        yield 0.001
        seen.append((yield Call("second", request("GET", "/b"))))

    while True:
        yield visit()


async def test_visits_follow_one_another_on_each_connection_and_are_counted() -> None:
    seen: list[Reply] = []
    async with serving(answer(200, b'{"ok":1}'), pieces=7) as (url, asked):
        outcome = await closed_loop(
            url, twice(seen), meter=meter(), connections=3, warm_up=0.05, seconds=0.2
        )
    assert asked[0] == (
        b"POST /a HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer token\r\n"
        b'content-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}'
    )
    assert {reply.json()["ok"] for reply in seen} == {1}
    assert seen[0].header("x-kind") == "test"
    assert outcome.count("first", 200) > 0
    assert abs(outcome.count("first") - outcome.count("second")) <= 3
    assert outcome.visits <= outcome.count("second") < len(seen)  # the warm-up is not counted
    assert outcome.calls == sum(map(len, outcome.latencies.values()))
    assert outcome.calls == sum(map(len, outcome.served.values()))
    assert set(outcome.cpu) == {"system", "generator"}


async def test_an_unexpected_answer_fails_the_scenario() -> None:
    async with serving(answer(503, b"busy")) as (url, _asked):
        with pytest.raises(UnexpectedAnswerError, match="first: 503 b'busy'"):
            await closed_loop(url, twice([]), meter=meter(), connections=1, warm_up=0, seconds=5)


async def test_a_visit_that_can_not_read_its_reply_fails_the_scenario() -> None:
    def visit() -> Visit:
        reply = yield Call("one", request("GET", "/"))
        reply.json()

    async with serving(answer(200, b"{")) as (url, _asked):
        with pytest.raises(UnexpectedAnswerError, match="JSONDecodeError"):
            await closed_loop(
                url, iter([visit()]), meter=meter(), connections=1, warm_up=0, seconds=5
            )


async def test_the_open_loop_begins_visits_on_time_whatever_became_of_the_others() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        begun.append(1)
        if len(begun) == 20:
            for each in waiting:
                each.write(answer(200))
            writer.write(answer(200))
        else:
            waiting.append(writer)
        await reader.read()
        writer.close()

    begun: list[int] = []
    waiting: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(never, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def visits() -> Iterator[Visit]:
        for _ in range(20):
            yield one()

    def one() -> Visit:
        yield Call("one", request("GET", "/"))

    outcome = await open_loop(
        url,
        visits(),
        itertools.islice(steady(1000), 20),
        meter=meter(),
        connections=20,
        warm_up=0,
        seconds=0.5,
    )
    server.close()
    assert outcome.count("one", 200) == 20
    # The first waited for the last, and its latency says so: no coordinated omission.
    assert outcome.milliseconds("one", 1.0) >= 19
