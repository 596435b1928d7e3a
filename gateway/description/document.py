"""The document: what FastAPI makes of the routes, and what they say of themselves besides."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.answers import CLASSES
from gateway.description import problems
from gateway.description.headers import HEADERS, headers_of
from gateway.description.schemas import (
    describe_fields,
    texts_below_fields,
    tidy_parameter,
    unused,
    with_names_of_their_own,
)
from gateway.description.tags import TAGS
from gateway.edge import HEALTH_PATHS
from gateway.problems import REASONS
from gateway.routing import Route
from presentation import views

_HERE = Path(__file__).parent
_JSON = "application/json"
# What a parameter is for that several routes take.
_PARAMETERS: Mapping[str, str] = {
    "If-None-Match": "The ETag it was read with: 304 where it is still the same.",
    "Last-Event-ID": "The id of the last event that came: the stream goes on after it.",
}
# FastAPI writes the names of headers in lower case.
_SPELT: Mapping[str, str] = {
    name.lower(): name for name in (*_PARAMETERS, "If-Match", "X-Requested-With")
}
# By headers that a route reads, what its answers say in turn.
_ANSWERED_BY: Mapping[str, str] = {
    "Idempotency-Key": "Idempotency-Replayed",
    "If-None-Match": "ETag",
    "Prefer": "Preference-Applied",
}


class Description:
    """The document, made when it is first asked for, and its bytes."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The OpenAPI document."""
        return self._make()

    @cached_property
    def body(self) -> bytes:
        """It as JSON."""
        return orjson.dumps(self.document)

    @cached_property
    def etag(self) -> str:
        """The entity tag of its body."""
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


def examples() -> dict[str, Any]:
    """What was asked and answered in a test run (`make examples`): operations, and problems."""
    recorded: dict[str, Any] = json.loads((_HERE / "examples.json").read_bytes())
    return recorded


def describe(app: FastAPI, routes: Sequence[Route], *, refresh_cookie: str) -> dict[str, Any]:
    """The description of these routes of the app; `refresh_cookie` is the cookie's name."""
    recorded = examples()
    document = get_openapi(
        title="Parterre",
        version="1",
        summary="A ticket box office: numbered seats and counted tickets.",
        description=(_HERE / "introduction.md").read_text(),
        contact={"name": "The operator of this box office"},
        license_info={"name": "The operator's terms"},
        servers=[{"url": "/", "description": "This gateway"}],
        routes=app.routes,
    )
    document = with_names_of_their_own(document)
    components = document["components"]
    describe_fields(components["schemas"], texts_below_fields(views))
    for route in routes:
        operation = document["paths"][route.path][route.method.lower()]
        _complete(operation, route, components["schemas"], recorded)
        if route.access.scope is not None:
            operation["description"] += f"\n\nAn API key needs the scope `{route.access.scope}`."
    used = {route.tag for route in routes}
    document["tags"] = [
        {"name": name, "description": text} for name, text in TAGS.items() if name in used
    ]
    components["schemas"] |= problems.schemas()
    components["headers"] = HEADERS
    components["examples"] = {
        reason: {"summary": REASONS[reason][1], "value": body}
        for reason, body in recorded["problems"].items()
    }
    components["securitySchemes"] = _security_schemes(refresh_cookie)
    _share_responses(document)
    _drop_unused(document)
    return document


def _complete(
    operation: dict[str, Any],
    route: Route,
    schemas: Mapping[str, Any],
    recorded: Mapping[str, Any],
) -> None:
    """Says of an operation what FastAPI does not know of its route."""
    example = recorded["operations"].get(operation["operationId"], {})
    _tidy_parameters(operation, route, example.get("parameters", {}))
    _tidy_body(operation)
    body = operation.get("requestBody", {}).get("content", {}).get(_JSON)
    if body is not None and "request" in example:
        body["example"] = example["request"]
    reads = {parameter["name"] for parameter in operation.get("parameters", ())}
    responses = _good_answers(operation, route, schemas, reads, example.get("answers", {}))
    refusals = problems.responses_of(
        route.refuses,
        recorded["problems"],
        counted=_is_counted(route),
        replayed="Idempotency-Key" in reads,
    )
    for status, (name, refusal) in refusals.items():
        responses[status] = {**({"x-name": name} if _is_counted(route) else {}), **refusal}
    operation["responses"] = responses


def _is_counted(route: Route) -> bool:
    """Whether a request counts against its caller's rate."""
    return route.path not in HEALTH_PATHS


