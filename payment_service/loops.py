"""Calls providers for what the work list says, outside any transaction.

A call is claimed in one transaction (a lease, and a fencing token), made, and its result recorded
in another. Between the two a crash is harmless: the lease runs out, the call is made again under
the same key, and the provider answers with the same charge. Results that arrive together are
recorded together.

A call that follows from a command is leased to this process by the command's own transaction, as
far as there is room, and made as soon as that is committed; the work list is asked for all else:
when something on it is due, or when there is room again for what was. A claim or a recording that
fails leaves the calls that are in flight alone.

The bookings are told when a provider stops answering, again while it does not, and when it answers.
Each process has a breaker of its own for each provider, and the last to speak wins. That is whoever
goes on saying that it has no answer: new payments are refused until every process reaches the
provider.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from chassis import context, tracing
from chassis.database import Database
from chassis.failpoints import AFTER_PROVIDER_ANSWER
from chassis.logs import get_logger
from chassis.tracing import SpanKind
from payment_service.domain import (
    FINAL,
    Charge,
    Kind,
    Order,
    Payment,
    ProviderUnavailableError,
    Result,
    Unknown,
    UnknownProviderError,
    Unreachable,
    provider_key,
    refund_key,
)
from payment_service.handlers import calls, outages, webhooks
from payment_service.handlers.work import NO_LEASE, Call, Lease, Todo
from payment_service.providers import Provider
from payment_service.providers.breaker import Breaker

# For what other processes left: whatever this one puts on the work list it remembers itself.
_POLL_SECONDS = 5.0
_FORGET_SECONDS = 600.0
# One transaction of results; more wait for the next.
_RECORD_BATCH = 50
# Answers that wait to be recorded; with more no call goes out.
_MOST_UNRECORDED = 500
# The key of no charge.
_PROBE_KEY = "probe"

PROVIDER_SECONDS = Histogram(
    "parterre_provider_seconds",
    "Time that a payment provider took for a call, seconds",
    ["provider", "kind"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
PROVIDER_CALLS = Counter(
    "parterre_provider_calls",
    "Calls to a payment provider: answered, a refusal too, or unanswered (no outcome is known)",
    ["provider", "kind", "outcome"],
)
BREAKER_OPEN = Gauge(
    "parterre_provider_breaker_open",
    "1 while a payment provider is left alone because it did not answer",
    ["provider"],
)

log = get_logger(__name__)


class Worker:
    """Makes one provider's calls."""

    def __init__(
        self,
        database: Database,
        provider: Provider,
        *,
        methods: Sequence[str],
        start: Callable[[Todo], None],
        concurrency: int,
        max_tries: int,
        lease_seconds: float,
    ) -> None:
        """`methods`: those that go by the provider; `start`: for what a recording leads to."""
        self.provider = provider
        self._database = database
        self._methods = methods
        self._start = start
        self._concurrency = concurrency
        self._max_tries = max_tries
        self._lease_seconds = lease_seconds
        self._breaker = Breaker()
        name = provider.name
        self._open = BREAKER_OPEN.labels(name)
        self._seconds = {kind: PROVIDER_SECONDS.labels(name, kind) for kind in Kind}
        self._answered = {kind: PROVIDER_CALLS.labels(name, kind, "answered") for kind in Kind}
        self._unanswered = {kind: PROVIDER_CALLS.labels(name, kind, "unanswered") for kind in Kind}
        self._is_open = False  # while it runs
        self._awake = asyncio.Event()
        self._look_at = 0.0  # when the work list is to be asked, by the loop's clock
        self._in_flight: set[asyncio.Task[None]] = set()
        self._results: asyncio.Queue[tuple[Call, Result]] = asyncio.Queue()

    def wake(self) -> None:
        """Says that the work list has something due."""
        self.due_in(0.0)

    def due_in(self, seconds: float) -> None:
        """Says when the work list has something due."""
        at = _now() + seconds
        if at < self._look_at:
            self._look_at = at
            self._awake.set()

    def lease(self) -> Lease:
        """What a transaction may leave to this process."""
        return Lease(self._room(), self._lease_seconds) if self._is_open else NO_LEASE

    def start(self, call: Call) -> None:
        """Makes a call that is leased to this process.

        Where it has stopped meanwhile the lease runs out, as if it had died.
        """
        if self._is_open:
            self._go(self._make(call))

    async def call(self) -> None:
        """Claims what is due, and has it made, until cancelled.

        What is in flight then is made again when its lease runs out.
        """
        self._is_open = True
        self._look_at = _now()
        try:
            while True:
                self._awake.clear()
                await self.tell()
                await self._claim_due()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._next_look()):
                        await self._awake.wait()
        except asyncio.CancelledError:
            self._is_open = False
            for task in self._in_flight:
                task.cancel()
            raise

    async def record_results(self) -> None:
        """Writes down what came of calls, until cancelled."""
        while True:
            batch = [await self._results.get()]
            while len(batch) < _RECORD_BATCH and not self._results.empty():
                batch.append(self._results.get_nowait())
            try:
                await self.record(batch)
            except Exception as error:  # noqa: BLE001 - one by one tells whose fault it is
                log.warning("results not recorded, trying one by one", error=repr(error))
                for each in batch:
                    await self._record_alone(each)
            self._use_room()

    async def claim(self, limit: int) -> tuple[Sequence[Call], float | None]:
        """Leases up to `limit` due calls; with them, in how many seconds there is more."""
        async with self._database.transaction() as session:
            return await calls.claim(
                session, self.provider.name, limit=limit, lease_seconds=self._lease_seconds
            )

    async def make(self, call: Call) -> Result:
        """Calls the provider."""
        return await self._ask(call.kind, _call(self.provider, call))

    async def tell(self) -> None:
        """Tells the bookings whether the provider answers, where that is news."""
        available = self._breaker.news(_now())
        if available is not None:
            name, methods = self.provider.name, self._methods
            await self._database.run(
                lambda session: outages.tell(session, name, methods, available=available)
            )
            self._breaker.told(available=available, now=_now())

    async def record(self, results: Sequence[tuple[Call, Result]]) -> None:
        """Writes down, in one transaction, what came of calls."""
        self._start(
            await self._database.run(
                lambda session: calls.record(session, results, max_tries=self._max_tries)
            )
        )

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
            id, number, charge = payment.id, attempt.number, result
            self._start(
                await self._database.run(lambda session: calls.observe(session, id, number, charge))
            )

    async def _claim_due(self) -> None:
        room = self._room()
        # A breaker that lets one call through wants to know, whether one is due or not.
        if not room or (_now() < self._look_at and not self._breaker.is_open):
            return
        self._look_at = _now() + _POLL_SECONDS
        claimed, due_in = await self.claim(room)
        if len(claimed) == room:
            self.wake()
        elif due_in is not None:
            self.due_in(due_in)
        for call in claimed:
            self.start(call)
        if not claimed and self._breaker.is_open and self._room():
            # Nobody needs it now, so nobody would find out that it is back.
            self._go(self._probe())

    def _next_look(self) -> float | None:
        """When to go on without being woken; None: not before."""
        moments = [self._breaker.next_at(_now())]
        if self._room():
            moments.append(self._look_at)
        return min((moment for moment in moments if moment is not None), default=None)

    def _room(self) -> int:
        if self._results.qsize() > _MOST_UNRECORDED:
            return 0
        return self._breaker.room(_now(), len(self._in_flight), self._concurrency)

    def _use_room(self) -> None:
        """Wakes for what was due and found no room, now that there may be some."""
        if self._breaker.is_open or self._look_at <= _now():
            self._awake.set()

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._in_flight.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a call failed", exc_info=error)  # its lease runs out
        self._use_room()

    async def _make(self, call: Call) -> None:
        payment = call.claimed.payment
        told: dict[str, object] = {
            "provider": self.provider.name,
            "kind": call.kind.value,
            "payment_id": str(payment.id),
            "booking_reference": payment.booking_reference,
            "attempt": call.claimed.attempt.number,
            "tries": call.claimed.tries,
        }
        began = time.perf_counter()
        name = f"{self.provider.name} {call.kind}"
        with (
            context.part_of(call.origin or tracing.begun()),
            tracing.part(name, SpanKind.CLIENT, told),
        ):
            result = await self.make(call)
            told["result"] = type(result).__name__
            told["reason"] = getattr(result, "reason", "") or getattr(result, "why", "")
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            log.info("provider call", milliseconds=milliseconds, **told)
            call = replace(call, origin=context.origin())  # the answer is a part of the call
        self._database.failpoint(AFTER_PROVIDER_ANSWER)
        self._results.put_nowait((call, result))

    async def _probe(self) -> None:
        await self._ask(Kind.LOOKUP, self.provider.look_up(_PROBE_KEY))

    async def _record_alone(self, result: tuple[Call, Result]) -> None:
        try:
            await self.record([result])
        except Exception:
            # The lease runs out and the call is made again, under the same key.
            log.exception("a result could not be recorded", kind=result[0].kind)

    async def _ask(self, kind: Kind, answer: Awaitable[Result]) -> Result:
        began = time.perf_counter()
        try:
            result = await answer
        except Exception as error:  # an adapter's fault is an unknown outcome, and no other's worry
            log.exception("the provider's adapter failed", kind=kind)
            result = Unknown(type(error).__name__)
        self._seconds[kind].observe(time.perf_counter() - began)
        self._note(kind, result)
        return result

    def _note(self, kind: Kind, result: Result) -> None:
        self._breaker.note(result, _now())
        self._open.set(self._breaker.is_open)
        if self._breaker.news(_now()) is not None:
            self._awake.set()  # it is told by the loop
        if isinstance(result, Unknown | Unreachable):
            self._unanswered[kind].inc()
            log.warning("no answer from the provider", kind=kind, why=result.why)
        else:
            self._answered[kind].inc()


