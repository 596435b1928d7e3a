"""The operator's command."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import httpx
import psycopg
import typer
from rich.console import Console
from rich.progress import Progress

from auth_service.keys import published, rotate
from booking_service.domain import reference_of
from chassis.database import Database, DatabaseError
from chassis.settings import given
from chassis.version import VERSION
from ops import demo as stories
from ops import ledger as trial_balance
from ops import mails, reports, terminal
from ops import reconcile as reconciling
from ops import traces as tracing
from ops.audience import NAMES
from ops.client import ProblemError
from ops.messages import readable
from ops.parked import list_parked
from ops.rewinding import Rewinding
from ops.seed import Account, demo_accounts, fill
from ops.seed import seed as make_demo_data
from ops.terminal import as_text, iso, show_any
from ops.verdicts import untold
from payment_service.domain import Listed

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

keys = typer.Typer(help="The keys that sign access tokens.", no_args_is_help=True)
app.add_typer(keys, name="keys")
dead_letters = typer.Typer(help="Messages that were given up.", no_args_is_help=True)
app.add_typer(dead_letters, name="dead-letters")
mail = typer.Typer(help="Mails: those that were given up, above all.", no_args_is_help=True)
app.add_typer(mail, name="mail")

RunFile = Annotated[
    Path, typer.Option(help="What runs, where the addresses are not in the environment.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
# What `make up` writes there (deploy/local.py), for whoever stands in the checkout.
_RUN_FILE = Path(os.environ.get("PARTERRE_HOME") or ".parterre", "run.json")

T = TypeVar("T")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"parterre {VERSION}")
        raise typer.Exit


@app.callback(help=__doc__)
def parterre(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    """The operator's command."""


@app.command()
def seed(
    number: Annotated[int, typer.Option("--seed", help="Which programme: same number, same.")] = 1,
    gateway: Annotated[str | None, typer.Option(help="Of a system not started here.")] = None,
    accounts_file: Annotated[
        Path, typer.Option("--accounts", help="With --gateway: whose, made where it is missing.")
    ] = Path("accounts.json"),
    buyers: Annotated[
        int, typer.Option(help="How many people have bought; 0: nobody.", min=0, max=len(NAMES))
    ] = len(NAMES),
    run_file: RunFile = _RUN_FILE,
) -> None:
    """Put demo people, halls and events on sale (local profile).

    The events have sold already, and have reviews and pictures. Prints the first events as JSON. It
    can be run again at any time: what is there is left as it is, the rest is added. On a system
    started here bookings are made to lie in the past weeks, and some events are over;
    MIGRATE_DATABASE_URL says where else that may be done.
    """
    rewinding = None
    if gateway is None:
        gateway = _address("PARTERRE_GATEWAY", run_file, "gateway")
        accounts_file = run_file
        rewinding = Rewinding(_address("MIGRATE_DATABASE_URL", run_file, "database", "migrator"))
    elif url := given("MIGRATE_DATABASE_URL"):
        rewinding = Rewinding(url)
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
                buyers=buyers,
                rewinding=rewinding,
            )
    except (ProblemError, httpx.HTTPError, TimeoutError, psycopg.Error) as error:
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
    run_file: Annotated[Path, typer.Argument(help="What runs.")] = _RUN_FILE,
    gateway: Annotated[
        str | None,
        typer.Option(help="Of a system not started here: no process of it is killed."),
    ] = None,
    accounts_file: Annotated[
        Path, typer.Option("--accounts", help="With --gateway: whose, made where it is missing.")
    ] = Path("accounts.json"),
) -> None:
    """Play the whole story once; exit 1 if any is not true.

    It buys, is declined, gives up, races and crashes on a running system, by its public API.
    """
    console = terminal.console()
    if gateway is None:
        raise typer.Exit(stories.play(run_file, console))
    try:
        seeded = make_demo_data(gateway, _accounts(accounts_file), datetime.now(UTC).date())
    except (ProblemError, httpx.HTTPError, TimeoutError) as error:
        typer.echo(f"The demo data could not be made: {error}", err=True)
        raise typer.Exit(1) from error
    with tempfile.TemporaryDirectory() as folder:
        run_file = Path(folder) / "run.json"
        run_file.write_text(json.dumps({"gateway": gateway, **seeded.as_json()}))
        raise typer.Exit(stories.play(run_file, console, stories.FROM_AFAR))


