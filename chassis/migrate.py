"""Migrations, one chain per schema, each service's in its own `migrations` folder."""

from __future__ import annotations

import zlib
from importlib import import_module
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, make_url, text

_LOCK_MS = 10_000
_STATEMENT_MS = 300_000


def chain_of(package: str) -> Config:
    """Alembic's configuration for the package's own chain of migrations."""
    folder = Path(str(import_module(package).__file__)).parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("version_locations", str(folder))
    config.set_main_option("path_separator", "os")
    return config


def migrate(url: str, package: str, schema: str) -> None:
    """Brings the schema up to the package's newest migration, as the migrator role of `url`.

    An advisory lock lets any number of deployments start at once; DDL that can't get its lock in
    10 s fails rather than queue every query behind it.

    Raises:
        sqlalchemy.exc.DBAPIError: the database refused; the failed migration left nothing behind.
    """
    config = chain_of(package)
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        connect_args={
            "options": f"-c search_path={schema} -c lock_timeout={_LOCK_MS}"
            f" -c statement_timeout={_STATEMENT_MS} -c timezone=UTC",
            "application_name": f"migrate-{schema}",
        },
    )
    try:
        with engine.connect() as connection:
            lock = {"key": zlib.crc32(f"parterre-migrate-{schema}".encode())}
            connection.execute(text("SELECT pg_advisory_lock(:key)"), lock)
            connection.commit()
            config.attributes["connection"] = connection
            config.attributes["schema"] = schema
            try:
                command.upgrade(config, "head")
                connection.commit()
            finally:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), lock)
                connection.commit()
    finally:
        engine.dispose()
