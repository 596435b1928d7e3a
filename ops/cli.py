"""The operator's command."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from auth_service.keys import Rotation, rotate
from chassis.database import Database
from ops import demo as stories
from ops.seed import demo_accounts
from ops.seed import seed as make_demo_data

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

keys = typer.Typer(help="The keys that sign access tokens.", no_args_is_help=True)
app.add_typer(keys, name="keys")


@app.command()
def seed(
    gateway: Annotated[str, typer.Option(help="Where the API is.")] = "http://127.0.0.1:8080",
) -> None:
    """Register demo people and put three events on sale (local profile); print them as JSON."""
    seeded = make_demo_data(gateway, demo_accounts(lambda _email: secrets.token_urlsafe(12))[1:])
    typer.echo(json.dumps(seeded.as_json(), indent=2))


@app.command()
def demo(
    run_file: Annotated[Path, typer.Argument(help="What runs.")] = Path(".parterre/run.json"),
) -> None:
    """Play the whole story once on a running system; exit 1 if any of it did not come true."""
    raise typer.Exit(stories.play(run_file, Console(highlight=False)))


@keys.command("rotate")
def rotate_keys(
    run_file: Annotated[
        Path, typer.Option(help="What runs, where AUTH_DATABASE_URL is not set.")
    ] = Path(".parterre/run.json"),
) -> None:
    """Let the next key sign, and add one behind it; print their ids as JSON. Logs nobody out."""
    url = os.environ.get("AUTH_DATABASE_URL") or _auth_database_of(run_file)
    try:
        rotation = asyncio.run(_rotate(url))
    except SQLAlchemyError as error:
        typer.echo(f"The keys were not rotated: {error.__class__.__name__}.", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(asdict(rotation), indent=2))


def _auth_database_of(run_file: Path) -> str:
    try:
        return str(json.loads(run_file.read_text())["database"]["auth"])
    except (OSError, ValueError, KeyError) as error:
        typer.echo(
            f"Which database? Set AUTH_DATABASE_URL, or start the local system ({run_file}).",
            err=True,
        )
        raise typer.Exit(2) from error


async def _rotate(url: str) -> Rotation:
    database = Database(url, "auth", pool_size=1)
    try:
        return await rotate(database)
    finally:
        await database.close()
