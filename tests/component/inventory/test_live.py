"""Seats as they change, from the commit to whoever watches: real inventory, broker and gateway."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import aio_pika
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from google.protobuf.message import Message
from parterre.inventory.v1 import inventory_pb2
from parterre.messages.v1 import messages_pb2

from chassis.broker import Broker
from chassis.errors import RemoteError
from chassis.grpc_server import serve_grpc
from chassis.identity import Role, TokenVerifier, encode_key
from chassis.ids import uuid7
from chassis.lifecycle import background
from chassis.payloads import PROTOBUF
from chassis.topology import EVENTS, Topology
from deploy.processes import free_port
from inventory_service.announcer import Announcer
from inventory_service.handlers import announcing
from inventory_service.rpc import SERVICE, InventoryServicer
from tests.component.conftest import Until
from tests.contract.conftest import Edge, SigningKeys, running_gateway
from tests.contract.streams import SeatPage, listening

from .box import TERMS, Box, Place


class Wire:
    """A way to the broker that can be cut."""

    def __init__(self, url: str, port: int) -> None:
        self._target = aio_pika.connection.make_url(url)
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_cut = False
        self.url = str(self._target.with_port(port))

    async def serve(self, near: asyncio.StreamReader, near_end: asyncio.StreamWriter) -> None:
        if self.is_cut:
            near_end.close()
            return
        far, far_end = await asyncio.open_connection(self._target.host, self._target.port)
        self._ends |= {near_end, far_end}
        await asyncio.gather(self._carry(near, far_end), self._carry(far, near_end))

    @staticmethod
    async def _carry(come: asyncio.StreamReader, go: asyncio.StreamWriter) -> None:
        try:
            while data := await come.read(65536):
                go.write(data)
                await go.drain()
        except ConnectionError:
            pass
        finally:
            go.close()

    def cut(self) -> None:
        self.is_cut = True
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    def mend(self) -> None:
        self.is_cut = False


class _Keys:
    """The gateway's signing keys, once it is there."""

    def __init__(self) -> None:
        self.edge: SigningKeys | None = None

    async def key(self, _key_id: str) -> Ed25519PublicKey | None:
        return self.edge.private.public_key() if self.edge else None


@dataclass
class House:
    """A gateway in front of the box office, a broker between them."""

    box: Box
    edge: Edge
    wire: Wire
    broker: Broker
    announcers: list[Announcer]
    gateway: Callable[..., Any]

    async def seats(self, event: Place) -> dict[str, str]:
        answer = await self.edge.get(f"/events/{event.event_id}/seats", role=None)
        assert answer.status_code == 200
        body = answer.json()
        return {seat: status for status, ids in body["taken"].items() for seat in ids}

    async def truth(self, event: Place) -> dict[str, str]:
        shown = {"RESERVED": "HELD"}
        statuses = await self.box.statuses(event)
        return {str(no): shown.get(status, status) for no, status in statuses.items()}

    def be_silent(self) -> None:
        """What is changed from here on is told to nobody, as if it were lost on its way."""
        for database in self.box.databases:
            database.when_noted = None

    def speak(self) -> None:
        for database, announcer in zip(self.box.databases, self.announcers, strict=True):
            database.when_noted = announcer.take

    async def publish(self, **change: Any) -> None:
        """Tells gateways of a change that never was."""
        async with self.broker.channel(confirms=True) as channel:
            exchange = await channel.get_exchange(EVENTS, ensure=False)
            message = fact(messages_pb2.SeatsChanged(**change))
            await exchange.publish(message, "seats.changed", mandatory=True)


def fact(message: Message) -> aio_pika.Message:
    return aio_pika.Message(
        message.SerializeToString(), content_type=PROTOBUF, type=message.DESCRIPTOR.full_name
    )


