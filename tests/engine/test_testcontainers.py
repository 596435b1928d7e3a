"""A service on servers that testcontainers starts, as those who know no `deploy/` would test it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy, LogMessageWaitStrategy

from auth_service.service import auth_service
from auth_service.settings import Settings
from chassis.identity import encode_key
from deploy.processes import free_ports
from deploy.provision import (
    MIGRATOR,
    READER,
    SCHEMAS,
    migrate_all,
    provision,
    role_of,
    url_for,
)

pytestmark = pytest.mark.engine

PASSWORD = "of-the-tests-of-containers"
PASSWORDS = dict.fromkeys([MIGRATOR, READER, *map(role_of, SCHEMAS)], PASSWORD)


@pytest.fixture(scope="module")
def admin_url() -> Iterator[str]:
    image = os.environ.get("POSTGRES_IMAGE", "docker.io/library/postgres:18")
    container = DockerContainer(image).with_env("POSTGRES_PASSWORD", PASSWORD)
    # The server that makes the database the first time does not listen on TCP.
    asked = ExecWaitStrategy(["pg_isready", "--host=127.0.0.1"]).with_startup_timeout(60)
    container = container.with_kwargs(user="999:999").waiting_for(asked)
    with container.with_exposed_ports(5432) as server:
        host, port = server.get_container_host_ip(), server.get_exposed_port(5432)
        yield f"postgresql://postgres:{PASSWORD}@{host}:{port}/postgres"


@pytest.fixture(scope="module")
def amqp_url() -> Iterator[str]:
    image = os.environ.get("RABBITMQ_IMAGE", "docker.io/library/rabbitmq:4.1")
    container = DockerContainer(image).with_env("RABBITMQ_DEFAULT_USER", "parterre")
    container = container.with_env("RABBITMQ_DEFAULT_PASS", PASSWORD)
    told = LogMessageWaitStrategy("Starting broker... completed").with_startup_timeout(90)
    with container.waiting_for(told).with_exposed_ports(5672) as server:
        host, port = server.get_container_host_ip(), server.get_exposed_port(5672)
        yield f"amqp://parterre:{PASSWORD}@{host}:{port}/"


async def test_a_service_runs_on_servers_of_testcontainers(admin_url: str, amqp_url: str) -> None:
    provision(admin_url, "parterre", PASSWORDS)
    migrate_all(url_for(admin_url, "parterre", MIGRATOR, PASSWORD))
    rpc_port, internal_port = free_ports(2)
    key = Ed25519PrivateKey.generate()
    settings = Settings(
        profile="local",
        internal_port=internal_port,
        grpc_port=rpc_port,
        jwks_url=f"http://127.0.0.1:{internal_port}/.well-known/jwks.json",
        service_key=encode_key(key.private_bytes_raw()),
        service_peers={"gateway": encode_key(key.public_key().public_bytes_raw())},
        database_url=url_for(admin_url, "parterre", role_of("auth"), PASSWORD),
        amqp_url=amqp_url,
        code_pepper="p" * 32,
        bootstrap_admin_email="admin@example.org",
        bootstrap_admin_password=PASSWORD,
    )
    async with auth_service(settings), httpx.AsyncClient() as http:
        async with asyncio.timeout(30):
            while (await http.get(f"http://127.0.0.1:{internal_port}/readyz")).is_error:
                await asyncio.sleep(0.1)
        keys = await http.get(settings.jwks_url)
        assert keys.json()["keys"]
    reader = url_for(admin_url, "parterre", READER, PASSWORD)
    with psycopg.connect(reader) as connection:
        assert connection.execute("SELECT count(*) FROM auth.outbox").fetchone() is not None
