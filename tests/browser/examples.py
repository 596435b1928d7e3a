"""The API as its examples answer it: a page in any state, without making that for real."""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, Route

from clients.document import description

Change = Callable[[Any], Any]
# All but files of the page, which are the gateway's.
_ANSWERED = re.compile(r"^\w+://[^/]+/(?!assets/)")
# While the examples' holds last, and before their event.
NOW = "2026-11-20T10:05:00Z"


@dataclass(frozen=True)
class Refusal:
    """An answer that is a problem."""

    status: int
    reason: str
    errors: tuple[Mapping[str, str], ...] = ()
    facts: Mapping[str, Any] | None = None

    @property
    def body(self) -> dict[str, Any]:
        told = {"status": self.status, "reason": self.reason, "title": "It is refused."}
        return {**told, "errors": list(self.errors), **(self.facts or {})}


AWAY = Refusal(503, "SERVICE_UNAVAILABLE")
MISSING = Refusal(404, "NOT_FOUND")
# No answer while the page is looked at.
NEVER = None
Answer = Change | Refusal | None


@dataclass(frozen=True)
class _Operation:
    name: str
    method: str
    path: re.Pattern[str]
    status: int
    kind: str
    example: Any


@functools.cache
def _operations() -> tuple[_Operation, ...]:
    return tuple(
        _Operation(
            operation["operationId"],
            method.upper(),
            re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"),
            int(status),
            kind,
            content.get("example"),
        )
        for path, methods in description()["paths"].items()
        for method, operation in methods.items()
        for status, answer in operation["responses"].items()
        if status.startswith("2")
        for kind, content in (answer.get("content") or {"": {}}).items()
    )


def changed(**changes: Any) -> Change:
    """The example with these of its members; `items` are as they are said here."""
    return lambda example: {**example, **changes}


def each(**changes: Any) -> Change:
    """The example's list, of one thing with these of its members."""
    return lambda example: {**example, "items": [{**example["items"][0], **changes}]}


EMPTY: Change = changed(items=[], next_cursor=None)


class Answering:
    """A context's API: its answers by the operations' names, else their examples."""

    def __init__(self, page: Page, document: str) -> None:
        self._page = page
        self._document = document
        self._answers: Mapping[str, Answer] = {}
        self._role: str | None = None
        page.context.route(_ANSWERED, self._on_request)
        page.clock.set_fixed_time(NOW)

    def show(self, path: str, role: str | None, answers: Mapping[str, Answer]) -> None:
        """Goes to the page of that address."""
        self._answers, self._role = answers, role
        context = self._page.context
        context.clear_cookies()
        if role:
            origin = urlsplit(self._page.url)
            site = f"{origin.scheme}://{origin.netloc}"
            context.add_cookies([{"name": "parterre_signed_in", "value": "1", "url": site}])
        self._page.goto(path)

    def _on_request(self, route: Route) -> None:
        request = route.request
        path = urlsplit(request.url).path
        if request.resource_type == "document":
            route.fulfill(body=self._document, content_type="text/html")
        elif path.startswith("/api/"):
            self._answer(route, request.method, path)
        elif path == "/sw.js":
            route.fulfill(body="", content_type="text/javascript")
        else:
            route.continue_()

    def _answer(self, route: Route, method: str, path: str) -> None:
        found = next(it for it in _operations() if it.method == method and it.path.fullmatch(path))
        answer = self._answers.get(found.name, copy.deepcopy)
        if answer is NEVER or found.kind == "text/event-stream":
            return
        if isinstance(answer, Refusal):
            headers = {"Content-Type": "application/problem+json"}
            route.fulfill(status=answer.status, headers=headers, body=json.dumps(answer.body))
            return
        if found.kind == "image/svg+xml":
            square = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'
            route.fulfill(body=square, content_type=found.kind)
            return
        body = answer(copy.deepcopy(found.example))
        if found.name in {"refresh", "log_in"}:
            body["user"]["role"] = self._role or "CUSTOMER"
        text = "" if body is None else json.dumps(body)
        route.fulfill(
            status=found.status, body=text, content_type=found.kind, headers={"ETag": '"1"'}
        )
