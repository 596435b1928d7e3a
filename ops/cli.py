"""The operator's command."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import httpx
import typer
from rich.console import Console
from rich.progress import Progress

from auth_service.keys import Rotation, rotate
from chassis.database import Database, DatabaseError
from chassis.settings import given
from ops import demo as stories
from ops import ledger as trial_balance
from ops import reconcile as reconciling
from ops import reports
from ops.client import ProblemError
from ops.messages import readable
from ops.seed import Account, demo_accounts, fill
from ops.seed import seed as make_demo_data

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

keys = typer.Typer(help="The keys that sign access tokens.", no_args_is_help=True)
app.add_typer(keys, name="keys")
dead_letters = typer.Typer(help="Messages that were given up.", no_args_is_help=True)
app.add_typer(dead_letters, name="dead-letters")

RunFile = Annotated[
    Path, typer.Option(help="What runs, where the addresses are not in the environment.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_RUN_FILE = Path(".parterre/run.json")


@app.command()
def seed(
    number: Annotated[int, typer.Option("--seed", help="Which programme: same number, same.")] = 1,
    gateway: Annotated[str | None, typer.Option(help="Of a system not started here.")] = None,
    accounts_file: Annotated[
        Path, typer.Option("--accounts", help="With --gateway: whose, made where it is missing.")
    ] = Path("accounts.json"),
    run_file: RunFile = _RUN_FILE,
) -> None:
    """See that there are demo people, halls and events on sale (local profile); print the first.

    It can be run again at any time: what is there is left as it is, the rest is added.
    """
    if gateway is None:
        gateway = _address("PARTERRE_GATEWAY", run_file, "gateway")
        accounts_file = run_file
    accounts = _accounts(accounts_file)
    today = datetime.now(UTC).date()
    progress = Progress(console=Console(stderr=True), transient=True)
    progress.disable = not progress.console.is_terminal
    try:
        seeded = make_demo_data(gateway, accounts, today)
        with progress:
            bar = progress.add_task("The programme", total=None)
            fill(
                gateway,
                accounts,
                today,
                number,
                lambda title: progress.update(bar, advance=1, description=title),
            )
    except (ProblemError, httpx.HTTPError, TimeoutError) as error:
        typer.echo(f"The demo data could not be made: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(seeded.as_json(), indent=2))


def _accounts(file: Path) -> list[Account]:
    """The demo's people as a file has them; where it is missing it is made, with new passwords."""
    try:
        return [Account(**account) for account in json.loads(file.read_text())["accounts"]]
    except FileNotFoundError:
        accounts = demo_accounts(lambda _email: secrets.token_urlsafe(12))[1:]
        file.touch(mode=0o600)
        file.write_text(json.dumps({"accounts": [asdict(account) for account in accounts]}))
        return accounts


@app.command()
def demo(
    run_file: Annotated[Path, typer.Argument(help="What runs.")] = Path(".parterre/run.json"),
) -> None:
    """Play the whole story once on a running system; exit 1 if any of it did not come true."""
    raise typer.Exit(stories.play(run_file, Console(highlight=False)))


