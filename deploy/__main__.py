"""Run Parterre on this machine, or prepare the servers it runs on elsewhere."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, TypeVar

import psycopg
import sqlalchemy.exc
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from deploy.local import LocalSystem, alive, default_home, gateway_port, read_run
from deploy.plan import Secrets
from deploy.processes import SetupError, free_port, start
from deploy.provision import migrate_all, provision
from deploy.secret_files import Servers, archive, secret_files
from deploy.settings import MigrateSettings, ProvisionSettings
from ops import demo as stories

SettingsT = TypeVar("SettingsT", bound=MigrateSettings)

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
console = Console(highlight=False)
if not console.is_terminal:
    console = Console(highlight=False, width=120)
_DETACH_SECONDS = 180.0
_DOWN_SECONDS = 60.0


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except SetupError as error:
        Console(stderr=True, highlight=False).print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", help="Run in the background.")] = False,
) -> None:
    """Start the whole system, or say what is missing; Ctrl-C stops it."""
    with _refusals():
        home = default_home()
        if detach:
            # The port is for the process that runs the system to claim: this one would keep it.
            _up_detached(home)
            return
        system = LocalSystem(home, gateway_port())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        try:
            with _steps() as step, system.running(step) as run:
                signal.signal(signal.SIGINT, lambda *_: system.stop())
                signal.signal(signal.SIGTERM, lambda *_: system.stop())
                step("")
                _screen(run, home)
                with _programme(home):
                    system.keep_running(lambda line: console.print(line, style="yellow"))
                console.print("Stopping ...")
                # From here on nothing interrupts the stopping but a kill.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


@contextmanager
def _programme(home: Path) -> Iterator[None]:
    """Puts the demo's forty other events on sale meanwhile: nobody has to wait for them."""
    if os.environ.get("PARTERRE_PROGRAMME") == "0":
        yield
        return
    filling = start(
        [sys.executable, "-m", "ops", "seed", "--run-file", str(home / "run.json")],
        env=os.environ,
        log=home / "logs" / "seed.log",
    )
    try:
        yield
    finally:
        filling.terminate()
        filling.wait()


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _steps() -> Iterator[Any]:
    """Shows each step while it lasts in a terminal; elsewhere prints a line for each."""
    if not console.is_terminal:
        yield lambda text: console.print(text) if text else None
        return
    with console.status("Starting") as status:
        began = time.monotonic()

        def step(text: str) -> None:
            if text:
                status.update(f"{text} ... ({time.monotonic() - began:.0f} s)")
            else:
                status.stop()

        yield step


def _up_detached(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / "logs").mkdir(exist_ok=True)
    log = home / "logs" / "supervisor.log"
    if read_run(home) is not None:
        raise SetupError(f"Parterre runs already ({home}): see make status, make down.")
    with log.open("wb") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "deploy", "up"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _DETACH_SECONDS
    with console.status("Starting ...") if console.is_terminal else nullcontext():
        while (run := read_run(home)) is None:
            if supervisor.poll() is not None or time.monotonic() > deadline:
                raise SetupError(log.read_text(errors="replace").strip())
            time.sleep(0.2)
    _screen(run, home)


def _screen(run: dict[str, Any], home: Path) -> None:
    """One tidy screen: addresses, accounts, events, where the logs are."""
    addresses = Table(show_header=False, box=None, padding=(0, 2))
    addresses.add_row("Box office", f"{run['gateway']}/")
    addresses.add_row("API", f"{run['gateway']}/api/v1")
    addresses.add_row("API docs", f"{run['gateway']}/api/docs")
    addresses.add_row("Mailbox", f"{run['gateway']}/api/v1/dev/mailbox")
    addresses.add_row("Sandbox payments", run["sandbox"])
    addresses.add_row("Logs", f"{home / 'logs'} (make logs)")
    accounts = Table("Role", "E-mail", "Password", box=None, padding=(0, 2))
    for account in run["accounts"]:
        accounts.add_row(account["role"], account["email"], account["password"])
    events = Table("On sale", "Kind", "Id", box=None, padding=(0, 2))
    for event in run["events"]:
        events.add_row(event["title"], event["kind"], event["id"])
    console.print("\n[bold green]Parterre is ready.[/]\n")
    for table in (addresses, accounts, events):
        console.print(table, soft_wrap=True)
        console.print()


