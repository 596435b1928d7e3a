"""The operator's role: it reads what the services keep, and nothing else."""

from __future__ import annotations

import psycopg
import pytest

from deploy.postgres import Postgres
from deploy.processes import SetupError
from deploy.provision import (
    MIGRATOR,
    READER,
    SCHEMAS,
    migrate_all,
    provision,
    role_of,
    url_for,
)

DATABASE = "for_the_reader"
PASSWORDS = dict.fromkeys([MIGRATOR, READER, *map(role_of, SCHEMAS)], "of-the-tests")


@pytest.fixture(scope="module")
def reader_url(postgres: Postgres) -> str:
    for _ in range(2):  # again changes nothing
        provision(postgres.admin_url, DATABASE, PASSWORDS)
        migrate_all(url_for(postgres.admin_url, DATABASE, MIGRATOR, PASSWORDS[MIGRATOR]))
    return url_for(postgres.admin_url, DATABASE, READER, PASSWORDS[READER])


def test_the_reader_reads_every_table_but_those_of_accounts(reader_url: str) -> None:
    with psycopg.connect(reader_url) as connection:
        unreadable = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname = ANY(%s)"
            " AND NOT has_any_column_privilege(format('%%I.%%I', schemaname, tablename), 'SELECT')",
            (list(SCHEMAS),),
        ).fetchall()
        assert {schema for schema, _table in unreadable} == {"auth"}
        for schema in SCHEMAS:
            connection.execute(f"SELECT id, type, attempts, due_at FROM {schema}.outbox")


@pytest.mark.parametrize(
    "secret",
    [
        "private_key FROM auth.signing_key",
        "password_hash FROM auth.account",
        "digest FROM auth.refresh_token",
        "digest FROM auth.one_time_code",
        "token FROM payment.attempt",
        "token FROM booking.saga",
        "body FROM notification.mail",
        *(
            f"{column} FROM {schema}.outbox"
            for schema in SCHEMAS
            for column in ("body", "payload", "headers")
        ),
    ],
)
def test_the_reader_sees_no_secret(reader_url: str, secret: str) -> None:
    with (
        psycopg.connect(reader_url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"SELECT {secret}")


def test_the_reader_changes_nothing(reader_url: str) -> None:
    with psycopg.connect(reader_url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM payment.payment")
        # What it sets for itself does not give it the right.
        connection.execute("SET default_transaction_read_only = off")
        for statement in (
            "DELETE FROM payment.payment",
            "UPDATE booking.booking SET reference = reference",
            "CREATE TABLE payment.mine (id int)",
            "CREATE TABLE public.mine (id int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_text_is_kept_in_utf8_whatever_the_server_does_by_itself(postgres: Postgres) -> None:
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE of_bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
            " LOCALE_PROVIDER 'libc'"
        )
    with pytest.raises(SetupError, match="UTF8"):
        provision(postgres.admin_url, "of_bytes", PASSWORDS)
    provision(postgres.admin_url, "of_text", PASSWORDS)
    with psycopg.connect(postgres.admin_url, dbname="of_text") as connection:
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
