"""Open streams of unread notices hear of changes over the broker, through any gateway."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import UUID

import orjson
from parterre.messages.v1 import messages_pb2
from parterre.notification.v1 import notification_pb2

from chassis.broker import Broker
from chassis.database import Database
from chassis.ids import uuid7
from chassis.relay import Relay
from chassis.topology import Topology
from gateway.notices import NoticeListener, Notices
from notification_service import messaging
from notification_service.domain import NoticesChanged
from tests.component.conftest import MakeDatabase, Until


class Counting:
    """Stands for notification_service: how many a person has not read."""

    class rpc:  # noqa: N801 - as a stub is had
        CountUnreadNotices = None

    def __init__(self) -> None:
        self.unread = 0
        self.asked = 0

    async def as_gateway(self, _method: Any, _request: Any) -> Any:
        self.asked += 1
        return notification_pb2.CountUnreadNoticesResponse(unread=self.unread)


async def told(notices: Notices, person: str, listener: NoticeListener) -> int:
    news = await notices.news(person, listener)
    return int(orjson.loads(news.partition(b"data: ")[2])["unread"])


async def test_a_change_wakes_the_streams_of_that_person_at_every_gateway(
    make_database: MakeDatabase, broker_url: str, until: Until
) -> None:
    database: Database = await make_database("notification", encode=messaging.encode)
    topology = Topology.of(messages_pb2.DESCRIPTOR)
    broker = Broker(broker_url, topology, process="notification")
    gateways = [Broker(broker_url, Topology({}, {}, {}), process="gateway") for _ in range(2)]
    counting, asha, other = Counting(), str(uuid7()), str(uuid7())
    relay = asyncio.create_task(Relay(database, broker).run())
    try:
        async with (
            Notices.open(cast("Any", counting), gateways[0]) as one,
            Notices.open(cast("Any", counting), gateways[1]) as two,
        ):
            with (
                one.listened(asha) as here,
                two.listened(asha) as there,
                one.listened(other) as others,
            ):
                await until(lambda: _both(one, two))
                for notices, person, each in ((one, asha, here), (two, asha, there)):
                    assert await told(notices, person, each) == 0
                assert await told(one, other, others) == 0
                asked = counting.asked
                assert await one.news(asha, here) == b""
                assert counting.asked == asked  # nothing has changed: nothing is asked

                counting.unread = 1
                async with database.transaction() as session:
                    session.send(NoticesChanged([UUID(asha)]))
                async with asyncio.timeout(10):
                    await here.wake.wait()
                    await there.wake.wait()
                assert not others.wake.is_set()
                assert await told(one, asha, here) == await told(two, asha, there) == 1
    finally:
        relay.cancel()
        for each in (broker, *gateways):
            await each.close()


async def _both(one: Notices, two: Notices) -> bool:
    return one.is_hearing and two.is_hearing
