"""A service as a process of its own: ready, not ready, metrics, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.messages.v1 import messages_pb2
from parterre.notification.v1 import notification_pb2
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from chassis.broker import Broker
from chassis.context import request
from chassis.database import Database
from chassis.identity import encode_key
from chassis.ids import uuid7
from chassis.lifecycle import background
from chassis.outbox import encoded
from chassis.payloads import PROTOBUF
from chassis.relay import Relay
from chassis.revocations import PATH
from chassis.telemetry import serve_http
from chassis.topology import Topology
from chassis.wire import Parcel
from deploy.processes import free_ports
from deploy.rabbitmq import RabbitMQ

from .conftest import MakeDatabase, Until


@dataclass
class Running:
    """A running service."""

    process: asyncio.subprocess.Process
    url: str
    rpcs: str  # the address of its gRPC server
    log: Path

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as http:
            return await http.get(self.url + path)

    async def ready(self) -> bool:
        try:
            return (await self.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False


@asynccontextmanager
async def running(database: Database, amqp_url: str, folder: Path) -> AsyncIterator[Running]:
    grpc_port, internal_port, auth_port = free_ports(3)
    auth = Starlette(routes=[Route(PATH, lambda _: JSONResponse({"sessions": []}))])
    environment = {
        "PATH": os.environ["PATH"],
        "NOTIFICATION_PROFILE": "local",
        "NOTIFICATION_LOG_LEVEL": "DEBUG",
        "NOTIFICATION_BOOKING_ADDRESS": "127.0.0.1:1",
        "NOTIFICATION_CATALOG_ADDRESS": "127.0.0.1:1",
        "NOTIFICATION_GRPC_PORT": str(grpc_port),
        "NOTIFICATION_INTERNAL_PORT": str(internal_port),
        "NOTIFICATION_JWKS_URL": f"http://127.0.0.1:{auth_port}/jwks.json",
        "NOTIFICATION_SERVICE_KEY": encode_key(Ed25519PrivateKey.generate().private_bytes_raw()),
        "NOTIFICATION_WEBHOOK_KEY": "k" * 32,
        "NOTIFICATION_DATABASE_URL": database.url,
        "NOTIFICATION_AMQP_URL": amqp_url,
    }
    log = folder / "notification.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "notification_service", env=environment, stdout=output
        )
    async with serve_http(auth, "127.0.0.1", auth_port, drain_seconds=0):
        try:
            yield Running(
                process, f"http://127.0.0.1:{internal_port}", f"127.0.0.1:{grpc_port}", log
            )
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    return await make_database("notification", encode=encoded)


async def test_work_that_fails_at_being_stopped_is_not_started_again() -> None:
    runs = asyncio.Semaphore(0)

    async def work() -> None:
        runs.release()
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionError("what was to be closed is gone")

    async with asyncio.timeout(10), background("work", work):
        await runs.acquire()
    assert runs.locked()


async def test_work_whose_awaited_answer_is_cancelled_by_others_is_started_again() -> None:
    again = asyncio.Event()
    answers: list[asyncio.Future[None]] = []

    async def work() -> None:
        if answers:
            again.set()
        answers.append(asyncio.get_running_loop().create_future())
        asyncio.get_running_loop().call_soon(answers[0].cancel)
        await answers[-1]

    async with asyncio.timeout(10), background("work", work):
        await again.wait()


async def test_a_service_says_when_it_is_ready_and_drains_when_told_to_stop(
    database: Database, broker_url: str, tmp_path: Path, until: Until
) -> None:
    async with running(database, broker_url, tmp_path) as service:
        await until(service.ready)
        assert (await service.get("/healthz")).status_code == 200
        assert "parterre_messages_consumed_total" in (await service.get("/metrics")).text

        service.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(service.process.wait(), 20) == 0

        events = [json.loads(line)["event"] for line in service.log.read_text().splitlines()]
        assert "started" in events
        assert events[-2:] == ["draining", "stopped"]


async def test_a_service_lives_but_is_not_ready_while_its_broker_is_away(
    database: Database, tmp_path: Path, until: Until
) -> None:
    rabbitmq = RabbitMQ(tmp_path / "rabbitmq")
    async with running(database, rabbitmq.url, tmp_path) as service:

        async def alive_but_waiting() -> bool:
            try:
                answer = await service.get("/readyz")
            except httpx.TransportError:
                return False
            return answer.json() == {"ready": False, "waiting_for": ["broker"]}

        await until(alive_but_waiting)
        assert (await service.get("/healthz")).status_code == 200
        with rabbitmq:
            await until(service.ready)


async def test_what_a_request_led_to_is_logged_with_its_id_and_measured(
    database: Database, broker_url: str, tmp_path: Path, until: Until
) -> None:
    """An RPC that is refused, a message that fails on its way from the outbox, one nobody reads."""
    topology = Topology.of(messages_pb2.DESCRIPTOR)
    broker = Broker(broker_url, topology, process="test")
    kind = messages_pb2.DeliverCode.DESCRIPTOR.full_name
    queue = topology.addresses[kind].routing_key
    method = notification_pb2.DESCRIPTOR.services_by_name["NotificationService"].methods[0]

    async with running(database, broker_url, tmp_path) as service:
        await until(service.ready)
        page = samples(await service.get("/metrics"))
        assert page[f'parterre_queue_messages{{queue="{queue}.dead"}}'] == 0
        assert page["parterre_outbox_waiting"] == 0

        async with grpc.aio.insecure_channel(service.rpcs) as channel:
            call = channel.unary_unary(f"/{method.containing_service.full_name}/{method.name}")
            with pytest.raises(grpc.aio.AioRpcError):
                await call(b"", metadata=[("x-request-id", "of-an-rpc")])
        async with background("relay", Relay(database, broker).run):
            with request(id="of-a-message"):
                async with database.transaction() as session:
                    session.send(messages_pb2.DeliverCode(expires_at=Timestamp(seconds=10**15)))
            async with broker.wire() as wire:
                headers = {"request_id": "of-noise"}
                id = str(uuid7())
                noise = Parcel("", queue, False, id, kind, PROTOBUF, headers, b"\xff")
                await wire.publish([noise])

            async def logged() -> bool:
                return {"of-an-rpc", "of-a-message", "of-noise"} <= set(lines_by_id(service.log))

            await until(logged)
        page = samples(await service.get("/metrics"))
    await broker.close()

    found = lines_by_id(service.log)
    assert {(line["event"], line["status"]) for line in found["of-an-rpc"]} == {
        ("rpc", "UNAUTHENTICATED")
    }
    tried = {line["event"] for line in found["of-a-message"]}
    assert tried == {"message failed, will be tried again"}
    assert {line["event"] for line in found["of-noise"]} == {"message given up"}
    labels = f'code="UNAUTHENTICATED",method="{method.full_name}"'
    assert page[f"parterre_rpc_answers_total{{{labels}}}"] == 1
    assert page['parterre_alerts_total{kind="dead_letter"}'] == 1
    unread = {name: count for name, count in page.items() if name.startswith("parterre_figures_")}
    assert set(unread.values()) == {0}


def lines_by_id(log: Path) -> dict[str, list[dict[str, Any]]]:
    """The lines of a process's log by their request id."""
    found = defaultdict(list)
    for line in log.read_text().splitlines():
        fields = json.loads(line)
        found[fields.get("request_id", "-")].append(fields)
    return found


def samples(page: httpx.Response) -> dict[str, float]:
    """What a page of metrics shows, each with its labels."""
    lines = [line for line in page.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def test_a_message_in_hand_when_the_stop_comes_still_takes_effect_once(
    database: Database, broker_url: str, tmp_path: Path, until: Until
) -> None:
    broker = Broker(broker_url, Topology.of(messages_pb2.DESCRIPTOR), process="test")

    def code(until: int) -> messages_pb2.DeliverCode:
        return messages_pb2.DeliverCode(
            email="asha@example.org",
            purpose="REGISTER",
            code="123456",
            expires_at=Timestamp(seconds=4_000_000_000 + until),
        )

    async def mails() -> int:
        async with database.transaction() as session:
            return await session.scalar("SELECT count(*) FROM mail")

    async with background("relay", Relay(database, broker).run):
        for last in (False, True):
            async with running(database, broker_url, tmp_path) as service:
                await until(service.ready)
                async with database.transaction() as session:
                    for number in range(200):
                        session.send(code(2 * number + last))
                if last:

                    async def all_there() -> bool:
                        return await mails() == 400

                    await until(all_there)
                service.process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(service.process.wait(), 20) == 0
    await broker.close()
    assert await mails() == 400
