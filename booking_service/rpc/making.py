"""CreateBookings: bookings that were asked for at the same time, answered as they come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID

from parterre.booking.v1 import booking_pb2

from booking_service.domain import (
    MAX_WAIT_SECONDS,
    Attendee,
    BookingError,
    Hold,
    HoldBusyError,
    HoldNotFoundError,
    InvalidBatchError,
    Reservation,
)
from booking_service.handlers import bookings as handlers
from booking_service.handlers.bookings import Answer, Order, Replayed
from booking_service.rpc import shapes
from booking_service.rpc.holds import Wish
from booking_service.rpc.servicer import MARGIN_SECONDS, Call, Servicer
from booking_service.saga import moves_by_itself
from booking_service.storage.bookings import BookingView
from chassis import tracing
from chassis.context import Origin, seconds_left
from chassis.database import DatabaseError, IntegrityError, PoolTimeoutError, Session, is_lost
from chassis.errors import RemoteError
from chassis.grpc_server import customer_of
from chassis.idempotency import Claim, Claims, claim
from chassis.ids import parse_uuid, uuid7
from chassis.logs import get_logger
from chassis.refusals import write_refusal
from chassis.text import line

_METHOD = "CreateBookings"
_NAME = f"parterre.booking.v1.BookingService/{_METHOD}"
_MOST_ITEMS = 64
_CANCEL_SECONDS = 1.0
_Item = booking_pb2.CreateBookingsRequest.Item

log = get_logger(__name__)


class Making(Servicer):
    """Makes bookings."""

    async def CreateBookings(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.CreateBookingsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> AsyncIterator[booking_pb2.CreateBookingsResponse]:
        items = request.items
        if not 1 <= len(items) <= _MOST_ITEMS:
            raise InvalidBatchError("Too many at once.", items=f"must be 1-{_MOST_ITEMS}")
        came = [tracing.origin_of(item.request_id, item.traceparent) for item in items]
        with tracing.parts(_NAME, came) as parts_of:
            answers, customers = await self._make_all(items, parts_of)
        waiting: dict[int, BookingView] = {}
        part = booking_pb2.CreateBookingsResponse()
        for place, (item, answer) in enumerate(zip(items, answers, strict=True)):
            view = await self._made(answer, customers.get(place), waits=bool(item.wait_seconds))
            if item.wait_seconds and view is not None and moves_by_itself(view.saga):
                waiting[place] = view
            else:
                _write(part.results.add(place=place), answer, view, item.request_id)
        async for answered in self._as_they_come(part, items, waiting, answers):
            yield answered

    async def _made(
        self, answer: Answer, customer_id: UUID | None, *, waits: bool
    ) -> BookingView | None:
        """The booking that was made: now; or before, under the same key, by one who waits for it.

        Who waited the first time was not told the reply that is kept, but how the booking came to
        rest: told so again.
        """
        if isinstance(answer, BookingView):
            return answer
        if waits and customer_id and isinstance(answer, Replayed):
            kept = answer.answer
            if isinstance(kept, bytes):
                reference = booking_pb2.CreateBookingResponse.FromString(kept).booking.reference
                async with self._database.transaction() as session:
                    return await handlers.find(session, reference, customer_id)
        return None

    async def _as_they_come(
        self,
        first: booking_pb2.CreateBookingsResponse,
        items: Sequence[_Item],
        waiting: Mapping[int, BookingView],
        answers: Sequence[Answer],
    ) -> AsyncIterator[booking_pb2.CreateBookingsResponse]:
        """`first`, then the bookings that are waited for: those together that rest together."""
        rested: asyncio.Queue[tuple[int, BookingView]] = asyncio.Queue()
        left_seconds = (seconds_left() or 0) - MARGIN_SECONDS

        async def follow(place: int, view: BookingView) -> None:
            seconds = min(items[place].wait_seconds, MAX_WAIT_SECONDS, left_seconds)
            try:
                view = await self._until_rest(view, seconds)
            except Exception as error:  # noqa: BLE001 - it is made, and that much can be told
                log.warning("booking not followed", error=repr(error))
            rested.put_nowait((place, view))

        # They listen before anything is sent, so that what rests meanwhile is not missed.
        tasks = [asyncio.create_task(follow(place, view)) for place, view in waiting.items()]
        try:
            if first.results:
                yield first
            left = len(tasks)
            while left:
                part = booking_pb2.CreateBookingsResponse()
                place, view = await rested.get()
                while True:
                    answer, request_id = answers[place], items[place].request_id
                    _write(part.results.add(place=place), answer, view, request_id)
                    left -= 1
                    if rested.empty():
                        break
                    place, view = rested.get_nowait()
                yield part
        finally:
            for task in tasks:
                task.cancel()

    async def _make_all(
        self, items: Sequence[_Item], parts_of: Sequence[Origin]
    ) -> tuple[Sequence[Answer], Mapping[int, UUID]]:
        """Makes what can be made; each item's answer in its place, and whose it is."""
        answers: dict[int, Answer] = {}
        customers: dict[int, UUID] = {}
        wishes: dict[int, Wish] = {}
        for place, item in enumerate(items):
            try:
                customers[place] = await customer_of(self._verifier, item.token)
                hold_id = parse_uuid(item.order.hold_id)
                if hold_id is not None:
                    wishes[place] = Wish(item.token, parts_of[place], hold_id, uuid7())
            except Exception as error:  # noqa: BLE001 - it is this one's
                answers[place] = error
        reserved = await self._holds.reserve(list(wishes.values())) if wishes else ()
        holds = dict(zip(wishes, reserved, strict=True))
        orders: dict[int, tuple[Order, Claim | None]] = {}
        for place, customer_id in customers.items():
            missing = HoldNotFoundError("There is no such hold.")
            order = _order(items[place], parts_of[place], holds.get(place, missing), customer_id)
            asked = items[place].order
            kept = claim(asked, str(customer_id)) if asked.idempotency_key else None
            orders[place] = order, kept
        answers.update(await self._make(orders))
        return [answers[place] for place in range(len(items))], customers

    async def _make(self, orders: Mapping[int, tuple[Order, Claim | None]]) -> Mapping[int, Answer]:
        if not orders:
            return {}
        try:
            return await self._make_together(orders)
        except Exception as error:  # noqa: BLE001 - one by one tells whose it is
            if len(orders) == 1:
                return dict.fromkeys(orders, await self._explained(error, *orders.values()))
            if not _did_nothing(error):
                return dict.fromkeys(orders, error)
            log.warning("bookings failed together, going one by one", error=repr(error))
        answers: dict[int, Answer] = {}
        for place, order in orders.items():
            answers |= await self._make({place: order})
        return answers

    async def _make_together(
        self, orders: Mapping[int, tuple[Order, Claim | None]]
    ) -> Mapping[int, Answer]:
        async def work(session: Session) -> tuple[Sequence[Answer], Sequence[Reservation]]:
            claims = Claims(self._database.schema, [claim for _order, claim in orders.values()])
            return await handlers.make(
                session,
                [order for order, _claim in orders.values()],
                fees=self._fees,
                claims=claims,
                write=_written,
            )

        answers, given_back = await self._database.run(work)
        if given_back:
            try:
                async with asyncio.timeout(_CANCEL_SECONDS):
                    await self._holds.cancel(given_back)
            except Exception as error:  # noqa: BLE001 - the bookings are made, and must be told
                # Inventory asks for them within the minute.
                log.warning("reservations not given back yet", error=repr(error))
        return dict(zip(orders, answers, strict=True))

    async def _explained(self, error: Exception, asked: tuple[Order, Claim | None]) -> Exception:
        """What a failure means to the one whose it is."""
        hold = asked[0].hold
        if isinstance(error, IntegrityError) and isinstance(hold, Hold) and hold.booking_id:
            async with self._database.transaction() as session:
                if await handlers.is_disowned(session, hold.booking_id):
                    return HoldBusyError(
                        "Another booking of the hold was just refused; try again.",
                        retry_after="1",
                    )
        return error


