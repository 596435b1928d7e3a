"""The sandbox provider's adapter, over HTTP; docs/sandbox.md is the provider's own manual."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from chassis.logs import get_logger
from payment_service.domain import (
    Absent,
    Charge,
    ChargeState,
    InvalidSignatureError,
    InvalidWebhookError,
    Listed,
    Order,
    ProviderUnavailableError,
    Refunded,
    Refused,
    Result,
    Unknown,
    Unreachable,
    WebhookEvent,
)
from payment_service.providers import CardTokens
from payment_service.providers.transport import Answer, Transport

TOLERANCE_SECONDS = 300
MAX_WEBHOOK_BYTES = 64 * 1024
_SIGNATURE_HEADER = "sandbox-signature"
_MAX_ID = 255

_STATES: Mapping[str, ChargeState] = {
    "PENDING": ChargeState.PENDING,
    "REQUIRES_ACTION": ChargeState.REQUIRES_ACTION,
    "AUTHORIZED": ChargeState.AUTHORIZED,
    "CAPTURED": ChargeState.CAPTURED,
    "PARTIALLY_REFUNDED": ChargeState.CAPTURED,
    "REFUNDED": ChargeState.CAPTURED,
    "DECLINED": ChargeState.DECLINED,
    "VOIDED": ChargeState.VOIDED,
}
# The provider's words in ours; any other is told as a refusal without a reason.
_REASONS: Mapping[str, str] = {
    "card_declined": "CARD_DECLINED",
    "insufficient_funds": "INSUFFICIENT_FUNDS",
    "refused_by_customer": "REFUSED_BY_CUSTOMER",
    "unknown_token": "UNKNOWN_TOKEN",
    "capture_failed": "CAPTURE_FAILED",
}
_OTHER_REASON = "PAYMENT_REFUSED"

# Each stands for a way a card behaves (docs/sandbox.md).
_TEST_CARDS: Mapping[str, str] = {
    "tok_ok": "A good card",
    "tok_action_required": "A card whose bank asks first",
    "tok_declined": "A card that is declined",
    "tok_insufficient_funds": "A card without enough money",
    "tok_slow": "A card that takes three seconds",
    "tok_webhook_late": "A card whose bank answers later",
    "tok_webhook_duplicated": "A card whose bank answers twice",
    "tok_capture_fails": "A card that is approved, and then not charged",
    "tok_error_500_once": "A card whose bank fails once",
    "tok_timeout_charged": "A card that is charged without an answer",
    "tok_timeout_not_charged": "A card without an answer",
}

log = get_logger(__name__)


class _Answer:
    """Status, and the JSON object of the body."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.body = body

    @property
    def code(self) -> str:
        """The error's code."""
        error = self.body.get("error")
        return str(error.get("code")) if isinstance(error, dict) else ""


