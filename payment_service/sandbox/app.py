"""The provider over HTTP: the merchant's API, and the page a customer decides on."""

import asyncio
import hmac
import logging
import re
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Self, TypeAlias, TypeVar
from urllib.parse import parse_qs

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from payment_service.sandbox import domain, page
from payment_service.sandbox.answers import (
    Json,
    NoAnswer,
    charge_body,
    error,
    refund_body,
    refusal,
)
from payment_service.sandbox.domain import Charge, Choice, Method, Order, Refund, Refused
from payment_service.sandbox.faults import Fault, Mode
from payment_service.sandbox.merchant import Merchant
from payment_service.sandbox.settings import Settings
from payment_service.sandbox.storage import Storage
from payment_service.sandbox.webhooks import Sender

_BODY_BYTES = 64 * 1024
_MAX_AMOUNT = 10**12  # far above any price; millions of them still add up in 64 bits
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

log = logging.getLogger("sandbox")

METRICS = CollectorRegistry()
SECONDS = Histogram(
    "parterre_sandbox_seconds",
    "Time until the provider has an answer, injected latency included, seconds",
    ["method", "route"],
    buckets=(0.01, 0.05, 0.25, 1, 5),
    registry=METRICS,
)
ANSWERS = Counter(
    "parterre_sandbox_answers",
    "Requests to the provider, by class of status; none: a fault withheld the answer",
    ["method", "route", "status"],
    registry=METRICS,
)
_STATUSES = "none", "2xx", "3xx", "4xx", "5xx"

_Handler: TypeAlias = Callable[["Provider", Request], Awaitable[Response]]
_Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
_Amount = Annotated[int, Field(gt=0, le=_MAX_AMOUNT)]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ChargeInput(_Input):
    amount: _Amount
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    method: Method
    token: str | None = Field(default=None, min_length=1, max_length=64)
    reference: str = Field(min_length=1, max_length=255)
    return_url: str | None = Field(default=None, max_length=2048)
    capture: bool = False

    @model_validator(mode="after")
    def _fits_the_method(self) -> Self:
        if (self.method is Method.CARD) != (self.token is not None):
            raise ValueError("a token is for CARD, which needs one")
        if self.return_url is not None:
            page.origin(self.return_url)
        return self


class RefundInput(_Input):
    amount: _Amount


class FaultInput(_Input):
    mode: Mode
    latency_ms: int = Field(default=0, ge=0, le=60_000)
    remaining: int | None = Field(default=None, ge=1, le=1_000_000)


class NoInput(_Input):
    """What a route takes that needs nothing: an empty body, or `{}`."""


_Model = TypeVar("_Model", bound=_Input)


@dataclass(slots=True)
class Provider:
    """What the routes share: the memory, the sender of webhooks and the fault of the moment."""

    settings: Settings
    storage: Storage
    sender: Sender | None
    api_key: bytes
    page_base: str
    fault: Fault = field(default_factory=Fault)

    def body(self, charge: Charge) -> dict[str, Any]:
        return charge_body(charge, self.storage.refunds(charge), self.page_base)

    def change(self, charge_id: str, step: Callable[[Charge], Charge], what: str) -> Charge:
        """Applies a step and tells the log and the merchant. Raises Refused."""
        try:
            charge = self.storage.change(charge_id, step, _now_ms())
        except Refused as refused:
            self.tell(what, id=charge_id, refused=refused.code)
            raise
        self.tell(what, id=charge_id, status=charge.status)
        return charge

    def tell(self, what: str, **fields: object) -> None:
        log.info(what, extra={"fields": fields})
        if self.sender is not None:
            self.sender.wake()

    def settle_later(self, charge: Charge) -> None:
        """Decides a PENDING charge when its time comes, at once where it has come."""
        if charge.settles_ms is None:
            return
        settle = partial(self.change, charge.id, domain.settle, "charge settled")
        seconds = (charge.settles_ms - _now_ms()) / 1000
        if seconds > 0:
            asyncio.get_running_loop().call_later(seconds, settle)
        else:
            settle()


def _route(method: str, path: str, endpoint: _Endpoint) -> Route:
    """A route that is measured."""
    seconds = SECONDS.labels(method, path)
    answers = {status: ANSWERS.labels(method, path, status) for status in _STATUSES}

    async def measured(request: Request) -> Response:
        began = time.perf_counter()
        response = await endpoint(request)
        seconds.observe(time.perf_counter() - began)
        is_answer = not isinstance(response, NoAnswer)
        answers[f"{response.status_code // 100}xx" if is_answer else "none"].inc()
        return response

    return Route(path, measured, methods=[method])


