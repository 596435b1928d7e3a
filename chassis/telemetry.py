"""Metrics, and the internal HTTP port that shows them beside the process's health.

`/healthz`: the process answers. `/readyz`: what it needs answers too. `/metrics`: Prometheus text.
"""

from __future__ import annotations

import asyncio
import functools
import platform
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from chassis.http_protocol import BoundedProtocol, Bounds
from chassis.version import VERSION

Check = Callable[[], Awaitable[None]]
Answer = Callable[[], Awaitable[Response]]

# When each series began is never asked for, and was a fifth of every page.
disable_created_metrics()  # type: ignore[no-untyped-call] # it has no annotations

RPC_SECONDS = Histogram(
    "parterre_rpc_server_seconds",
    "Time to answer a gRPC call, seconds",
    ["method"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
RPC_ANSWERS = Counter("parterre_rpc_answers", "gRPC calls answered, by code", ["method", "code"])
MESSAGES_CONSUMED = Counter(
    "parterre_messages_consumed",
    "Messages taken: applied, duplicate, failed (will be tried again), dead, parked",
    ["queue", "type", "outcome"],
)
MESSAGES_PUBLISHED = Counter(
    "parterre_messages_published", "Messages confirmed by the broker", ["type"]
)
DATABASE_ANSWERS_OVERDUE = Counter(
    "parterre_database_answers_overdue",
    "Answers of the database that the watchdog had to look for or give up; 0 in good health",
)
LOOP_LAG_SECONDS = Histogram(
    "parterre_event_loop_lag_seconds",
    "How late the event loop came back to what was due, looked at once a second, seconds",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 1, 5),
)
BUILD = Gauge(
    "parterre_build_info", "Always 1: which Parterre and Python it is", ["version", "python"]
)
BUILD.labels(VERSION, platform.python_version()).set(1)
ALERTS = Counter("parterre_alerts", "Conditions that want an operator: any rise is one", ["kind"])

_CHECK_SECONDS = 2.0
# So long an answer is good for everybody who asks: anybody may, and it costs a call to each.
_KNOWN_SECONDS = 1.0
_TICK_SECONDS = 1.0


def alert(kind: str) -> Counter:
    """The alerts of that kind; whoever raises them asks once, so that they are shown from 0 on."""
    return ALERTS.labels(kind)


class Health:
    """What must answer for the process to be ready: names and checks that raise."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._checks: dict[str, Check] = {}
        self._clock = clock
        self._asked_at = 0.0
        self._answer: asyncio.Task[Sequence[str]] | None = None
        self.draining = False

    def add(self, name: str, check: Check) -> None:
        """Counts `check` among what must answer."""
        self._checks[name] = check
        self._answer = None

    async def failures(self) -> Sequence[str]:
        """The names of what does not answer within two seconds each; empty: ready.

        Asks once a second at most, and once at a time, for all who want to know.
        """
        if self.draining:
            return ["draining"]
        now = self._clock()
        answer = self._answer
        if answer is None or (answer.done() and now - self._asked_at >= _KNOWN_SECONDS):
            self._asked_at = now
            answer = self._answer = asyncio.create_task(self._ask(), name="readiness")
        return await asyncio.shield(answer)  # who goes away takes it from nobody else

    async def _ask(self) -> Sequence[str]:
        names = list(self._checks)
        results = await asyncio.gather(*(self._answers(self._checks[name]) for name in names))
        return [name for name, answers in zip(names, results, strict=True) if not answers]

    @staticmethod
    async def _answers(check: Check) -> bool:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await check()
        except Exception:  # noqa: BLE001 - whatever a check raises means not ready
            return False
        return True


class QuietServer(uvicorn.Server):
    """A uvicorn server that leaves the signals to the process's own lifecycle.

    uvicorn looks ten times a second whether it should end: in an idle process that was half of all
    wake-ups. This one is told, and only brings the answers' Date up to date.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ends = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Ticks until `end` is called, once a second."""
        loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            due_at = loop.time() + _TICK_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._ends.wait()
            LOOP_LAG_SECONDS.observe(max(0.0, loop.time() - due_at))

    def end(self) -> None:
        """Stops accepting, and drains what there is."""
        self.should_exit = True
        self._ends.set()


@asynccontextmanager
async def serve_http(
    app: Callable[..., Awaitable[None]],
    host: str,
    port: int,
    *,
    drain_seconds: float,
    bounds: Bounds | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[None]:
    """Serves an ASGI app until the block ends, then drains it; with `tls`, over it.

    `bounds` name the proxies too whose X-Forwarded-For and -Proto are believed.

    Raises:
        OSError: the port can't be had.
    """
    bounds = bounds or Bounds()
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="none",
        http=functools.partial(BoundedProtocol, bounds),  # type: ignore[arg-type] # it is called
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(bounds.proxies),
        forwarded_allow_ips=",".join(bounds.proxies),
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
        timeout_keep_alive=bounds.keep_alive_seconds,  # type: ignore[arg-type] # any number of them
    )
    if tls is not None:
        config.load()
        config.ssl = tls
    server = QuietServer(config)
    listener = socket.create_server((host, port), backlog=2048)
    # Connections inherit it. uvloop sets it on each, but asyncio's own loop not on such a socket's:
    # the second part of every answer would wait for 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"http-{port}")
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.01)
        yield
    finally:
        server.end()
        await task
        listener.close()


def internal_app(
    health: Health,
    routes: Mapping[str, Answer],
    refresh: Callable[[], Awaitable[None]] | None = None,
) -> Starlette:
    """The app of the internal port: health, metrics, and a process's own `routes`.

    `refresh` brings figures up to date before they are shown.
    """

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_request: Request) -> Response:
        failures = await health.failures()
        return JSONResponse(
            {"ready": not failures, "waiting_for": failures}, status_code=503 if failures else 200
        )

    async def metrics(_request: Request) -> Response:
        if refresh is not None:
            await refresh()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    table: list[BaseRoute] = [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        *_own(routes),
    ]
    return Starlette(routes=table)


def routes_app(routes: Mapping[str, Answer]) -> Starlette:
    """An app of a process's own `routes` alone."""
    return Starlette(routes=_own(routes))


def _own(routes: Mapping[str, Answer]) -> list[BaseRoute]:
    table: list[BaseRoute] = []
    for path, answer in routes.items():

        async def own(_request: Request, answer: Answer = answer) -> Response:
            return await answer()

        table.append(Route(path, own))
    return table
