"""Routes as data: each says who may call it, what it answers and why it refuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Header, Request
from starlette.responses import Response

from chassis.context import current_identity
from chassis.identity import Identity, Role
from gateway.answers import CLASSES, Json
from gateway.backend import Backend
from gateway.deprecation import HEADERS, Deprecation
from gateway.edge import TOKEN_REFUSAL, header
from gateway.problems import ProblemError
from gateway.scopes import Scope

PREFIX = "/api/v1"

Endpoint = Callable[..., Awaitable[Response]]
EndpointT = TypeVar("EndpointT", bound=Endpoint)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route. As a dependency of the route it refuses everybody else."""

    name: str
    role: Role | None = None
    ignores_token: bool = False
    # What an API key needs to open it; None: no key does.
    scope: Scope | None = None

    async def __call__(self, request: Request) -> None:
        """Lets the request pass.

        Raises:
            ProblemError: NOT_AUTHENTICATED, INVALID_TOKEN, INVALID_API_KEY, FORBIDDEN or
                INSUFFICIENT_SCOPE.
        """
        if self.ignores_token:
            return
        refusal: ProblemError | None = request.scope.get(TOKEN_REFUSAL)
        if refusal is not None:
            raise refusal
        identity = current_identity()
        if identity is not None and identity.is_key:
            self._require_scope(identity, request)
        if self.role is None:
            return
        if identity is None or identity.role is None:
            raise ProblemError("NOT_AUTHENTICATED", "Send Authorization: Bearer <access token>.")
        if identity.role < self.role:
            raise ProblemError(
                "FORBIDDEN",
                f"This needs the role {self.role.name}; yours is {identity.role.name}.",
                members={"required_role": self.role.name},
            )

    def _require_scope(self, identity: Identity, request: Request) -> None:
        """Services ask the same; here a client is told so in the API's own words."""
        if self.scope is None:
            raise ProblemError("INSUFFICIENT_SCOPE", "No API key opens this: it is for people.")
        if self.scope not in (identity.scopes or ()):
            raise ProblemError(
                "INSUFFICIENT_SCOPE",
                f"This needs an API key with the scope {self.scope}.",
                members={"scope": self.scope},
            )
        if identity.confined_to:
            event_id = str(request.path_params.get("event_id", "")).lower()
            if event_id != identity.confined_to:
                raise ProblemError("INSUFFICIENT_SCOPE", "This API key is for one event alone.")


