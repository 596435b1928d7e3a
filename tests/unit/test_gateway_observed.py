"""What the gateway takes of a client's request and trace, and what it tells of the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from chassis import context
from chassis.context import Origin
from gateway.edge import Observed
from gateway.problems import ProblemError

ID = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{ID}-b7ad6b7169203331-01"


async def asked(
    *headers: tuple[bytes, bytes], path: str = "/api/v1/things/t", refused: str = ""
) -> tuple[Origin, Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """The origin that a route sees, the answer's headers, and the lines in the log."""
    seen: list[Origin] = []
    answered: list[Any] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        seen.append(context.origin())
        if path.startswith("/api"):
            scope["route"] = SimpleNamespace(path="/api/v1/things/{thing_id}")
            scope["path_params"] = {"thing_id": "t", "token": "canary"}
        if refused:
            raise ProblemError(refused)
        context.note(booking_reference="PT-1")
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answered.append(message)

    observed = Observed(
        app, [("POST", "/api/v1/things/{thing_id}")], hsts=False, trusts_traceparent=False
    )
    scope = {"type": "http", "method": "POST", "path": path, "headers": list(headers)}
    with capture_logs() as lines:
        await observed(scope, receive, send)
    return seen[0], dict(answered[0]["headers"]), lines


async def test_a_clients_ids_are_gone_on_with_and_nothing_is_sampled_for_its_sake() -> None:
    origin, headers, _ = await asked((b"x-request-id", b"mine"), (b"traceparent", SAMPLED.encode()))
    assert origin == Origin("mine", f"{SAMPLED[:-1]}0")
    assert headers[b"x-request-id"] == b"mine"


@pytest.mark.parametrize(
    "given", [b"", b"00-x", b"\xff\xfe", b"-" * 10_000], ids=["none", "short", "bytes", "long"]
)
async def test_what_is_no_trace_makes_a_new_one(given: bytes) -> None:
    origin, _, _ = await asked((b"traceparent", given), (b"x-request-id", b"-"))
    assert origin.traceparent[3:35] == origin.request_id.replace("-", "")


async def test_a_request_has_one_line_with_its_route_and_what_was_noted() -> None:
    _, _, (line,) = await asked()
    assert {name: line[name] for name in ("event", "method", "route", "status")} == {
        "event": "request",
        "method": "POST",
        "route": "/api/v1/things/{thing_id}",
        "status": 201,
    }
    assert (line["booking_reference"], line["thing_id"]) == ("PT-1", "t")
    assert "path" not in line


async def test_a_refusal_says_its_reason() -> None:
    _, _, (line,) = await asked(refused="HOLD_EXPIRED")
    assert (line["reason"], line["status"]) == ("HOLD_EXPIRED", 410)


async def test_what_no_route_has_is_told_by_its_path_and_cut_short() -> None:
    _, _, (line,) = await asked(path="/" + "x" * 10_000)
    assert len(line["path"]) == 500
    assert "route" not in line


async def test_probes_are_no_news() -> None:
    _, _, (line,) = await asked(path="/readyz")
    assert line["log_level"] == "debug"