@pytest.fixture
async def house(box: Box, broker_url: str) -> AsyncIterator[House]:
    own = Ed25519PrivateKey.generate()
    peers = {"gateway": encode_key(own.public_key().public_bytes_raw())}
    keys = _Keys()
    address = f"127.0.0.1:{free_port()}"
    async with AsyncExitStack() as stack:
        announcers = []
        broker = Broker(broker_url, Topology.of(messages_pb2.DESCRIPTOR), process="inventory")
        stack.push_async_callback(broker.close)
        await broker.connection()
        for database in box.databases:
            announcer = Announcer(database, broker)
            announcers.append(announcer)
            await stack.enter_async_context(background("seats", announcer.tell))
        await stack.enter_async_context(
            serve_grpc(
                SERVICE,
                partial(InventoryServicer, box.database, TERMS),
                TokenVerifier("inventory", keys, peers),
                address=address,
                max_concurrent=100,
                drain_seconds=0,
            )
        )
        wire = Wire(broker_url, free_port())
        port = aio_pika.connection.make_url(wire.url).port
        server = await asyncio.start_server(wire.serve, "127.0.0.1", port)
        stack.callback(server.close)
        stack.callback(wire.cut)

        @asynccontextmanager
        async def gateway(**changes: Any) -> AsyncIterator[Edge]:
            settings = {
                "inventory_address": address,
                "service_key": encode_key(own.private_bytes_raw()),
                "amqp_url": wire.url,
                "seats_check_seconds": 60,
                **changes,
            }
            async with running_gateway(**settings) as edge:
                keys.edge = edge.keys
                yield edge

        edge = await stack.enter_async_context(gateway())
        house = House(box, edge, wire, broker, announcers, gateway)
        house.speak()
        yield house
        house.be_silent()


async def follow(events: AsyncIterator[Any], page: SeatPage, until: Callable[[], bool]) -> None:
    """Takes events until the page shows what it should, at most 20 seconds."""
    async with asyncio.timeout(20):
        while not until():
            page.take(await anext(events))


async def test_holds_in_any_process_are_told_to_everybody_who_listens(house: House) -> None:
    event = await house.box.opened(rows=2, seats=10, pools=(50,))
    pages = [SeatPage(), SeatPage()]
    async with (
        listening(house.edge, event.event_id) as first,
        listening(house.edge, event.event_id) as second,
    ):
        for events, page in zip((first, second), pages, strict=True):
            page.take(await anext(events))
            assert page.taken == {}
        holds = [await house.box.hold(event, seats=[n], tickets=1) for n in range(4)]
        request = inventory_pb2.ReleaseHoldRequest(hold_id=holds[0].id)
        await house.box.call(holds[0].customer_id, "ReleaseHold", request)
        expected = {"1": "HELD", "2": "HELD", "3": "HELD"}
        (pool,) = event.standing

        def is_told(page: SeatPage) -> bool:
            return page.taken == expected and page.pools[pool]["available"] == 47

        for events, page in zip((first, second), pages, strict=True):
            await follow(events, page, partial(is_told, page))
            assert page.snapshots == 1


async def test_who_holds_a_seat_sees_it_taken_when_they_look(house: House) -> None:
    event = await house.box.opened(rows=1, seats=30, most=30)
    await house.seats(event)
    for seat in range(20):
        body = {"event_id": event.event_id, "seat_ids": [str(seat)]}
        answer = await house.edge.post("/holds", body)
        assert answer.status_code == 201, answer.text
        assert (await house.seats(event))[str(seat)] == "HELD"


async def test_a_map_that_is_kept_is_the_one_inventory_would_give(house: House) -> None:
    event = await house.box.opened(rows=3, seats=20)
    await house.box.hold(event, seats=[3, 4], tickets=2)
    answer = await house.edge.get(f"/events/{event.event_id}/seats", role=None)
    whole = await house.box.callers[0].as_gateway(
        "GetSeatMap", inventory_pb2.GetSeatMapRequest(event_id=event.event_id)
    )
    assert answer.headers["etag"] == f'"{whole.seat_map.version}-br"'
    body = answer.json()
    assert body["taken"] == {each.status: list(each.seat_ids) for each in whole.seat_map.taken}
    assert body["sections"][1]["available"] == whole.seat_map.sections[1].available == 48
    assert sum(len(row["seats"]) for row in body["sections"][0]["rows"]) == 60


async def test_a_page_ends_up_with_what_is_true_after_a_rush(house: House) -> None:
    event = await house.box.opened(rows=10, seats=20, most=10)
    rng = random.Random(7)

    async def somebody() -> None:
        person = str(uuid7())
        for _ in range(6):
            seats = rng.sample(range(200), 3)
            try:
                hold = await house.box.hold(event, person, seats=seats)
            except RemoteError:
                continue
            request = inventory_pb2.ReleaseHoldRequest(hold_id=hold.id, seat_ids=hold_part(hold))
            await house.box.call(person, "ReleaseHold", request)

    def hold_part(hold: inventory_pb2.Hold) -> list[str]:
        return [line.seat_id for line in hold.lines][: rng.randrange(4)]

    page = SeatPage()
    async with listening(house.edge, event.event_id) as events:
        page.take(await anext(events))
        rush = asyncio.gather(*(somebody() for _ in range(30)))
        following = asyncio.ensure_future(anext(events))
        truth: dict[str, str] | None = None
        while page.taken != truth:
            waited_for = {following} if rush.done() else {following, rush}
            done, _ = await asyncio.wait(waited_for, timeout=20, return_when="FIRST_COMPLETED")
            assert done
            if following.done():
                page.take(following.result())
                following = asyncio.ensure_future(anext(events))
            if rush.done() and truth is None:
                await rush
                truth = await house.truth(event)
        following.cancel()
        assert page.snapshots == 1
        assert await house.seats(event) == truth


