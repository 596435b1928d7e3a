"""Who looks at the app, and is told at once when they have more unread notices, or fewer.

notification_service says whose became more or fewer (`NoticesChanged`), to a queue that goes with
this process's connection; how many there are is asked for then. What was missed while the broker
was away is asked for at a stream's next heartbeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial

import orjson
from google.protobuf.message import Message
from parterre.messages.v1 import messages_pb2
from parterre.notification.v1 import notification_pb2, notification_pb2_grpc
from prometheus_client import Gauge

from chassis.broker import Broker
from chassis.errors import RemoteError
from chassis.lifecycle import background
from chassis.listener import listen
from gateway.services import Remote

LISTENERS = Gauge("parterre_notice_stream_listeners", "Streams of notices that are open")


class NoticeListener:
    """One stream: what it has told, and what wakes it."""

    __slots__ = ("hearing", "is_due", "told", "wake")

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.is_due = True
        self.hearing = -1  # the connection to the broker that has told everything since
        self.told = -1


class Notices:
    """The people who look."""

    def __init__(self, notification: Remote[notification_pb2_grpc.NotificationServiceStub]) -> None:
        self._notification = notification
        self._listeners: dict[str, set[NoticeListener]] = {}
        self._hearing = 0
        self.is_hearing = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        notification: Remote[notification_pb2_grpc.NotificationServiceStub],
        broker: Broker | None,
    ) -> AsyncIterator[Notices]:
        """Listens to what changes for as long as the block runs."""
        notices = cls(notification)
        async with AsyncExitStack() as stack:
            if broker is not None:
                facts = (messages_pb2.NoticesChanged,)
                listening = partial(listen, broker, facts, notices.take, notices.hears)
                await stack.enter_async_context(background("notices", listening))
            yield notices

    @contextmanager
    def listened(self, person: str) -> Iterator[NoticeListener]:
        """Counts one stream of a person for as long as the block runs."""
        listener = NoticeListener()
        self._listeners.setdefault(person, set()).add(listener)
        LISTENERS.inc()
        try:
            yield listener
        finally:
            LISTENERS.dec()
            of_person = self._listeners[person]
            of_person.remove(listener)
            if not of_person:
                del self._listeners[person]

    async def news(self, person: str, listener: NoticeListener) -> bytes:
        """What a stream has to tell now, as an event; empty: nothing."""
        if not listener.is_due and self.is_hearing and listener.hearing == self._hearing:
            return b""
        # Before the question: what changes while it is asked makes the stream ask again.
        listener.is_due, listener.hearing = False, self._hearing
        try:
            reply = await self._notification.as_gateway(
                self._notification.rpc.CountUnreadNotices,
                notification_pb2.CountUnreadNoticesRequest(person_id=person),
            )
        except RemoteError:
            listener.is_due = True  # at the next heartbeat
            return b""
        if reply.unread == listener.told:
            return b""
        listener.told = reply.unread
        return b"event: unread\ndata: %s\n\n" % orjson.dumps({"unread": reply.unread})

    async def take(self, message: Message) -> None:
        """Hears that some people's notices became more or fewer."""
        assert isinstance(message, messages_pb2.NoticesChanged)  # noqa: S101 - as asked for
        for person in message.person_ids:
            for listener in self._listeners.get(person, ()):
                listener.is_due = True
                listener.wake.set()

    def hears(self, hears: bool) -> None:  # noqa: FBT001 - its only question
        """Hears that from now on nothing is missed, or that this is over."""
        self.is_hearing = hears
        self._hearing += hears

    def wake(self) -> None:
        """Has every stream look whether it has ended."""
        for of_person in self._listeners.values():
            for listener in of_person:
                listener.wake.set()
