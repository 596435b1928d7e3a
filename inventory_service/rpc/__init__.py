"""The gRPC servicer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import grpc
from cachetools import LRUCache
from parterre.inventory.v1 import inventory_pb2
from parterre.options.v1 import options_pb2
from parterre.types.v1 import types_pb2

from chassis.batching import Batch, Batcher, Limits, TryAgain
from chassis.context import caller, seconds_left
from chassis.database import Database
from chassis.errors import overloaded
from chassis.grpc_server import permits
from chassis.idempotency import REPLAYED, Claims, claim
from chassis.identity import TokenVerifier, forbidden
from chassis.ids import parse_uuid
from chassis.refusals import write_refusal
from inventory_service.domain import (
    BestAvailable,
    Hold,
    HoldOrder,
    HoldTerms,
    Layout,
    UnknownSectionError,
    invalid_hold,
    unknown_tier,
)
from inventory_service.handlers import events, owning
from inventory_service.handlers.expiring import expire_holds
from inventory_service.handlers.making import Asked, Replayed, make_holds
from inventory_service.rpc.organizing import OrganizerServicer, after_cursor, cursor
from inventory_service.storage import availability, holds
from inventory_service.storage.events import Layouts
from inventory_service.storage.making import OvertakenError
from inventory_service.vacancies import Vacancies
from inventory_service.verdicts import Retried

SERVICE = inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"]
_PAGE = 20
_MAX_PAGE = 100
_MAX_ITEMS = 64
_MAPS_KEPT = 32
# Longer than a batch waits for a lock: two of an event beside each other choose the same seats.
_LIMITS = Limits(slow_seconds=0.3)
# How long a hold waits for its turn, where the caller does not say.
_SECONDS = 5.0

Call = grpc.aio.ServicerContext[Any, Any]


class InventoryServicer(OrganizerServicer):
    """Seats and holds."""

    def __init__(self, database: Database, terms: HoldTerms, verifier: TokenVerifier) -> None:
        self._database = database
        self._verifier = verifier
        self._terms = terms
        self._layouts = Layouts()
        self._vacancies = Vacancies()
        self._batcher: Batcher[UUID, Asked, Hold | Replayed] = Batcher(
            "holds", self._make, _LIMITS, clear=self._expire
        )
        self._maps: LRUCache[UUID, inventory_pb2.SeatMap] = LRUCache(_MAPS_KEPT)

    async def GetSeatMap(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.GetSeatMapRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.GetSeatMapResponse:
        async with self._database.transaction() as session:
            layout = await events.find_open_layout(
                session, self._layouts, parse_uuid(request.event_id)
            )
            now = await availability.seat_map(session, layout.event_id)
        if request.known_version == now.version:
            return inventory_pb2.GetSeatMapResponse(unchanged=True)
        reply = inventory_pb2.GetSeatMapResponse()
        seat_map = reply.seat_map
        seat_map.CopyFrom(self._empty_map(layout))
        seat_map.version = int(now.version)
        for section in seat_map.sections:
            # A section with rows has no pool.
            section.available, section.capacity = now.pools.get(section.id, (0, 0))
        taken = {"HELD": now.held, "SOLD": now.sold, "BLOCKED": now.blocked}
        for status, seat_nos in taken.items():
            if seat_nos:
                seat_map.taken.add(status=status, seat_ids=map(str, sorted(seat_nos)))
        return reply

    def _empty_map(self, layout: Layout) -> inventory_pb2.SeatMap:
        seat_map = self._maps.get(layout.event_id)
        if seat_map is None:
            seat_map = inventory_pb2.SeatMap(event_id=str(layout.event_id))
            for section in layout.sections:
                shown = seat_map.sections.add(
                    id=str(section.id),
                    name=section.name,
                    kind=section.kind,
                    tier_id=str(section.tier_id),
                    capacity=0 if section.rows else section.capacity,
                )
                for row in section.rows:
                    seats = shown.rows.add(label=row.label).seats
                    places = zip(row.numbers, row.xs, row.ys, strict=True)
                    for seat_no, (number, x, y) in enumerate(places, row.first):
                        seats.add(id=str(seat_no), number=number, x=x, y=y)
            self._maps[layout.event_id] = seat_map
        return seat_map

    async def GetSeatStates(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.GetSeatStatesRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.GetSeatStatesResponse:
        async with self._database.transaction() as session:
            layout = await events.find_open_layout(
                session, self._layouts, parse_uuid(request.event_id)
            )
            known = request.known_version
            if known and known == await availability.version(session, layout.event_id):
                return inventory_pb2.GetSeatStatesResponse(unchanged=True)
            now = await availability.seat_states(session, layout.event_id)
        reply = inventory_pb2.GetSeatStatesResponse(
            states=now.states, versions=now.versions, version=int(now.version)
        )
        for section_id, free, version, capacity in now.pools:
            reply.pools.add(
                section_id=section_id, available=free, version=version, capacity=capacity
            )
        return reply

    async def CreateHold(  # noqa: N802 - the proto's name
        self, request: inventory_pb2.CreateHoldRequest, context: Call
    ) -> inventory_pb2.CreateHoldResponse:
        answer = await self._put(request, _person())
        if isinstance(answer, Hold):
            return inventory_pb2.CreateHoldResponse(hold=_hold(answer))
        context.set_trailing_metadata((REPLAYED,))
        if isinstance(answer.answer, Exception):
            raise answer.answer
        return inventory_pb2.CreateHoldResponse.FromString(answer.answer)

    async def CreateHolds(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.CreateHoldsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.CreateHoldsResponse:
        if len(request.items) > _MAX_ITEMS:
            raise invalid_hold("items", f"At most {_MAX_ITEMS}.")
        answers: list[asyncio.Future[Hold | Replayed] | Exception] = []
        for item in request.items:
            try:
                answers.append(self._put(item.order, await self._customer(item.token)))
            except Exception as error:  # noqa: BLE001 - it is this one's
                answers.append(error)
        waiting = [answer for answer in answers if isinstance(answer, asyncio.Future)]
        try:
            if waiting:
                await asyncio.wait(waiting)
        except asyncio.CancelledError:
            for future in waiting:
                future.cancel()
            raise
        reply = inventory_pb2.CreateHoldsResponse()
        for item, answer in zip(request.items, answers, strict=True):
            _add_result(reply.results.add(), item.request_id, answer)
        return reply

    async def _customer(self, token: str) -> UUID:
        identity = await self._verifier.verify(token)
        if not permits(options_pb2.ACCESS_CUSTOMER, identity):
            raise forbidden()
        return UUID(identity.subject)

    def _put(
        self, request: inventory_pb2.CreateHoldRequest, person: UUID
    ) -> asyncio.Future[Hold | Replayed]:
        order = _order(request, person)
        left = seconds_left()
        return self._batcher.put(
            order.event_id,
            Asked(order, claim(request, str(person)) if request.idempotency_key else None),
            seconds=_SECONDS if left is None else left,
        )

    async def _make(self, event_id: UUID, batch: Batch[Asked, Hold | Replayed]) -> None:
        """The batcher's work: a batch is one transaction."""
        claims = Claims(self._database.schema, [each.claim for each in batch.items])
        try:
            async with self._database.transaction() as session:
                answers = await make_holds(
                    session,
                    self._layouts,
                    self._vacancies,
                    event_id,
                    batch.items,
                    terms=self._terms,
                    claims=claims,
                    write=_written,
                    alone=batch.is_alone,
                )
        except OvertakenError:
            if not batch.is_alone:
                raise
            batch.answer(0, TryAgain(overloaded()))
            return
        batch.answer_all(
            [
                TryAgain(answer.refusal, answer.due) if isinstance(answer, Retried) else answer
                for answer in answers
            ]
        )

    async def _expire(self, event_id: UUID, hold_ids: Sequence[UUID]) -> None:
        await self._database.run(partial(expire_holds, event_id=event_id, hold_ids=hold_ids))

    async def GetHold(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.GetHoldRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.GetHoldResponse:
        async with self._database.transaction() as session:
            hold = await owning.get_hold(
                session, self._layouts, _person(), parse_uuid(request.hold_id)
            )
        return inventory_pb2.GetHoldResponse(hold=_hold(hold))

    async def ListHolds(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.ListHoldsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.ListHoldsResponse:
        limit = max(1, min(request.limit or _PAGE, _MAX_PAGE))
        event_id = parse_uuid(request.event_id)
        if request.event_id and event_id is None:
            return inventory_pb2.ListHoldsResponse()
        async with self._database.transaction() as session:
            found = await holds.find_holds(
                session,
                self._layouts,
                _person(),
                event_id=event_id,
                before=after_cursor(request.cursor),
                limit=limit + 1,
            )
        page = found[:limit]
        return inventory_pb2.ListHoldsResponse(
            holds=[_hold(hold) for hold in page],
            next_cursor=cursor(page[-1].id) if len(found) > limit else "",
        )

    async def ExtendHold(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.ExtendHoldRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.ExtendHoldResponse:
        if request.seconds < 0:
            raise invalid_hold("seconds", "At least 1.")
        person = _person()
        life = timedelta(seconds=request.seconds) if request.seconds else self._terms.life
        hold = await self._database.run(
            lambda session: owning.extend_hold(
                session, self._layouts, person, parse_uuid(request.hold_id), life
            )
        )
        return inventory_pb2.ExtendHoldResponse(hold=_hold(hold))

    async def ReleaseHold(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.ReleaseHoldRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.ReleaseHoldResponse:
        person = _person()
        hold = await self._database.run(
            lambda session: owning.release_hold(
                session,
                self._layouts,
                person,
                parse_uuid(request.hold_id),
                request.seat_ids,
            )
        )
        return inventory_pb2.ReleaseHoldResponse(hold=_hold(hold))


def _person() -> UUID:
    return UUID(caller().subject)


def _order(request: inventory_pb2.CreateHoldRequest, person: UUID) -> HoldOrder:
    event_id = parse_uuid(request.event_id)
    if event_id is None:
        raise invalid_hold("event_id", "Not a UUID.")
    best = None
    if request.HasField("best_available"):
        asked = request.best_available
        tier_id, section_id = parse_uuid(asked.tier_id), parse_uuid(asked.section_id)
        if asked.tier_id and tier_id is None:
            raise unknown_tier("best_available.tier_id")
        if asked.section_id and section_id is None:
            detail = "This event has no such section."
            raise UnknownSectionError(detail, **{"best_available.section_id": detail})
        best = BestAvailable(asked.quantity, tier_id, section_id)
    general: list[tuple[UUID, int]] = []
    for index, tickets in enumerate(request.general):
        tier_id = parse_uuid(tickets.tier_id)
        if tier_id is None:
            raise unknown_tier(f"general.{index}.tier_id")
        general.append((tier_id, tickets.quantity))
    return HoldOrder(event_id, person, tuple(request.seat_ids), best, tuple(general))


def _add_result(
    result: inventory_pb2.CreateHoldsResponse.Result,
    request_id: str,
    answer: asyncio.Future[Hold | Replayed] | Exception,
) -> None:
    """Writes down what became of one of several."""
    error: BaseException | None
    if isinstance(answer, Exception):
        error = answer
    else:
        error = answer.exception()
        if error is None:
            made = answer.result()
            if isinstance(made, Hold):
                _hold(made, result.hold)
                return
            result.replayed = True
            if isinstance(made.answer, bytes):
                result.hold.CopyFrom(inventory_pb2.CreateHoldResponse.FromString(made.answer).hold)
                return
            error = made.answer
    assert isinstance(error, Exception)  # noqa: S101 - narrows the type; nobody cancels these
    write_refusal(result.refusal, error, method="CreateHolds", request_id=request_id)


# Of the ids that many holds have in common.
@lru_cache(maxsize=4096)
def _text(id: UUID) -> str:
    return str(id)


def _written(hold: Hold) -> bytes:
    return inventory_pb2.CreateHoldResponse(hold=_hold(hold)).SerializeToString()


def _hold(hold: Hold, shown: inventory_pb2.Hold | None = None) -> inventory_pb2.Hold:
    """Writes the hold, into `shown` where that is given."""
    layout = hold.layout
    shown = inventory_pb2.Hold() if shown is None else shown
    shown.id = str(hold.id)
    shown.event_id = _text(layout.event_id)
    shown.status = hold.status
    shown.total.amount = hold.total
    shown.total.currency = layout.currency
    shown.version = hold.version
    shown.customer_id = str(hold.customer_id)
    shown.expires_at.FromDatetime(hold.expires_at)
    shown.extendable_until.FromDatetime(hold.extendable_until)
    for line in hold.lines:
        part = shown.lines.add(
            section_id=_text(line.section_id),
            section=layout.section_of[line.section_id].name,
            tier_id=_text(line.tier_id),
            tier=layout.tiers[line.tier_id].name,
            quantity=line.quantity,
            price=types_pb2.Money(amount=line.price, currency=layout.currency),
        )
        if line.seat_no is not None:
            _section, row, index = layout.locate(line.seat_no)
            part.seat_id = str(line.seat_no)
            part.row = row.label
            part.number = row.numbers[index]
    return shown
