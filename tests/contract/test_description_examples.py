"""The examples of the API's description are what was asked and answered in this very run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import gateway.description
from chassis.identity import Role
from gateway.problems import REASONS
from gateway.routing import Route
from tests.contract import samples
from tests.contract.conftest import Edge, names_its_organizer, running_gateway
from tests.contract.story import (
    AT_THE_DOOR,
    REFUSALS,
    REQUEST_ID,
    REQUESTS,
    Request,
    path_of,
)
from tests.contract.test_edge import ROUTES

FILE = Path(gateway.description.__file__).parent / "examples.json"
# Binary, endless, or not the API's own.
SHOWN = ("application/json", "text/csv")
MOST_ITEMS = 3


@pytest.fixture(scope="module")
async def played() -> dict[str, Any]:
    """The story of every route, and of refusals."""
    async with running_gateway() as edge:
        await names_its_organizer(edge, f"/events/{samples.EVENT}")
        operations = {name_of(route): await told(edge, route) for route in ROUTES}
        problems = {}
        for (service, rpc, name), refusals in REFUSALS.items():
            route = next(route for route in ROUTES if name_of(route) == name)
            for refusal in refusals:
                edge.fakes[service].answers[rpc] = refusal
                answer = await ask(edge, route)
                problems[answer.json()["reason"]] = answer.json()
            del edge.fakes[service].answers[rpc]
        for method, path, options in AT_THE_DOOR:
            headers = {"X-Request-ID": REQUEST_ID, **options.get("headers", {})}
            answer = await edge.call(method, path, **{**options, "headers": headers})
            problems[answer.json()["reason"]] = answer.json()
    recorded = {"operations": operations, "problems": dict(sorted(problems.items()))}
    if os.environ.get("RECORD_EXAMPLES"):
        FILE.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
    return recorded


def name_of(route: Route) -> str:
    return str(route.endpoint.__name__)  # type: ignore[attr-defined]  # ours are functions


async def ask(edge: Edge, route: Route) -> Any:
    request = REQUESTS.get(name_of(route), Request())
    options = dict(request.options)
    edge.http.cookies.update(options.pop("cookies", {}))
    if request.body is not None:
        options["json"] = request.body
    headers = {
        "Accept": "application/json",
        "X-Request-ID": REQUEST_ID,
        **request.headers,
    }
    if route.access.role is not None:
        headers["Authorization"] = f"Bearer {edge.keys.token(Role.ADMIN)}"
    answer = await edge.http.request(route.method, path_of(route.path), headers=headers, **options)
    edge.http.cookies.clear()
    edge.check(route.method, answer)
    return answer


async def told(edge: Edge, route: Route) -> dict[str, Any]:
    """What was asked of a route, and what it answered."""
    request = REQUESTS.get(name_of(route), Request())
    example: dict[str, Any] = {}
    if request.headers:
        example["parameters"] = dict(request.headers)
    if request.body is not None:
        example["request"] = request.body
    if route.media_type not in SHOWN or name_of(route) == "openapi":
        return example
    answer = await ask(edge, route)
    assert answer.status_code == route.status, (name_of(route), answer.text)
    if answer.content:
        shown = answer.json() if route.media_type == "application/json" else answer.text
        if "items" in shown:
            shown["items"] = shown["items"][:MOST_ITEMS]
        example["answers"] = {str(answer.status_code): shown}
    return example


async def test_the_examples_are_those_of_this_run(played: dict[str, Any]) -> None:
    assert json.loads(FILE.read_text()) == played, "they have changed: run make examples"


async def test_every_body_and_every_answer_of_json_has_an_example(edge: Edge) -> None:
    for path, of_path in edge.document["paths"].items():
        for method, operation in of_path.items():
            told = f"{method.upper()} {path}: tell its story in story.py, and run make examples"
            body = operation.get("requestBody", {}).get("content", {})
            assert "application/json" not in body or "example" in body["application/json"], told
            good = [
                content["application/json"]
                for status, described in operation["responses"].items()
                if status < "300"
                and "application/json"
                in (content := (edge.resolved(described) or {}).get("content", {}))
            ]
            if good and operation["operationId"] != "openapi":
                assert any("example" in content for content in good), told


async def test_every_example_is_of_its_schema(edge: Edge) -> None:
    components = edge.document["components"]

    def hold(schema: dict[str, Any], example: Any) -> None:
        Draft202012Validator({**schema, "components": components}).validate(example)

    shown = 0
    for of_path in edge.document["paths"].values():
        for operation in of_path.values():
            described = [operation.get("requestBody", {}), *operation["responses"].values()]
            for each in described:
                for content in (edge.resolved(each) or {}).get("content", {}).values():
                    if "example" in content:
                        hold(content["schema"], content["example"])
                        shown += 1
                    for example in content.get("examples", {}).values():
                        name = example["$ref"].rpartition("/")[2]
                        hold(content["schema"], components["examples"][name]["value"])
            for parameter in operation.get("parameters", ()):
                if "example" in parameter:
                    hold(parameter["schema"], parameter["example"])
    assert shown > len(ROUTES)


def test_every_story_is_of_a_route_that_there_is() -> None:
    assert set(REQUESTS) <= {name_of(route) for route in ROUTES}
    told = {refusal.reason for refusals in REFUSALS.values() for refusal in refusals}  # type: ignore[attr-defined]
    assert told <= set(REASONS)