class SandboxProvider:
    """The sandbox provider, as a merchant."""

    name = "sandbox"
    is_test = True
    card_tokens = CardTokens(names=tuple(_TEST_CARDS), test_cards=_TEST_CARDS)

    def __init__(
        self,
        *,
        url: str,
        api_key: str,
        webhook_secrets: Sequence[str],
        return_url: str | None,
        deadline_seconds: float,
        connections: int,
    ) -> None:
        self._secrets = [secret.encode() for secret in webhook_secrets]
        self._return_url = return_url
        self._http = Transport(
            url,
            headers={"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"},
            connections=connections,
            deadline_seconds=deadline_seconds,
        )

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def charge(self, order: Order) -> Result:
        if order.charge_id:
            return await self._capture(order.key, order.charge_id)
        result = await self._make(order)
        if isinstance(result, Charge) and result.state is ChargeState.AUTHORIZED:
            return await self._capture(order.key, result.id)
        return result

    async def _make(self, order: Order) -> Result:
        body: dict[str, object] = {
            "amount": order.amount,
            "currency": order.currency,
            "method": order.method,
            "reference": order.reference,
            "capture": True,
        }
        if self._return_url:
            body["return_url"] = f"{self._return_url}?{urlencode({'booking': order.reference})}"
        if order.token is not None:
            body["token"] = order.token
        answer = await self._send("POST", "/v1/charges", body=body, idempotency_key=order.key)
        if not isinstance(answer, _Answer):
            return answer
        if answer.status in {200, 201}:
            return _charge(answer.body, order.key)
        if answer.status == 422:
            return Refused(_REASONS.get(answer.code, _OTHER_REASON))
        if answer.code == "idempotency_key_reused":
            # Asked for by a version that did not capture at once.
            return await self.look_up(order.key)
        return _misunderstood(answer)

    async def _capture(self, key: str, charge_id: str) -> Result:
        answer = await self._send("POST", f"{_charge_path(charge_id)}/capture", body={})
        if not isinstance(answer, _Answer) or answer.status != 402:
            return _changed(answer, key)
        let_go = await self.void(key, charge_id)
        if isinstance(let_go, Charge) and let_go.state is ChargeState.VOIDED:
            return replace(let_go, reason=_REASONS.get(answer.code, _OTHER_REASON))
        return let_go if isinstance(let_go, Charge | Unknown) else Unknown("still set aside")

    async def void(self, key: str, charge_id: str) -> Result:
        answer = await self._send("POST", f"{_charge_path(charge_id)}/void", body={})
        if isinstance(answer, _Answer) and answer.code == "not_voidable":
            return Refused("NOT_VOIDABLE")
        return _changed(answer, key)

    async def refund(self, key: str, charge_id: str, amount: int) -> Result:
        path = f"{_charge_path(charge_id)}/refunds"
        answer = await self._send("POST", path, body={"amount": amount}, idempotency_key=key)
        if not isinstance(answer, _Answer):
            return answer
        if answer.status in {200, 201}:
            same = answer.body.get("idempotency_key") == key and answer.body.get("amount") == amount
            return Refunded() if same else Unknown("the answer is about another refund")
        return _misunderstood(answer)

    async def look_up(self, key: str) -> Result:
        query = urlencode({"idempotency_key": key})
        answer = await self._send("GET", f"/v1/charges?{query}")
        if not isinstance(answer, _Answer):
            return answer
        items = answer.body.get("items")
        if answer.status != 200 or not isinstance(items, list):
            return _misunderstood(answer)
        return _charge(items[0], key) if items else Absent()

    async def list_charges(self, since: float) -> AsyncIterator[Listed]:
        seen: set[str] = set()
        async for body in self._pages("/v1/charges", since):
            charge = _listed(body)
            seen.add(charge.id)
            yield charge
        # Paid back from lately, made before.
        async for refund in self._pages("/v1/refunds", since):
            id = str(refund.get("charge_id"))
            if id not in seen:
                seen.add(id)
                yield _listed(await self._fetch(_charge_path(id)))

    async def find_listed(self, key: str) -> Listed | None:
        body = await self._fetch(f"/v1/charges?{urlencode({'idempotency_key': key})}")
        items = body.get("items")
        return _listed(items[0]) if items else None

    async def _pages(self, path: str, since: float) -> AsyncIterator[Mapping[str, Any]]:
        cursor: Any = ""
        while cursor is not None:
            query = {"since": str(int(since)), "limit": "100"} | (
                {"cursor": str(cursor)} if cursor else {}
            )
            page = await self._fetch(f"{path}?{urlencode(query)}")
            for item in page.get("items", ()):
                yield item
            cursor = page.get("next_cursor")

    async def _fetch(self, path: str) -> Mapping[str, Any]:
        answer = await self._send("GET", path)
        if not isinstance(answer, _Answer):
            raise ProviderUnavailableError(f"The provider does not answer: {answer.why}.")
        if answer.status != 200:
            raise ProviderUnavailableError(f"The provider answers {answer.status} {answer.code}.")
        return answer.body

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        idempotency_key: str = "",
    ) -> _Answer | Unknown | Unreachable:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        written = None if body is None else orjson.dumps(body)
        answer = await self._http.send(method, path, written, headers)
        if not isinstance(answer, Answer):
            return answer
        try:
            read = orjson.loads(answer.body)
        except ValueError:
            return Unknown("the answer is not JSON")
        if not isinstance(read, dict):
            return Unknown("the answer is not an object")
        return _Answer(answer.status, read)

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent | None:
        if len(body) > MAX_WEBHOOK_BYTES:
            raise InvalidWebhookError("The body is too long.")
        signed_at = self._verify(headers.get(_SIGNATURE_HEADER, ""), body)
        try:
            event = orjson.loads(body)
            id, kind, key = event["id"], event["type"], event["data"]["idempotency_key"]
            if not (_is_name(id) and _is_name(key)):
                raise TypeError("id and key are texts")
            if kind != "charge.updated":
                return None
            claims = _STATES[event["data"]["status"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidWebhookError("The body can't be read.") from error
        return WebhookEvent(id, key, claims, signed_at, TOLERANCE_SECONDS)

    def _verify(self, header: str, body: bytes) -> int:
        """When it was signed, Unix seconds."""
        parts = dict(part.partition("=")[::2] for part in header.split(",") if "=" in part)
        signed_at, signature = parts.get("t", ""), parts.get("v1", "")
        if not (signed_at.isascii() and signed_at.isdigit() and len(signed_at) <= 12):
            raise InvalidSignatureError("The signature is missing or not one.")
        signed = signed_at.encode() + b"." + body
        # Every secret is tried, so that the time it takes does not tell which one matched.
        matches = [
            hmac.compare_digest(
                hmac.new(secret, signed, hashlib.sha256).hexdigest().encode(), signature.encode()
            )
            for secret in self._secrets
        ]
        if not any(matches):
            raise InvalidSignatureError("The signature is not the provider's.")
        return int(signed_at)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_ID and value.isprintable()


def _charge_path(charge_id: str) -> str:
    return f"/v1/charges/{quote(charge_id, safe='')}"


def _changed(answer: _Answer | Unknown | Unreachable, key: str) -> Result:
    if not isinstance(answer, _Answer):
        return answer
    # A conflict means that the charge is not what it was taken for: the look-up will tell.
    return _charge(answer.body, key) if answer.status == 200 else _misunderstood(answer)


def _charge(body: Any, key: str) -> Charge | Unknown:
    try:
        state = _STATES[body["status"]]
        id, captured = body["id"], body["captured_amount"]
        if not (_is_name(id) and isinstance(captured, int)):
            raise TypeError("not a charge")
        if body["idempotency_key"] != key:
            raise ValueError("another charge")
        is_whole = (captured > 0) == (state is ChargeState.CAPTURED)
        url = body["action_url"] or ""
        # A customer's browser is sent there, and to nothing that is no page.
        is_page = isinstance(url, str) and (not url or url.startswith(("https://", "http://")))
        if not is_whole or not is_page:
            raise ValueError("not a charge that can be")
        reason = ""
        if state is ChargeState.DECLINED:
            reason = _REASONS.get(body["decline_code"], _OTHER_REASON)
    except (KeyError, TypeError, ValueError) as error:
        return Unknown(f"malformed: {type(error).__name__}")
    return Charge(state, id, captured, reason, url if state is ChargeState.REQUIRES_ACTION else "")


def _listed(body: Mapping[str, Any]) -> Listed:
    try:
        return Listed(
            key=str(body["idempotency_key"]),
            id=str(body["id"]),
            state=_STATES[body["status"]],
            amount=int(body["amount"]),
            currency=str(body["currency"]),
            captured=int(body["captured_amount"]),
            refunds={str(each["idempotency_key"]): int(each["amount"]) for each in body["refunds"]},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProviderUnavailableError("The provider lists what can't be read.") from error


def _misunderstood(answer: _Answer) -> Unknown:
    """A refusal that says more about us, or the provider's health, than about the payment."""
    if answer.status < 500:
        log.warning("the provider refuses a call", status=answer.status, code=answer.code)
    return Unknown(f"{answer.status} {answer.code}")
