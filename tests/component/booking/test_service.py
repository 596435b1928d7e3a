"""booking_service whole: its composition root, on a real database, broker and gRPC."""

from __future__ import annotations

import base64
import secrets
from typing import Any

import aio_pika
import httpx
from google.protobuf import json_format
from parterre.messages.v1 import messages_pb2
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from booking_service import messaging
from booking_service.service import booking_service
from booking_service.settings import Settings
from chassis.ids import uuid7
from chassis.revocations import PATH
from chassis.telemetry import serve_http
from chassis.topology import COMMANDS, EVENTS
from deploy.processes import free_ports
from tests.component.conftest import MakeDatabase, Serve, Until

from .box import Box


def key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


async def test_it_asks_through_the_broker_and_hears_the_answer(
    make_database: MakeDatabase, broker_url: str, until: Until, serve: Serve
) -> None:
    database = await make_database("booking", encode=messaging.encode)
    box = Box(database)
    await box.open(serve)
    grpc_port, internal_port, auth_port = free_ports(3)
    auth = Starlette(routes=[Route(PATH, lambda _: JSONResponse({"sessions": []}))])
    settings = Settings(
        profile="local",
        grpc_port=grpc_port,
        internal_port=internal_port,
        jwks_url=f"http://127.0.0.1:{auth_port}/jwks.json",
        service_key=key(),
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
                body = json_format.MessageToJson(message).encode()
                await exchange.publish(
                    aio_pika.Message(
                        body, message_id=str(uuid7()), type=message.DESCRIPTOR.full_name
                    ),
                    routing_key,
                )

            await box.publish()
            booking = await box.create(customer := str(uuid7()), box.hold(customer))
            inventory = await channel.get_queue("inventory.commands", ensure=False)
            asked: list[str] = []

            async def reserve_arrived() -> bool:
                delivery = await inventory.get(fail=False)
                if delivery is not None:
                    await delivery.ack()
                    asked.append(str(delivery.type))
                return bool(asked)

            await until(reserve_arrived)
            assert asked == ["parterre.messages.v1.ReserveSeats"]
            await publish(
                commands,
                "booking.replies",
                messages_pb2.SeatsReply(
                    booking_id=booking.id,
                    outcome=messages_pb2.SeatsReply.OUTCOME_RESERVED,
                    step=1,
                ),
            )

            async def authorizing() -> bool:
                return await box.state(booking) == "AUTHORIZING"

            await until(authorizing)
            await publish(
                events,
                "event.cancelled",
                messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"),
            )

            async def voiding() -> bool:
                return await box.state(booking) == "VOIDING"

            await until(voiding)  # the loop that tells bookings of it runs
            async with database.transaction() as session:
                await session.execute(
                    "UPDATE saga SET state = 'SELLING', deadline_at = clock_timestamp(),"
                    " resends = 0"
                )

            async def sent_again() -> bool:
                async with database.transaction() as session:
                    return bool(await session.scalar("SELECT resends FROM saga"))

            await until(sent_again)  # the deadlines' loop runs