@app.command()
def fsck(
    run_file: RunFile = _RUN_FILE,
    watch: Annotated[
        float | None, typer.Option(help="Check again every so many seconds, until stopped.", min=1)
    ] = None,
    recorded: Annotated[
        bool, typer.Option("--record/--no-record", help="Show what was found to admins, too.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Check on live data that I1 to I10 hold; exit 1 if not.

    I1 to I10 are what Parterre promises (docs/architecture.md); exit 2 says that it can't be told.
    The operator's page shows what was found last.
    READER_DATABASE_URL names a role that may read all schemas, AMQP_URL the broker.
    """
    reader = _reader(run_file)
    broker = _broker(run_file)
    raise typer.Exit(reports.fsck(reader, broker, watch=watch, recorded=recorded, as_json=as_json))


@app.command()
def timeline(
    reference: Annotated[str, typer.Argument(help="PT-..., in whatever case.")],
    run_file: RunFile = _RUN_FILE,
    as_json: AsJson = False,
) -> None:
    """Show what happened to a booking, over all services.

    Oldest first, times in UTC. READER_DATABASE_URL names a role that may read all schemas.
    """
    reader = _reader(run_file)
    raise typer.Exit(
        reports.timeline(reader, reference_of(reference) or reference, as_json=as_json)
    )


@app.command()
def trace(
    wanted: Annotated[
        str, typer.Argument(help="PT-..., or any id: a request's, a trace's, a hold's.")
    ],
    folder: Annotated[
        Path | None, typer.Option(help="Of files of spans; of the local system without it.")
    ] = None,
    reads_too: Annotated[
        bool, typer.Option("--all", help="Show those too who only looked (GET).")
    ] = False,
    run_file: RunFile = _RUN_FILE,
    as_json: AsJson = False,
) -> None:
    """Show what a booking led to, process by process, with times.

    Each trace is a tree: when each part began, and how long it took, in milliseconds. Exit 1 where
    none was kept.
    """
    folder = folder or Path(_address("PARTERRE_TRACES", run_file, "traces"))
    wanted = reference_of(wanted) or wanted
    raise typer.Exit(tracing.report(folder, wanted, reads_too=reads_too, as_json=as_json))


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
    """Show every account's balance; exit 1 if the sum is not 0.

    Times are UTC, a debit is positive. READER_DATABASE_URL names a role that may read all schemas.
    """
    reader = _reader(run_file)
    since, until = (each and each.replace(tzinfo=UTC) for each in (since, until))
    raise typer.Exit(
        trial_balance.report(
            reader, event=event, organizer=organizer, since=since, until=until, as_json=as_json
        )
    )


@app.command()
def reconcile(  # noqa: PLR0917 - a command's options
    since: Annotated[
        str, typer.Option(help="What moved in this time: 30m, 24h, 7d.", metavar="TIME")
    ] = "24h",
    fix: Annotated[
        bool, typer.Option("--fix", help="Have what differs looked up at the provider.")
    ] = False,
    give_back: Annotated[
        bool,
        typer.Option(
            "--give-back", help="Give the money of charges unknown here back; asks first."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: for scripts.")] = False,
    run_file: RunFile = _RUN_FILE,
    as_json: AsJson = False,
) -> None:
    """Compare the provider's books with ours; exit 1 if not alike.

    Changes nothing without --fix or --give-back; the latter is for after a restore.
    READER_DATABASE_URL, PAYMENT_SANDBOX_URL and PAYMENT_SANDBOX_API_KEY say where, and
    PAYMENT_DATABASE_URL for --fix.
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
            agree=(lambda unknown: yes or _agreed(unknown)) if give_back else None,
            as_json=as_json,
        )
    )


def _agreed(unknown: Sequence[Listed]) -> bool:
    held: Counter[str] = Counter()
    for charge in unknown:
        held[charge.currency] += charge.captured - charge.refunded
    sums = ", ".join(terminal.money(amount, currency) for currency, amount in sorted(held.items()))
    return typer.confirm(
        f"Give back what {len(unknown)} charges hold that this database does not know ({sums})?",
        err=True,
    )


@app.command()
def messages() -> None:
    """Show payloads of the outbox as JSON, in psql's output.

    It is a filter for psql's `\\g |`:

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


@app.command()
def parked(run_file: RunFile = _RUN_FILE, as_json: AsJson = False) -> None:
    """List messages that wait for a newer version.

    A process of that version takes them by itself. READER_DATABASE_URL names a role that may
    read all schemas.
    """
    raise typer.Exit(list_parked(_reader(run_file), as_json=as_json))


@keys.command("list")
def list_keys(
    run_file: RunFile = _RUN_FILE,
    as_json: AsJson = False,
) -> None:
    """List the keys that verify access tokens, oldest first.

    One of them signs; a retired one verifies for another hour what it signed.
    AUTH_DATABASE_URL says where, where no local system runs.
    """
    url = _address("AUTH_DATABASE_URL", run_file, "database", "auth")
    try:
        found = asyncio.run(_with_auth(url, published))
    except DatabaseError as error:
        raise typer.Exit(untold(error)) from error
    if as_json:
        typer.echo(as_text([asdict(key) for key in found]))
        return
    rows = [
        (
            key.id,
            key.state,
            iso(key.made_at),
            iso(key.verifies_until) if key.verifies_until else "-",
        )
        for key in found
    ]
    show_any(terminal.console(), ("Key", "State", "Made", "Verifies until"), rows)


@mail.command("list")
def list_mails(
    state: Annotated[
        str, typer.Option(help="given-up, dropped, waiting or sent.", metavar="STATE")
    ] = "given-up",
    to: Annotated[str | None, typer.Option(help="To this address only.")] = None,
    run_file: RunFile = _RUN_FILE,
    as_json: AsJson = False,
) -> None:
    """List mails that were given up, the newest first.

    Others by --state. READER_DATABASE_URL names a role that may read all schemas.
    """
    if state not in mails.STATES:
        raise typer.BadParameter("given-up, dropped, waiting or sent", param_hint="--state")
    raise typer.Exit(mails.list_mails(_reader(run_file), state, to, as_json=as_json))


@mail.command("show")
def show_mail(
    mail_id: Annotated[UUID, typer.Argument(help="As `list` shows it.")],
    run_file: RunFile = _RUN_FILE,
) -> None:
    """Show what a mail is made of and what became of it.

    As JSON, and never a code.
    """
    raise typer.Exit(mails.show_mail(_reader(run_file), mail_id))


@mail.command("resend")
def resend_mails(
    mail_ids: Annotated[list[UUID], typer.Argument(help="As `list` shows them.")],
    run_file: RunFile = _RUN_FILE,
) -> None:
    """Have mails that were given up tried anew for a day.

    NOTIFICATION_DATABASE_URL says where, where no local system runs.
    """
    url = _address("NOTIFICATION_DATABASE_URL", run_file, "database", "notification")
    raise typer.Exit(mails.resend_mails(url, mail_ids))


@keys.command("rotate")
def rotate_keys(
    run_file: RunFile = _RUN_FILE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: for scripts.")] = False,
) -> None:
    """Let the next key sign access tokens; asks first.

    The key that signs is retired, and one is added behind the next. Nobody is logged out: the
    retired key verifies what it signed for another hour. Prints the keys' ids as JSON.
    AUTH_DATABASE_URL says where, where no local system runs.
    """
    url = _address("AUTH_DATABASE_URL", run_file, "database", "auth")
    if not yes:
        typer.confirm("Retire the key that signs access tokens?", abort=True, err=True)
    try:
        rotation = asyncio.run(_with_auth(url, rotate))
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


async def _with_auth(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    database = Database(url, "auth", pool_size=1)
    try:
        return await work(database)
    finally:
        await database.close()