class Workers:
    """One worker for each provider."""

    def __init__(
        self,
        database: Database,
        providers: Mapping[str, Provider],
        *,
        methods: Mapping[str, str],
        concurrency: int,
        max_tries: int,
        lease_seconds: float,
    ) -> None:
        """`methods`: the provider's name of each."""
        self.methods = methods
        self._workers = {
            name: Worker(
                database,
                provider,
                methods=sorted(method for method, by in methods.items() if by == name),
                start=self.start,
                concurrency=concurrency,
                max_tries=max_tries,
                lease_seconds=lease_seconds,
            )
            for name, provider in providers.items()
        }

    def of(self, provider: str) -> Worker:
        """The worker of the provider of that name.

        Raises:
            UnknownProviderError: there is none.
        """
        worker = self._workers.get(provider)
        if worker is None:
            raise UnknownProviderError("There is no such provider.")
        return worker

    def loops(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What has to run beside the service, by name; stopped in the opposite order."""
        found: dict[str, Callable[[], Awaitable[None]]] = {}
        for name, worker in self._workers.items():
            found[f"results-of-{name}"] = worker.record_results
            found[f"calls-to-{name}"] = worker.call
        return found

    def lease(self, provider: str) -> Lease:
        """What a transaction may leave to this process."""
        worker = self._workers.get(provider)
        return NO_LEASE if worker is None else worker.lease()

    def start(self, todo: Todo) -> None:
        """Makes the calls that a committed transaction left to this process."""
        for call in todo.calls:
            self.of(call.claimed.attempt.provider).start(call)
        for provider, seconds in todo.due_in.items():
            if provider in self._workers:
                self._workers[provider].due_in(seconds)

    async def verify(self, payment: Payment) -> None:
        """Asks the payment's provider about its last attempt, and settles by it.

        Raises:
            ProviderUnavailableError: it does not answer.
        """
        if payment.last is not None:
            await self.of(payment.last.provider).verify(payment)


async def forget_webhooks(database: Database) -> None:
    """Deletes old webhooks, for ever."""
    while True:
        more = True
        while more:
            async with database.transaction() as session:
                more = await webhooks.forget(session)
        await asyncio.sleep(_FORGET_SECONDS)


async def _call(provider: Provider, call: Call) -> Result:
    claimed = call.claimed
    payment, attempt, refund = claimed.payment, claimed.attempt, claimed.refund
    key = provider_key(payment.id, attempt.number)
    match call.kind:
        case Kind.CHARGE:
            return await provider.charge(
                Order(
                    key=key,
                    amount=payment.amount,
                    currency=payment.currency,
                    method=attempt.method,
                    token=attempt.token,
                    reference=payment.booking_reference,
                    charge_id=attempt.charge_id,
                )
            )
        case Kind.VOID:
            return await provider.void(key, attempt.charge_id)
        case Kind.REFUND:
            assert refund is not None  # noqa: S101 - this kind has one
            return await provider.refund(refund_key(refund.id), attempt.charge_id, refund.amount)
        case Kind.LOOKUP:
            return await provider.look_up(key)


def _now() -> float:
    return asyncio.get_running_loop().time()
