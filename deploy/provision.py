"""Prepares a PostgreSQL server: one database, a schema and a role per service, and two more roles.

`provision` is for a superuser, once and whenever a password changes; `migrate_all` is for the
migrator, before each version. A service's role may use its own schema and nothing else, and may not
change tables there: DDL is the migrator's. The reader, for the operator, sees the tables of all but
no secret, and changes nothing. Running either again changes nothing but the passwords, and any
number of them may run at once: each waits for its turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from chassis.migrate import migrate
from deploy.processes import SetupError

# Schema -> the package whose migrations make it.
SCHEMAS: Mapping[str, str] = {
    "auth": "auth_service",
    "catalog": "catalog_service",
    "inventory": "inventory_service",
    "booking": "booking_service",
    "payment": "payment_service",
    "notification": "notification_service",
}
MIGRATOR = "parterre_migrator"
READER = "parterre_reader"
# For another one that prepares the same server.
_TURN = "60s"
# Keys and hashes live in this schema: of it the reader sees who did what, and no more.
_SECRETIVE = "auth"
_OPEN_OF_SECRETIVE = ("auth.inbox", "auth.audit")
# Of messages under way the reader sees that they wait: codes and cards' tokens travel in them.
_SEEN_OF_OUTBOX = "id, type, attempts, due_at"
_SEEN_OF_PARKED = "queue, message_id, awaits, type, sendings, parked_at, due_at"
# Of these tables the reader sees all but a column: a card's token, the mail that brings a code.
_SECRET_COLUMNS: Mapping[str, str] = {
    "booking.saga": "token",
    "payment.attempt": "token",
    "notification.mail": "body",
}


def role_of(schema: str) -> str:
    """The role of the service that owns the schema."""
    return f"parterre_{schema}"


def url_for(admin_url: str, database: str, role: str, password: str) -> str:
    """`admin_url` with another database, role and password.

    It may name several hosts, as those of libpq do: postgresql://role:password@first,second/name.
    """
    parts = urlsplit(admin_url)
    hosts = parts.netloc.rpartition("@")[2]
    owner = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{owner}@{hosts}", path=f"/{quote(database)}").geturl()


def provision(admin_url: str, database: str, passwords: Mapping[str, str]) -> None:
    """Makes database, roles and schemas where they are missing.

    `passwords` has one for each role: MIGRATOR, READER and `role_of` each schema. READER's may be
    left out, and then nobody can log in as that.

    Raises:
        psycopg.Error: the server refused; `admin_url` needs a role that may create databases
            and roles.
        SetupError: the database is there, in an encoding that text would suffer from.
    """
    with psycopg.connect(admin_url, autocommit=True) as connection:
        # Held until the last grant is made, and given up with the connection.
        connection.execute("SELECT set_config('lock_timeout', %s, false)", (_TURN,))
        connection.execute("SELECT pg_advisory_lock(hashtextextended('parterre provision', 0))")
        for role, password in passwords.items():
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
            verb = sql.SQL("ALTER" if known.fetchone() else "CREATE")
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                    verb, sql.Identifier(role), sql.Literal(password)
                )
            )
        reader = sql.Identifier(READER)
        if READER not in passwords:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (READER,))
            if not known.fetchone():
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(reader))
        for setting in ("default_transaction_read_only = on", "statement_timeout = '10min'"):
            connection.execute(sql.SQL(f"ALTER ROLE {{}} SET {setting}").format(reader))
        found = connection.execute(
            "SELECT encoding = pg_char_to_encoding('UTF8') FROM pg_database WHERE datname = %s",
            (database,),
        ).fetchone()
        if found is None:
            # Whatever the server's own encoding is: a bare machine's is SQL_ASCII.
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(
                    sql.Identifier(database)
                )
            )
        elif found != (True,):
            raise SetupError(f"The database {database} is not kept in UTF8: make it anew in that.")
        _share_out(make_conninfo(admin_url, dbname=database), database)


def _share_out(url: str, database: str) -> None:
    """Makes the schemas, and gives each role what it needs there and no more."""
    reader = sql.Identifier(READER)
    with psycopg.connect(url) as connection:
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        connection.execute(
            sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database))
        )
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(MIGRATOR)))
        # For extensions that PostgreSQL trusts (unaccent), where they are not there already.
        connection.execute(
            sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(
                sql.Identifier(database), sql.Identifier(MIGRATOR)
            )
        )
        known = connection.execute(
            "SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace"
            " WHERE extname = 'unaccent'"
        )
        for (home,) in known.fetchall():
            connection.execute(
                sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(
                    sql.Identifier(home), sql.Identifier(MIGRATOR)
                )
            )
        for schema in SCHEMAS:
            names = {
                "database": sql.Identifier(database),
                "schema": sql.Identifier(schema),
                "role": sql.Identifier(role_of(schema)),
                "migrator": sql.Identifier(MIGRATOR),
                "reader": reader,
            }
            for statement in (
                "CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {migrator}",
                "GRANT CONNECT ON DATABASE {database} TO {role}, {migrator}, {reader}",
                "GRANT USAGE ON SCHEMA {schema} TO {role}, {reader}",
                "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} IN SCHEMA {schema}"
                " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
                "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} IN SCHEMA {schema}"
                " GRANT USAGE ON SEQUENCES TO {role}",
            ):
                connection.execute(sql.SQL(statement).format(**names))


def migrate_all(migrator_url: str) -> None:
    """Brings every schema of the database up to date, as the migrator.

    Raises:
        sqlalchemy.exc.DBAPIError: a migration failed; it left nothing behind.
    """
    for schema, package in SCHEMAS.items():
        migrate(migrator_url, package, schema)
    _let_the_reader_read(migrator_url)


def _let_the_reader_read(migrator_url: str) -> None:
    with psycopg.connect(migrator_url) as connection:
        # Two deployments at once would grant over one another.
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('parterre reader', 0))")
        for schema in SCHEMAS:
            if schema != _SECRETIVE:
                connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {READER}")
            _show_columns(connection, f"{schema}.outbox", _SEEN_OF_OUTBOX)
            _show_columns(connection, f"{schema}.parked", _SEEN_OF_PARKED)
        for table in _OPEN_OF_SECRETIVE:
            connection.execute(f"GRANT SELECT ON {table} TO {READER}")
        for table, secret in _SECRET_COLUMNS.items():
            others = connection.execute(
                "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
                "   AND attname <> %s",
                (table, secret),
            )
            for (columns,) in others.fetchall():
                _show_columns(connection, table, columns)


def _show_columns(connection: psycopg.Connection, table: str, columns: str) -> None:
    """Lets the reader read these columns of the table, and no other."""
    connection.execute(f"REVOKE SELECT ON {table} FROM {READER}")  # noqa: S608 - constants
    connection.execute(f"GRANT SELECT ({columns}) ON {table} TO {READER}")