def _tidy_parameters(operation: dict[str, Any], route: Route, examples: Mapping[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        name = parameter["name"] = _SPELT.get(parameter["name"], parameter["name"])
        tidy_parameter(parameter)
        if name in _PARAMETERS:
            parameter.setdefault("description", _PARAMETERS[name])
    if route.reads:
        operation.setdefault("parameters", []).extend(map(dict, route.reads))
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in examples:
            parameter["example"] = examples[parameter["name"]]


def _good_answers(
    operation: Mapping[str, Any],
    route: Route,
    schemas: Mapping[str, Any],
    reads: Collection[str],
    examples: Mapping[str, Any],
) -> dict[str, Any]:
    """By status what a route answers that does not refuse; `examples` are by status too."""
    own = (
        *route.headers,
        *(header for name, header in _ANSWERED_BY.items() if name in reads),
        *(("Vary",) if route.has_page else ()),
    )
    answers: dict[str, Any] = {}
    for status in filter(None, (route.status, route.also)):
        content = _content(route, operation["responses"].get(str(status), {}))
        if str(status) in examples:
            content[route.media_type]["example"] = examples[str(status)]
        answers[str(status)] = {
            "description": _says(route, content, schemas),
            "headers": headers_of(status, counted=_is_counted(route), own=own),
            **({"content": content} if content else {}),
        }
    if "If-None-Match" in reads:
        answers["304"] = {
            "description": "It is still the same.",
            "headers": headers_of(304, counted=_is_counted(route)),
        }
    return answers


def _tidy_body(operation: dict[str, Any]) -> None:
    """A body that may be absent is not also null; one that can say nothing is none."""
    content = operation.get("requestBody", {}).get("content", {}).get(_JSON)
    if content is None:
        return
    kinds = [kind for kind in content["schema"].get("anyOf", ()) if kind != {"type": "null"}]
    if kinds == [{"$ref": "#/components/schemas/Nothing"}]:
        del operation["requestBody"]
    elif len(kinds) == 1:
        content["schema"] = kinds[0]
    else:
        content["schema"].pop("title", None)


def _content(route: Route, described: Mapping[str, Any]) -> dict[str, Any]:
    """What a good answer has, by media type."""
    if route.status == 204:
        return {}
    page = {"text/html": {"schema": {"type": "string"}}} if route.has_page else {}
    if route.answers is not None:
        content: dict[str, Any] = described["content"]
        content[_JSON]["schema"].pop("title", None)
        return {**content, **page}
    schema: dict[str, Any] = {"type": "string"}
    if route.media_type == _JSON:
        schema = {"type": "object", "description": "An OpenAPI 3.1 document."}
    elif not route.media_type.startswith("text/"):
        schema["format"] = "binary"
    return {route.media_type: {"schema": schema}}


def _says(route: Route, content: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """What a good answer is, in words."""
    if not content:
        return "It is done."
    if route.answers is None:
        kind = CLASSES.get(route.media_type)
        text = (kind.__doc__ or "") if kind else "A JSON document."
        return text.partition("\n")[0] or "A text."
    schema = content[_JSON]["schema"]
    named = schema.get("items", schema).get("$ref", "").rpartition("/")[2]
    text = str(schemas[named]["description"]) if named else "The answer."
    return f"A list; each: {text}" if "items" in schema else text


def _security_schemes(refresh_cookie: str) -> dict[str, Any]:
    return {
        "access_token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `access_token` of `POST /auth/login` or `POST /auth/refresh`.",
        },
        "api_key": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "ptk_…",
            "description": "A program's key (`POST /api-keys`), on the routes of its scopes.",
        },
        "refresh_cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": refresh_cookie,
            "description": "Set by `POST /auth/login`, and anew by each `POST /auth/refresh`.",
        },
    }


def _share_responses(document: dict[str, Any]) -> None:
    """Writes a refusal that several routes have once, among the components."""
    named = [
        response
        for operations in document["paths"].values()
        for operation in operations.values()
        for response in operation["responses"].values()
        if "x-name" in response
    ]
    uses = Counter(json.dumps(response, sort_keys=True) for response in named)
    shared: dict[str, Any] = {}
    for response in named:
        is_shared = uses[json.dumps(response, sort_keys=True)] > 1
        name = response.pop("x-name")
        if is_shared:
            whole = dict(response)
            shared[name] = whole
            response.clear()
            response["$ref"] = f"#/components/responses/{name}"
    document["components"]["responses"] = shared


def _drop_unused(document: dict[str, Any]) -> None:
    components = document["components"]
    while names := unused(document):
        for name in names:
            del components["schemas"][name]
    text = json.dumps(document)
    for kind in ("headers", "examples"):
        components[kind] = {
            name: value
            for name, value in components[kind].items()
            if f'"#/components/{kind}/{name}"' in text
        }
    schemes = {
        name
        for operations in document["paths"].values()
        for operation in operations.values()
        for choice in operation["security"]
        for name in choice
    }
    components["securitySchemes"] = {
        name: scheme for name, scheme in components["securitySchemes"].items() if name in schemes
    }
