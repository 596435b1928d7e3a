"""Copies what a system can't be made again without, and puts it back.

A backup is a folder for its owner alone: a dump of each schema, all of one moment (an exported
snapshot), the pictures, the secrets, and a manifest with versions and the SHA-256 of every part. A
restore is one transaction: the database is afterwards as the backup says, or as it was.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

import psycopg
from alembic.script import ScriptDirectory
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from chassis.migrate import chain_of
from chassis.version import VERSION
from deploy.postgres import client_programs
from deploy.processes import SetupError
from deploy.provision import SCHEMAS, migrate_all

MANIFEST = "manifest.json"
MEDIA = "media.tar"
SECRETS = "secrets.json"
_PARTS = frozenset({MEDIA, SECRETS, *(f"{schema}.dump" for schema in SCHEMAS)})
_MANIFEST_BYTES = 1 << 20
# For whoever holds a table that is to go.
_LOCK_TIMEOUT = "10s"
# A session that has been closed is the server's for a moment still.
_LEAVING_SECONDS = 2.0
# How long a program of PostgreSQL may take for one schema.
_PROGRAM_SECONDS = 6 * 3600.0

Step = Callable[[str], None]


class Part(BaseModel):
    """A file of a backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What a backup is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    made_at: datetime  # of the snapshot, by the database's clock
    parterre: str
    postgres: int  # the server's major version
    revisions: Mapping[str, str]  # schema -> its newest migration
    parts: Mapping[str, Part]  # by the file's name