@app.command()
def fsck(
    run_file: RunFile = _RUN_FILE,
    watch: Annotated[
        float | None, typer.Option(help="Check again every so many seconds, until stopped.", min=1)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check on live data that what Parterre promises holds; exit 1 at any violation.

    READER_DATABASE_URL names a role that may read all schemas, AMQP_URL the broker.
    """
    reader = _reader(run_file)
    broker = _broker(run_file)
    raise typer.Exit(reports.fsck(reader, broker, watch=watch, as_json=as_json))


@app.command()
def timeline(
    reference: Annotated[str, typer.Argument(help="PT-...")],
    run_file: RunFile = _RUN_FILE,
    as_json: AsJson = False,
) -> None:
    """Show everything that happened to a booking, over all services, oldest first."""
    reader = _reader(run_file)
    raise typer.Exit(reports.timeline(reader, reference.upper(), as_json=as_json))


@app.command()
def ledger(  # noqa: PLR0917 - a command's options
    event: Annotated[UUID | None, typer.Option(help="Of this event only.")] = None,
    organizer: Annotated[UUID | None, typer.Option(help="Of this organizer only.")] = None,
    since: Annotated[
        datetime | None, typer.Option("--from", help="What came before is the opening balance.")
    ] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Up to, and without.")] = None,
    run_file: RunFile = _RUN_FILE,
    as_json: AsJson = False,
) -> None:
    """Show every account's balance, times in UTC; exit 1 if anything does not sum to zero."""
    reader = _reader(run_file)
    since, until = (each and each.replace(tzinfo=UTC) for each in (since, until))
    raise typer.Exit(
        trial_balance.report(
            reader, event=event, organizer=organizer, since=since, until=until, as_json=as_json
        )
    )


@app.command()
def reconcile(
    since: Annotated[
        str, typer.Option(help="What moved in this time: 30m, 24h, 7d.", metavar="TIME")
    ] = "24h",
    fix: Annotated[
        bool, typer.Option("--fix", help="Have what differs looked up at the provider.")
    ] = False,
    run_file: RunFile = _RUN_FILE,
    as_json: AsJson = False,
) -> None:
    """Compare the provider's charges and refunds with ours; exit 1 if anything differs.

    Changes nothing without --fix. READER_DATABASE_URL, PAYMENT_SANDBOX_URL and
    PAYMENT_SANDBOX_API_KEY say where, and PAYMENT_DATABASE_URL for --fix.
    """
    spoken = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", since)
    if spoken is None:
        raise typer.BadParameter("a number and m, h or d: 30m, 24h, 7d", param_hint="--since")
    raise typer.Exit(
        reconciling.report(
            _reader(run_file),
            sandbox_url=_address("PAYMENT_SANDBOX_URL", run_file, "sandbox"),
            api_key=_address("PAYMENT_SANDBOX_API_KEY", run_file, "provider", "api_key"),
            hours=int(spoken[1]) * {"m": 1 / 60, "h": 1, "d": 24}[spoken[2]],
            payment_url=_address("PAYMENT_DATABASE_URL", run_file, "database", "payment")
            if fix
            else None,
            as_json=as_json,
        )
    )


@app.command()
def messages() -> None:
    """Print what psql shows of outbox rows with their payloads as JSON: a filter for its `\\g |`.

    SELECT id, type, payload FROM booking.outbox \\g | parterre messages
    """
    for line in readable(sys.stdin):
        typer.echo(line, nl=False)


@dead_letters.command("list")
def list_dead_letters(
    queue: Annotated[str | None, typer.Option(help="Of this queue only.")] = None,
    run_file: RunFile = _RUN_FILE,
    as_json: AsJson = False,
) -> None:
    """List the messages that were given up; they stay where they are."""
    raise typer.Exit(reports.list_dead_letters(_broker(run_file), queue, as_json=as_json))


@dead_letters.command("show")
def show_dead_letter(
    message_id: Annotated[str, typer.Argument(help="As `list` shows it.")],
    run_file: RunFile = _RUN_FILE,
) -> None:
    """Show one of them whole, as JSON."""
    raise typer.Exit(reports.show_dead_letter(_broker(run_file), message_id))


@dead_letters.command("replay")
def replay_dead_letters(
    queue: Annotated[str, typer.Argument(help="Whose.")],
    message_id: Annotated[
        list[str] | None, typer.Argument(help="Which of them; all, where none is named.")
    ] = None,
    run_file: RunFile = _RUN_FILE,
) -> None:
    """Send them to their queue again. One that took effect after all has none the second time."""
    raise typer.Exit(reports.replay_dead_letters(_broker(run_file), queue, message_id))


@keys.command("rotate")
def rotate_keys(
    run_file: RunFile = _RUN_FILE,
) -> None:
    """Let the next key sign, and add one behind it; print their ids as JSON. Logs nobody out."""
    url = _address("AUTH_DATABASE_URL", run_file, "database", "auth")
    try:
        rotation = asyncio.run(_rotate(url))
    except DatabaseError as error:
        typer.echo(f"The keys were not rotated: {error.__class__.__name__}.", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(asdict(rotation), indent=2))


def _reader(run_file: Path) -> str:
    return _address("READER_DATABASE_URL", run_file, "database", "reader")


def _broker(run_file: Path) -> str:
    return _address("AMQP_URL", run_file, "amqp")


def _address(variable: str, run_file: Path, *path: str) -> str:
    """An address from the environment or a secret file, else from what runs here."""
    if url := given(variable):
        return url
    try:
        found = json.loads(run_file.read_text())
        for part in path:
            found = found[part]
        return str(found)
    except (OSError, ValueError, KeyError) as error:
        typer.echo(f"Where? Set {variable}, or start the local system ({run_file}).", err=True)
        raise typer.Exit(2) from error


async def _rotate(url: str) -> Rotation:
    database = Database(url, "auth", pool_size=1)
    try:
        return await rotate(database)
    finally:
        await database.close()
