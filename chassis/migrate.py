"""Migrations, one chain per schema, each service's in its own `migrations` folder."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text

from chassis.logs import get_logger

_LOCK_MS = 10_000
_STATEMENT_MS = 300_000
# For another deployment's migrations: as long as two of their longest statements.
_TURN_SECONDS = 600.0
_TURN_POLL_SECONDS = 0.2

log = get_logger(__name__)


def chain_of(package: str) -> Config:
    """Alembic's configuration for the package's own chain of migrations."""
    folder = Path(str(import_module(package).__file__)).parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("version_locations", str(folder))
    config.set_main_option("path_separator", "os")
    return config


def migrate(url: str, package: str, schema: str, *, to: str = "head") -> None:
    """Brings the schema up to the package's newest migration, as the migrator role of `url`.

    Any number of deployments may start at once: each waits for its turn, ten minutes at most. DDL
    that can't get its lock in 10 s fails rather than queue every query behind it. `to` is an older
    revision, for trying what becomes of the rows of before.

    Raises:
        sqlalchemy.exc.DBAPIError: the database refused; the failed migration left nothing behind.
        TimeoutError: another deployment's migrations did not end in time.
    """
    config = chain_of(package)
    engine = create_engine(
        "postgresql+psycopg://",
        # SQLAlchemy does not read an address with several hosts; libpq does.
        creator=lambda: psycopg.connect(
            url,
            options=f"-c search_path={schema} -c lock_timeout={_LOCK_MS}"
            f" -c statement_timeout={_STATEMENT_MS} -c timezone=UTC",
            application_name=f"migrate-{schema}",
        ),
    )
    try:
        with engine.connect() as connection:
            lock = {"key": zlib.crc32(f"parterre-migrate-{schema}".encode())}
            _take_turn(connection, lock, schema)
            config.attributes["connection"] = connection
            config.attributes["schema"] = schema
            try:
                command.upgrade(config, to)
                connection.commit()
            finally:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), lock)
                connection.commit()
    finally:
        engine.dispose()


def _take_turn(connection: Connection, lock: Mapping[str, int], schema: str) -> None:
    """Takes the advisory lock by asking again and again.

    Whoever waits inside a statement holds a snapshot, for which an index that is built concurrently
    waits in turn; and `lock_timeout`, meant for tables, would end the wait.
    """
    gives_up_at = time.monotonic() + _TURN_SECONDS
    told = False
    while True:
        taken = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), lock).scalar()
        connection.commit()
        if taken:
            return
        if not told:
            log.info("waiting for another migration to end", schema=schema, most=_TURN_SECONDS)
            told = True
        if time.monotonic() > gives_up_at:
            raise TimeoutError(f"another migration of {schema} did not end in {_TURN_SECONDS:g} s")
        time.sleep(_TURN_POLL_SECONDS)
