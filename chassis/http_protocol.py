"""What a client may do to a connection before there is a request: uvicorn's protocol, with bounds.

uvicorn bounds neither a request's head nor the time it takes, nor how many connections one address
has. The parser keeps a header field that has no end in memory, so bytes are counted where nothing
comes of them too.
"""

from __future__ import annotations

import asyncio
import ipaddress
from asyncio import _enter_task, _leave_task
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Generator
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

# So long, and for so much, a client that was refused may go on sending: to close while it sends
# would take the refusal from it (RFC 9112, 9.6). One that does not read is let go after it too.
_LINGER_SECONDS = 5.0
_LINGER_BYTES = 1024 * 1024
# So long a server that stops waits for the request of who has just connected.
_FIRST_HEAD_SECONDS = 0.5

# Why a connection ends before there is a request.
MALFORMED = "MALFORMED_REQUEST"
HEAD_TOO_LARGE = "HEAD_TOO_LARGE"
TIMEOUT = "REQUEST_TIMEOUT"
TOO_MANY_CONNECTIONS = "TOO_MANY_CONNECTIONS"
OVERLOADED = "OVERLOADED"
_STATUSES = {
    MALFORMED: 400,
    HEAD_TOO_LARGE: 431,
    TIMEOUT: 408,
    TOO_MANY_CONNECTIONS: 429,
    OVERLOADED: 503,
}
# What nobody lingers for: there are too many already.
_AT_ONCE = frozenset({TOO_MANY_CONNECTIONS, OVERLOADED})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is given without a request."""

    status: int
    headers: Collection[tuple[bytes, bytes]] = ()
    body: bytes = b""


def bare_refusal(reason: str) -> Refusal:
    """The reason as text."""
    return Refusal(
        _STATUSES[reason], [(b"content-type", b"text/plain; charset=utf-8")], reason.encode()
    )


def _never(_scope: Scope) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much a client may ask of a server; 0 connections: as many as come."""

    head_bytes: int = 16 * 1024
    head_fields: int = 100
    head_seconds: float = 10.0
    keep_alive_seconds: float = 65.0
    connections: int = 0
    # Of one address (IPv6: of one /64), but for these proxies: addresses and networks.
    address_connections: int = 0
    proxies: Collection[str] = ()
    refusal: Callable[[str], Refusal] = bare_refusal
    # Whether the app refuses a request by its head alone: such a one is answered while it is read.
    is_refused_at_once: Callable[[Scope], bool] = _never
    # Connections there are, by network.
    of_networks: Counter[str] = field(default_factory=Counter)


