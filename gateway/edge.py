"""What happens to every request before a route sees it, and to every answer after.

Plain ASGI, in this order: `Observed` names, logs and measures the request and turns whatever is
raised into a problem; `Guarded` says who calls, how often, and takes the body in, within limits.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import context, tracing
from chassis.api_keys import PREFIX as API_KEY_PREFIX
from chassis.context import Origin
from chassis.errors import ServiceError
from chassis.http_protocol import network_of
from chassis.identity import Identity, TokenVerifier
from chassis.logs import get_logger, is_secret
from chassis.tracing import Span, SpanKind
from gateway.api_keys import ApiKeys
from gateway.problems import ProblemError, from_service_error
from gateway.rates import RateLimiter, UnderWay

HEALTH_PATHS = frozenset({"/healthz", "/readyz"})
# Bodies there are anything the provider signs.
RAW_BODIES_BELOW = ("/api/v1/webhooks/", "/api/v1/unsubscribe/")
# Where `Guarded` leaves the refusal of a token that is not good, for the route's access to decide.
TOKEN_REFUSAL = "parterre.token_refusal"  # noqa: S105 - a name
# Where it leaves what a stream calls when it has begun: it is no request in progress any more.
STREAM_BEGINS = "parterre.stream_begins"
# Where it leaves the body, where there is one that it has taken in.
WHOLE_BODY = "parterre.whole_body"
# Where it leaves the header Cookie: nothing else is to read it.
COOKIE = "parterre.cookie"
# There, and true, where the body of the answer is left out.
BODILESS = "parterre.bodiless"

# Where a purchase begins: when there is too much to do, it is turned away first.
_HOLDS = "/api/v1/holds"
_PURCHASES = frozenset({_HOLDS, "/api/v1/bookings"})
# Files of the web page, which are in memory; `site.assets` gives them their addresses.
_FILES_BELOW = "/assets/"
# What a route of this form takes in by itself, once it has let the caller in.
_UPLOADS = re.compile(r"/api/v1/events/[^/]+/images", re.ASCII)

_MAX_BODY_BYTES = 64 * 1024
# A picture of 5 MiB and the form around it.
_MAX_UPLOAD_BYTES = 5 * 1024 * 1024 + _MAX_BODY_BYTES
# So much of a body that is too large is still read, and dropped: a client that is cut off while it
# sends does not see why.
_MAX_DROPPED_BYTES = 1024 * 1024
_GRACE_SECONDS = 5.0
_MAX_COOKIE_BYTES = 4096
# More of a path says nothing in a log.
_LOGGED_CHARACTERS = 500
_MAX_TOKEN_CHARACTERS = 4096
# No request lasts longer, whatever it waits for.
_REQUEST_SECONDS = 30.0

# Every bucket is a line for every route: with fifteen of them for each status there was, the page
# had 1.2 MB.
HTTP_SECONDS = Histogram(
    "parterre_http_server_seconds",
    "Time to answer an HTTP request, seconds; an event stream's is its life",
    ["method", "route"],
    buckets=(0.01, 0.05, 0.25, 1, 5),
)
HTTP_ANSWERS = Counter(
    "parterre_http_answers",
    "HTTP requests answered, by class of status; none: the client left before",
    ["method", "route", "status"],
)

log = get_logger(__name__)

_HEADERS: Sequence[tuple[bytes, bytes]] = (
    (
        b"content-security-policy",
        b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_HSTS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


def safe_headers(*, hsts: bool) -> Sequence[tuple[bytes, bytes]]:
    """What every answer says that does not say otherwise."""
    return (*_HEADERS, _HSTS) if hsts else _HEADERS


def header(scope: Scope, name: bytes) -> bytes | None:
    """A request's header (its lower-case name), the first if there are more."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


def cookie_of(scope: Scope, name: str) -> str:
    """A cookie of ours (RFC 6265, 5.4), the first of that name; empty: there is none.

    Its value is taken as it stands: ours is never in quotes.
    """
    given: bytes = scope.get(COOKIE, b"")
    for pair in given.decode("latin-1").split(";"):
        key, _, value = pair.partition("=")
        if key.strip() == name:
            return value.strip()
    return ""


_CLASSES = "none", "1xx", "2xx", "3xx", "4xx", "5xx"
_USUAL_CLASSES = 2, 4, 5