async def test_what_was_lost_on_its_way_is_found_by_comparing(house: House) -> None:
    event = await house.box.opened(rows=1, seats=10)
    async with house.gateway(seats_check_seconds=0.3) as edge:
        page = SeatPage()
        async with listening(edge, event.event_id) as events:
            page.take(await anext(events))
            house.be_silent()
            await house.box.hold(event, seats=[1, 2], tickets=3)
            await follow(events, page, lambda: page.taken == {"1": "HELD", "2": "HELD"})
        assert page.pools[event.standing[0]]["available"] == 47


async def test_what_is_old_or_told_twice_changes_nothing(house: House) -> None:
    event = await house.box.opened(rows=1, seats=10)
    hold = await house.box.hold(event, seats=[1])
    page = SeatPage()
    async with listening(house.edge, event.event_id) as events:
        page.take(await anext(events))
        request = inventory_pb2.ReleaseHoldRequest(hold_id=hold.id)
        await house.box.call(hold.customer_id, "ReleaseHold", request)
        await follow(events, page, lambda: page.taken == {})
        again = {"event_id": event.event_id, "seats": [1], "states": [1], "versions": [1]}
        for _ in range(3):
            await house.publish(**again)
        await house.publish(**{**again, "seats": [99, -1], "states": [1, 1], "versions": [9, 9]})
        await house.publish(event_id="nonsense", seats=[1])
        await house.box.hold(event, seats=[2])
        await follow(events, page, lambda: "2" in page.taken)
        assert page.taken == {"2": "HELD"}
    assert await house.seats(event) == {"2": "HELD"}


async def test_while_the_broker_is_away_inventory_is_asked(house: House) -> None:
    event = await house.box.opened(rows=1, seats=10)
    page = SeatPage()
    async with listening(house.edge, event.event_id) as events:
        page.take(await anext(events))
        house.wire.cut()
        await house.box.hold(event, seats=[1])
        await follow(events, page, lambda: page.taken == {"1": "HELD"})
        await house.box.hold(event, seats=[2])
        assert await house.seats(event) == {"1": "HELD", "2": "HELD"}
        house.wire.mend()
        await house.box.hold(event, seats=[3])
        await follow(events, page, lambda: len(page.taken) == 3)
        assert page.snapshots == 1


async def test_after_the_gateway_is_gone_a_page_goes_on_at_another(house: House) -> None:
    event = await house.box.opened(rows=1, seats=10)
    page = SeatPage()
    async with house.gateway() as edge, listening(edge, event.event_id) as events:
        page.take(await anext(events))
    await house.box.hold(event, seats=[1])
    async with (
        house.gateway() as edge,
        listening(edge, event.event_id, **{"Last-Event-ID": page.last_id}) as events,
    ):
        page.take(await anext(events))
        assert page.taken == {"1": "HELD"}


