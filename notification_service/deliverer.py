"""Sends facts to organizers' systems, at least once each, and none waits for another's endpoint."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from prometheus_client import Counter

from chassis.database import Database
from chassis.errors import RemoteError
from chassis.logs import get_logger
from chassis.retrying import persistently
from chassis.sealing import Seal
from chassis.telemetry import ALERTS
from notification_service.calling import Caller
from notification_service.domain import webhooks
from notification_service.domain.webhooks import Answer, DeliveriesWritten, Parcel
from notification_service.handlers.webhooks import note_answer
from notification_service.payloads import Payloads
from notification_service.storage import webhooks as stored

# Behind the word that there are deliveries: for those that are to be tried again.
_POLL_SECONDS = 2.0
# So many of an endpoint are sent at once, and then the next: one that hangs holds up itself.
_AT_ONCE_EACH = 4
_AT_ONCE = 60
# One that takes longer than this makes room for others; so many at most.
_SLOW_SECONDS = 2.0
_MOST_SLOW = 240
# Writing a body asks two services (5 s at most each), and the call takes ten.
_LEASE_SECONDS = 60.0
_NOTE_TRIES = 100  # of what came of a try; over about four minutes

DELIVERIES = Counter(
    "parterre_webhooks",
    "Tries to deliver a webhook: delivered, failed (the endpoint), not_written (on our side)",
    ["outcome"],
)
_DELIVERED, _FAILED, _NOT_WRITTEN = map(DELIVERIES.labels, ("delivered", "failed", "not_written"))
SWITCHED_OFF = Counter(
    "parterre_webhook_endpoints_switched_off",
    "Endpoints of organizers that were switched off: failing (for days), gone (they said so)",
    ["why"],
)
_SWITCHED_OFF = {why: SWITCHED_OFF.labels(why.lower()) for why in (webhooks.FAILING, webhooks.GONE)}

log = get_logger(__name__)


class Deliverer:
    """Sends what waits."""

    def __init__(self, database: Database, payloads: Payloads, caller: Caller, seal: Seal) -> None:
        """`seal`: opens the endpoints' secrets."""
        self._database = database
        self._payloads = payloads
        self._caller = caller
        self._seal = seal
        self._sending: dict[UUID, tuple[UUID, float, asyncio.Task[None]]] = {}  # by delivery
        self._wake = asyncio.Event()
        heard = database.when_noted

        def hear(facts: Sequence[object]) -> None:
            if heard is not None:
                heard(facts)
            self.take(facts)

        database.when_noted = hear

    def take(self, facts: Sequence[object]) -> None:
        """Hears that there are deliveries; `Database.when_noted`."""
        if any(isinstance(fact, DeliveriesWritten) for fact in facts):
            self._wake.set()

    async def run(self) -> None:
        """Sends until cancelled. What fails is tried again later, for a day."""
        try:
            await self._send_for_ever()
        finally:
            for _endpoint, _began, sending in self._sending.values():
                sending.cancel()
            await self._caller.close()

    async def _send_for_ever(self) -> None:
        while True:
            self._wake.clear()
            pause = _POLL_SECONDS
            if room := self._room():
                async with self._database.transaction() as session:
                    parcels = await stored.lease(
                        session,
                        busy={endpoint for endpoint, _began, _task in self._sending.values()},
                        each=_AT_ONCE_EACH,
                        limit=room,
                        lease_seconds=_LEASE_SECONDS,
                    )
                for parcel in parcels:
                    self._start(parcel)
            else:
                pause = _SLOW_SECONDS / 4  # when one of them has become slow
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    def _room(self) -> int:
        slow = time.monotonic() - _SLOW_SECONDS
        quick = sum(began > slow for _endpoint, began, _task in self._sending.values())
        return max(0, min(_AT_ONCE - quick, _AT_ONCE + _MOST_SLOW - len(self._sending)))

    def _start(self, parcel: Parcel) -> None:
        sending = asyncio.create_task(self._send(parcel))
        self._sending[parcel.id] = parcel.endpoint_id, time.monotonic(), sending
        sending.add_done_callback(lambda done: self._ended(parcel, done))

    def _ended(self, parcel: Parcel, sending: asyncio.Task[None]) -> None:
        del self._sending[parcel.id]
        self._wake.set()  # others of its endpoint may be waiting
        if not sending.cancelled() and (error := sending.exception()) is not None:
            log.warning("webhook may be sent again", id=parcel.id, error=repr(error))

    async def _send(self, parcel: Parcel) -> None:
        answer = await self._try(parcel)
        if answer is None:
            return
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads what is tried again

        async def noted() -> str:
            async with self._database.transaction() as session:
                return await note_answer(session, parcel, answer, jitter=jitter)

        # Until it is noted, for it would be sent again.
        disabled = await persistently(
            noted, lambda _error: True, first_seconds=0.5, most_seconds=5.0, tries=_NOTE_TRIES
        )
        outcome = _DELIVERED if answer.is_success else _NOT_WRITTEN if answer.is_ours else _FAILED
        outcome.inc()
        if disabled:
            _SWITCHED_OFF[disabled].inc()
            log.warning("webhook endpoint disabled", id=parcel.endpoint_id, why=disabled)

    async def _try(self, parcel: Parcel) -> Answer | None:
        """Tries to send; None: the delivery is forgotten meanwhile."""
        opened = [self._seal.open(sealed) for sealed in parcel.sealed_secrets]
        secrets = [secret for secret in opened if secret is not None]
        if not secrets:
            ALERTS.labels("webhook_secret_lost").inc()
            log.error("webhook secret can't be opened", endpoint_id=parcel.endpoint_id)
            return Answer(error=webhooks.SECRET_LOST)
        try:
            body = await self._body(parcel)
        except RemoteError as error:
            log.warning("webhook not written, will be tried again", id=parcel.id, error=repr(error))
            return Answer(error=webhooks.NOT_WRITTEN)
        except Exception:
            log.exception("webhook can't be written", id=parcel.id)
            return Answer(error=webhooks.NOT_WRITTEN)
        if body is None:
            return None
        at = int(parcel.now.timestamp())  # of this try; receivers allow it five minutes
        return await self._caller.post(
            parcel.url,
            body,
            {
                "webhook-id": str(parcel.id),
                "webhook-timestamp": str(at),
                "webhook-signature": webhooks.signatures(secrets, str(parcel.id), at, body),
            },
        )

    async def _body(self, parcel: Parcel) -> bytes | None:
        if parcel.body is not None:
            return parcel.body
        written = await self._payloads.write(parcel)
        async with self._database.transaction() as session:
            return await stored.keep_body(session, parcel.id, written)
