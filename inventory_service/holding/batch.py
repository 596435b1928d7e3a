"""What those who ask together for one event get: their way through one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.batching import TryAgain
from chassis.database import Session
from chassis.errors import DomainError, overloaded
from chassis.idempotency import Claim, Claims, StoredRefusalError
from chassis.ids import uuid7
from inventory_service.changes import noted
from inventory_service.domain import (
    EventNotFoundError,
    Hold,
    HoldOrder,
    HoldTerms,
    InvalidHoldError,
    InventoryError,
    Layout,
)
from inventory_service.holding import storage
from inventory_service.holding.seating import choose, free_mask
from inventory_service.holding.storage import Look, Made
from inventory_service.holding.vacancies import Vacancies
from inventory_service.holding.verdicts import (
    Granted,
    Hindered,
    Outrun,
    Request,
    Truth,
    Verdict,
    closed_because,
    judge,
    reconsider,
    understand,
)
from inventory_service.storage.events import Layouts

# How often seats are chosen anew in one transaction where another process was faster.
_CHOICES = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """An order, and the claim on its idempotency key where it came with one."""

    order: HoldOrder
    claim: Claim | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """The answer that was given under the key before: a reply, serialized, or a refusal."""

    answer: bytes | Exception


Answer = Hold | Replayed | TryAgain | Exception


class HoldBatch:
    """Orders for one event on their way through a transaction.

    `claims` are theirs on idempotency keys, and `write` serializes a reply.
    """

    def __init__(
        self,
        session: Session,
        event_id: UUID,
        asked: Sequence[Asked],
        claims: Claims,
        *,
        vacancies: Vacancies,
        write: Callable[[Hold], bytes],
    ) -> None:
        self._session = session
        self._event_id = event_id
        self._asked = asked
        self._claims = claims
        self._vacancies = vacancies
        self._serialized = write
        self._layout: Layout | None = None
        self._requests: Sequence[Request | InventoryError | None] = ()
        self._understood: Sequence[tuple[int, Request]] = ()
        # For those who want the best seats: what is free, and what was chosen of it.
        self._mask = bytearray()
        self._has_looked = False  # itself; else the mask is a hint
        self._chosen: dict[int, range | None] = {}
        self._found = Look(None, {}, {}, {}, {})

    async def hold(self, layouts: Layouts, terms: HoldTerms, *, briefly: bool) -> Sequence[Answer]:
        """Holds what was ordered, each order all or nothing, and answers each in its place.

        It waits for locks `briefly`, or as long as it has to. An answer is the hold; what was
        answered before; the refusal (INVALID_HOLD, EVENT_NOT_FOUND, EVENT_NOT_ON_SALE,
        SALES_CLOSED, UNKNOWN_SEATS, UNKNOWN_TIER, UNKNOWN_SECTION, SEATS_UNAVAILABLE,
        NO_ADJACENT_SEATS, NOT_ENOUGH_CAPACITY, CUSTOMER_LIMIT, HOLD_LIMIT); or that it is to be
        tried again, once the due holds it names are expired in another transaction.

        Raises:
            OvertakenError: all is to be undone and tried again.
        """
        self._layout = layout = await layouts.find(self._session, self._event_id, 0)
        self._requests = [_understood(layout, each.order) for each in self._asked]
        self._understood = [
            (place, request)
            for place, request in enumerate(self._requests)
            if isinstance(request, Request)
        ]
        await self._choose_seats()
        await self._look(briefly=briefly)
        sale = self._found.sale
        if layout and sale and sale.terms_version > layout.terms_version:
            layout = await layouts.find(self._session, self._event_id, sale.terms_version)
        verdicts = await self._judge(layout)
        return await self._write(layout, verdicts, terms)

    async def _choose_seats(self) -> None:
        """Chooses the best seats for those who want them, of what nobody before them named."""
        layout = self._layout
        if layout is None or not any(request.sections for _place, request in self._understood):
            return
        hint = self._vacancies.recall(self._event_id)
        if hint is None:
            await self._look_for_free(layout, before=0)
        else:
            self._mask = hint
        for place, request in self._understood:
            if request.order.best:
                self._choose(layout, place, request)
                if self._chosen[place] is None and not self._has_looked:
                    await self._look_for_free(layout, before=place)
                    self._choose(layout, place, request)
            for seat_no in request.seat_nos:
                self._mask[seat_no] = 0

    async def _look_for_free(self, layout: Layout, *, before: int) -> None:
        """Reads what is free now, less what those `before` this place have chosen or named."""
        free = await storage.find_free(self._session, self._event_id)
        self._mask = free_mask(layout, free)
        self._has_looked = True
        for place, request in self._understood:
            if place < before:
                for seat_no in self._chosen.get(place) or request.seat_nos:
                    self._mask[seat_no] = 0
        self._vacancies.remember(self._event_id, self._mask)

    def _choose(self, layout: Layout, place: int, request: Request) -> None:
        best = request.order.best
        run = None
        if best and request.sections:
            run = choose(layout, self._mask, best.quantity, best.tier_id, best.section_id)
        self._chosen[place] = run
        for seat_no in run or ():
            self._mask[seat_no] = 0

    async def _look(self, *, briefly: bool) -> None:
        """Locks and reads all that the verdicts depend on."""
        seat_nos = {no for _place, request in self._understood for no in request.seat_nos}
        seat_nos.update(no for run in self._chosen.values() for no in run or ())
        self._found, results = await storage.look(
            self._session,
            self._event_id,
            first=self._claims.looks,
            seat_nos=sorted(seat_nos),
            people={each.order.customer_id for each in self._asked},
            section_ids={
                pool
                for _place, request in self._understood
                for _quantity, pools in request.pools
                for pool in pools
            },
            briefly=briefly,
        )
        self._claims.read(results)

    async def _judge(
        self, layout: Layout | None
    ) -> Mapping[int, Granted | InventoryError | TryAgain]:
        """The verdicts on those that are not answered already."""
        answered = self._claims.answers
        waiting = [place for place in range(len(self._asked)) if place not in answered]
        closed = closed_because(self._found.sale, layout)
        if closed or layout is None:
            refusal = closed or EventNotFoundError()
            return {place: _first_of(self._requests[place], refusal) for place in waiting}
        found = self._found
        truth = Truth(
            set(found.versions),
            found.counts,
            found.slots,
            {section_id: pool.free for section_id, pool in found.pools.items()},
        )
        verdicts: dict[int, Verdict] = {}
        for place in waiting:
            request = self._requests[place]
            if isinstance(request, Request):
                verdicts[place] = judge(layout, truth, request, self._chosen.get(place))
            elif request is not None:
                verdicts[place] = request
        for _ in range(_CHOICES):
            outrun = [place for place, verdict in verdicts.items() if isinstance(verdict, Outrun)]
            if not outrun:
                break
            await self._choose_again(layout, truth, outrun)
            for place in outrun:
                request = self._requests[place]
                assert isinstance(request, Request)  # noqa: S101 - narrows the type
                if self._chosen[place]:
                    verdicts[place] = judge(layout, truth, request, self._chosen[place])
        return await self._reconsider(verdicts)

    async def _choose_again(self, layout: Layout, truth: Truth, outrun: Sequence[int]) -> None:
        """Others are at some of what was chosen: chooses of the rest, and of what is locked."""
        if not self._has_looked:
            await self._look_for_free(layout, before=len(self._asked))
        for place in outrun:
            for seat_no in self._chosen[place] or ():
                self._mask[seat_no] = seat_no in truth.free
        for place in outrun:
            request = self._requests[place]
            assert isinstance(request, Request)  # noqa: S101 - narrows the type
            self._choose(layout, place, request)
        wanted = {no for place in outrun for no in self._chosen[place] or ()}
        locked = await storage.lock_chosen(
            self._session, self._event_id, sorted(wanted - truth.free)
        )
        self._found.versions.update(locked)
        truth.free.update(locked)

    async def _reconsider(
        self, verdicts: Mapping[int, Verdict]
    ) -> Mapping[int, Granted | InventoryError | TryAgain]:
        hindered = [verdict for verdict in verdicts.values() if isinstance(verdict, Hindered)]
        reasons = None
        if hindered:
            reasons = await storage.find_reasons(
                self._session,
                self._event_id,
                seat_nos=sorted({no for each in hindered for no in each.seat_nos}),
                people={each.person for each in hindered if each.person},
                seats=any(each.seats for each in hindered),
                tickets=any(each.tickets for each in hindered),
            )
        final: dict[int, Granted | InventoryError | TryAgain] = {}
        spared = False  # seats that were meant for somebody who did not get them after all
        for place, verdict in verdicts.items():
            if isinstance(verdict, Outrun):
                final[place] = TryAgain(overloaded())
            elif isinstance(verdict, Hindered) and reasons:
                again = verdict.seats and spared
                final[place] = TryAgain(verdict.refusal) if again else reconsider(verdict, reasons)
            elif isinstance(verdict, (Granted, InventoryError)):
                final[place] = verdict
            request = self._requests[place]
            if not isinstance(verdict, Granted) and isinstance(request, Request):
                spared = spared or bool(request.seat_nos or self._chosen.get(place))
        return final

    async def _write(
        self,
        layout: Layout | None,
        verdicts: Mapping[int, Granted | InventoryError | TryAgain],
        terms: HoldTerms,
    ) -> Sequence[Answer]:
        """Writes down what was granted, and each answer under its key; gives the answers."""
        answers: dict[int, Answer] = {}
        made: list[Made] = []
        kept: dict[int, bytes | DomainError] = {}
        sale = self._found.sale
        now = sale.now if sale else None
        for place, verdict in verdicts.items():
            if isinstance(verdict, Granted) and layout and now:
                one = Made(
                    uuid7(),
                    self._asked[place].order.customer_id,
                    verdict.slot,
                    verdict.lines(layout),
                )
                made.append(one)
                hold = Hold(
                    one.hold_id,
                    one.customer_id,
                    "ACTIVE",
                    1,
                    now + terms.life,
                    now + max(terms.life, terms.limit),
                    layout,
                    one.lines,
                )
                answers[place] = hold
                if self._asked[place].claim:
                    kept[place] = self._serialized(hold)
            elif isinstance(verdict, InventoryError):
                answers[place] = kept[place] = verdict
            elif isinstance(verdict, TryAgain):
                answers[place] = verdict
        stored = self._claims.store(kept)
        if layout and now:
            await storage.write(
                self._session,
                self._event_id,
                made,
                most=layout.max_per_customer,
                created_at=now,
                expires_at=now + terms.life,
                extendable_until=now + max(terms.life, terms.limit),
                last=[stored] if stored else [],
            )
            self._note(made)
        elif stored:
            await self._session.together(stored)
        for place, answer in self._claims.answers.items():
            if isinstance(answer, (bytes, StoredRefusalError)):
                answers[place] = Replayed(answer)
            else:
                answers[place] = answer
        return [answers[place] for place in range(len(self._asked))]

    def _note(self, made: Sequence[Made]) -> None:
        """Tells within the process what changed."""
        taken: dict[UUID, int] = {}
        for each in made:
            for line in each.lines:
                if line.seat_no is None:
                    taken[line.section_id] = taken.get(line.section_id, 0) + line.quantity
        noted(
            self._session,
            self._event_id,
            [
                (line.seat_no, "HELD", self._found.versions[line.seat_no] + 1)
                for each in made
                for line in each.lines
                if line.seat_no is not None
            ],
            [
                (section_id, pool.free - taken[section_id], pool.version + 1, pool.capacity)
                for section_id, pool in self._found.pools.items()
                if section_id in taken
            ],
        )


def _understood(layout: Layout | None, order: HoldOrder) -> Request | InventoryError | None:
    try:
        order.check()
        return understand(layout, order) if layout else None
    except InventoryError as error:
        return error


def _first_of(request: Request | InventoryError | None, closed: InventoryError) -> InventoryError:
    """What can't be meant by anybody is said first, whether or not the event is on sale."""
    return request if isinstance(request, InvalidHoldError) else closed
