"""The lean way of messages through a channel: many in one write, without a task for each.

aio-pika opens connection and channel, and aiormq frames and reads what comes over the socket. In
aiormq a message that arrives then goes through two queues and a task of its own, one that is
published through a lock, three futures and a task. `Wire` takes what belongs to messages off the
channel's queue of frames before that, publishes a batch in one write, and leaves everything else
to aiormq. ADR 0019 has the numbers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

from aio_pika.abc import AbstractChannel
from aiormq import Channel, spec
from aiormq.abc import ChannelFrame
from pamqp import frame as frames
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

_PERSISTENT = 2
# How long the broker may take to begin or to end a queue's deliveries.
_ANSWER_SECONDS = 10.0
# The connection's queue of writes is short; one that finds it full is tried again so much later.
_FULL_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message and where it goes; the broker keeps it on disk."""

    exchange: str
    routing_key: str
    mandatory: bool  # refused where no queue takes it
    message_id: str
    type: str
    content_type: str
    headers: Mapping[str, Any]
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that arrived, to be settled by its tag."""

    tag: int
    redelivered: bool  # somebody had it before, and did not settle it
    message_id: str | None
    type: str | None
    content_type: str | None
    headers: Mapping[str, Any]
    body: bytes


@dataclass(slots=True)
class _Batch:
    """Parcels that were published together."""

    ids: Sequence[str]
    waiting: int
    refused: dict[int, str] = field(default_factory=dict)  # by place: why
    done: asyncio.Future[Mapping[int, str]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Wire:
    """One channel's messages, out and in. Whoever has one uses no other way to publish on it."""

    def __init__(self, channel: AbstractChannel, wire: Channel) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._wire = wire
        self._others = wire.frames  # what is no message goes on to aiormq
        self._begun: spec.Basic.Deliver | spec.Basic.Return | None = None
        self._header: ContentHeader | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._unwritten: list[bytes] = []
        self._next_tag = 1
        self._unconfirmed: dict[int, tuple[_Batch, int]] = {}  # in the order of their tags
        self._arrived: deque[Delivery] = deque()
        self._unsettled: dict[int, None] = {}  # in the order of their tags
        self._wake: asyncio.Future[None] | None = None
        self._is_lost = False
        self._when_lost: list[Callable[[], None]] = []
        self._consumer = ""
        wire.frames = cast("asyncio.Queue[Any]", self)
        wire.on_consumer_cancel_callbacks.add(lambda _frame: self._lose())
        channel.close_callbacks.add(lambda *_: self._lose())

    @classmethod
    async def on(cls, channel: AbstractChannel) -> Wire:
        """The lean way through an open channel, which has publisher confirms."""
        return cls(channel, cast("Channel", await channel.get_underlay_channel()))

    @property
    def is_closed(self) -> bool:
        """Whether nothing goes through any more."""
        return self._is_lost or self._channel.is_closed

    # --- out -------------------------------------------------------------------------------------

    def publish(self, parcels: Sequence[Parcel]) -> asyncio.Future[Mapping[int, str]]:
        """Publishes parcels; gives, once the broker answered for all, which it refused, and why.

        Those that are published in the same turn of the event loop leave in one write. The future
        raises ConnectionError where the channel is lost before: nobody knows which arrived.
        """
        batch = _Batch([parcel.message_id for parcel in parcels], len(parcels))
        if self.is_closed:
            batch.done.set_exception(ConnectionError("the channel to the broker was closed"))
            return batch.done
        if not parcels:
            batch.done.set_result(batch.refused)
        for place, parcel in enumerate(parcels):
            self._unconfirmed[self._next_tag] = batch, place
            self._next_tag += 1
            self._unwritten += self._framed(parcel)
        self._loop.call_soon(self._write)
        return batch.done

    def _framed(self, parcel: Parcel) -> list[bytes]:
        number, most = self._wire.number, self._wire.max_content_size
        header = ContentHeader(
            body_size=len(parcel.body),
            properties=spec.Basic.Properties(
                message_id=parcel.message_id,
                message_type=parcel.type,
                content_type=parcel.content_type,
                headers=dict(parcel.headers),
                delivery_mode=_PERSISTENT,
            ),
        )
        return [
            _publishing(parcel.exchange, parcel.routing_key, parcel.mandatory, number),
            frames.marshal(header, number),
            *(
                frames.marshal(ContentBody(parcel.body[at : at + most]), number)
                for at in range(0, len(parcel.body), most)
            ),
        ]

    def _write(self) -> None:
        if not self._unwritten or self.is_closed:
            return
        written = ChannelFrame(payload=b"".join(self._unwritten), should_close=False)
        try:
            self._wire.write_queue.put_nowait(written)
        except asyncio.QueueFull:
            self._loop.call_later(_FULL_SECONDS, self._write)
        else:
            self._unwritten.clear()

    def _answered(self, answer: spec.Basic.Ack | spec.Basic.Nack) -> None:
        tag = answer.delivery_tag or 0
        why = "not taken" if isinstance(answer, spec.Basic.Nack) else None
        tags = [tag]
        if answer.multiple:
            tags = []
            for unconfirmed in self._unconfirmed:
                if unconfirmed > tag:
                    break
                tags.append(unconfirmed)
        for each in tags:
            found = self._unconfirmed.pop(each, None)
            if found is not None:
                batch, place = found
                batch.waiting -= 1
                if why is not None:
                    batch.refused[place] = why
                if not batch.waiting and not batch.done.done():
                    batch.done.set_result(batch.refused)

    def _returned(self, answer: spec.Basic.Return, message_id: str | None) -> None:
        """The broker gives back what no queue takes, before it confirms it."""
        for batch, place in self._unconfirmed.values():
            if batch.ids[place] == message_id and place not in batch.refused:
                batch.refused[place] = str(answer.reply_text)
                return

    # --- in --------------------------------------------------------------------------------------

    async def consume(self, queue: str, *, prefetch: int) -> None:
        """Has the queue's messages delivered, so many at most that are not settled.

        Raises:
            TimeoutError: the broker does not answer.
        """
        await self.cancel()
        async with asyncio.timeout(_ANSWER_SECONDS):
            await self._wire.basic_qos(prefetch_count=prefetch)
            answer = await self._wire.basic_consume(queue, _never)
        self._consumer = str(answer.consumer_tag)

    async def cancel(self) -> None:
        """Has no more delivered; what was is still to be settled.

        Raises:
            TimeoutError: the broker does not answer.
        """
        if self._consumer:
            consumer, self._consumer = self._consumer, ""
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._wire.basic_cancel(consumer)

    async def receive(self, most: int) -> list[Delivery]:
        """What has arrived, at least one, in its order.

        Raises:
            ConnectionError: the channel is lost.
        """
        while not self._arrived:
            self._raise_if_lost()
            self._wake = self._loop.create_future()
            await self._wake
        return self.arrived(most)

    def arrived(self, most: int) -> list[Delivery]:
        """What has arrived, perhaps nothing."""
        return [self._arrived.popleft() for _ in range(min(most, len(self._arrived)))]

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settles messages that took effect.

        Raises:
            ConnectionError: the channel is lost; they will come again.
        """
        self._raise_if_lost()
        tags = {delivery.tag for delivery in deliveries}
        through = max(tags)
        for tag in tags:
            del self._unsettled[tag]
        # Everything up to there is settled: one answer says it for all of them.
        if next(iter(self._unsettled), through) >= through:
            self._say(spec.Basic.Ack(delivery_tag=through, multiple=len(tags) > 1))
        else:
            for tag in sorted(tags):
                self._say(spec.Basic.Ack(delivery_tag=tag))

    def bury(self, delivery: Delivery) -> None:
        """Gives a message up: it goes to the dead letters.

        Raises:
            ConnectionError: the channel is lost; it will come again.
        """
        self._raise_if_lost()
        del self._unsettled[delivery.tag]
        self._say(spec.Basic.Reject(delivery_tag=delivery.tag, requeue=False))

    def _say(self, answer: spec.Basic.Ack | spec.Basic.Reject) -> None:
        self._unwritten.append(frames.marshal(answer, self._wire.number))
        self._loop.call_soon(self._write)

    # --- the queue of frames that aiormq fills and empties ----------------------------------------

    async def put(self, item: tuple[int, Any]) -> None:
        """Takes a frame as it came."""
        frame = item[1]
        kind = type(frame)
        if kind is ContentBody and self._begun is not None:
            self._parts.append(frame.value)
            self._size -= len(frame.value)
            if self._size <= 0:
                self._complete()
        elif kind is ContentHeader and self._begun is not None:
            self._header = frame
            self._size = frame.body_size
            if self._size == 0:
                self._complete()
        elif kind is spec.Basic.Deliver or kind is spec.Basic.Return:
            self._begun = frame
        elif kind is spec.Basic.Ack or kind is spec.Basic.Nack:
            self._answered(frame)
        else:
            await self._others.put(item)

    async def get(self) -> tuple[int, Any]:
        """Gives the channel the next frame that is for it."""
        item: tuple[int, Any] = await self._others.get()
        return item

    def task_done(self) -> None:
        """The channel has taken a frame in."""
        self._others.task_done()

    def _complete(self) -> None:
        begun, header, body = self._begun, self._header, b"".join(self._parts)
        self._begun = self._header = None
        self._parts = []
        if begun is None or header is None:
            raise ValueError("a message without its beginning")
        properties = header.properties
        if isinstance(begun, spec.Basic.Return):
            self._returned(begun, properties.message_id)
            return
        tag = begun.delivery_tag or 0
        self._unsettled[tag] = None
        self._arrived.append(
            Delivery(
                tag,
                bool(begun.redelivered),
                properties.message_id,
                properties.message_type,
                properties.content_type,
                properties.headers or {},
                body,
            )
        )
        self._wake_up()

    # --- its end ---------------------------------------------------------------------------------

    def when_lost(self, callback: Callable[[], None]) -> None:
        """Calls `callback` once the channel is lost."""
        self._when_lost.append(callback)

    def _raise_if_lost(self) -> None:
        if self.is_closed:
            raise ConnectionError("the channel to the broker was closed")

    def _lose(self) -> None:
        self._is_lost = True
        for batch, _place in self._unconfirmed.values():
            if not batch.done.done():
                batch.done.set_exception(ConnectionError("the channel to the broker was closed"))
        self._unconfirmed.clear()
        self._unwritten.clear()
        self._wake_up()
        for callback in self._when_lost:
            callback()

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


@lru_cache(maxsize=1024)
def _publishing(exchange: str, routing_key: str, mandatory: bool, number: int) -> bytes:  # noqa: FBT001
    """The frame that begins a message: alike for all that go the same way."""
    return frames.marshal(
        spec.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory), number
    )


async def _never(_message: object) -> None:
    """What aiormq would call with a message: `Wire` takes it before."""
    raise AssertionError("unreachable")