def network_of(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 an IPv6 subscriber has."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address


def _is_among(address: str, proxies: Collection[str]) -> bool:
    if address in proxies:
        return True
    for proxy in proxies:
        if "/" in proxy:
            with suppress(ValueError):  # what is no network has nobody in it
                if ipaddress.ip_address(address) in ipaddress.ip_network(proxy, strict=False):
                    return True
    return False


class _HeadTooLargeError(Exception):
    """The parser passes it on as its own error."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection, within `bounds`."""

    def __init__(self, bounds: Bounds, **made_with: Any) -> None:
        super().__init__(**made_with)
        self._bounds = bounds
        self._network = ""
        self._ended = False
        self._refused = MALFORMED
        # Until then a head must be there; None while a request is served, or between two.
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._is_in_head = False
        # Whether anything came of the bytes that were read last, and how many were for nothing.
        self._progressed = False
        self._idle_bytes = 0
        self._lingered_bytes = 0
        # While a head is taken, nothing before it being under way.
        self._may_begin_now = False
        # The server stops: no request comes after the one that is served, or is about to come.
        self._is_last = False

    # --- connections -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes the connection, unless there are too many."""
        super().connection_made(transport)
        bounds = self._bounds
        address = self.client[0] if self.client else ""
        if bounds.address_connections and not _is_among(address, bounds.proxies):
            self._network = network_of(address)
            bounds.of_networks[self._network] += 1
            if bounds.of_networks[self._network] > bounds.address_connections:
                self._refuse(TOO_MANY_CONNECTIONS)
                return
        if bounds.connections and len(self.connections) > bounds.connections:
            self._refuse(OVERLOADED)
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Counts the connection no more."""
        self._ended = True
        self._expect_nothing()
        if self._network:
            counts = self._bounds.of_networks
            counts[self._network] -= 1
            if not counts[self._network]:
                del counts[self._network]
        super().connection_lost(exc)

    def _refuse(self, reason: str) -> None:
        """Says why, where an answer can be said still, and ends the connection."""
        self._ended = True
        self._expect_nothing()
        self._unset_keepalive_if_required()
        cycle = self._latest()
        if cycle is None or cycle.response_complete or not cycle.response_started:
            if cycle is not None:
                cycle.disconnected = True  # its own answer would come after this one
                cycle.message_event.set()
            refusal = self._bounds.refusal(reason)
            said = [STATUS_LINE[refusal.status]]
            for name, value in (
                *self.server_state.default_headers,
                *refusal.headers,
                (b"content-length", b"%d" % len(refusal.body)),
                (b"connection", b"close"),
            ):
                said += [name, b": ", value, b"\r\n"]
            self.transport.write(b"".join((*said, b"\r\n", refusal.body)))
            if reason not in _AT_ONCE and self.transport.can_write_eof():
                self.flow.resume_reading()
                self.transport.write_eof()
                self.loop.call_later(_LINGER_SECONDS, self.transport.abort)
                return
        self._end()

    def shutdown(self) -> None:
        """Ends the connection of a server that stops: after its request, also one that only comes.

        Nobody can tell a connection that is closed before its first answer from a server that has
        died, so who has just connected is waited for a moment. A client whose connection has had
        answers knows that it may be closed between two of them.
        """
        self._is_last = True
        if self._ended or (self._latest() is not None and not self._is_in_head):
            super().shutdown()
        else:
            self.loop.call_later(_FIRST_HEAD_SECONDS, self._end_unless_serving)

    def _end_unless_serving(self) -> None:
        if not self._is_serving() and not self.transport.is_closing():
            self._end()

    def _end(self) -> None:
        self.transport.close()
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def timeout_keep_alive_handler(self) -> None:
        """Ends a connection that is idle; also one whose last answer nobody has read."""
        if not self.transport.is_closing():
            self._end()

    def on_response_complete(self) -> None:
        """Goes on with the next request; what is closed is not kept for ever for its last bytes."""
        super().on_response_complete()
        if self.transport.is_closing():
            self.loop.call_later(self._bounds.keep_alive_seconds, self.transport.abort)

    # --- time ------------------------------------------------------------------------------------

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._bounds.head_seconds, self._late)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if self._is_serving():
            self.cycle.keep_alive = False  # the next head will not be waited for
        elif self._is_in_head:
            self._refuse(TIMEOUT)
        elif not self.transport.is_closing():
            self._end()

    def _has_ended(self) -> bool:
        return self._ended or self.transport.is_closing()

    def _latest(self) -> RequestResponseCycle | None:
        """The request that is served, or was; none before the first."""
        return self.cycle

    def _is_serving(self) -> bool:
        latest = self._latest()
        return latest is not None and not latest.response_complete

    # --- bytes -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Reads on, as long as that leads somewhere."""
        if self._has_ended():
            self._lingered_bytes += len(data)
            if self._lingered_bytes > _LINGER_BYTES:
                self.transport.abort()
            return
        self._progressed = False
        super().data_received(data)
        self._idle_bytes = 0 if self._progressed else self._idle_bytes + len(data)
        if self._has_ended():
            return
        if self._idle_bytes > self._bounds.head_bytes:
            self._refuse(HEAD_TOO_LARGE)
        elif not self._is_serving():
            self._expect_head()  # uvicorn has just forgotten that it waits

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's text for anything
        """Refuses what the parser did not take, for its reason or ours."""
        self._refuse(self._refused)

    def _count(self, size: int) -> None:
        self._progressed = True
        self._head_bytes += size
        if self._head_bytes > self._bounds.head_bytes:
            self._refused = HEAD_TOO_LARGE
            raise _HeadTooLargeError

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A part of a path."""
        self._count(len(url))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of a head, or of what may follow a body."""
        self._count(len(name) + len(value) + 4)
        if len(self.headers) >= self._bounds.head_fields:
            self._refused = HEAD_TOO_LARGE
            raise _HeadTooLargeError
        if self._is_in_head:
            super().on_header(name, value)
        else:  # fields behind a body mean nothing to us, and are counted all the same
            self._head_bytes += 64

    def on_headers_complete(self) -> None:
        """A head is there: the request is served."""
        self._is_in_head = False
        self._expect_nothing()
        if not self._ended:
            self._may_begin_now = not self._is_serving()
            super().on_headers_complete()
            self._may_begin_now = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Serves a request; one that is refused at once is not made to wait for its turn.

        A task begins when the loop comes round, behind all that was to do already: under overload,
        when most are refused, a refusal took eight milliseconds of waiting (p99) for 0.2 of work.
        """
        if self._is_last:
            cycle.keep_alive = False
        if (
            not self._may_begin_now
            or self.flow.write_paused
            or not self._bounds.is_refused_at_once(cast("Scope", cycle.scope))
        ):
            super()._start_asgi_task(cycle, app)
            return
        task = begin_at_once(cycle.run_asgi(app), self.loop)
        if task is not None:
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request has ended."""
        self._progressed = True
        super().on_message_complete()


def begin_at_once(
    coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
) -> asyncio.Task[None] | None:
    """Runs a coroutine up to where it first waits, and the rest as a task; None: it is done.

    What it does before is done in that task already, as it sees it: it may ask for the current
    task, set a time-out, be cancelled. (Python 3.12 has tasks that start eagerly; 3.11 has not.)
    """
    begun, context = _Begun(coroutine), Context()
    task = loop.create_task(begun, context=context)
    caller = asyncio.current_task(loop)
    # What implementations of tasks call (Python's documentation, "Extending").
    if caller is not None:
        _leave_task(loop, caller)
    _enter_task(loop, task)
    try:
        context.run(begun.begin)
    finally:
        _leave_task(loop, task)
        if caller is not None:
            _enter_task(loop, caller)
    return None if begun.is_done else task


class _Begun(Coroutine[Any, Any, None]):
    """A coroutine whose first step has been taken; to its task it looks as if it were to begin."""

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine
        self._first: object = None  # what it waits for, until its task is told
        self._is_told = False
        self.is_done = False

    def begin(self) -> None:
        """Takes the first step."""
        try:
            self._first = self._coroutine.send(None)
        except StopIteration:
            self.is_done = True
        except BaseException:
            self.is_done = True  # and whoever began it is told why
            raise

    def send(self, value: Any, /) -> Any:
        """The next step; at first, what the one that was taken waits for."""
        if self.is_done:
            raise StopIteration
        if not self._is_told:
            self._is_told = True
            return self._first
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """The next step, which meets an error: cancellation above all."""
        if self.is_done:
            raise StopIteration
        self._is_told = True
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """Ends it where it waits."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, None]:
        """Nothing waits for it but its task.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("only its task runs it")
