"""What goes back over the wire: JSON, errors, and the answers that never come."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from payment_service.sandbox.domain import Charge, Refund, Refused, Status

CONNECTION = "sandbox.connection"
_WITHHELD_SECONDS = 30.0

# Every other refusal is a conflict with the charge as it is.
_STATUS = {"capture_failed": 402, "not_found": 404, "unknown_token": 422, "invalid_request": 422}


class _Connection(Protocol):
    withheld: bool

    def cut(self) -> None: ...


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class NoAnswer(Response):
    """Holds the connection for a while, or until the caller goes, and cuts it without a byte."""

    def __init__(self, hold_seconds: float = _WITHHELD_SECONDS) -> None:
        super().__init__()
        self._hold_seconds = hold_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        connection: _Connection = scope["extensions"][CONNECTION]
        connection.withheld = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._hold_seconds):
                await _gone(receive)
        connection.cut()
        await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Json:
    return Json({"error": {"code": code, "message": message}}, status, headers)


def refusal(refused: Refused) -> Json:
    return error(_STATUS.get(refused.code, 409), refused.code, str(refused))


def refund_body(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "charge_id": refund.charge_id,
        "idempotency_key": refund.idempotency_key,
        "amount": refund.amount,
        "created_at": _rfc3339(refund.created_ms),
    }


def charge_body(charge: Charge, refunds: list[Refund], page_base: str) -> dict[str, Any]:
    order = charge.order
    waits = charge.status is Status.REQUIRES_ACTION
    return {
        "id": charge.id,
        "idempotency_key": charge.idempotency_key,
        "reference": order.reference,
        "amount": order.amount,
        "currency": order.currency,
        "method": order.method,
        "status": charge.status,
        "captured_amount": charge.captured_amount,
        "refunded_amount": charge.refunded_amount,
        "decline_code": charge.decline_code,
        "action_url": f"{page_base}/pay/{charge.id}?t={charge.page_token}" if waits else None,
        "created_at": _rfc3339(charge.created_ms),
        "refunds": [refund_body(refund) for refund in refunds],
    }


def _rfc3339(unix_ms: int) -> str:
    moment = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
