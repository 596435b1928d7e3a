"""Takes requests for holds, and lets those for one event that arrive together travel together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from chassis.batching import Batch, Batcher, Limits, TryAgain
from chassis.database import Database
from chassis.errors import overloaded
from chassis.idempotency import Claim, Claims
from inventory_service.domain import Hold, HoldOrder, HoldTerms
from inventory_service.handlers.expiring import expire_holds
from inventory_service.holding.batch import Asked, HoldBatch, Replayed
from inventory_service.holding.storage import OvertakenError
from inventory_service.holding.vacancies import Vacancies
from inventory_service.storage.events import Layouts

# Longer than a batch waits for a lock: two of an event beside each other choose the same seats.
_LIMITS = Limits(slow_seconds=0.3)


class Desk:
    """Where one process's requests for holds come in; `write` serializes a reply to keep."""

    def __init__(
        self,
        database: Database,
        layouts: Layouts,
        terms: HoldTerms,
        write: Callable[[Hold], bytes],
    ) -> None:
        self._database = database
        self._layouts = layouts
        self._terms = terms
        self._write = write
        self._vacancies = Vacancies()
        self._batcher: Batcher[UUID, Asked, Hold | Replayed] = Batcher(
            "holds", self._hold, _LIMITS, clear=self._expire
        )

    def put(
        self, order: HoldOrder, claim: Claim | None, *, seconds: float
    ) -> asyncio.Future[Hold | Replayed]:
        """The hold, or what was answered before under the request's key; see `HoldBatch.hold`.

        The future raises the refusal; TimeoutError where the order's turn has not come within
        `seconds`.

        Raises:
            ServiceError: OVERLOADED, too many are waiting.
        """
        return self._batcher.put(order.event_id, Asked(order, claim), seconds=seconds)

    async def _hold(self, event_id: UUID, batch: Batch[Asked, Hold | Replayed]) -> None:
        claims = Claims(self._database.schema, [each.claim for each in batch.items])
        try:
            async with self._database.transaction() as session:
                holds = HoldBatch(
                    session,
                    event_id,
                    batch.items,
                    claims,
                    vacancies=self._vacancies,
                    write=self._write,
                )
                answers = await holds.hold(self._layouts, self._terms, briefly=not batch.is_alone)
        except OvertakenError:
            if not batch.is_alone:
                raise
            batch.answer(0, TryAgain(overloaded()))
        else:
            batch.answer_all(answers)

    async def _expire(self, event_id: UUID, hold_ids: Sequence[UUID]) -> None:
        await self._database.run(partial(expire_holds, event_id=event_id, hold_ids=hold_ids))