def make(
    migrator_url: str, folder: Path, step: Step, *, media: Path | None, secrets: Path | None
) -> Manifest:
    """Writes a backup into `folder`, which must not be there yet; the system may run meanwhile.

    `media` is the folder of pictures and `secrets` the file of secrets; None: not among the parts.

    Raises:
        SetupError: the folder is there, something can't be read, or pg_dump is missing or fails.
        psycopg.Error: the database can't be read.
    """
    if folder.exists():
        raise SetupError(f"{folder} is there already: name a folder that is not.")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    try:
        manifest = _write(migrator_url, unfinished, step, media, secrets)
        unfinished.rename(folder)
    except OSError as error:
        raise SetupError(f"The backup can't be written: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return manifest


def _write(
    url: str, folder: Path, step: Step, media: Path | None, secrets: Path | None
) -> Manifest:
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        # It lives as long as this transaction does, which does nothing but wait.
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        snapshot, made_at = _only(connection, "SELECT pg_export_snapshot(), now()")
        major = connection.info.server_version // 10000
        programs = client_programs(major)
        revisions = {schema: _revision(connection, schema) for schema in SCHEMAS}
        for schema in SCHEMAS:
            step(f"Copying {schema}")
            extensions = connection.execute(
                "SELECT extname FROM pg_extension WHERE extnamespace = %s::regnamespace", (schema,)
            )
            with _own_file(folder / f"{schema}.dump") as output:
                _run(
                    [
                        str(programs / "pg_dump"),
                        "--format=custom",
                        f"--schema={schema}",
                        f"--snapshot={snapshot}",
                        *(f"--extension={name}" for (name,) in extensions),
                    ],
                    url,
                    output,
                )
    # After the rows: a picture is kept before the row that names it.
    if media is not None and media.is_dir():
        step("Copying the pictures")
        with _own_file(folder / MEDIA) as output, tarfile.open(fileobj=output, mode="w") as tar:
            for file in sorted(media.rglob("*")):
                with suppress(FileNotFoundError):  # removed meanwhile, as nobody's any more
                    tar.add(file, str(file.relative_to(media)), recursive=False)
    if secrets is not None:
        step("Copying the secrets")
        with _own_file(folder / SECRETS) as output, secrets.open("rb") as source:
            shutil.copyfileobj(source, output)
    step("Writing the manifest")
    manifest = Manifest(
        made_at=made_at.astimezone(UTC),
        parterre=VERSION,
        postgres=major,
        revisions=revisions,
        parts={file.name: _part(file) for file in sorted(folder.iterdir())},
    )
    with _own_file(folder / MANIFEST) as output:
        output.write(manifest.model_dump_json(indent=1).encode())
    return manifest


def check(folder: Path) -> Manifest:
    """Reads a backup's manifest, and every part that it names.

    Raises:
        SetupError: it is none, a part is missing or not what was written, or this version is older
            than what it was made by.
    """
    try:
        with (folder / MANIFEST).open("rb") as file:
            manifest = Manifest.model_validate_json(file.read(_MANIFEST_BYTES))
    except (OSError, ValidationError) as error:
        raise SetupError(f"{folder} is no backup that this version can read: {error}") from error
    names = manifest.parts.keys()
    if not names <= _PARTS or not _PARTS - {MEDIA, SECRETS} <= names:
        raise SetupError(f"{folder} is no whole backup: its parts are {', '.join(sorted(names))}.")
    for schema, package in SCHEMAS.items():
        known = {
            each.revision
            for each in ScriptDirectory.from_config(chain_of(package)).walk_revisions()
        }
        if manifest.revisions.get(schema) not in known:
            raise SetupError(
                f"The backup was made by Parterre {manifest.parterre}, whose {schema} schema this "
                f"version ({VERSION}) does not know: restore it with that version or a newer one."
            )
    for name, part in manifest.parts.items():
        try:
            found = _part(folder / name)
        except OSError as error:
            raise SetupError(f"The backup can't be read: {error}") from error
        if found != part:
            raise SetupError(f"{name} is not what was backed up: its SHA-256 is another.")
    return manifest


def restore(
    migrator_url: str,
    folder: Path,
    manifest: Manifest,
    step: Step,
    media: Path | None,
    *,
    replace: bool,
) -> None:
    """Puts a checked backup back, into a database that `provision` has prepared.

    Everything of the six schemas is dropped and made anew, with the rights it had, in one
    transaction; then migrations bring it up to this version. The pictures are put at `media`.

    Raises:
        SetupError: somebody is connected, there are tables and not `replace`, or it failed, and
            then the database is as it was.
        psycopg.Error: the database can't be asked.
    """
    with psycopg.connect(migrator_url, autocommit=True) as connection:
        _refuse_a_live_one(connection)
        found = connection.execute(
            "SELECT 1 FROM pg_tables WHERE schemaname = ANY(%s) LIMIT 1", (list(SCHEMAS),)
        )
        if found.fetchone() and not replace:
            raise SetupError(
                "The database has Parterre's tables already. Only --replace drops them, with all "
                "that is in them: make a backup first."
            )
        major = connection.info.server_version // 10000
    if major < manifest.postgres:
        raise SetupError(
            f"The backup was made of PostgreSQL {manifest.postgres}, and the server is {major}: "
            "restore into that version or a newer one."
        )
    if media is not None and media.is_dir() and any(media.iterdir()) and not replace:
        raise SetupError(f"There are pictures in {media} already. Only --replace drops them.")
    pictures = None
    if media is not None and MEDIA in manifest.parts:
        step("Unpacking the pictures")
        pictures = _unpack(folder / MEDIA, media)
    _replace_schemas(client_programs(major), migrator_url, folder, step)
    if pictures is not None and media is not None:
        shutil.rmtree(media, ignore_errors=True)
        pictures.rename(media)
    step("Bringing the schemas up to date")
    migrate_all(migrator_url)


@retry(
    retry=retry_if_exception_type(SetupError),
    stop=stop_after_delay(_LEAVING_SECONDS),
    wait=wait_fixed(0.1),
    reraise=True,
)
def _refuse_a_live_one(connection: psycopg.Connection) -> None:
    # Of other roles' sessions the migrator sees no more than these; the server's own have no user.
    others = connection.execute(
        "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database()"
        " AND usename IS NOT NULL AND pid <> pg_backend_pid() ORDER BY 1"
    ).fetchall()
    if others:
        named = ", ".join(name for (name,) in others)
        raise SetupError(f"Somebody is connected to the database ({named}): stop Parterre first.")


def _replace_schemas(programs: Path, url: str, folder: Path, step: Step) -> None:
    """Lets psql take one transaction's statements, and commit only what came whole."""
    argv = [str(programs / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
    environment = {**_environment(url), "PGOPTIONS": "-c client_min_messages=warning"}
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [*argv, f"--dbname={_nameless(url)}"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        ) as psql,
    ):
        assert psql.stdin is not None  # noqa: S101 - it is a pipe
        try:
            drops = "".join(f"DROP SCHEMA IF EXISTS {schema} CASCADE;\n" for schema in SCHEMAS)
            psql.stdin.write(
                f"BEGIN;\nSET LOCAL lock_timeout = '{_LOCK_TIMEOUT}';\n{drops}".encode()
            )
            psql.stdin.flush()
            for schema in SCHEMAS:
                step(f"Restoring {schema}")
                _run(
                    [
                        str(programs / "pg_restore"),
                        "--no-owner",  # all is the migrator's, who does this
                        "--file=-",
                        str(folder / f"{schema}.dump"),
                    ],
                    None,
                    psql.stdin,
                )
            psql.stdin.write(b"\nCOMMIT;\n")
            psql.stdin.close()
            if psql.wait(_PROGRAM_SECONDS) != 0:
                raise SetupError("psql failed")
        except (SetupError, OSError, subprocess.TimeoutExpired) as error:
            # Without its COMMIT all of it is undone. Killed first: closing would write what waits.
            psql.kill()
            psql.wait()
            with suppress(OSError):
                psql.stdin.close()
            errors.seek(0)
            said = errors.read(2000).decode(errors="replace").strip() or error
            raise SetupError(f"The database is as it was; it refused the backup: {said}") from error


def _unpack(archive: Path, media: Path) -> Path:
    fresh = media.with_name(f"{media.name}.restored")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o700)
    with tarfile.open(archive) as tar:
        tar.extractall(fresh, filter="data")
    return fresh


def _run(argv: Sequence[str], url: str | None, output: IO[bytes]) -> None:
    """Runs one of PostgreSQL's programs; the password goes by the environment, which is ours."""
    where = [f"--dbname={_nameless(url)}"] if url else []
    try:
        done = subprocess.run(
            [*argv, *where],
            env=_environment(url),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            timeout=_PROGRAM_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"{Path(argv[0]).name} failed: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise SetupError(f"{Path(argv[0]).name} failed: {said[:2000]}")


def _environment(url: str | None) -> dict[str, str]:
    password = conninfo_to_dict(url).get("password") if url else None
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C", **({"PGPASSWORD": str(password)} if password else {})}


def _nameless(url: str) -> str:
    told = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    told.pop("password", None)
    return make_conninfo("", **told)


def _only(connection: psycopg.Connection, query: str) -> tuple[str, datetime]:
    found = connection.execute(query.encode()).fetchone()
    assert found is not None  # noqa: S101 - a SELECT without FROM
    return found[0], found[1]


def _revision(connection: psycopg.Connection, schema: str) -> str:
    try:
        found = connection.execute(f"SELECT version_num FROM {schema}.alembic_version").fetchone()  # noqa: S608 - a constant
    except psycopg.errors.UndefinedTable:
        found = None
    if found is None:
        raise SetupError(f"There is no {schema} schema to back up: is it the right database?")
    return str(found[0])


def _part(file: Path) -> Part:
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256")
        return Part(bytes=source.tell(), sha256=digest.hexdigest())


@contextmanager
def _own_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file that nobody but its owner can read."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
        yield file
