"""Bookings on their way to booking_service: those that come together go together.

One call makes the bookings of all, and answers each as soon as it may be answered: at once, or when
the booking has come to rest. Each keeps its own token, which booking verifies (ADR 0013).
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from parterre.booking.v1 import booking_pb2, booking_pb2_grpc

from chassis import context, tracing
from chassis.batching import Batch, Batcher, Limits
from chassis.context import Origin
from chassis.errors import RemoteError, unavailable
from chassis.identity import Identity
from chassis.refusals import read_refusal
from gateway.preferences import LONGEST_WAIT_SECONDS
from gateway.services import Remote, is_unknown

# What booking_service needs on top of the waiting that was asked for.
_SECONDS = 5.0
# The next call waits for the one before until its bookings are made, which is a matter of one
# commit, and no longer than a commit takes on a bad day. What is waited for after that is no reason
# to wait.
LIMITS = Limits(
    ahead=1,
    beside=16,
    at_once=None,
    slow_seconds=0.02,
    longest_seconds=LONGEST_WAIT_SECONDS + _SECONDS + 1,
)

# The booking, and whether it was made before, under the same idempotency key.
Answer = tuple[booking_pb2.Booking, bool]


@dataclass(frozen=True, slots=True)
class _Asked:
    order: booking_pb2.CreateBookingRequest
    wait_seconds: int
    person: Identity
    origin: Origin


class Bookings:
    """Makes bookings in the name of whoever calls the gateway."""

    def __init__(
        self, booking: Remote[booking_pb2_grpc.BookingServiceStub], limits: Limits = LIMITS
    ) -> None:
        self._booking = booking
        self._batcher: Batcher[str, _Asked, Answer] = Batcher(
            "bookings", self._call, limits, did_nothing=is_unknown
        )

    async def create(
        self, order: booking_pb2.CreateBookingRequest, *, wait_seconds: int = 0
    ) -> Answer:
        """Makes a booking, and waits up to `wait_seconds` for it to come to rest.

        Raises:
            RemoteError: booking_service refused, failed, or did not answer in time.
            ServiceError: OVERLOADED, too many are waiting; SERVICE_UNAVAILABLE, the call broke off.
            TimeoutError: it waited too long for its turn, and nothing was done.
        """
        with tracing.part("booking"):
            asked = _Asked(order, wait_seconds, context.caller(), context.origin())
            booking, replayed = await self._batcher.put("", asked, seconds=_SECONDS)
        context.note(booking_reference=booking.reference)
        return booking, replayed

    async def _call(self, _lane: str, batch: Batch[_Asked, Answer]) -> None:
        request = booking_pb2.CreateBookingsRequest(
            items=[
                booking_pb2.CreateBookingsRequest.Item(
                    token=asked.person.token,
                    request_id=asked.origin.request_id,
                    order=asked.order,
                    wait_seconds=asked.wait_seconds,
                    traceparent=asked.origin.traceparent,
                )
                for asked in batch.items
            ]
        )
        # Those that are answered as soon as their booking is made.
        prompt = {place for place, asked in enumerate(batch.items) if not asked.wait_seconds}
        parts = self._booking.parts_as_gateway(
            self._booking.rpc.CreateBookings,
            request,
            max(asked.wait_seconds for asked in batch.items) + _SECONDS,
        )
        try:
            async with aclosing(parts):
                async for part in parts:
                    prompt.difference_update(result.place for result in part.results)
                    await batch.answer_in_turns(
                        (result.place, _answer(result)) for result in part.results
                    )
                    if not prompt:
                        batch.let_pass()
        except RemoteError as error:
            if batch.has_answers and not error.reason:
                # Broken off in the middle: the rest may be booked or not.
                raise unavailable() from error
            raise


def _answer(result: booking_pb2.CreateBookingsResponse.Result) -> Answer | RemoteError:
    if result.HasField("booking"):
        return result.booking, result.replayed
    return read_refusal(result.refusal, replayed=result.replayed)
