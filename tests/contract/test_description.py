"""The API's description is whole: a route that anybody adds is in it, or a test here fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.description import headers, problems
from gateway.description.schemas import each_part
from gateway.description.tags import TAGS
from gateway.problems import REASONS
from tests.contract.conftest import Edge


def operations(edge: Edge) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, of_path in edge.document["paths"].items():
        for method, operation in of_path.items():
            yield f"{method.upper()} {path}", operation


def parts(schema: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    each_part(schema, found.append)
    return found


def resolved(edge: Edge, schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    target: dict[str, Any] = edge.document["components"]["schemas"][name] if name else {}
    return {**target, **schema}


async def test_who_has_read_it_is_told_when_it_is_the_same(edge: Edge) -> None:
    first = await edge.http.get("/api/openapi.json")
    again = await edge.http.get(
        "/api/openapi.json", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


async def test_it_is_valid_openapi(edge: Edge) -> None:
    assert not list(OpenAPIV31SpecValidator(edge.document).iter_errors())


async def test_it_introduces_itself(edge: Edge) -> None:
    document = edge.document
    assert document["openapi"].startswith("3.1")
    info = document["info"]
    assert all(info[field] for field in ("title", "version", "description", "contact", "license"))
    headings = ("Log-in", "Pages", "Retries", "Conditional", "Limits", "Waiting", "Versions")
    assert all(f"## {heading}" in info["description"] for heading in headings)
    assert document["servers"]


async def test_every_subject_says_what_it_is(edge: Edge) -> None:
    told = {tag["name"]: tag["description"] for tag in edge.document["tags"]}
    used = {tag for _, operation in operations(edge) for tag in operation["tags"]}
    assert used == set(told) <= set(TAGS)
    assert all(told.values())


async def test_every_schema_has_a_name_and_a_text_of_its_own(edge: Edge) -> None:
    schemas = edge.document["components"]["schemas"]
    for name, schema in schemas.items():
        assert name.isalnum(), name
        assert schema["title"] == name
        assert schema.get("description"), name


async def test_every_property_says_what_it_is(edge: Edge) -> None:
    silent = [
        f"{name}.{field}"
        for name, schema in edge.document["components"]["schemas"].items()
        for part in parts(schema)
        for field, inner in part.get("properties", {}).items()
        if not resolved(edge, inner).get("description")
    ]
    assert not silent


async def test_every_parameter_says_what_it_is(edge: Edge) -> None:
    for named, operation in operations(edge):
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), (named, parameter["name"])
            kinds = parts(parameter["schema"])
            assert {"type": "null"} not in kinds, "what is absent is left out: it is never null"


async def test_every_default_is_of_its_own_schema(edge: Edge) -> None:
    components = edge.document["components"]
    for schema in list(components["schemas"].values()):
        for part in parts(schema):
            for inner in part.get("properties", {}).values():
                if "default" in inner:
                    whole = {**inner, "components": components}
                    Draft202012Validator(whole).validate(inner["default"])
    for _, operation in operations(edge):
        for parameter in operation.get("parameters", ()):
            if "default" in parameter["schema"]:
                whole = {**parameter["schema"], "components": components}
                Draft202012Validator(whole).validate(parameter["schema"]["default"])


async def test_text_and_numbers_of_bodies_have_bounds(edge: Edge) -> None:
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]
        for _, operation in operations(edge)
        if "application/json" in operation.get("requestBody", {}).get("content", {})
        and operation["operationId"] != "receive_webhook"
    ]
    schemas, seen = edge.document["components"]["schemas"], set[str]()
    while bodies:
        for part in parts(bodies.pop()):
            name = part.get("$ref", "").rpartition("/")[2]
            if name and name not in seen:
                seen.add(name)
                bodies.append(schemas[name])
            if part.get("type") == "string":
                assert part.keys() & {"maxLength", "pattern", "format", "enum", "const"}, part
            if part.get("type") in {"integer", "number"}:
                assert part.keys() >= {"minimum", "maximum"}, part
            if part.get("type") == "array":
                assert "maxItems" in part, part
    assert len(seen) > 20


async def test_every_operation_is_told_in_words(edge: Edge) -> None:
    ids = [operation["operationId"] for _, operation in operations(edge)]
    assert len(ids) == len(set(ids))
    for named, operation in operations(edge):
        assert operation["description"], named
        assert operation["summary"], named
        for status, described in operation["responses"].items():
            response = edge.resolved(described) or {}
            assert response["description"] not in {"", "Successful Response"}, (named, status)
            assert "X-Request-ID" in response["headers"], (named, status)
            if status in {"429", "503"}:
                assert "Retry-After" in response["headers"], (named, status)
            if status == "401":
                assert "WWW-Authenticate" in response["headers"], (named, status)


async def test_what_is_no_json_is_a_file_or_a_text(edge: Edge) -> None:
    for named, operation in operations(edge):
        for described in operation["responses"].values():
            for media_type, content in (edge.resolved(described) or {}).get("content", {}).items():
                if media_type.startswith("text/"):
                    assert content["schema"] == {"type": "string"}, named
                elif not media_type.endswith("json"):
                    assert content["schema"] == {"type": "string", "format": "binary"}, named


async def test_a_route_that_reads_a_condition_says_304(edge: Edge) -> None:
    for named, operation in operations(edge):
        reads = {parameter["name"] for parameter in operation.get("parameters", ())}
        assert ("304" in operation["responses"]) == ("If-None-Match" in reads), named


def test_every_reason_with_more_to_say_is_a_reason() -> None:
    assert set(problems.MEMBERS) <= set(REASONS)


async def test_the_headers_that_are_described_are_well_formed(edge: Edge) -> None:
    for header in edge.document["components"]["headers"].values():
        Draft202012Validator.check_schema(header["schema"])
    assert set(edge.document["components"]["headers"]) <= set(headers.HEADERS)


@pytest.mark.parametrize("kind", ["schemas", "responses", "headers", "examples"])
async def test_nothing_is_described_that_nothing_refers_to(edge: Edge, kind: str) -> None:
    text = str(edge.document)
    for name in edge.document["components"].get(kind, {}):
        assert f"'#/components/{kind}/{name}'" in text, name
