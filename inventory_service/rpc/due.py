"""Trying again what holds keep from being done whose time is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from chassis.database import Database
from inventory_service.domain import DueHoldsInTheWayError, InventoryError
from inventory_service.handlers.expiring import expire_holds

T = TypeVar("T")

# How often something is tried while due holds are in its way: each time up to a hundred expire.
_TRIES = 12


async def past_due_holds(database: Database, work: Callable[[], Awaitable[T]]) -> T:
    """Does `work`, and expires due holds that are in its way before it is refused for them."""
    refusal: InventoryError | None = None
    for _ in range(_TRIES):
        try:
            return await work()
        except DueHoldsInTheWayError as error:
            refusal = error.refusal
            if error.due:
                await database.run(
                    partial(expire_holds, event_id=error.event_id, hold_ids=error.due)
                )
    assert refusal is not None  # noqa: S101 - narrows the type; the loop ends no other way
    raise refusal