def create_app(settings: Settings) -> Starlette:
    """The whole provider: the lifespan opens its file and sends its webhooks."""
    routes = [
        _route("POST", "/v1/charges", _on_charges(_create_charge)),
        _route("GET", "/v1/charges", _on_charges(_list_charges)),
        _route("GET", "/v1/charges/{id}", _on_charges(_get_charge)),
        _route("POST", "/v1/charges/{id}/capture", _on_charges(_capture)),
        _route("POST", "/v1/charges/{id}/void", _on_charges(_void)),
        _route("POST", "/v1/charges/{id}/refunds", _on_charges(_refund)),
        _route("GET", "/v1/refunds", _on_charges(_list_refunds)),
        _route("GET", "/v1/balance", _for_merchant(_balance)),
        _route("GET", "/v1/faults", _for_merchant(_get_fault)),
        _route("PUT", "/v1/faults", _for_merchant(_put_fault)),
        _route("GET", "/pay/{id}", _show_page),
        _route("POST", "/pay/{id}", _decide_on_page),
        _route("GET", "/assets/page.css", _stylesheet),
        _route("GET", "/healthz", _alive),
        Route("/metrics", _for_merchant(_metrics), methods=["GET"]),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        storage = Storage(settings.database, announces=settings.webhook_url is not None)
        sender = None
        if settings.webhook_url is not None:
            secret = settings.webhook_secret.get_secret_value().encode()
            sender = Sender(storage, Merchant(str(settings.webhook_url)), secret)
        app.state.provider = provider = Provider(
            settings,
            storage,
            sender,
            settings.api_key.get_secret_value().encode(),
            settings.page_base,
        )
        for charge in storage.pending():
            provider.settle_later(charge)
        try:
            async with _running(sender):
                yield
        finally:
            storage.close()

    return Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error, Exception: _unexpected},
    )


@asynccontextmanager
async def _running(sender: Sender | None) -> AsyncIterator[None]:
    if sender is None:
        yield
        return
    task = asyncio.create_task(sender.run())
    task.add_done_callback(_stop_on_failure)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        sender.record()


def _stop_on_failure(task: asyncio.Task[None]) -> None:
    # A provider that goes on without its webhooks would be a riddle; one that stops is not.
    if not task.cancelled() and (failure := task.exception()) is not None:
        log.critical("webhooks stopped", exc_info=failure)
        signal.raise_signal(signal.SIGTERM)


# --- the door --------------------------------------------------------------------------------


async def _metrics(_provider: "Provider", _request: Request) -> Response:
    return Response(generate_latest(METRICS), media_type=CONTENT_TYPE_LATEST)


def _for_merchant(handler: _Handler) -> _Endpoint:
    """Lets in who holds the API key, and turns refusals into answers."""

    async def guarded(request: Request) -> Response:
        provider: Provider = request.app.state.provider
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, b"Bearer " + provider.api_key):
            return error(
                401,
                "unauthorized",
                "The API key is missing or wrong.",
                {"WWW-Authenticate": "Bearer"},
            )
        try:
            return await handler(provider, request)
        except Refused as refused:
            return refusal(refused)

    return guarded