# Signs in, or is signed otherwise: an old access token that comes along does no harm.
OPEN = Access("OPEN", ignores_token=True)
# Visitors too; a token that is there must be good.
ANYONE = Access("ANYONE")
CUSTOMER = Access("CUSTOMER", Role.CUSTOMER)
ORGANIZER = Access("ORGANIZER", Role.ORGANIZER)
ADMIN = Access("ADMIN", Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a POST makes of an `Idempotency-Key`. As a dependency of the route it may refuse one.

    `why` it is not honoured; "" where it is: the endpoint hands it to the service that acts.
    """

    name: str
    why: str = ""
    refuses: bool = False

    async def __call__(self, request: Request) -> None:
        """Lets the request pass.

        Raises:
            ProblemError: IDEMPOTENCY_KEY_REFUSED.
        """
        if self.refuses and header(request.scope, b"idempotency-key") is not None:
            raise ProblemError("IDEMPOTENCY_KEY_REFUSED", self.why)


HONOURED = Keys("HONOURED")
NO_POST = Keys("NONE")


def refused(why: str) -> Keys:
    """Of a POST that can't be answered twice alike; `why` is told to the client."""
    return Keys("REFUSED", why, refuses=True)


def needless(why: str) -> Keys:
    """Of a POST that a key would change nothing about."""
    return Keys("NEEDLESS", why)


@dataclass(frozen=True, slots=True)
class Route:
    """One route, as declared."""

    method: str
    path: str  # whole
    access: Access
    endpoint: Endpoint
    answers: Any  # the type of its JSON, or None where it has none
    status: int
    media_type: str
    refuses: Sequence[str]
    tag: str
    takes: Mapping[str, Any] | None = None  # OpenAPI's requestBody, where the endpoint has none
    reads: Sequence[Mapping[str, Any]] = ()  # OpenAPI's parameters that the endpoint does not name
    also: int | None = None  # another good status, with the same answer
    headers: Sequence[str] = ()  # of a good answer: `description.headers` has their texts
    security: str = ""  # the scheme that lets in here, where it is not the access token
    keys: Keys = NO_POST
    deprecated: Deprecation | None = None
    has_page: bool = False  # the same for people, by Accept


@dataclass
class Routes:
    """The routes of one subject, in the order they are matched."""

    tag: str
    prefix: str = PREFIX
    declared: list[Route] = field(default_factory=list)
    described: bool = True  # part of the API, and so of its description

    def route(
        self,
        method: str,
        path: str,
        access: Access,
        *,
        answers: Any = None,
        status: int = 200,
        media_type: str = "application/json",
        refuses: Sequence[str] = (),
        takes: Mapping[str, Any] | None = None,
        reads: Sequence[Mapping[str, Any]] = (),
        also: int | None = None,
        headers: Sequence[str] = (),
        security: str = "",
        keys: Keys = HONOURED,
        deprecated: Deprecation | None = None,
        has_page: bool = False,
        scope: Scope | None = None,
    ) -> Callable[[EndpointT], EndpointT]:
        """Declares the decorated coroutine a route; `refuses` are its own reasons.

        Its docstring is what clients read of it: `docs/api.md` says what a route needs. `keys` are
        a POST's: one that says nothing honours an `Idempotency-Key`. An API key opens it where it
        has `scope`; without one no API key does.
        """
        keys = keys if method == "POST" else NO_POST

        def declare(endpoint: EndpointT) -> EndpointT:
            self.declared.append(
                Route(
                    method,
                    self.prefix + path,
                    replace(access, scope=scope),
                    endpoint,
                    answers,
                    status,
                    media_type,
                    (*refuses, *_usual(method, access), *_REFUSED_KEYS.get(keys.name, ())),
                    self.tag,
                    takes,
                    reads,
                    also,
                    (*headers, *(HEADERS if deprecated else ())),
                    security,
                    keys,
                    deprecated,
                    has_page,
                )
            )
            return endpoint

        return declare

    def add_to(self, app: FastAPI) -> None:
        """Makes the app answer them."""
        for route in self.declared:
            security: list[dict[str, list[str]]] = []
            if route.security:
                security = [{route.security: []}]
            elif route.access.role is not None:
                security = [{"access_token": []}]
            elif not route.access.ignores_token:
                security = [{}, {"access_token": []}]
            if route.access.scope is not None:
                security.append({"api_key": []})
            app.add_api_route(
                route.path,
                route.endpoint,
                methods=[route.method],
                tags=[self.tag],
                status_code=route.status,
                response_model=route.answers,
                response_class=CLASSES.get(route.media_type, Json),
                summary=(route.endpoint.__doc__ or "").partition("\n")[0].rstrip("."),
                operation_id=_operation_id(route),
                deprecated=route.deprecated is not None or None,
                dependencies=[
                    Depends(route.access),
                    *([Depends(route.keys)] if route.keys.refuses else ()),
                    *([Depends(route.deprecated)] if route.deprecated else ()),
                ],
                responses=_described_elsewhere(route),
                include_in_schema=self.described,
                openapi_extra={
                    "security": security,
                    "x-access": route.access.name,
                    **({"x-scope": route.access.scope} if route.access.scope else {}),
                    **({"x-idempotency-key": route.keys.name} if route.method == "POST" else {}),
                    **({"requestBody": route.takes} if route.takes else {}),
                    **(route.deprecated.described() if route.deprecated else {}),
                },
            )


# What a route's way with keys may refuse; DELETE /bookings/{reference} says so by itself.
_REFUSED_KEYS: Mapping[str, Sequence[str]] = {
    "HONOURED": ("IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_IN_PROGRESS"),
    "REFUSED": ("IDEMPOTENCY_KEY_REFUSED",),
}


def _operation_id(route: Route) -> str:
    # getattr: a Callable need not have a name; ours are functions.
    return str(getattr(route.endpoint, "__name__", route.path))


def _usual(method: str, access: Access) -> Sequence[str]:
    reasons = [
        "VALIDATION_FAILED",
        "UNKNOWN_HOST",
        "HEAD_TOO_LARGE",
        "RATE_LIMITED",
        "TOO_MANY_AT_ONCE",
        "INTERNAL",
        "SERVICE_UNAVAILABLE",
        "OVERLOADED",
    ]
    if not access.ignores_token:
        reasons += ["INVALID_TOKEN", "INVALID_API_KEY", "INSUFFICIENT_SCOPE", "ADDRESS_THROTTLED"]
    if access.role is not None:
        reasons.append("NOT_AUTHENTICATED")
        if access.role > Role.CUSTOMER:
            reasons.append("FORBIDDEN")
    if method in {"POST", "PUT", "PATCH"}:
        reasons += ["MALFORMED_JSON", "BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE", "REQUEST_TIMEOUT"]
    return reasons


def _described_elsewhere(route: Route) -> dict[int | str, dict[str, Any]]:
    """What keeps FastAPI from describing refusals as its own: `description` does that."""
    described: dict[int | str, dict[str, Any]] = {422: {}}
    if route.also is not None:
        described[route.also] = {"model": route.answers}
    return described


async def provide_backend(request: Request) -> Backend:
    """What is behind the endpoints; `dispatch` hands it to them without asking here."""
    backend: Backend = request.app.state.backend
    return backend


# What endpoints ask for.
Behind = Annotated[Backend, Depends(provide_backend)]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x20-\x7e]{1,255}$",
        description="The same key and body give the same answer, once.",
        examples=["c5a1f0d2-hold-1"],
    ),
]


def replay_header(replayed: bool) -> dict[str, str]:  # noqa: FBT001 - its only question
    """The header that marks an answer given before."""
    return {"Idempotency-Replayed": "true"} if replayed else {}