async def test_who_does_not_read_is_brought_up_to_date_and_delays_nobody(house: House) -> None:
    event = await house.box.opened(rows=40, seats=100)
    page = SeatPage()
    host, port = house.edge.url.removeprefix("http://").split(":")
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    loop = asyncio.get_running_loop()
    with slow:
        await loop.sock_connect(slow, (host, int(port)))
        path = f"/api/v1/events/{event.event_id}/seats/stream"
        await loop.sock_sendall(slow, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        async with listening(house.edge, event.event_id) as events:
            page.take(await anext(events))
            told = 0

            def is_after(version: int) -> bool:
                return page.version > version

            every = list(range(4000))
            for turn in count(1):  # more than the system's buffers take
                change = {"seats": every, "states": [1 + turn % 2] * len(every)}
                versions = [turn] * len(every)
                version = page.version
                await house.publish(event_id=event.event_id, **change, versions=versions)
                await follow(events, page, partial(is_after, version))
                told += len(every) * len('"1000":"HELD",')
                if told > 12_000_000:
                    break
            answer = b""
            while True:
                async with asyncio.timeout(20):
                    piece = await loop.sock_recv(slow, 1 << 20)
                assert piece, answer[:1000]  # the stream goes on
                answer += piece
                if f'"version":{page.version},'.encode() in answer[-200_000:]:
                    break
    names = answer.count(b"event: delta"), answer.count(b"event: snapshot")
    assert names[1] >= 2
    assert len(answer) < told


async def test_a_stream_ends_with_its_person_s_session(house: House) -> None:
    event = await house.box.opened(rows=1, seats=10)
    session_id = str(uuid7())
    async with house.gateway(stream_heartbeat_seconds=0.1) as edge:
        token = edge.keys.token(Role.CUSTOMER, sid=session_id)
        async with (
            listening(edge, event.event_id, Authorization=f"Bearer {token}") as events,
            asyncio.timeout(20),
        ):
            await anext(events)
            async with house.broker.channel(confirms=True) as channel:
                exchange = await channel.get_exchange(EVENTS, ensure=False)
                message = fact(messages_pb2.SessionsRevoked(session_ids=[session_id]))
                await exchange.publish(message, "session.revoked", mandatory=True)
            assert [each async for each in events] == []


async def test_streams_end_when_the_event_is_called_off(house: House) -> None:
    event = await house.box.opened(rows=1, seats=10)
    async with listening(house.edge, event.event_id) as events, asyncio.timeout(20):
        await anext(events)
        cancelled = messages_pb2.EventCancelled(event_id=event.event_id, reason="Rain")
        async with house.broker.channel(confirms=True) as channel:
            exchange = await channel.get_exchange(EVENTS, ensure=False)
            await exchange.publish(fact(cancelled), "event.cancelled", mandatory=True)
        await house.box.tell(cancelled)
        assert [each async for each in events] == []
    answer = await house.edge.get(f"/events/{event.event_id}/seats")
    assert answer.status_code == 409


# --- how much is left --------------------------------------------------------------------------


async def said(box: Box) -> list[messages_pb2.AvailabilityChanged]:
    """What is on its way to the catalog, in order; then forgets it."""
    return await box.sent(messages_pb2.AvailabilityChanged)


async def announce(box: Box, event: Place) -> int:
    async def work(session: Any) -> int:
        return await announcing.announce(session, [UUID(event.event_id)])

    return await box.database.run(work)


async def test_counts_are_said_when_they_changed_and_only_then(box: Box) -> None:
    event = await box.opened(rows=2, seats=10, pools=(50,))
    hold = await box.hold(event, seats=[1, 2], tickets=3)
    await announce(box, event)
    (first,) = await said(box)
    assert (first.available, first.capacity, first.version) == (65, 70, 4)
    await asyncio.gather(*(announce(box, event) for _ in range(5)))
    assert await said(box) == []
    # Nobody wants its places, so nobody expires it: it counts as free all the same.
    await box.let_expire(hold.id)
    await box.hold(event, seats=[5])
    await asyncio.gather(*(announce(box, event) for _ in range(5)))
    (second,) = await said(box)
    assert (second.available, second.version > 4) == (69, True)


async def test_an_announcer_says_the_counts_of_what_was_noted(
    box: Box, broker_url: str, until: Until
) -> None:
    event = await box.opened(rows=1, seats=10, pools=())
    broker = Broker(broker_url, Topology.of(messages_pb2.DESCRIPTOR), process="inventory")
    announcer = Announcer(box.database, broker)
    for database in box.databases:
        database.when_noted = announcer.take
    await box.hold(event, seats=[1, 2])
    available: list[int] = []

    async def is_said() -> bool:
        available.extend(each.available for each in await said(box))
        return bool(available) and available[-1] == 8

    async with background("counts", announcer.count):
        await until(is_said)
    for database in box.databases:
        database.when_noted = None


async def test_counts_that_nobody_lived_to_say_are_said_by_another(box: Box) -> None:
    event = await box.opened(rows=1, seats=10, pools=())
    await box.hold(event, seats=[1, 2])  # whoever did this is gone

    async def look(session: Any) -> int:
        return await announcing.announce_unchecked(session, pause=timedelta(minutes=1), limit=5)

    assert await box.database.run(look) == 1
    assert [each.available for each in await said(box)] == [8]
    assert await box.database.run(look) == 0
    await box.hold(event, seats=[3])
    await box.sql("UPDATE announcement SET checked_at = checked_at - interval '2 minutes'")
    assert await box.database.run(look) == 1
    assert [each.available for each in await said(box)] == [7]
