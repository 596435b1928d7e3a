"""Where problems' types lead: pages for people, JSON for programs."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape

import pytest

from gateway.problems import REASONS, type_of
from tests.contract.conftest import Edge

JSON = {"Accept": "application/json"}


async def test_every_reason_has_a_page_and_its_json(edge: Edge) -> None:
    for reason, (status, title) in REASONS.items():
        page = await edge.http.get(type_of(reason), headers={"Accept": "text/html,*/*;q=0.8"})
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert f"<h1>{escape(title)}</h1>" in page.text
        assert f"<code>{reason}</code>" in page.text
        told = await edge.http.get(type_of(reason), headers=JSON)
        edge.check("GET", told)
        assert told.headers["content-type"] == "application/json"
        body = told.json()
        assert (body["type"], body["reason"], body["status"], body["title"]) == (
            type_of(reason),
            reason,
            status,
            title,
        )
        assert body["advice"].endswith(".")


async def test_the_type_of_a_problem_that_was_met_leads_to_its_page(edge: Edge) -> None:
    refused = await edge.get("/holds?limit=0")
    page = await edge.http.get(refused.json()["type"])
    assert page.status_code == 200
    assert "VALIDATION_FAILED" in page.text


async def test_a_page_names_what_its_problem_says_besides(edge: Edge) -> None:
    page = await edge.http.get(type_of("SEATS_UNAVAILABLE"))
    assert "<code>seat_ids</code></td><td>The seats that are not free.</td>" in page.text
    told = await edge.http.get(type_of("SEATS_UNAVAILABLE"), headers=JSON)
    assert told.json()["members"] == [
        {"name": "seat_ids", "description": "The seats that are not free."}
    ]


async def test_the_list_has_them_all(edge: Edge) -> None:
    page = await edge.http.get("/problems")
    assert set(re.findall(r'href="(/problems/[^"]+)"', page.text)) == set(map(type_of, REASONS))
    told = await edge.http.get("/problems", headers=JSON)
    edge.check("GET", told)
    assert {item["reason"] for item in told.json()["items"]} == set(REASONS)


@pytest.mark.parametrize(
    "path", ["/problems/no-such", "/problems/SEATS-UNAVAILABLE", "/problems/seats_unavailable"]
)
async def test_what_is_no_type_is_not_found(edge: Edge, path: str) -> None:
    answer = await edge.http.get(path)
    edge.check("GET", answer)
    assert (answer.status_code, answer.json()["reason"]) == (404, "NOT_FOUND")


async def test_a_page_needs_nothing_else_and_lets_nothing_else_in(edge: Edge) -> None:
    page = await edge.http.get(type_of("RATE_LIMITED"))
    assert "<script" not in page.text
    assert "Retry-After" in page.text
    assert set(re.findall(r'(?:src|href)="([^"]*)"', page.text)) == {"/problems"}
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = page.headers["content-security-policy"].split("; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert {"default-src 'none'", "frame-ancestors 'none'", "form-action 'none'"} < set(policy)
    assert "style=" not in page.text


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize("path", ["/problems", "/problems/not-found"])
async def test_a_page_that_is_kept_is_not_sent_again(edge: Edge, path: str, accept: str) -> None:
    first = await edge.http.get(path, headers={"Accept": accept})
    again = await edge.http.get(
        path, headers={"Accept": accept, "If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == first.headers["cache-control"]
