"""Calls the provider for what the work list says, outside any transaction.

A call is claimed in one transaction (a lease, and a fencing token), made, and its result recorded
in another. Between the two a crash is harmless: the lease runs out, the call is made again under
the same key, and the provider answers with the same charge. Results that arrive together are
recorded together.

A call that follows from a command is leased to this process by the command's own transaction, as
far as there is room, and made as soon as that is committed; the work list is asked for all else.

The bookings are told when the provider stops answering, again while it does not, and when it
answers. Each process has a breaker of its own, and the last to speak wins. That is whoever goes on
saying that it has no answer: new payments are refused until every process reaches the provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from uuid import UUID

from chassis.database import Database
from chassis.failpoints import AFTER_PROVIDER_ANSWER
from chassis.logs import get_logger
from payment_service.domain import (
    FINAL,
    Charge,
    Kind,
    Order,
    Payment,
    ProviderUnavailableError,
    Result,
    Unknown,
    Unreachable,
    provider_key,
    refund_key,
)
from payment_service.handlers import calls, outages, webhooks
from payment_service.handlers.work import NO_LEASE, Call, Lease, Todo
from payment_service.providers import Provider
from payment_service.providers.breaker import Breaker

_POLL_SECONDS = 1.0
_FORGET_SECONDS = 600.0
# One transaction of results; more wait for the next.
_RECORD_BATCH = 50
# The key of no charge.
_PROBE_KEY = "probe"

log = get_logger(__name__)


class Worker:
    """Makes one provider's calls."""

    def __init__(
        self,
        database: Database,
        provider: Provider,
        *,
        concurrency: int,
        max_tries: int,
        lease_seconds: float,
    ) -> None:
        self.provider = provider
        self._database = database
        self._concurrency = concurrency
        self._max_tries = max_tries
        self._lease_seconds = lease_seconds
        self._breaker = Breaker()
        self._awake = asyncio.Event()
        self._in_flight = 0
        self._group: asyncio.TaskGroup | None = None  # while it runs
        self._results: asyncio.Queue[tuple[Call, Result]] = asyncio.Queue()

    def wake(self) -> None:
        """Says that there may be calls to make."""
        self._awake.set()

    def lease(self) -> Lease:
        """What a transaction may leave to this process."""
        if self._group is None:
            return NO_LEASE
        return Lease(self._room(), self._lease_seconds)

    def start(self, todo: Todo) -> None:
        """Makes the calls that a committed transaction left to this process.

        Where it has stopped meanwhile their leases run out, as if it had died.
        """
        if self._group is not None:
            for call in todo.calls:
                self._in_flight += 1
                self._group.create_task(self._make(call))
        if todo.due_in == 0:
            self.wake()
        elif todo.due_in is not None and todo.due_in < _POLL_SECONDS:
            asyncio.get_running_loop().call_later(todo.due_in, self.wake)

    async def run(self) -> None:
        """Calls until cancelled; what is in flight then is made again when its lease runs out."""
        self._in_flight, self._results = 0, asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as self._group:
                self._group.create_task(self._record())
                while True:
                    self._awake.clear()
                    await self.tell()
                    room = self._room()
                    claimed = await self.claim(room) if room else []
                    self.start(Todo(claimed))
                    if not claimed and self._breaker.is_open and self._room():
                        # Nobody needs it now, so nobody would find out that it is back.
                        self._in_flight += 1
                        self._group.create_task(self._probe())
                    if not room or len(claimed) < room:
                        with suppress(TimeoutError):
                            async with asyncio.timeout(_POLL_SECONDS):
                                await self._awake.wait()
        finally:
            self._group = None

    async def claim(self, limit: int) -> Sequence[Call]:
        """Leases up to `limit` due calls."""
        async with self._database.transaction() as session:
            return await calls.claim(session, limit=limit, lease_seconds=self._lease_seconds)

    async def make(self, call: Call) -> Result:
        """Calls the provider."""
        return await self._ask(call.kind, _call(self.provider, call))

    async def tell(self) -> None:
        """Tells the bookings whether the provider answers, where that is news."""
        available = self._breaker.news(_now())
        if available is not None:
            name = self.provider.name
            await self._database.run(
                lambda session: outages.tell(session, name, available=available)
            )
            self._breaker.told(available=available, now=_now())

    async def record(self, results: Sequence[tuple[Call, Result]]) -> None:
        """Writes down, in one transaction, what came of calls."""
        todo = await self._database.run(
            lambda session: calls.record(
                session, results, provider=self.provider.name, max_tries=self._max_tries
            )
        )
        self.start(todo)

    async def verify(self, payment: Payment) -> None:
        """Asks the provider now about the payment's last attempt, and settles by it.

        Raises:
            ProviderUnavailableError: it does not answer.
        """
        attempt = payment.last
        if attempt is None or attempt.charge in FINAL:
            return
        result: Result = Unreachable("the breaker is open")
        if self._breaker.room(_now(), 0, 1):
            result = await self.provider.look_up(provider_key(payment.id, attempt.number))
            self._note(Kind.LOOKUP, result)
        if isinstance(result, Unknown | Unreachable):
            raise ProviderUnavailableError(
                "The payment provider does not answer; try again in a moment.", retry_after="5"
            )
        if isinstance(result, Charge):
            await self._observe(payment.id, attempt.number, result)

    async def forget(self) -> None:
        """Deletes old webhooks, for ever."""
        while True:
            more = True
            while more:
                async with self._database.transaction() as session:
                    more = await webhooks.forget(session)
            await asyncio.sleep(_FORGET_SECONDS)

    async def _observe(self, payment_id: UUID, attempt: int, charge: Charge) -> None:
        todo = await self._database.run(
            lambda session: calls.observe(
                session, payment_id, attempt, charge, provider=self.provider.name
            )
        )
        self.start(todo)

    def _room(self) -> int:
        return self._breaker.room(_now(), self._in_flight, self._concurrency)

    async def _make(self, call: Call) -> None:
        result = await self.make(call)
        self._database.failpoint(AFTER_PROVIDER_ANSWER)
        self._results.put_nowait((call, result))

    async def _probe(self) -> None:
        await self._ask(Kind.LOOKUP, self.provider.look_up(_PROBE_KEY))
        self._in_flight -= 1
        self.wake()

    async def _record(self) -> None:
        while True:
            batch = [await self._results.get()]
            while len(batch) < _RECORD_BATCH and not self._results.empty():
                batch.append(self._results.get_nowait())
            was_full = not self._room()
            try:
                await self.record(batch)
            except Exception as error:  # noqa: BLE001 - one by one tells whose fault it is
                log.warning("results not recorded, trying one by one", error=repr(error))
                for each in batch:
                    await self._record_alone(each)
            self._in_flight -= len(batch)
            if was_full:  # there may be calls that waited for room
                self.wake()

    async def _record_alone(self, result: tuple[Call, Result]) -> None:
        try:
            await self.record([result])
        except Exception:
            # The lease runs out and the call is made again, under the same key.
            log.exception("a result could not be recorded", kind=result[0].kind)

    async def _ask(self, kind: Kind, answer: Awaitable[Result]) -> Result:
        try:
            result = await answer
        except Exception as error:  # an adapter's fault is an unknown outcome, and no other's worry
            log.exception("the provider's adapter failed", kind=kind)
            result = Unknown(type(error).__name__)
        self._note(kind, result)
        return result

    def _note(self, kind: Kind, result: Result) -> None:
        self._breaker.note(result, _now())
        if self._breaker.news(_now()) is not None:
            self.wake()  # it is told by the loop
        if isinstance(result, Unknown | Unreachable):
            log.warning("no answer from the provider", kind=kind, why=result.why)


async def _call(provider: Provider, call: Call) -> Result:
    claimed = call.claimed
    payment, attempt, refund = claimed.payment, claimed.attempt, claimed.refund
    key = provider_key(payment.id, attempt.number)
    match call.kind:
        case Kind.AUTHORIZE:
            return await provider.authorize(
                Order(
                    key=key,
                    amount=payment.amount,
                    currency=payment.currency,
                    method=attempt.method,
                    token=attempt.token,
                    reference=payment.booking_reference,
                )
            )
        case Kind.CAPTURE:
            return await provider.capture(key, attempt.charge_id)
        case Kind.VOID:
            return await provider.void(key, attempt.charge_id)
        case Kind.REFUND:
            assert refund is not None  # noqa: S101 - this kind has one
            return await provider.refund(refund_key(refund.id), attempt.charge_id, refund.amount)
        case Kind.LOOKUP:
            return await provider.look_up(key)


def _now() -> float:
    return asyncio.get_running_loop().time()
