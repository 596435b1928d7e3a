"""The short way from a request to its endpoint.

FastAPI reads the routes, describes them, and makes of each what binds its parameters. For a
request it would walk its own middleware, try route after route, parse the media type as a mail's
and solve dependencies of dependencies: twice the work of everything else. Here the route is looked
up, its access checked, its parameters bound by FastAPI's own rules, and the endpoint called. Every
route goes this way. A path that is written out is that path's alone: its methods are its own, also
where a parameter of another route might take its name.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

import orjson
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import solve_dependencies
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from gateway.backend import Backend
from gateway.deprecation import Deprecation
from gateway.edge import BODILESS, WHOLE_BODY
from gateway.problems import ProblemError
from gateway.routing import Access, Keys, provide_backend

Handler = Callable[[Request, Exception], Awaitable[Response]]

# Nothing of ours is entered into it; FastAPI insists on one.
_STACK = AsyncExitStack()


class UndispatchableError(Exception):
    """A route asks for something that is only had FastAPI's way."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A route, as it is called."""

    route: APIRoute
    endpoint: Callable[..., Awaitable[Response]]
    dependant: Dependant
    access: Access
    keys: Keys | None  # where it refuses one
    behind: str | None  # the parameter that takes the backend
    news: Mapping[str, str]  # headers of each answer, where the route is on its way out

    @classmethod
    def of(cls, route: APIRoute) -> _Entry:
        """The entry of a route.

        Raises:
            UndispatchableError: it has a dependency of its own, a form, a path in its path, or
                does not say who may call it.
        """
        access: Access | None = None
        keys: Keys | None = None
        behind: str | None = None
        news: Mapping[str, str] = {}
        obstacles = []
        for dependency in route.dependant.dependencies:
            if isinstance(dependency.call, Access):
                access = dependency.call
            elif isinstance(dependency.call, Keys):
                keys = dependency.call
            elif isinstance(dependency.call, Deprecation):
                news = dependency.call.headers()
            elif dependency.call is provide_backend:
                behind = dependency.name
            else:
                obstacles.append(f"the dependency {dependency.call!r}")
        if route.body_field is not None and isinstance(route.body_field.field_info, Form):
            obstacles.append("a form")
        if ":path}" in route.path:
            obstacles.append("a path in its path")
        if access is None:
            obstacles.append("no access")
        if access is None or obstacles:
            raise UndispatchableError(f"{route.path} has {', '.join(obstacles)}")
        bare = replace(route.dependant, dependencies=[])
        return cls(route, route.endpoint, bare, access, keys, behind, news)