class _Measured:
    """The figures of one route: looking a label's child up costs more than counting on it."""

    def __init__(self, method: str, route: str) -> None:
        self._labels = method, route
        self._observe = HTTP_SECONDS.labels(method, route).observe
        self._answers: dict[int, Counter] = {}
        for hundreds in _USUAL_CLASSES:  # shown from 0 on
            self._answered(hundreds)

    def _answered(self, hundreds: int) -> Counter:
        answers = self._answers.get(hundreds)
        if answers is None:
            answers = HTTP_ANSWERS.labels(*self._labels, _CLASSES[hundreds])
            self._answers[hundreds] = answers
        return answers

    def note(self, status: int, seconds: float) -> None:
        """Counts an answer."""
        self._observe(seconds)
        self._answered(status // 100).inc()


class Observed:
    """Gives each request an id, its answer the safe headers, and both a line in the log."""

    def __init__(
        self,
        app: ASGIApp,
        routes: Iterable[tuple[str, str]],
        *,
        hsts: bool,
        trusts_traceparent: bool,
    ) -> None:
        """`routes` are the method and the path's template of each that is measured."""
        self._app = app
        self._trusts_traceparent = trusts_traceparent
        self._measured = {each: _Measured(*each) for each in routes}
        # What no route answers: strangers choose both the method and the path.
        self._stray = _Measured("-", "-")
        self._headers = safe_headers(hsts=hsts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        origin = self._origin(scope)
        id = origin.request_id
        span = tracing.start("request", origin.traceparent, SpanKind.SERVER)
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message["headers"]
                names = {name for name, _ in given}
                own = [pair for pair in self._headers if pair[0] not in names]
                message["headers"] = [*given, *own, (b"x-request-id", id.encode())]
            await send(message)

        method = scope["method"]
        if method == "HEAD":
            # A copy: the server reads its own, and leaves the body of the answer out.
            scope = {**scope, "method": "GET", BODILESS: True}
        # The server gives each request a task.
        traceparent = tracing.within(span, origin.traceparent)
        context.begin(id=id, traceparent=traceparent, seconds=_REQUEST_SECONDS)
        told = context.take_notes()
        try:
            await self._app(scope, receive, answer)
        except ProblemError as problem:
            await problem.response(scope["path"])(scope, receive, answer)
        except Exception:  # the last resort: nothing of it may reach the client
            log.exception("unexpected error", path=scope["path"][:_LOGGED_CHARACTERS])
            if not status:
                await ProblemError("INTERNAL").response(scope["path"])(scope, receive, answer)
        seconds = time.perf_counter() - began
        route = scope["method"], getattr(scope.get("route"), "path", "-")
        self._measured.get(route, self._stray).note(status, seconds)
        told |= {"method": method, "status": status, "milliseconds": round(seconds * 1000, 1)}
        _tell(scope, told, span)

    def _origin(self, scope: Scope) -> Origin:
        """The request's id and trace: the client's, as far as they are harmless, or new ones."""
        if scope["path"] in HEALTH_PATHS:
            return tracing.aside()  # nobody's, and asked for all the time
        id = traceparent = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                id = id or value.decode("latin-1")
            elif name == b"traceparent":
                traceparent = traceparent or value.decode("latin-1")
        offered = tracing.accept_traceparent(traceparent) if traceparent else ""
        return tracing.begun(id, offered, trusted=self._trusts_traceparent)


def _tell(scope: Scope, told: dict[str, Any], span: Span | None) -> None:
    """A request's line in the log, and the end of its span."""
    route = getattr(scope.get("route"), "path", "")
    if route:
        told |= {"route": route, **scope.get("path_params", {})}
    else:
        told["path"] = scope["path"][:_LOGGED_CHARACTERS]
    identity = context.current_identity()
    if identity is not None:
        told["who"] = identity.subject
    (log.debug if scope["path"] in HEALTH_PATHS else log.info)("request", **told)
    if span is not None:
        status = told["status"]
        span.update_name(f"{told['method']} {route or '-'}")
        failed = str(status) if not status or status >= 500 else ""
        known = {name: value for name, value in told.items() if not is_secret(name)}
        tracing.end(span, {"request_id": context.request_id.get(), **known}, failed=failed)


class Room:
    """The places of requests under way: so many in all, and of them so many that buy."""

    def __init__(self, most: int, most_purchases: int) -> None:
        self._most = most
        self._most_purchases = most_purchases
        self._taken = 0
        self._taken_by_purchases = 0  # of them

    def lacks_for(self, scope: Scope) -> bool:
        """Whether a request is to be refused: there is no place, or it is a hold to begin.

        While so many buy, no other begins to: whoever has a hold can still book it.
        """
        if self._taken < self._most and self._taken_by_purchases < self._most_purchases:
            return False
        path, is_post = scope["path"], scope["method"] == "POST"
        if self._taken >= self._most:
            return path not in HEALTH_PATHS
        return bool(is_post and path == _HOLDS)

    def require_for(self, scope: Scope) -> None:
        """Refuses a request that there is no place for.

        Raises:
            ProblemError: OVERLOADED.
        """
        if self.lacks_for(scope):
            raise ProblemError("OVERLOADED", "Try again in a moment.")

    def take(self, scope: Scope) -> Callable[[], None]:
        """Takes a place; gives what gives it back."""
        buys = scope["method"] == "POST" and scope["path"] in _PURCHASES
        self._taken += 1
        self._taken_by_purchases += buys

        def give_back() -> None:
            self._taken -= 1
            self._taken_by_purchases -= buys

        return give_back


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What `Guarded` holds every request to."""

    hosts: frozenset[bytes]  # lower case; empty: any
    people: RateLimiter
    addresses: RateLimiter
    # As `addresses`, of the web page's files: to open it once takes dozens of them.
    addresses_for_files: RateLimiter
    room: Room
    people_under_way: UnderWay
    addresses_under_way: UnderWay
    body_seconds: float
    body_bytes_per_second: float


class Guarded:
    """Bounds what comes in, and puts the caller's verified identity in the request's context.

    A token that is not good does not end the request here: a route that needs none may go on.
    """

    def __init__(
        self, app: ASGIApp, verifier: TokenVerifier, keys: ApiKeys, guards: Guards
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._keys = keys
        self._guards = guards

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in HEALTH_PATHS:
            await self._app(scope, receive, send)
            return
        guards = self._guards
        if guards.hosts and _host_of(scope) not in guards.hosts:
            raise ProblemError("UNKNOWN_HOST", headers={"Connection": "close"})
        guards.room.require_for(scope)  # a token takes its time too
        _set_cookie_apart(scope)
        identity = await self._identify(scope)
        now = time.monotonic()
        if identity is None:
            who, all_under_way = network_of(address_of(scope)), guards.addresses_under_way
            is_file = scope["path"].startswith(_FILES_BELOW)
            limiter = guards.addresses_for_files if is_file else guards.addresses
            verdict = limiter.hit(who, now)
        else:
            who, all_under_way = identity.account, guards.people_under_way
            verdict = guards.people.hit(who, now)
        headers = verdict.headers()
        if not verdict.allowed:
            raise ProblemError(
                "RATE_LIMITED",
                "Slow down.",
                headers={
                    "Retry-After": str(verdict.retry_seconds),
                    **{name.decode(): value.decode() for name, value in headers},
                },
            )
        if scope["path"].startswith(_FILES_BELOW):
            headers = []  # of dozens that open a page, in a budget of kilobytes; refusals say it

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        # Only now it takes a place, and its time begins: bodies that never come would have all.
        body = await self._taken_in(scope, receive)
        if body is None:
            return  # the client has gone
        is_to_come = WHOLE_BODY not in scope and body is not receive
        seconds = _REQUEST_SECONDS + guards.body_seconds * is_to_come
        context.begin(identity=identity, seconds=seconds)
        guards.room.require_for(scope)
        all_under_way.begin(who)
        give_back = guards.room.take(scope)
        counted = True

        def release() -> None:
            nonlocal counted
            if counted:
                counted = False
                give_back()
                all_under_way.end(who)

        scope[STREAM_BEGINS] = release
        try:
            await self._app(scope, body, answer)
        finally:
            release()

    async def _taken_in(self, scope: Scope, receive: Receive) -> Receive | None:
        """`receive` for the app, with the whole body read already; None: the client has gone.

        Raises:
            ProblemError: the body is too large, too slow, or not JSON where it has to be.
        """
        length = header(scope, b"content-length")
        if length is None and header(scope, b"transfer-encoding") is None:
            return receive
        if scope["method"] == "POST" and _UPLOADS.fullmatch(scope["path"]):
            return _bounded(receive, int(length or 0), _Pace(self._guards))
        if length is not None and int(length) > _MAX_DROPPED_BYTES:
            raise _too_large()
        body = await _whole(receive, _Pace(self._guards))
        if body is None:
            return None
        if body and not scope["path"].startswith(RAW_BODIES_BELOW):
            media_type = header(scope, b"content-type") or b""
            if media_type.partition(b";")[0].strip().lower() != b"application/json":
                raise ProblemError("UNSUPPORTED_MEDIA_TYPE", "Send application/json.")
        scope[WHOLE_BODY] = body
        whole: Message | None = {"type": "http.request", "body": body, "more_body": False}

        async def replay() -> Message:
            nonlocal whole
            if whole is None:
                return await receive()
            message, whole = whole, None
            return message

        return replay

    async def _identify(self, scope: Scope) -> Identity | None:
        given = header(scope, b"authorization")
        if given is None:
            return None
        scheme, _, token = given.decode("latin-1").partition(" ")
        try:
            if scheme.lower() != "bearer" or not 0 < len(token) <= _MAX_TOKEN_CHARACTERS:
                raise ProblemError("INVALID_TOKEN", "A bearer token is needed.")
            if token.startswith(API_KEY_PREFIX):
                return await self._keys.verify(token, address_of(scope))
            return await self._verifier.verify(token)
        except ServiceError as error:
            scope[TOKEN_REFUSAL] = from_service_error(error)
        except ProblemError as problem:
            scope[TOKEN_REFUSAL] = problem
        return None


def address_of(scope: Scope) -> str:
    """The client's address, as a trusted proxy gives it if there is one."""
    client = scope.get("client")
    return client[0] if client else ""


def _host_of(scope: Scope) -> bytes:
    """The host that is called, lower case, without its port (RFC 3986, 3.2)."""
    given = (header(scope, b"host") or b"").lower()
    if given.startswith(b"["):
        return given[: given.find(b"]") + 1]
    return given.partition(b":")[0]


def _set_cookie_apart(scope: Scope) -> None:
    """Takes Cookie out of the headers: the framework would parse it for every route.

    Raises:
        ProblemError: HEAD_TOO_LARGE.
    """
    given = [value for name, value in scope["headers"] if name == b"cookie"]
    if not given:
        return
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"cookie"]
    whole = scope[COOKIE] = b"; ".join(given)
    if len(whole) > _MAX_COOKIE_BYTES:
        raise ProblemError("HEAD_TOO_LARGE", f"Cookies have at most {_MAX_COOKIE_BYTES} bytes.")


class _Pace:
    """When a body has to be there: at last, and for as much of it as has come."""

    def __init__(self, guards: Guards) -> None:
        self._began = time.monotonic()
        self._last = self._began + guards.body_seconds
        self._rate = guards.body_bytes_per_second

    def seconds_left(self, size: int) -> float:
        """How long more of it may be waited for, `size` bytes being there."""
        due = self._began + _GRACE_SECONDS + size / self._rate
        return min(due, self._last) - time.monotonic()


async def _whole(receive: Receive, pace: _Pace) -> bytes | None:
    chunks: list[bytes] = []
    size = 0
    more = True
    while more and size <= _MAX_DROPPED_BYTES:
        try:
            async with asyncio.timeout(pace.seconds_left(size)):
                message = await receive()
        except TimeoutError as error:
            raise _too_late() from error
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= _MAX_BODY_BYTES:
            chunks.append(chunk)
        more = message.get("more_body", False)
    if size > _MAX_BODY_BYTES:
        raise _too_large()
    return b"".join(chunks)


def _bounded(receive: Receive, length: int, pace: _Pace) -> Receive:
    """`receive` for an upload; what it gives raises a ProblemError when it is too much or too slow.

    Raises:
        ProblemError: the body says that it is far too large.
    """
    most_dropped = 4 * _MAX_UPLOAD_BYTES
    if length > most_dropped:
        raise _too_large(_MAX_UPLOAD_BYTES)
    size = 0

    async def part() -> Message:
        nonlocal size
        try:
            while True:
                async with asyncio.timeout(pace.seconds_left(size)):
                    message = await receive()
                size += len(message.get("body", b""))
                if size <= _MAX_UPLOAD_BYTES:
                    return message
                if size > most_dropped or not message.get("more_body", False):
                    break
        except TimeoutError as error:
            raise _too_late() from error
        raise _too_large(_MAX_UPLOAD_BYTES)

    return part


def _too_late() -> ProblemError:
    return ProblemError("REQUEST_TIMEOUT", headers={"Connection": "close"})


def _too_large(most: int = _MAX_BODY_BYTES) -> ProblemError:
    return ProblemError(
        "BODY_TOO_LARGE",
        f"A body has at most {most} bytes.",
        headers={"Connection": "close"},
    )
