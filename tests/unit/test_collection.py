"""The Postman collection has the whole description, and what a run needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from clients import collection, explanations
from clients.document import description
from gateway.problems import REASONS


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return description()


@pytest.fixture(scope="module")
def made(document: dict[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(collection.collection(document))
    return whole


def requests(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those outside of the first booking."""
    for folder in made["item"][1:]:
        for item in folder["item"]:
            yield item["request"]


def test_every_operation_is_there_once(document: dict[str, Any], made: dict[str, Any]) -> None:
    described = [
        (method.upper(), re.sub(r"\{(\w+)\}", r":\1", path))
        for path, operations in document["paths"].items()
        for method in operations
    ]
    there = [
        (request["method"], request["url"]["raw"].removeprefix("{{baseUrl}}"))
        for request in requests(made)
    ]
    assert sorted(there) == sorted(described)


def test_every_body_is_an_example_of_the_description(made: dict[str, Any]) -> None:
    bodies = [request["body"] for request in requests(made) if "body" in request]
    assert len(bodies) > 20
    for body in bodies:
        if body["mode"] == "raw":
            json.loads(body["raw"])
        else:
            assert {field["type"] for field in body["formdata"]} == {"file", "text"}


def test_a_token_goes_where_one_is_needed(made: dict[str, Any]) -> None:
    free = {request["url"]["raw"] for request in requests(made) if "auth" in request}
    assert "{{baseUrl}}/api/v1/auth/login" in free
    assert not {url for url in free if "bookings" in url}
    assert made["auth"]["bearer"][0]["value"] == "{{token}}"


def test_what_need_not_be_given_is_switched_off(made: dict[str, Any]) -> None:
    (hold,) = (
        request for request in requests(made)
        if (request["method"], request["url"]["path"][-1]) == ("POST", "holds")
    )  # fmt: skip
    off = {pair["key"]: pair.get("disabled", False) for pair in hold["header"]}
    assert off == {"Idempotency-Key": True, "Content-Type": False}


def test_an_explanation_has_no_link_that_leads_nowhere() -> None:
    rows = list(explanations.reasons())
    assert [row["reason"] for row in rows] == list(dict.fromkeys(row["reason"] for row in rows))
    assert {row["reason"] for row in rows} == set(REASONS)
    assert not [row for row in rows if "](" in row["advice"]]