@app.command()
def down() -> None:
    """Stop a system that runs in the background."""
    with _refusals():
        run = read_run(default_home())
        if run is None:
            console.print("Parterre does not run.")
            return
        pid = run["pids"]["supervisor"]
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _DOWN_SECONDS
        while alive(pid):
            if time.monotonic() > deadline:
                raise SetupError(f"The supervisor (process {pid}) did not stop.")
            time.sleep(0.1)
        console.print("Stopped.")


@app.command()
def status() -> None:
    """Show what runs, with addresses and accounts; exit 1 if nothing does."""
    home = default_home()
    run = read_run(home)
    if run is None:
        console.print("Parterre does not run. Start it: make up")
        raise typer.Exit(1)
    _screen(run, home)
    processes = Table("Process", "Id", "State", box=None, padding=(0, 2))
    for name, pid in run["pids"].items():
        processes.add_row(name, str(pid), "running" if alive(pid) else "[red]ended[/]")
    console.print(processes)


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="One process's; none: everybody's.")] = "",
) -> None:
    """Follow the logs."""
    with _refusals():
        folder = default_home() / "logs"
        files = [folder / f"{service}.log"] if service else sorted(folder.glob("*.log"))
        if not files or not all(file.exists() for file in files):
            known = ", ".join(sorted(file.stem for file in folder.glob("*.log"))) or "none yet"
            raise SetupError(f"There is no such log; there are: {known}.")
        os.execvp("tail", ["tail", "-n", "50", "-F", *map(str, files)])  # noqa: S606


@app.command()
def clean() -> None:
    """Stop the system and forget its data."""
    down()
    shutil.rmtree(default_home(), ignore_errors=True)


@app.command()
def demo() -> None:
    """Play the whole story once, on the running system or on one of its own; exit 1 if it fails."""
    with _refusals():
        home = default_home()
        run = read_run(home)
        if run is not None:
            raise typer.Exit(stories.play(home / "run.json", console))
        with tempfile.TemporaryDirectory(prefix="parterre-demo-") as folder:
            os.environ["PARTERRE_HOME"] = folder
            os.environ["PARTERRE_PORT"] = str(free_port())
            console.print("Starting a system of its own for the demo ...")
            _up_detached(Path(folder))
            try:
                code = stories.play(Path(folder) / "run.json", console)
            finally:
                down()
        raise typer.Exit(code)


@app.command("provision")
def provision_database() -> None:
    """Make the database, its roles and schemas (PROVISION_DATABASE_URL); again changes nothing."""
    with _refusals():
        settings = _told(ProvisionSettings)
        try:
            provision(
                settings.provision_database_url.get_secret_value(),
                settings.database,
                settings.passwords,
            )
        except psycopg.Error as error:
            raise SetupError(f"PostgreSQL refused: {error}") from error
    console.print(f"{settings.database}: database, roles and schemas are there.")


@app.command("secrets")
def make_secrets(
    database: Annotated[str, typer.Option(help="host:port of PostgreSQL.")] = Servers.database,
    broker: Annotated[str, typer.Option(help="host:port of RabbitMQ.")] = Servers.broker,
) -> None:
    """Write the secret files of a system in containers to standard output, as a tar archive.

    What standard input has of an earlier archive's secrets.json stays as it is; it may be empty.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "secrets.json"
        if earlier := sys.stdin.read().strip():
            file.write_text(earlier)
        files = secret_files(Secrets(file), Servers(database, broker))
        sys.stdout.buffer.write(archive(files, file.read_text()))


@app.command("migrate")
def migrate_database() -> None:
    """Bring every schema up to date, as the migrator (MIGRATE_DATABASE_URL)."""
    with _refusals():
        settings = _told(MigrateSettings)
        try:
            migrate_all(settings.migrate_database_url.get_secret_value())
        except (sqlalchemy.exc.DBAPIError, psycopg.Error, TimeoutError) as error:
            raise SetupError(f"A migration failed: {error}") from error
    console.print("Every schema is up to date.")


def _told(kind: type[SettingsT]) -> SettingsT:
    try:
        return kind()
    except ValidationError as error:
        raise SetupError(str(error)) from error


if __name__ == "__main__":
    app()
