"""The real servers every test shares: started when the first test asks, stopped after the last."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.postgres import Postgres
from deploy.rabbitmq import RabbitMQ
from tests.reaping import pytest_sessionfinish, pytest_sessionstart
from tests.running import System, new_system

__all__ = ["pytest_sessionfinish", "pytest_sessionstart"]


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


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """The whole system, which the tests of it and those in a browser share."""
    with tempfile.TemporaryDirectory(prefix="parterre-system-") as folder:
        system = new_system(Path(folder))
        up = system.command("up", "--detach")
        assert up.returncode == 0, up.stdout + up.stderr
        try:
            yield system
        finally:
            down = system.command("down")
            assert down.returncode == 0, down.stdout + down.stderr
