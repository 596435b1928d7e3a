"""The command `parterre`, whole: what `ops` offers, and backups, which know the servers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import psycopg
import sqlalchemy.exc
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from chassis.settings import given
from deploy import backup as backups
from deploy.local import default_home, read_run
from deploy.plan import DATABASE, Secrets, database_passwords
from deploy.postgres import Postgres
from deploy.processes import SetupError, claimed
from deploy.provision import MIGRATOR, provision, url_for
from ops import terminal
from ops.cli import app

__all__ = ["app"]

Media = Annotated[
    Path | None, typer.Option(help="The folder of pictures, where they are in no S3.")
]
SecretsFile = Annotated[
    Path | None, typer.Option("--secrets", help="The file that the secrets are made of.")
]


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Made by this, for its owner alone.")],
    media: Media = None,
    secrets: SecretsFile = None,
) -> None:
    """Copy what a system can't be made again without; it may run.

    MIGRATE_DATABASE_URL says of which database; without it, it is the system of `make up`, with
    its pictures and secrets. The folder is a secret.
    """
    with _told(), _steps() as step:
        if url := given("MIGRATE_DATABASE_URL"):
            manifest = backups.make(url, folder, step, media=media, secrets=secrets)
        else:
            home = default_home()
            with _home_database(home) as url:
                manifest = backups.make(
                    url,
                    folder,
                    step,
                    media=media or home / "media",
                    secrets=secrets or home / "secrets.json",
                )
    size = sum(part.bytes for part in manifest.parts.values())
    out = terminal.console()
    out.print(f"{folder}: {len(manifest.parts)} parts, {size} bytes, as of {manifest.made_at}.")
    missing = [name for name in (backups.MEDIA, backups.SECRETS) if name not in manifest.parts]
    if missing:
        out.print(f"Not in it: {', '.join(missing)} (--media, --secrets).", style="yellow")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="As `backup` made it.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Drop what the database has instead.")
    ] = False,
    media: Media = None,
    secrets: SecretsFile = None,
) -> None:
    """Put a backup back, on a system that is stopped.

    MIGRATE_DATABASE_URL says into which database, prepared by `python -m deploy provision`; without
    it, it is the system of `make up`. Says what to do next.
    """
    with _told(), _steps() as step:
        step("Checking the backup")
        manifest = backups.check(folder)
        if url := given("MIGRATE_DATABASE_URL"):
            _refuse_other_secrets(folder, manifest, secrets, replace=replace)
            backups.restore(url, folder, manifest, step, media, replace=replace)
            _put_secrets(folder, manifest, secrets)
        else:
            _restore_home(default_home(), folder, manifest, step, media, replace=replace)
    out = terminal.console()
    out.print(f"Restored as of {manifest.made_at}.", style="green")
    out.print(_NEXT)


_NEXT = """\
Next, as docs/operations.md says under "Backup and restore":
1. Empty the broker, unless it is that of `make up`, which is emptied now.
2. Give the processes the backup's secrets where they have others, and start them.
3. Wait until the bookings under way have ended (half an hour), then: parterre fsck
4. parterre reconcile --since <longer than the backup is old> --fix; after a minute once more.
5. parterre reconcile --since <the same> --give-back: the money of bookings that are gone."""


def _restore_home(
    home: Path,
    folder: Path,
    manifest: backups.Manifest,
    step: Callable[[str], None],
    media: Path | None,
    *,
    replace: bool,
) -> None:
    if backups.SECRETS not in manifest.parts:
        raise SetupError("The backup has no secrets: set MIGRATE_DATABASE_URL to restore it.")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with claimed(
        home / "lock",
        wait_seconds=0,
        refusal=f"Parterre runs ({home}): stop it first (make down).",
    ):
        kept = home / "secrets.json"
        _refuse_other_secrets(folder, manifest, kept, replace=replace)
        fresh = home / "secrets.json.restored"
        _put_secrets(folder, manifest, fresh)
        with ExitStack() as stack:
            stack.callback(fresh.unlink, missing_ok=True)
            passwords = database_passwords(Secrets(fresh))
            admin_url = os.environ.get("DATABASE_URL")
            if not admin_url:
                step("Starting PostgreSQL")
                admin_url = stack.enter_context(Postgres(home / "postgres")).admin_url
            provision(admin_url, DATABASE, passwords)
            url = url_for(admin_url, DATABASE, MIGRATOR, passwords[MIGRATOR])
            backups.restore(url, folder, manifest, step, media or home / "media", replace=replace)
            fresh.replace(kept)
        # What waits in its queues is of a time that is gone, and money might be taken for it.
        shutil.rmtree(home / "rabbitmq", ignore_errors=True)


def _refuse_other_secrets(
    folder: Path, manifest: backups.Manifest, file: Path | None, *, replace: bool
) -> None:
    if file is None or replace or backups.SECRETS not in manifest.parts or not file.exists():
        return
    if file.read_bytes() != (folder / backups.SECRETS).read_bytes():
        raise SetupError(f"{file} has other secrets. Only --replace writes over them.")


def _put_secrets(folder: Path, manifest: backups.Manifest, file: Path | None) -> None:
    """Writes the backup's secrets, whole or not at all, for their owner alone."""
    if file is None or backups.SECRETS not in manifest.parts:
        return
    made = file.with_name(f"{file.name}.new")
    made.unlink(missing_ok=True)
    made.touch(mode=0o600)
    made.write_bytes((folder / backups.SECRETS).read_bytes())
    made.replace(file)


@contextmanager
def _home_database(home: Path) -> Iterator[str]:
    """Where the migrator connects to the system of `make up`, whether that runs or not."""
    secrets = home / "secrets.json"
    if not secrets.exists():
        raise SetupError(
            f"There is no system in {home}. Set PARTERRE_HOME, or MIGRATE_DATABASE_URL to back up "
            "another one."
        )
    password = database_passwords(Secrets(secrets))[MIGRATOR]
    with ExitStack() as stack:
        run = read_run(home)
        if run is not None:
            somewhere: str = run["database"]["reader"]
        elif not (somewhere := os.environ.get("DATABASE_URL", "")):
            stack.enter_context(
                claimed(home / "lock", wait_seconds=0, refusal="Parterre is just starting.")
            )
            somewhere = stack.enter_context(Postgres(home / "postgres")).admin_url
        yield url_for(somewhere, DATABASE, MIGRATOR, password)


@contextmanager
def _told() -> Iterator[None]:
    """A refusal is a sentence and exit code 1."""
    try:
        yield
    except (SetupError, psycopg.Error, sqlalchemy.exc.DBAPIError, OSError, TimeoutError) as error:
        terminal.console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error


@contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """Shows the step under way at a terminal; elsewhere nothing."""
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    progress.disable = not progress.console.is_terminal
    with progress:
        bar = progress.add_task("", total=None)
        yield lambda text: progress.update(bar, description=text)


if __name__ == "__main__":
    app(prog_name="parterre")
