"""The ASGI application: routes, the mapping of whatever they raise, and their description."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from chassis import context
from chassis.errors import RemoteError, ServiceError, unavailable
from chassis.http_protocol import Bounds, Refusal
from chassis.identity import Jwks, TokenVerifier
from chassis.telemetry import Health
from gateway.api_keys import ApiKeys
from gateway.backend import Backend
from gateway.bodies.base import UNKNOWN_OBJECT
from gateway.description.document import Description, describe
from gateway.dispatch import Dispatch
from gateway.edge import Guarded, Guards, Observed, Room, safe_headers
from gateway.faults import told
from gateway.problems import ProblemError, from_remote_error, from_service_error
from gateway.rates import RateLimiter, UnderWay
from gateway.routes.administration import ADMINISTRATION
from gateway.routes.api_keys import API_KEYS
from gateway.routes.blocks import BLOCKS
from gateway.routes.bookings import BOOKINGS
from gateway.routes.catalog import CATALOG
from gateway.routes.checkin import CHECKIN
from gateway.routes.coupons import COUPONS
from gateway.routes.identity import IDENTITY, WELL_KNOWN, cookie_name
from gateway.routes.media import MEDIA
from gateway.routes.messages import MESSAGES
from gateway.routes.notices import NOTICES
from gateway.routes.operations import DOCS, HEALTH, MAILBOX
from gateway.routes.pages import lost, pages_of
from gateway.routes.payments import PAYMENTS
from gateway.routes.problem_pages import PROBLEM_PAGES
from gateway.routes.reviews import REVIEWS
from gateway.routes.sales import SALES
from gateway.routes.seats import SEATS
from gateway.routes.tickets import TICKETS
from gateway.routes.venues import VENUES
from gateway.routes.webhook_endpoints import WEBHOOK_ENDPOINTS
from gateway.routing import Routes
from gateway.services import Services
from gateway.settings import Settings
from gateway.streams import Streams

# What a page of another origin may send and read, beside what every page may (the Fetch standard's
# safelists). `/api/docs` of that origin, and SDKs that run in browsers, use all of it.
_TAKEN_HEADERS = [
    "Authorization",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-Request-ID",
    "X-Requested-With",
    "traceparent",
]
_EXPOSED_HEADERS = [
    "Allow",
    "Content-Disposition",
    "Content-Language",
    "Deprecation",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "Sunset",
    "WWW-Authenticate",
    "X-Request-ID",
]


# A document comes with about thirty files, once for each version of the page: a network from which
# very many people come together is not to be refused the half of it.
_FILES_OF_A_PAGE = 30


def routes_of(settings: Settings) -> Sequence[Routes]:
    """What this gateway answers."""
    subjects = [
        HEALTH,
        PROBLEM_PAGES,
        WELL_KNOWN,
        IDENTITY,
        API_KEYS,
        ADMINISTRATION,
        VENUES,
        CATALOG,
        MEDIA,
        REVIEWS,
        SEATS,
        BLOCKS,
        BOOKINGS,
        TICKETS,
        COUPONS,
        MESSAGES,
        NOTICES,
        WEBHOOK_ENDPOINTS,
        SALES,
        CHECKIN,
        PAYMENTS,
    ]
    if settings.is_local:
        subjects.append(MAILBOX)
    if settings.shows_docs:
        subjects.append(DOCS)
    return subjects


def application(
    settings: Settings,
    services: Services,
    jwks: Jwks,
    verifier: TokenVerifier,
    health: Health,
    *,
    streams: Streams,
    room: Room,
) -> ASGIApp:
    """The whole edge, from the outermost layer in."""
    backend = Backend.of(settings, services, jwks, health, streams)
    routes = api(settings)
    routes.state.backend = backend
    app: ASGIApp = Dispatch(routes, backend, partial(lost, backend))
    factor = settings.address_factor
    guards = Guards(
        hosts=settings.known_hosts,
        people=RateLimiter(settings.person_rate, settings.person_burst),
        addresses=RateLimiter(settings.address_rate * factor, settings.address_burst * factor),
        addresses_for_files=RateLimiter(
            settings.address_rate * _FILES_OF_A_PAGE * factor,
            settings.address_burst * _FILES_OF_A_PAGE * factor,
        ),
        room=room,
        people_under_way=UnderWay(settings.person_concurrent),
        addresses_under_way=UnderWay(settings.address_concurrent * factor),
        body_seconds=settings.body_seconds,
        body_bytes_per_second=settings.body_bytes_per_second,
    )
    app = Guarded(app, verifier, ApiKeys(services.auth, verifier, guards.addresses), guards)
    app = Observed(
        app,
        _measured(routes),
        hsts=not settings.is_local,
        trusts_traceparent=settings.trusts_traceparent,
    )
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=_TAKEN_HEADERS,
            allow_credentials=True,
            expose_headers=_EXPOSED_HEADERS,
        )
    return app


def room_of(settings: Settings) -> Room:
    """The places for requests under way."""
    return Room(settings.max_concurrent, settings.max_concurrent_purchases)


def bounds_of(settings: Settings, room: Room) -> Bounds:
    """What the server holds connections to, before there is a request."""
    return Bounds(
        head_bytes=settings.head_bytes,
        head_fields=settings.head_fields,
        head_seconds=settings.head_seconds,
        keep_alive_seconds=settings.keep_alive_seconds,
        connections=settings.max_connections,
        address_connections=settings.address_connections * settings.address_factor,
        proxies=settings.trusted_proxies,
        refusal=partial(_refusal, hsts=not settings.is_local),
        is_refused_at_once=room.lacks_for,
    )


def _refusal(reason: str, *, hsts: bool) -> Refusal:
    id = context.accept_request_id(None)
    with context.request(id=id):
        answer = ProblemError(reason).response("/")
    headers = (*answer.raw_headers, *safe_headers(hsts=hsts), (b"x-request-id", id.encode()))
    return Refusal(
        answer.status_code,
        [(name, value) for name, value in headers if name != b"content-length"],
        bytes(answer.body),
    )


def _measured(app: FastAPI) -> Iterator[tuple[str, str]]:
    """The method and the path's template of every route."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                yield method, route.path


def api(settings: Settings) -> FastAPI:
    """The routes and the mapping of what they raise, without the layers around them."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            ProblemError: _on_problem,
            RemoteError: _on_remote_error,
            ServiceError: _on_service_error,
            TimeoutError: _on_timeout,
            RequestValidationError: _on_invalid,
        },
    )
    subjects = routes_of(settings)
    for routes in subjects:
        routes.add_to(app)
    pages_of(settings).add_to(app)
    declared = [route for routes in subjects for route in routes.declared]
    app.state.description = Description(
        lambda: describe(app, declared, refresh_cookie=cookie_name(settings))
    )
    return app


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - as registered
    return error.response(request.url.path)


async def _on_remote_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RemoteError)  # noqa: S101 - as registered
    return from_remote_error(error).response(request.url.path)


async def _on_service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)  # noqa: S101 - as registered
    return from_service_error(error).response(request.url.path)


async def _on_timeout(request: Request, _error: Exception) -> Response:
    """For what waited too long for its turn, or for a service."""
    return from_service_error(unavailable()).response(request.url.path)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered
    return _invalid(error.errors()).response(request.url.path)


def _invalid(faults: Sequence[dict[str, Any]]) -> ProblemError:
    for fault in faults:
        if fault["type"] == UNKNOWN_OBJECT:
            return ProblemError(fault["ctx"]["reason"])
    return ProblemError("VALIDATION_FAILED", errors=told(faults))
