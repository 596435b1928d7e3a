"""The real servers every test shares: started when the first test asks, stopped after the last."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.postgres import Postgres
from deploy.rabbitmq import RabbitMQ


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the session; a test makes the databases or schemas it needs in it."""
    settings = {"fsync": "off", "full_page_writes": "off"}  # a crash of the machine loses tests
    with (
        tempfile.TemporaryDirectory(prefix="parterre-postgres-") as folder,
        Postgres(Path(folder), settings=settings) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """One RabbitMQ node for the session; a test makes the queues it needs in it."""
    with (
        tempfile.TemporaryDirectory(prefix="parterre-rabbitmq-") as folder,
        RabbitMQ(Path(folder)) as server,
    ):
        yield server