def _on_charges(handler: _Handler) -> _Endpoint:
    """As `_for_merchant`, with the fault of the moment in between."""

    async def faulty(provider: Provider, request: Request) -> Response:
        fault = provider.fault
        if not fault.strikes:
            return await handler(provider, request)
        provider.fault = fault.after_one()
        provider.tell("fault injected", mode=fault.mode, latency_ms=fault.latency_ms)
        await asyncio.sleep(fault.latency_ms / 1000)
        match fault.mode:
            case Mode.DOWN:
                return NoAnswer(0)
            case Mode.HANG:
                return NoAnswer()
            case Mode.ERROR_500:
                return error(500, "internal", "Something went wrong.")
            case Mode.MALFORMED:
                return await _halved(provider, request)
            case Mode.NONE:
                return await handler(provider, request)

    async def _halved(provider: Provider, request: Request) -> Response:
        try:
            whole = await handler(provider, request)
        except Refused as refused:
            whole = refusal(refused)
        if isinstance(whole, NoAnswer):
            return whole
        half = bytes(whole.body[: len(whole.body) // 2])
        return Response(half, whole.status_code, media_type="application/json")

    return _for_merchant(faulty)


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES:
            raise HTTPException(413, "The body is longer than 64 KiB.")
    return bytes(body)


async def _read(request: Request, model: type[_Model]) -> _Model:
    body = await _read_body(request)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as invalid:
        # The input itself stays out of the answer: it may hold a card's token.
        problems = invalid.errors(include_input=False, include_url=False, include_context=False)
        told = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'body'}: {p['msg']}" for p in problems)
        raise Refused("invalid_request", told) from None


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not _KEY.fullmatch(key):
        raise Refused(
            "invalid_request", "The header Idempotency-Key needs 1 to 255 printable characters."
        )
    return key


def _once(body: dict[str, Any], *, fresh: bool) -> Response:
    """201 for what was made now, 200 for what the key made before."""
    return Json(body, 201) if fresh else Json(body, headers={"Idempotent-Replayed": "true"})


def _reused() -> Refused:
    return Refused("idempotency_key_reused", "This Idempotency-Key was used for something else.")


# --- charges ---------------------------------------------------------------------------------


async def _create_charge(provider: Provider, request: Request) -> Response:
    key = _idempotency_key(request)
    asked = await _read(request, ChargeInput)
    order = Order(**dict(asked))
    charge = domain.open_charge(
        order,
        charge_id="ch_" + secrets.token_hex(12),
        idempotency_key=key,
        page_token=secrets.token_urlsafe(24),
        now_ms=_now_ms(),
        late_ms=int(provider.settings.webhook_late_seconds * 1000),
    )
    behaviour = charge.behaviour
    if not behaviour.recorded:
        provider.tell("charge ignored", reference=order.reference)
        return NoAnswer()
    if behaviour.first_try_fails and provider.storage.fails_first(key):
        provider.tell("charge failed once", reference=order.reference)
        return error(500, "internal", "Something went wrong.")
    charge, fresh = provider.storage.create(charge)
    if charge.order != order:
        raise _reused()
    if fresh:
        provider.tell(
            "charge made",
            id=charge.id,
            reference=order.reference,
            amount=order.amount,
            currency=order.currency,
            method=order.method,
            status=charge.status,
            decline_code=charge.decline_code,
        )
        provider.settle_later(charge)
        if behaviour.answer_after_seconds is None:
            return NoAnswer()
        if behaviour.answer_after_seconds:
            await asyncio.sleep(behaviour.answer_after_seconds)
    return _once(provider.body(charge), fresh=fresh)


async def _get_charge(provider: Provider, request: Request) -> Response:
    return Json(provider.body(provider.storage.by_id(request.path_params["id"])))


async def _list_charges(provider: Provider, request: Request) -> Response:
    query = dict(request.query_params)
    if set(query) == {"idempotency_key"}:
        found = provider.storage.by_key(query["idempotency_key"])
        return Json({"items": [provider.body(found)] if found else [], "next_cursor": None})
    limit, cursor, since_ms = _page(query, "idempotency_key alone, or ")
    if cursor is not None:
        provider.storage.by_id(cursor)
    charges = provider.storage.page(limit=limit + 1, after=cursor, since_ms=since_ms)
    shown = charges[:limit]
    return Json(
        {
            "items": [provider.body(charge) for charge in shown],
            "next_cursor": shown[-1].id if len(charges) > len(shown) else None,
        }
    )


async def _list_refunds(provider: Provider, request: Request) -> Response:
    limit, cursor, since_ms = _page(dict(request.query_params))
    refunds = provider.storage.refund_page(limit=limit + 1, after=cursor, since_ms=since_ms)
    shown = refunds[:limit]
    return Json(
        {
            "items": [refund_body(refund) for refund in shown],
            "next_cursor": shown[-1].id if len(refunds) > len(shown) else None,
        }
    )


def _page(query: dict[str, str], others: str = "") -> tuple[int, str | None, int]:
    """Limit, cursor, and since when in Unix milliseconds."""
    if not set(query) <= {"limit", "cursor", "since"}:
        raise Refused("invalid_request", f"Use {others}limit, cursor and since.")
    limit = query.get("limit", "20")
    if not re.fullmatch(r"[1-9]\d?|100", limit, re.ASCII):
        raise Refused("invalid_request", "limit: from 1 to 100.")
    since = query.get("since", "0")
    if not re.fullmatch(r"\d{1,12}", since, re.ASCII):
        raise Refused("invalid_request", "since: Unix seconds.")
    return int(limit), query.get("cursor"), int(since) * 1000


async def _capture(provider: Provider, request: Request) -> Response:
    await _read(request, NoInput)
    charge = provider.change(request.path_params["id"], domain.capture, "charge captured")
    return Json(provider.body(charge))


async def _void(provider: Provider, request: Request) -> Response:
    await _read(request, NoInput)
    charge = provider.change(request.path_params["id"], domain.void, "charge voided")
    return Json(provider.body(charge))


async def _refund(provider: Provider, request: Request) -> Response:
    key = _idempotency_key(request)
    amount = (await _read(request, RefundInput)).amount
    charge_id = request.path_params["id"]
    asked = Refund("re_" + secrets.token_hex(12), charge_id, key, amount, _now_ms())
    try:
        refund, fresh = provider.storage.refund(asked, partial(domain.refund, amount=amount))
    except Refused as refused:
        provider.tell("charge refunded", id=charge_id, amount=amount, refused=refused.code)
        raise
    if (refund.charge_id, refund.amount) != (charge_id, amount):
        raise _reused()
    if fresh:
        provider.tell("charge refunded", id=charge_id, amount=amount, refund=refund.id)
    return _once(refund_body(refund), fresh=fresh)


async def _balance(provider: Provider, request: Request) -> Response:  # noqa: ARG001 - a route
    return Json(
        {
            balance.currency: {
                "captured": balance.captured,
                "refunded": balance.refunded,
                "net": balance.captured - balance.refunded,
            }
            for balance in provider.storage.balances()
        }
    )


async def _get_fault(provider: Provider, request: Request) -> Response:  # noqa: ARG001 - a route
    fault = provider.fault
    return Json({"mode": fault.mode, "latency_ms": fault.latency_ms, "remaining": fault.remaining})


async def _put_fault(provider: Provider, request: Request) -> Response:
    provider.fault = Fault(**dict(await _read(request, FaultInput)))
    provider.tell("fault set", mode=provider.fault.mode)
    return await _get_fault(provider, request)


# --- the customer's page ---------------------------------------------------------------------


def _charge_of_page(request: Request) -> Charge | None:
    """The charge whose page this is; None for a wrong token, as for a charge that has no page."""
    provider: Provider = request.app.state.provider
    try:
        charge = provider.storage.by_id(request.path_params["id"])
    except Refused:
        return None
    given = request.query_params.get("t", "").encode()
    if not charge.has_page or not hmac.compare_digest(given, charge.page_token.encode()):
        return None
    return charge


async def _show_page(request: Request) -> Response:
    charge = _charge_of_page(request)
    return page.not_found() if charge is None else page.show(charge)


async def _decide_on_page(request: Request) -> Response:
    charge = _charge_of_page(request)
    if charge is None:
        return page.not_found()
    body = (await _read_body(request)).decode("utf-8", "replace")
    try:
        form = parse_qs(body, max_num_fields=10)
        choice = Choice(form.get("action", [""])[0])
    except ValueError:
        return page.show(charge, status=422)
    provider: Provider = request.app.state.provider
    try:
        charge = provider.change(
            charge.id, partial(domain.decide, choice=choice), f"customer chose to {choice}"
        )
    except Refused:
        return page.show(provider.storage.by_id(charge.id), status=409)
    address = page.return_address(charge, choice)
    if address is None:
        return page.closed(choice)
    return RedirectResponse(address, 303, headers=page.SAFE_HEADERS)


async def _stylesheet(request: Request) -> Response:  # noqa: ARG001 - a route
    return page.stylesheet()


async def _alive(request: Request) -> Response:  # noqa: ARG001 - a route
    return Json({"status": "ok"})


# --- the rest --------------------------------------------------------------------------------


async def _http_error(request: Request, problem: Exception) -> Response:  # noqa: ARG001 - Starlette's
    """Starlette's own errors, and bodies too long, in the shape of all others."""
    assert isinstance(problem, HTTPException)  # noqa: S101 - registered for nothing else
    codes = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
    code = codes.get(problem.status_code, "invalid_request")
    headers = dict(problem.headers) if problem.headers else None
    return error(problem.status_code, code, problem.detail, headers)


async def _unexpected(request: Request, problem: Exception) -> Response:  # noqa: ARG001 - Starlette's
    return error(500, "internal", "Something went wrong.")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
