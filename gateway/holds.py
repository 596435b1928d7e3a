"""Holds on their way to inventory_service: those for one event that come together go together.

When an event goes on sale, a call for each hold would be most of what a hold costs. What comes
while an event's calls are under way goes as one, when the next may go; one that is alone goes at
once, as a call of its own. Each keeps its own token, which inventory verifies (ADR 0013).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, field

import grpc
from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc

from chassis import context
from chassis.errors import RemoteError, overloaded
from chassis.idempotency import REPLAYED
from chassis.identity import Identity
from gateway.services import Remote

# In one call, and waiting in all.
_TOGETHER = 64
_MOST = 1000
# An event's calls that the next one waits for. One that takes longer than this is overtaken; so
# many may be under way even so.
_CALLS = 2
_SLOW_SECONDS = 0.3
_CALLS_IN_ALL = 16
_CODES = {code.value[0]: code for code in grpc.StatusCode}

# The hold, and whether it was made before, under the same idempotency key.
Answer = tuple[inventory_pb2.Hold, bool]


@dataclass(frozen=True, slots=True)
class _Waiting:
    order: inventory_pb2.CreateHoldRequest
    person: Identity
    request_id: str
    answer: asyncio.Future[Answer]


@dataclass(slots=True, eq=False)
class _Lane:
    """The requests for one event. It is there while there are any."""

    waiting: deque[_Waiting] = field(default_factory=deque)
    calls: int = 0
    slow: int = 0  # of them


class Holds:
    """Makes holds in the name of whoever calls the gateway."""

    def __init__(self, inventory: Remote[inventory_pb2_grpc.InventoryServiceStub]) -> None:
        self._inventory = inventory
        self._lanes: dict[str, _Lane] = {}
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def create(self, order: inventory_pb2.CreateHoldRequest) -> Answer:
        """Makes a hold.

        Raises:
            RemoteError: inventory_service refused, failed, or did not answer in time.
            ServiceError: OVERLOADED, too many are waiting.
        """
        if self._count >= _MOST:
            raise overloaded()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        lane = self._lanes.get(order.event_id)
        if lane is None:
            lane = self._lanes[order.event_id] = _Lane()
        lane.waiting.append(_Waiting(order, context.caller(), context.request_id.get(), answer))
        self._count += 1
        self._go_on(order.event_id, lane)
        return await answer

    def _go_on(self, event_id: str, lane: _Lane) -> None:
        """Sends the event's next call on its way, where there is one and it may go."""
        if not lane.waiting:
            if not lane.calls:
                self._lanes.pop(event_id, None)
        elif lane.calls - lane.slow < _CALLS and lane.calls < _CALLS_IN_ALL:
            lane.calls += 1
            # In no request's own context. It starts when the loop comes round: who comes until
            # then goes along.
            task = asyncio.get_running_loop().create_task(
                self._go(event_id, lane), context=Context()
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _go(self, event_id: str, lane: _Lane) -> None:
        is_slow = False

        def overtake() -> None:
            nonlocal is_slow
            is_slow = True
            lane.slow += 1
            self._go_on(event_id, lane)

        timer = asyncio.get_running_loop().call_later(_SLOW_SECONDS, overtake)
        try:
            batch: list[_Waiting] = []
            while lane.waiting and len(batch) < _TOGETHER:
                one = lane.waiting.popleft()
                self._count -= 1
                if not one.answer.done():
                    batch.append(one)
            await self._call(batch)
        finally:
            timer.cancel()
            lane.calls -= 1
            lane.slow -= is_slow
            self._go_on(event_id, lane)

    async def _call(self, batch: Sequence[_Waiting]) -> None:
        answers: Sequence[Answer | BaseException]
        try:
            if len(batch) == 1:
                answers = [await self._alone(batch[0])]
            else:
                answers = await self._together(batch) if batch else ()
        except RemoteError as error:
            if error.code is grpc.StatusCode.UNIMPLEMENTED:
                # An inventory of the version before, while a new one is rolled out.
                each = (self._alone(one) for one in batch)
                answers = await asyncio.gather(*each, return_exceptions=True)
            else:
                answers = [error] * len(batch)
        except Exception as error:  # noqa: BLE001 - each of them gets it
            answers = [error] * len(batch)
        for one, answer in zip(batch, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, BaseException):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)

    async def _alone(self, one: _Waiting) -> Answer:
        with context.request(id=one.request_id, identity=one.person):
            reply, replayed = await self._inventory.replayable(
                self._inventory.rpc.CreateHold, one.order
            )
        return reply.hold, replayed

    async def _together(self, batch: Sequence[_Waiting]) -> Sequence[Answer | Exception]:
        request = inventory_pb2.CreateHoldsRequest(
            items=[
                inventory_pb2.CreateHoldsRequest.Item(
                    token=one.person.token, request_id=one.request_id, order=one.order
                )
                for one in batch
            ]
        )
        reply = await self._inventory.as_gateway(self._inventory.rpc.CreateHolds, request)
        return [
            (result.hold, result.replayed) if result.HasField("hold") else _refusal(result)
            for _one, result in zip(batch, reply.results, strict=True)
        ]


def _refusal(result: inventory_pb2.CreateHoldsResponse.Result) -> RemoteError:
    refusal = result.refusal
    return RemoteError(
        _CODES[refusal.code],
        refusal.reason,
        refusal.detail,
        dict(refusal.metadata),
        dict((REPLAYED,)) if result.replayed else None,
    )
