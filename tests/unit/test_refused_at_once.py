"""Requests that are refused by their heads alone are answered while they are read."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from chassis.http_protocol import BoundedProtocol, Bounds, begin_at_once

_HEAD = b"POST /holds HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n"


class _Wire(asyncio.Transport):
    """What was written to a client."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class _Refusing:
    """An app that refuses everything, if need be after something that it waits for."""

    def __init__(self) -> None:
        self.waits_for: asyncio.Future[None] | None = None
        self.seconds: float | None = None
        self.was_cancelled = False
        self.was_late = False
        self.tasks: list[asyncio.Task[Any] | None] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.tasks.append(asyncio.current_task())
        try:
            async with asyncio.timeout(self.seconds):
                await self._answer(scope, receive, send)
        except TimeoutError:
            self.was_late = True
        self.tasks.append(asyncio.current_task())

    async def _answer(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        if self.waits_for is not None:
            try:
                await self.waits_for
            except asyncio.CancelledError:
                self.was_cancelled = True
                raise
        start: Message = {
            "type": "http.response.start",
            "status": 503,
            "headers": [(b"content-length", b"0")],
        }
        await send(start)
        await send({"type": "http.response.body"})


def _connected(app: _Refusing) -> tuple[BoundedProtocol, _Wire, ServerState]:
    bounds = Bounds(is_refused_at_once=lambda scope: bool(scope["path"] == "/holds"))
    state = ServerState()
    config = Config(app, http=partial(BoundedProtocol, bounds), ws="none", log_config=None)  # type: ignore[arg-type]
    config.load()
    protocol = BoundedProtocol(bounds, config=config, server_state=state, app_state={})
    wire = _Wire()
    protocol.connection_made(wire)
    return protocol, wire, state


async def test_a_refusal_is_said_before_the_loop_comes_round() -> None:
    protocol, wire, state = _connected(_Refusing())
    protocol.data_received(_HEAD)
    assert wire.written.startswith(b"HTTP/1.1 503")
    protocol.data_received(b"{}")
    assert not state.tasks
    protocol.data_received(_HEAD + b"{}" + _HEAD + b"{}")  # the connection is kept, and pipelined
    assert wire.written.count(b"HTTP/1.1 503") == 3
    protocol.connection_lost(None)


async def test_any_other_request_waits_for_its_turn() -> None:
    protocol, wire, state = _connected(_Refusing())
    protocol.data_received(_HEAD.replace(b"/holds", b"/seats") + b"{}" + _HEAD + b"{}")
    assert not wire.written  # nor does the one behind it go before it
    await asyncio.gather(*state.tasks)
    await asyncio.gather(*state.tasks)
    assert wire.written.count(b"HTTP/1.1 503") == 2
    protocol.connection_lost(None)


async def test_a_refusal_that_has_to_wait_is_said_later() -> None:
    app = _Refusing()
    app.waits_for = asyncio.get_running_loop().create_future()
    protocol, wire, state = _connected(app)
    protocol.data_received(_HEAD + b"{}")
    (task,) = state.tasks
    await asyncio.sleep(0)
    assert not wire.written
    app.waits_for.set_result(None)
    await task
    assert wire.written.startswith(b"HTTP/1.1 503")
    protocol.connection_lost(None)


async def test_a_refusal_that_has_to_wait_can_be_cancelled() -> None:
    app = _Refusing()
    app.waits_for = asyncio.get_running_loop().create_future()
    protocol, _wire, state = _connected(app)
    protocol.data_received(_HEAD + b"{}")
    (task,) = state.tasks
    await asyncio.sleep(0)
    task.cancel()
    await task  # the server answers for an app that raises
    assert app.was_cancelled
    protocol.connection_lost(None)


async def test_a_refusal_is_one_tasks_from_its_first_step_on() -> None:
    app = _Refusing()
    app.waits_for, app.seconds = asyncio.get_running_loop().create_future(), 0.01
    protocol, _wire, state = _connected(app)
    mine = asyncio.current_task()
    protocol.data_received(_HEAD + b"{}")
    assert asyncio.current_task() is mine
    (task,) = state.tasks
    await task
    assert app.was_late
    assert app.tasks == [task, task]
    protocol.connection_lost(None)


async def test_one_that_cancels_itself_meets_it_where_it_first_waits() -> None:
    met: list[str] = []

    async def answer() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        met.append("went on")
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            met.append("cancelled")

    task = begin_at_once(answer(), asyncio.get_running_loop())
    assert task is not None
    await task
    assert met == ["went on", "cancelled"]


async def test_what_fails_at_once_fails_for_whoever_began_it() -> None:
    async def fail() -> None:
        raise LookupError

    others = asyncio.all_tasks()
    with pytest.raises(LookupError):
        begin_at_once(fail(), asyncio.get_running_loop())
    (task,) = asyncio.all_tasks() - others
    await task  # what is left of it has nothing to do
