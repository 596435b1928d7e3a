"""The operator's command."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops import demo as stories
from ops.seed import demo_accounts
from ops.seed import seed as make_demo_data

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command()
def seed(
    gateway: Annotated[str, typer.Option(help="Where the API is.")] = "http://127.0.0.1:8080",
) -> None:
    """Register demo people and put three events on sale (local profile); print them as JSON."""
    seeded = make_demo_data(gateway, demo_accounts(lambda: secrets.token_urlsafe(12))[1:])
    typer.echo(json.dumps(seeded.as_json(), indent=2))


@app.command()
def demo(
    run_file: Annotated[Path, typer.Argument(help="What runs.")] = Path(".parterre/run.json"),
) -> None:
    """Play the whole story once on a running system; exit 1 if any of it did not come true."""
    raise typer.Exit(stories.play(run_file, Console(highlight=False)))