def _did_nothing(error: Exception) -> bool:
    """Whether to try again is neither to do it twice nor, where room is short, in vain."""
    if isinstance(error, DatabaseError):
        return not is_lost(error)
    return not isinstance(error, TimeoutError | PoolTimeoutError)


def _order(
    item: _Item, origin: Origin, hold: Hold | BookingError | RemoteError, customer_id: UUID
) -> Order:
    asked = item.order
    return Order(
        hold,
        customer_id,
        asked.payment_method,
        asked.payment_token,
        [
            Attendee(attendee.seat_id, line(attendee.name), line(attendee.email))
            for attendee in asked.attendees
        ],
        asked.coupon_code,
        origin,
    )


def _written(view: BookingView) -> bytes:
    """The reply as it is kept under an idempotency key."""
    shown = shapes.booking(view, reader=view.booking.customer_id)
    return booking_pb2.CreateBookingResponse(booking=shown).SerializeToString()


def _write(
    result: booking_pb2.CreateBookingsResponse.Result,
    answer: Answer,
    view: BookingView | None,
    request_id: str,
) -> None:
    """Writes down what became of an item: the booking as it stands, if there is one."""
    error: Exception | None = answer if isinstance(answer, Exception) else None
    if isinstance(answer, Replayed):
        result.replayed = True
        if isinstance(answer.answer, Exception):
            error = answer.answer
        elif view is None:
            kept = booking_pb2.CreateBookingResponse.FromString(answer.answer)
            result.booking.CopyFrom(kept.booking)
    if error is not None:
        write_refusal(result.refusal, error, method=_METHOD, request_id=request_id)
    elif view is not None:
        result.booking.CopyFrom(shapes.booking(view, reader=view.booking.customer_id))
