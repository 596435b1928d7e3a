"""Every route goes the short way; one that could not is refused when the gateway starts."""

from __future__ import annotations

import re
from datetime import date
from types import SimpleNamespace
from typing import Annotated, Any, cast

import httpx
import pytest
from fastapi import Depends, FastAPI, Form
from fastapi.routing import APIRoute
from starlette.responses import Response

from gateway.app import api, routes_of
from gateway.deprecation import Deprecation
from gateway.description.document import describe
from gateway.dispatch import Dispatch, UndispatchableError
from gateway.problems import ProblemError
from gateway.routes.pages import pages_of
from gateway.routing import OPEN, Endpoint, Routes
from gateway.settings import Settings

SERVICES = ("auth", "catalog", "inventory", "booking", "payment", "notification")
LOCAL = Settings(
    profile="local",
    internal_port=1,
    jwks_url="http://localhost",
    service_key="",
    **cast("Any", {f"{name}_address": "localhost:1" for name in SERVICES}),
)


def test_every_route_goes_the_short_way() -> None:
    backend = cast("Any", SimpleNamespace(settings=LOCAL))
    app = api(LOCAL)
    dispatch = Dispatch(app, backend)
    subjects = [*routes_of(LOCAL), pages_of(LOCAL)]
    declared = [route for routes in subjects for route in routes.declared]
    assert len(declared) > 70
    for route in declared:
        path = re.sub(r"\{\w+\}", "x", route.path)
        entry, _parameters = dispatch._find(route.method, path)
        assert entry is not None, (route.method, route.path)
    assert {route.path for route in app.routes if isinstance(route, APIRoute)} == {
        route.path for route in declared
    }


async def _word() -> str:
    return "word"


async def with_a_dependency(word: Annotated[str, Depends(_word)]) -> Response:
    """Asks for something of its own."""
    return Response(word)


async def with_a_form(word: Annotated[str, Form()]) -> Response:
    """Takes a form."""
    return Response(word)


async def with_a_path(rest: str) -> Response:
    """Takes whatever comes after it."""
    return Response(rest)


@pytest.mark.parametrize(
    ("endpoint", "path", "obstacle"),
    [
        (with_a_dependency, "/odd", "the dependency"),
        (with_a_form, "/odd", "a form"),
        (with_a_path, "/odd/{rest:path}", "a path in its path"),
    ],
)
def test_a_route_that_can_not_go_the_short_way_is_refused_at_the_start(
    endpoint: Endpoint, path: str, obstacle: str
) -> None:
    routes = Routes("Odd")
    routes.route("POST", path, OPEN)(endpoint)
    app = FastAPI()
    routes.add_to(app)
    with pytest.raises(UndispatchableError, match=obstacle):
        Dispatch(app, cast("Any", None))


def test_a_route_that_does_not_say_who_may_call_it_is_refused_at_the_start() -> None:
    app = FastAPI()
    app.add_api_route("/open/{rest}", with_a_path)
    with pytest.raises(UndispatchableError, match="no access"):
        Dispatch(app, cast("Any", None))


async def going(fails: bool = False) -> Response:
    """Does what it did."""
    if fails:
        raise ProblemError("SALES_CLOSED")
    return Response("done")


async def gone_later() -> Response:
    """Does what it did, too."""
    return Response("done")


async def staying() -> Response:
    """Goes nowhere."""
    return Response("done")


async def test_a_route_on_its_way_out_says_so_in_each_answer_and_in_the_description() -> None:
    way_out = Deprecation(date(2027, 1, 1), date(2027, 7, 1), "/api/v1/new")
    old = Routes("Old")
    old.route("GET", "/old", OPEN, deprecated=way_out, refuses=["SALES_CLOSED"])(going)
    old.route("GET", "/older", OPEN, deprecated=Deprecation(date(2026, 12, 31)))(gone_later)
    old.route("GET", "/staying", OPEN)(staying)
    app = api(LOCAL)
    old.add_to(app)
    backend = cast("Any", SimpleNamespace(settings=LOCAL))
    transport = httpx.ASGITransport(Dispatch(app, backend))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answers = [await http.get(f"/api/v1/old?fails={fails}") for fails in (False, True)]
        settled_later = await http.get("/api/v1/older")
        usual = await http.get("/api/v1/staying")
    assert [answer.status_code for answer in answers] == [200, 409]
    for answer in answers:
        assert answer.headers["deprecation"] == "@1798761600"
        assert answer.headers["sunset"] == "Thu, 01 Jul 2027 00:00:00 GMT"
        assert answer.headers["link"] == '</api/v1/new>; rel="successor-version"'
    assert settled_later.headers["deprecation"] == "@1798675200"
    assert not {"sunset", "link"} & set(settled_later.headers)
    assert not {"deprecation", "sunset", "link"} & set(usual.headers)

    paths = describe(app, old.declared, refresh_cookie="refresh")["paths"]
    described = paths["/api/v1/old"]["get"]
    assert (described["deprecated"], described["x-sunset"]) == (True, "2027-07-01")
    assert {"Deprecation", "Sunset", "Link"} <= set(described["responses"]["200"]["headers"])
    assert "deprecated" not in paths["/api/v1/staying"]["get"]
