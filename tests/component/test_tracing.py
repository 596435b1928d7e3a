"""Traces go through gRPC, the outbox and the broker, and arrive at a collector."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2
from parterre.messages.v1 import messages_pb2

from chassis import context, tracing
from chassis.broker import Broker
from chassis.consumer import Consumer
from chassis.context import Origin
from chassis.database import Database, Session
from chassis.lifecycle import background
from chassis.outbox import encoded
from chassis.relay import Relay
from chassis.topology import Topology
from chassis.tracing import Traces, accept_traceparent, trace_id_of

from .conftest import MakeDatabase, Until

QUEUE = "booking.replies"
TOPOLOGY = Topology.of(messages_pb2.DESCRIPTOR)


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans by OTLP."""

    def __init__(self) -> None:
        self.spans: list[trace_pb2.Span] = []

    def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the proto's name
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return trace_service_pb2.ExportTraceServiceResponse()


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector, and this process sending its spans there."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    tracing.configure("test", Traces(1, 100, f"http://127.0.0.1:{port}", None, 0))
    try:
        yield collector
    finally:
        tracing.close()
        server.stop(None)


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    return await make_database("booking", encode=encoded)


@pytest.mark.parametrize("sampled", [True, False], ids=["sampled", "not sampled"])
async def test_a_trace_goes_through_outbox_and_broker(
    database: Database, broker_url: str, until: Until, *, sampled: bool
) -> None:
    seen: list[Origin] = []

    async def on_reply(session: Session, message: messages_pb2.SeatsReply) -> None:
        seen.append(context.origin())
        if message.step == 1:
            session.send(messages_pb2.SeatsReply(booking_id="b", step=2))

    with collecting() as collector:
        broker = Broker(broker_url, TOPOLOGY, process="test")
        consumer = Consumer(QUEUE, {messages_pb2.SeatsReply: on_reply}, database, broker)
        origin = tracing.begun() if sampled else tracing.aside()
        async with (
            background("relay", Relay(database, broker).run),
            background("consumer", consumer.run),
        ):
            with context.part_of(origin), tracing.part("the request"):
                async with database.transaction() as session:
                    session.send(messages_pb2.SeatsReply(booking_id="b", step=1))

            async def heard_twice() -> bool:
                return len(seen) == 2

            await until(heard_twice)
        await broker.close()
    assert {each.request_id for each in seen} == {origin.request_id}
    assert {trace_id_of(each.traceparent) for each in seen} == {trace_id_of(origin.traceparent)}
    if not sampled:
        assert collector.spans == []
        return
    first, *messages = sorted(collector.spans, key=lambda span: span.start_time_unix_nano)
    assert [first.name, *(span.name for span in messages)] == [
        "the request",
        "parterre.messages.v1.SeatsReply",
        "parterre.messages.v1.SeatsReply",
    ]
    assert [span.parent_span_id for span in messages] == [first.span_id, messages[0].span_id]
    assert {span.trace_id.hex() for span in collector.spans} == {trace_id_of(origin.traceparent)}
    told = {each.key: each.value.string_value for each in messages[0].attributes}
    assert told["parterre.booking_id"] == "b"
    assert told["parterre.outcome"] == "applied"


async def test_a_message_of_a_version_before_keeps_its_request_and_gets_a_trace(
    database: Database, broker_url: str, until: Until
) -> None:
    seen: list[Origin] = []

    async def on_reply(_session: Session, _message: messages_pb2.SeatsReply) -> None:
        seen.append(context.origin())

    broker = Broker(broker_url, TOPOLOGY, process="test")
    consumer = Consumer(QUEUE, {messages_pb2.SeatsReply: on_reply}, database, broker)
    async with database.transaction() as session:
        await session.execute(
            "INSERT INTO outbox (id, type, payload, headers)"
            ' VALUES (gen_random_uuid(), :type, :payload, \'{"request_id": "before"}\')',
            type="parterre.messages.v1.SeatsReply",
            payload=messages_pb2.SeatsReply(booking_id="b").SerializeToString(),
        )
    async with (
        background("relay", Relay(database, broker).run),
        background("consumer", consumer.run),
    ):

        async def heard() -> bool:
            return bool(seen)

        await until(heard)
    await broker.close()
    (origin,) = seen
    assert origin.request_id == "before"
    assert accept_traceparent(origin.traceparent).endswith("-00")


async def test_a_collector_that_is_away_holds_nothing_up() -> None:
    tracing.configure("test", Traces(1, 100, "http://127.0.0.1:9", None, 0))
    root = tracing.begun()
    tracing.end(tracing.start("lost", root.traceparent))
    tracing.close()
    assert tracing.begun().traceparent.endswith("-00")
