"""booking_service whole: its composition root, on a real database, broker and gRPC."""

from __future__ import annotations

import base64
import secrets
from typing import Any

import aio_pika
import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from parterre.booking.v1 import booking_pb2, booking_pb2_grpc
from parterre.messages.v1 import messages_pb2
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from booking_service import messaging
from booking_service.service import booking_service
from booking_service.settings import Settings
from chassis.grpc_client import GrpcClient
from chassis.identity import ServiceTokens, encode_key
from chassis.ids import uuid7
from chassis.payloads import PROTOBUF
from chassis.revocations import PATH
from chassis.telemetry import serve_http
from chassis.topology import COMMANDS, EVENTS
from deploy.processes import free_ports
from tests.component.conftest import MakeDatabase, Serve, Until

from .box import ASHA, Box


def key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


async def test_it_asks_through_the_broker_and_hears_the_answer(
    make_database: MakeDatabase, broker_url: str, until: Until, serve: Serve
) -> None:
    database = await make_database("booking", encode=messaging.encode)
    box = Box(database)
    await box.open(serve)
    grpc_port, internal_port, auth_port = free_ports(3)
    auth = Starlette(
        routes=[
            Route(PATH, lambda _: JSONResponse({"sessions": []})),
            Route("/jwks.json", lambda _: JSONResponse(box.caller.keys.document())),
        ]
    )
    gateway = Ed25519PrivateKey.generate()
    settings = Settings(
        profile="local",
        grpc_port=grpc_port,
        internal_port=internal_port,
        jwks_url=f"http://127.0.0.1:{auth_port}/jwks.json",
        service_key=key(),
        service_peers={"gateway": encode_key(gateway.public_key().public_bytes_raw())},
        database_url=database.url,
        amqp_url=broker_url,
        inventory_address="127.0.0.1:1",
        ticket_key=key(),
    )
    async with (
        serve_http(auth, "127.0.0.1", auth_port, drain_seconds=0),
        booking_service(settings),
        httpx.AsyncClient() as client,
    ):

        async def ready() -> bool:
            answer = await client.get(f"http://127.0.0.1:{internal_port}/readyz")
            return answer.status_code == 200

        await until(ready)
        connection = await aio_pika.connect(broker_url)
        async with connection, connection.channel() as channel:
            commands = await channel.get_exchange(COMMANDS, ensure=False)
            events = await channel.get_exchange(EVENTS, ensure=False)

            async def publish(exchange: Any, routing_key: str, message: Any) -> None:
                body = message.SerializeToString()
                await exchange.publish(
                    aio_pika.Message(
                        body,
                        content_type=PROTOBUF,
                        message_id=str(uuid7()),
                        type=message.DESCRIPTOR.full_name,
                    ),
                    routing_key=routing_key,
                )

            await box.publish()
            booking = await box.create(customer := str(uuid7()), box.hold(customer))
            payment = await channel.get_queue("payment.commands", ensure=False)
            asked: list[Any] = []

            async def charge_arrived() -> bool:
                delivery = await payment.get(fail=False)
                if delivery is not None:
                    await delivery.ack()
                    assert (delivery.type, delivery.content_type) == (
                        "parterre.messages.v1.ChargePayment",
                        PROTOBUF,
                    )
                    asked.append(messages_pb2.ChargePayment.FromString(delivery.body))
                return bool(asked)

            await until(charge_arrived)
            assert (asked[0].booking_id, asked[0].step) == (booking.id, 2)
            # Queued by the version before, in its own words: nobody waits for it any more.
            await publish(
                commands,
                "booking.replies",
                messages_pb2.PaymentReply(
                    booking_id=booking.id,
                    outcome=messages_pb2.PaymentReply.OUTCOME_AUTHORIZED,
                    step=2,
                ),
            )
            await publish(
                commands,
                "booking.replies",
                messages_pb2.PaymentReply(
                    booking_id=booking.id,
                    outcome=messages_pb2.PaymentReply.OUTCOME_CHARGED,
                    step=2,
                    captured_amount=booking.price.total,
                ),
            )

            async def confirmed() -> bool:
                return await box.state(booking) == "CONFIRMED"

            await until(confirmed)
            await publish(
                events,
                "event.cancelled",
                messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"),
            )

            async def refunding() -> bool:
                return await box.state(booking) == "REFUNDING"

            await until(refunding)  # the loop that tells bookings of it runs
            async with database.transaction() as session:
                await session.execute(
                    "UPDATE saga SET deadline_at = clock_timestamp(), resends = 0"
                )

            async def sent_again() -> bool:
                async with database.transaction() as session:
                    return bool(await session.scalar("SELECT resends FROM saga"))

            await until(sent_again)  # the deadlines' loop runs
            # Holds are asked for by RPC, and inventory is not there.
            tokens = ServiceTokens("gateway", encode_key(gateway.private_bytes_raw()))
            calls = GrpcClient("booking", f"127.0.0.1:{grpc_port}", tokens)
            try:
                wish = booking_pb2.CreateBookingsRequest(items=[box.order(ASHA, uuid7())])
                stub = booking_pb2_grpc.BookingServiceStub(calls.channel)
                parts = [part async for part in calls.parts(stub.CreateBookings, wish)]
            finally:
                await calls.close()
            [result] = parts[0].results
            assert result.refusal.reason == "SERVICE_UNAVAILABLE"
