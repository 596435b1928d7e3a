"""Tells the merchant what became of a charge: signed, at least once, in no particular order."""

import asyncio
import hashlib
import hmac
import logging
import random
import sqlite3
import time
from contextlib import suppress

import httpx
import orjson

from payment_service.sandbox.storage import Delivery, Storage

_CONCURRENT = 16
_DEADLINE_SECONDS = 5.0
_TRIES = 20
_ANSWER_BYTES = 64 * 1024

log = logging.getLogger("sandbox.webhooks")


def body_of(delivery: Delivery) -> bytes:
    return orjson.dumps(
        {
            "id": delivery.event_id,
            "type": "charge.updated",
            "created": delivery.created_ms // 1000,
            "data": {
                "charge_id": delivery.charge_id,
                "idempotency_key": delivery.idempotency_key,
                "status": delivery.status,
            },
        }
    )


def sign(secret: bytes, body: bytes, unix_seconds: int) -> str:
    """The `Sandbox-Signature` header: HMAC-SHA256 over `<unix seconds>.<raw body>`."""
    digest = hmac.new(secret, b"%d." % unix_seconds + body, hashlib.sha256).hexdigest()
    return f"t={unix_seconds},v1={digest}"


def pause_seconds(tries: int, jitter: float) -> float:
    """How long to wait after the try number `tries`; `jitter` in [0, 1) takes up to half away."""
    return float(min(30.0, 0.5 * 2 ** (tries - 1)) * (1 - jitter / 2))


class Sender:
    """Delivers what the storage holds; a restart goes on where it stopped."""

    def __init__(self, storage: Storage, url: str, secret: bytes) -> None:
        self._storage = storage
        self._url = url
        self._secret = secret
        self._wake = asyncio.Event()
        self._in_flight: set[int] = set()
        self._delivered: list[int] = []
        self._failed: list[tuple[int, int]] = []

    def wake(self) -> None:
        """Says that there may be something new to send."""
        self._wake.set()

    async def run(self) -> None:
        limits = httpx.Limits(max_connections=_CONCURRENT)
        # Straight to the transport: no proxy from the environment, no redirects, no cookies.
        async with (
            httpx.AsyncHTTPTransport(limits=limits) as transport,
            asyncio.TaskGroup() as deliveries,
        ):
            while True:
                self._wake.clear()
                try:
                    pause = self._start_due(transport, deliveries)
                except sqlite3.Error as error:  # a full disk must not silence the webhooks for good
                    log.warning("webhooks held up", extra={"fields": {"error": repr(error)}})
                    pause = 1.0
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()

    def record(self) -> None:
        """Writes down what became of the deliveries that have ended."""
        if self._delivered or self._failed:
            self._storage.finish(self._delivered, self._failed)
            self._in_flight.difference_update(self._delivered, (seq for seq, _ in self._failed))
            self._delivered, self._failed = [], []

    def _start_due(
        self, transport: httpx.AsyncHTTPTransport, deliveries: asyncio.TaskGroup
    ) -> float | None:
        """Starts as many deliveries as may run; seconds until the next look, None: when woken."""
        self.record()
        now_ms = time.time_ns() // 1_000_000
        # Those in flight are still in the table, and due: look past them.
        for delivery in self._storage.due(now_ms, limit=_CONCURRENT):
            if delivery.seq not in self._in_flight and len(self._in_flight) < _CONCURRENT:
                self._in_flight.add(delivery.seq)
                deliveries.create_task(self._deliver(transport, delivery))
        next_ms = self._storage.next_due_ms(now_ms)
        return None if next_ms is None else (next_ms - now_ms) / 1000

    async def _deliver(self, transport: httpx.AsyncHTTPTransport, delivery: Delivery) -> None:
        body = body_of(delivery)
        request = httpx.Request(
            "POST",
            self._url,
            content=body,
            headers={
                "Content-Type": "application/json",
                # Made anew for each try: the receiver refuses an old one.
                "Sandbox-Signature": sign(self._secret, body, int(time.time())),
            },
        )
        outcome: int | str
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                outcome = await _post(transport, request)
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            outcome = type(error).__name__
        self._settle(delivery, outcome)
        self._wake.set()

    def _settle(self, delivery: Delivery, outcome: int | str) -> None:
        tries = delivery.tries + 1
        fields = {
            "event_id": delivery.event_id,
            "charge_id": delivery.charge_id,
            "tries": tries,
            "outcome": outcome,
        }
        if isinstance(outcome, int) and 200 <= outcome < 300:
            self._delivered.append(delivery.seq)
        elif tries >= _TRIES:
            log.warning("webhook given up", extra={"fields": fields})
            self._delivered.append(delivery.seq)
        else:
            log.info("webhook put off", extra={"fields": fields})
            pause = pause_seconds(tries, random.random())  # noqa: S311 - jitter
            self._failed.append((delivery.seq, int((time.time() + pause) * 1000)))


async def _post(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> int:
    response = await transport.handle_async_request(request)
    try:
        # Only a body read to its end lets the connection be used again; a long one is not worth it.
        size = 0
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > _ANSWER_BYTES:
                break
    finally:
        await response.aclose()
    return response.status_code
