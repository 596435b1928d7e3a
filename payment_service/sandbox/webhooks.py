"""Tells the merchant what became of a charge: signed, at least once, in no particular order."""

import asyncio
import hashlib
import hmac
import logging
import random
import sqlite3
import time
from contextlib import suppress

import orjson

from payment_service.sandbox.merchant import Merchant, Unreachable
from payment_service.sandbox.storage import Delivery, Storage

_CONCURRENT = 16
_DEADLINE_SECONDS = 5.0
_TRIES = 20

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

    def __init__(self, storage: Storage, merchant: Merchant, secret: bytes) -> None:
        self._storage = storage
        self._merchant = merchant
        self._secret = secret
        self._wake = asyncio.Event()
        self._in_flight: set[int] = set()
        self._delivered: list[int] = []
        self._failed: list[tuple[int, int]] = []

    def wake(self) -> None:
        """Says that there may be something new to send."""
        self._wake.set()

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            self._merchant.close()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as deliveries:
            while True:
                self._wake.clear()
                try:
                    pause = self._start_due(deliveries)
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

    def _start_due(self, deliveries: asyncio.TaskGroup) -> float | None:
        """Starts as many deliveries as may run; seconds until the next look, None: when woken."""
        self.record()
        now_ms = time.time_ns() // 1_000_000
        # Those in flight are still in the table, and due: look past them.
        for delivery in self._storage.due(now_ms, limit=_CONCURRENT):
            if delivery.seq not in self._in_flight and len(self._in_flight) < _CONCURRENT:
                self._in_flight.add(delivery.seq)
                deliveries.create_task(self._deliver(delivery))
        next_ms = self._storage.next_due_ms(now_ms)
        return None if next_ms is None else (next_ms - now_ms) / 1000

    async def _deliver(self, delivery: Delivery) -> None:
        body = body_of(delivery)
        # Made anew for each try: the receiver refuses an old one.
        signature = sign(self._secret, body, int(time.time()))
        outcome: int | str
        try:
            outcome = await self._merchant.post(body, signature, _DEADLINE_SECONDS)
        except Unreachable as unreachable:
            outcome = str(unreachable)
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
