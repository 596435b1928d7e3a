"""A small client of the public API, for the operator's commands, the demo and the system tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import httpx

_SECONDS = 30.0
_RETRY_PAUSE_SECONDS = 0.2


class ProblemError(Exception):
    """The API refused: what its problem+json says."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('reason')}: {problem.get('detail')}")
        self.status = status
        self.reason: str = problem.get("reason", "")
        self.problem = problem


class Client:
    """One visitor, or after `log_in` one person, at one gateway."""

    def __init__(self, gateway: str) -> None:
        self.gateway = gateway
        self._http = httpx.Client(base_url=gateway, timeout=_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def log_in(self, email: str, password: str) -> Self:
        """Opens a session; its access token goes with every later call.

        Raises:
            ProblemError: for example INVALID_CREDENTIALS.
        """
        answer = self.post("/auth/login", {"email": email, "password": password})
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"
        return self

    def get(self, path: str, **query: Any) -> Any:
        """GET below /api/v1; the body, read."""
        return self.call("GET", path, params=query)

    def pages(self, path: str) -> Iterator[Any]:
        """Every item of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, limit=100, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def post(self, path: str, body: dict[str, Any] | None = None, *, key: str | None = None) -> Any:
        """POST below /api/v1, with an Idempotency-Key if given; the body, read."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.call("POST", path, json=body or {}, headers=headers)

    def delete(self, path: str) -> Any:
        """DELETE below /api/v1."""
        return self.call("DELETE", path)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """One call, not retried.

        Raises:
            ProblemError: the API refused.
            httpx.HTTPError: it did not answer.
        """
        answer = self._http.request(method, f"/api/v1{path}", **options)
        body = answer.json() if answer.content else None
        if answer.is_error:
            raise ProblemError(answer.status_code, body if isinstance(body, dict) else {})
        return body

    def patiently(self, work: Callable[[], Any], *, seconds: float) -> Any:
        """`work` again and again while the API is away or overloaded, at most so long.

        Raises:
            ProblemError, httpx.HTTPError: what the last try met.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                return work()
            except (ProblemError, httpx.HTTPError) as error:
                away = not isinstance(error, ProblemError) or error.status == 503
                if not away or time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_PAUSE_SECONDS)

    def wait_for(
        self, path: str, good: Callable[[Any], bool], *, seconds: float, **query: Any
    ) -> Any:
        """GETs `path` until `good` says so of the body; bridges the API's absences.

        Raises:
            TimeoutError: it did not become so in time.
        """
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            body = self.patiently(lambda: self.get(path, **query), seconds=left)
            if good(body):
                return body
            if left == 0.0:
                raise TimeoutError(f"{path} did not become so within {seconds} s: {body}")
            time.sleep(_RETRY_PAUSE_SECONDS)
