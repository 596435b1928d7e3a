"""Ended sessions, told by a real broker and a real list: refused at once, everywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aio_pika
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import json_format
from parterre.messages.v1 import messages_pb2
from starlette.responses import JSONResponse, Response

from chassis.broker import Broker
from chassis.errors import ServiceError
from chassis.identity import Role, ServiceTokens, TokenVerifier, encode_key
from chassis.ids import uuid7
from chassis.payloads import JSON, PROTOBUF
from chassis.revocations import Revocations, fetch_from, followed
from chassis.telemetry import Health, internal_app, serve_http
from chassis.topology import EVENTS, Topology
from deploy.processes import free_port

from .conftest import TestKeys, Until


class List:
    """What auth_service would say, and how often it was asked."""

    def __init__(self) -> None:
        self.sessions: list[str] = []
        self.asked = 0
        self.is_away = False

    async def fetch(self) -> list[str]:
        self.asked += 1
        if self.is_away:
            raise ConnectionError("away")
        return self.sessions


@pytest.fixture
async def make_broker(broker_url: str) -> AsyncIterator[Callable[[], Broker]]:
    async with AsyncExitStack() as stack:

        def make() -> Broker:
            broker = Broker(broker_url, Topology({}, {}, {}), process="test")
            stack.push_async_callback(broker.close)
            return broker

        yield make


def ended_sessions(*session_ids: str) -> messages_pb2.SessionsRevoked:
    return messages_pb2.SessionsRevoked(session_ids=session_ids)


async def say(
    broker: Broker,
    body: bytes,
    content_type: str = PROTOBUF,
    type: str = messages_pb2.SessionsRevoked.DESCRIPTOR.full_name,
) -> None:
    message = aio_pika.Message(body, type=type, content_type=content_type)
    async with broker.channel(confirms=True) as channel:
        exchange = await channel.get_exchange(EVENTS, ensure=False)
        await exchange.publish(message, "session.revoked", mandatory=True)


def told(ended: Revocations, session_id: str) -> Callable[[], Awaitable[bool]]:
    async def is_told() -> bool:
        return session_id in ended

    return is_told


def listening(list_: List, times: int) -> Callable[[], Awaitable[bool]]:
    """The list is asked for once more when the queue is bound."""

    async def was_asked() -> bool:
        return list_.asked >= times

    return was_asked


async def refusal(verifier: TokenVerifier, token: str) -> str:
    with pytest.raises(ServiceError) as refused:
        await verifier.verify(token)
    assert refused.value.reason == "INVALID_TOKEN"
    return str(refused.value)


async def test_a_token_that_was_good_a_moment_ago_is_refused_in_every_process(
    make_broker: Callable[[], Broker], until: Until
) -> None:
    keys, list_ = TestKeys(), List()
    token, other = keys.access(str(uuid7()), Role.ADMIN), keys.access(str(uuid7()), Role.ADMIN)
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(followed(list_.fetch, make_broker())) for _ in range(2)
        ]
        verifiers = [TokenVerifier("test", keys, {}, ended) for ended in processes]
        session_id = (await verifiers[0].verify(token)).session_id
        await verifiers[1].verify(token)
        await until(listening(list_, 6))

        await say(make_broker(), ended_sessions(session_id).SerializeToString())

        for ended, verifier in zip(processes, verifiers, strict=True):
            await until(told(ended, session_id))
            assert await refusal(verifier, token) == "The session has ended."
            await verifier.verify(other)


async def test_what_ended_before_the_process_started_is_refused_from_the_start() -> None:
    keys, list_ = TestKeys(), List()
    token = keys.access(str(uuid7()), Role.CUSTOMER)
    list_.sessions = [(await TokenVerifier("test", keys, {}).verify(token)).session_id]

    async with followed(list_.fetch, None) as ended:
        await refusal(TokenVerifier("test", keys, {}, ended), token)


async def test_what_was_said_while_nobody_listened_is_asked_for(
    make_broker: Callable[[], Broker], until: Until
) -> None:
    list_, broker = List(), make_broker()
    async with followed(list_.fetch, broker) as ended:
        await until(listening(list_, 3))
        missed = str(uuid7())
        await broker.close()
        list_.sessions = [missed]
        await until(told(ended, missed))

        heard = str(uuid7())

        async def heard_of() -> bool:
            if heard not in ended:
                try:
                    await say(broker, ended_sessions(heard).SerializeToString())
                except aio_pika.exceptions.PublishError:
                    return False  # nobody listens yet
            return heard in ended

        list_.is_away = True
        await until(heard_of)


async def test_without_a_broker_the_list_is_asked_for_until_it_answers(until: Until) -> None:
    list_ = List()
    list_.is_away = True
    session_id = str(uuid7())
    list_.sessions = [session_id]
    async with followed(list_.fetch, None) as ended:
        assert session_id not in ended
        with pytest.raises(LookupError):
            await ended.check()  # not ready: who has ended is not known
        list_.is_away = False
        await until(told(ended, session_id))
        await ended.check()


async def test_until_the_list_was_had_no_persons_token_is_taken(until: Until) -> None:
    keys, list_ = TestKeys(), List()
    token = keys.access(str(uuid7()), Role.CUSTOMER)
    peer = Ed25519PrivateKey.generate()
    peers = {"gateway": encode_key(peer.public_key().public_bytes_raw())}
    own = ServiceTokens("gateway", encode_key(peer.private_bytes_raw())).token("test")
    list_.is_away = True
    async with followed(list_.fetch, None) as ended:
        verifier = TokenVerifier("test", keys, peers, ended)
        for _ in range(2):  # verified or remembered
            with pytest.raises(ServiceError) as refused:
                await verifier.verify(token)
            assert (refused.value.kind, refused.value.reason) == (
                "UNAVAILABLE",
                "SERVICE_UNAVAILABLE",
            )
        assert (await verifier.verify(own)).subject == "gateway"  # a process's own has no session
        list_.is_away = False

        async def has_the_list() -> bool:
            return ended.is_complete

        await until(has_the_list)
        assert (await verifier.verify(token)).role is Role.CUSTOMER


async def test_an_unreadable_message_does_not_stop_the_next_one(
    make_broker: Callable[[], Broker], until: Until
) -> None:
    list_, broker = List(), make_broker()
    async with followed(list_.fetch, broker) as ended:
        await until(listening(list_, 3))
        for body in (b"{", b"[]", b'{"session_ids": "all"}', b'{"session_ids": [1]}', b"\xff"):
            await say(broker, body, JSON)
        await say(broker, b"\xff")
        await say(broker, b"", "text/plain")
        await say(broker, b"", type="parterre.messages.v1.NoSuchMessage")
        session_id = str(uuid7())
        by_a_version_before = json_format.MessageToJson(ended_sessions(session_id)).encode()
        await say(broker, by_a_version_before, JSON)
        await until(told(ended, session_id))


async def test_the_queue_goes_with_its_process(
    make_broker: Callable[[], Broker], until: Until
) -> None:
    list_, broker = List(), make_broker()
    async with followed(list_.fetch, make_broker()):
        await until(listening(list_, 3))
        await say(broker, b"")  # mandatory: somebody takes it

    async def nobody_takes_it() -> bool:
        try:
            await say(broker, b"")
        except aio_pika.exceptions.PublishError:
            return True
        return False

    await until(nobody_takes_it)


async def test_the_list_is_fetched_from_where_the_keys_are() -> None:
    session_id = str(uuid7())

    async def answer() -> Response:
        return JSONResponse({"sessions": [session_id]})

    port = free_port()
    app = internal_app(Health(), {"/revocations": answer})
    async with serve_http(app, "127.0.0.1", port, drain_seconds=1):
        fetch = fetch_from(f"http://127.0.0.1:{port}/.well-known/jwks.json")
        assert await fetch() == [session_id]