class Dispatch:
    """An ASGI app in front of the FastAPI app whose routes it answers.

    `lost` may answer a request whose path no route has; without an answer it is a problem.

    Raises (when it is made):
        UndispatchableError: a route can't go this way.
    """

    def __init__(
        self,
        app: FastAPI,
        backend: Backend,
        lost: Callable[[Scope], Awaitable[Response | None]] | None = None,
    ) -> None:
        self._lost = lost
        self._state = app
        self._backend = backend
        self._static: dict[str, dict[str, _Entry]] = {}  # by path, then by method
        self._by_length: dict[tuple[str, int], list[_Entry]] = {}
        declared = [route for route in app.routes if isinstance(route, APIRoute)]
        for route in declared:
            entry = _Entry.of(route)
            for method in route.methods or ():
                if route.param_convertors:
                    length = route.path.count("/")
                    self._by_length.setdefault((method, length), []).append(entry)
                elif _first(declared, method, route.path) is route:
                    self._static.setdefault(route.path, {})[method] = entry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry, parameters = self._find(scope["method"], scope["path"])
        if entry is None:
            await (await self._unanswered(scope))(scope, receive, send)
            return
        scope["app"] = self._state
        scope["route"] = entry.route
        scope["path_params"] = parameters
        scope["fastapi_inner_astack"] = scope["fastapi_function_astack"] = _STACK
        request = Request(scope, receive, send)
        try:
            response = await self._answer(entry, request)
        except Exception as error:
            handler = self._handler_of(error)
            if handler is None:
                raise
            response = await handler(request, error)
        if entry.news:
            response.headers.update(entry.news)
        if BODILESS in scope and isinstance(response, StreamingResponse):
            response.body_iterator = _no_parts()  # nobody sees what it costs to make them
        await response(scope, receive, send)

    def _find(self, method: str, path: str) -> tuple[_Entry | None, Mapping[str, Any]]:
        methods = self._static.get(path)
        if methods is not None:
            return methods.get(method), {}
        for entry in self._by_length.get((method, path.count("/")), ()):
            found = entry.route.path_regex.match(path)
            if found:
                convertors = entry.route.param_convertors
                return entry, {
                    name: convertors[name].convert(text) for name, text in found.groupdict().items()
                }
        return None, {}

    async def _unanswered(self, scope: Scope) -> Response:
        """The answer where no route has the path, or none of its routes the method."""
        path = scope["path"]
        methods = self._methods_at(path)
        if not methods:
            page = await self._lost(scope) if self._lost else None
            return page or ProblemError("NOT_FOUND").response(path)
        if "GET" in methods:
            methods.add("HEAD")
        allow = {"Allow": ", ".join(sorted({*methods, "OPTIONS"}))}
        if scope["method"] == "OPTIONS":
            return Response(status_code=204, headers=allow)
        return ProblemError("METHOD_NOT_ALLOWED", headers=allow).response(path)

    def _methods_at(self, path: str) -> set[str]:
        if path in self._static:
            return set(self._static[path])
        length = path.count("/")
        return {
            method
            for (method, among), entries in self._by_length.items()
            if among == length and any(entry.route.path_regex.match(path) for entry in entries)
        }

    async def _answer(self, entry: _Entry, request: Request) -> Response:
        await entry.access(request)
        if entry.keys is not None:
            await entry.keys(request)
        given: dict[str, Any] = {}
        if entry.route.body_field is not None:
            body = request.scope.get(WHOLE_BODY)
            if body:
                given["body"] = _read(body)
        solved = await solve_dependencies(
            request=request,
            dependant=entry.dependant,
            async_exit_stack=_STACK,
            embed_body_fields=entry.route._embed_body_fields,  # noqa: SLF001 - as FastAPI would
            **given,
        )
        if solved.errors:
            raise RequestValidationError(solved.errors)
        if entry.behind is not None:
            solved.values[entry.behind] = self._backend
        return await entry.endpoint(**solved.values)

    def _handler_of(self, error: Exception) -> Handler | None:
        for kind in type(error).__mro__:
            if kind in self._state.exception_handlers:
                return cast("Handler", self._state.exception_handlers[kind])
        return None


async def _no_parts() -> AsyncIterator[bytes]:
    nothing: Sequence[bytes] = ()
    for part in nothing:
        yield part


def _read(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        # What is no number of 64 bits is for the field to refuse, by its name.
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise _malformed(body[: error.start].decode(), "a byte that is no UTF-8") from error
    except json.JSONDecodeError as error:
        rest = error.doc[error.pos :]
        what = f"{rest[0]!r}, which JSON does not have here" if rest else "the end of the body"
        raise _malformed(error.doc[: error.pos], what) from error
    except (ValueError, RecursionError) as error:
        what = "" if isinstance(error, RecursionError) else str(error)
        raise ProblemError("MALFORMED_JSON", what or "It is nested too deeply.") from error


def _malformed(before: str, what: str) -> ProblemError:
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return ProblemError(
        "MALFORMED_JSON",
        f"In line {line}, column {column} there is {what}.",
        members={"line": line, "column": column},
    )


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON.")


def _first(routes: list[APIRoute], method: str, path: str) -> APIRoute | None:
    """The route that is declared first of those that match: a parameter may take a fixed name."""
    scope = {"type": "http", "method": method, "path": path, "root_path": ""}
    return next((route for route in routes if route.matches(scope)[0] is Match.FULL), None)
