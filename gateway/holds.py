"""Holds on their way to inventory_service: those for one event that come together go together.

When an event goes on sale, a call for each hold would be most of what a hold costs. One that is
alone goes at once, as a call of its own. Each keeps its own token, which inventory verifies
(ADR 0013).
"""

from __future__ import annotations

from dataclasses import dataclass

from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc

from chassis import context, tracing
from chassis.batching import Batch, Batcher, Limits
from chassis.context import Origin
from chassis.errors import RemoteError
from chassis.identity import Identity
from chassis.refusals import read_refusal
from gateway.services import Remote, is_unknown

# Two of an event's calls are under way before others wait for them.
LIMITS = Limits(ahead=2, beside=16, at_once=None)
# How long one waits for its turn.
_SECONDS = 5.0

# The hold, and whether it was made before, under the same idempotency key.
Answer = tuple[inventory_pb2.Hold, bool]


@dataclass(frozen=True, slots=True)
class _Asked:
    order: inventory_pb2.CreateHoldRequest
    person: Identity
    origin: Origin


class Holds:
    """Makes holds in the name of whoever calls the gateway."""

    def __init__(
        self, inventory: Remote[inventory_pb2_grpc.InventoryServiceStub], limits: Limits = LIMITS
    ) -> None:
        self._inventory = inventory
        self._batcher: Batcher[str, _Asked, Answer] = Batcher(
            "holds", self._call, limits, did_nothing=is_unknown
        )

    async def create(self, order: inventory_pb2.CreateHoldRequest) -> Answer:
        """Makes a hold.

        Raises:
            RemoteError: inventory_service refused, failed, or did not answer in time.
            ServiceError: OVERLOADED, too many are waiting, or for too long.
        """
        with tracing.part("hold"):
            asked = _Asked(order, context.caller(), context.origin())
            hold, replayed = await self._batcher.put(order.event_id, asked, seconds=_SECONDS)
        context.note(hold_id=hold.id)
        return hold, replayed

    async def _call(self, _event_id: str, batch: Batch[_Asked, Answer]) -> None:
        if len(batch.items) == 1:
            batch.answer(0, await self._alone(batch.items[0]))
            return
        request = inventory_pb2.CreateHoldsRequest(
            items=[
                inventory_pb2.CreateHoldsRequest.Item(
                    token=asked.person.token,
                    request_id=asked.origin.request_id,
                    order=asked.order,
                    traceparent=asked.origin.traceparent,
                )
                for asked in batch.items
            ]
        )
        reply = await self._inventory.as_gateway(self._inventory.rpc.CreateHolds, request)
        await batch.answer_in_turns(enumerate(map(_answer, reply.results)))

    async def _alone(self, asked: _Asked) -> Answer:
        id, traceparent = asked.origin
        with context.request(id=id, traceparent=traceparent, identity=asked.person):
            reply, replayed = await self._inventory.replayable(
                self._inventory.rpc.CreateHold, asked.order
            )
        return reply.hold, replayed


def _answer(result: inventory_pb2.CreateHoldsResponse.Result) -> Answer | RemoteError:
    if result.HasField("hold"):
        return result.hold, result.replayed
    return read_refusal(result.refusal, replayed=result.replayed)
