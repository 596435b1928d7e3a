"""Clients of the API: checks what they are made from, makes the Postman collection."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from clients import check as checking
from clients import collection, explanations, node, screenshots, vendor, web
from clients.document import description
from deploy.processes import SetupError

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


_HINT = "docs/api.md says what the description, .cache/clients/openapi.json, is made of."
# Generators print whole schemas.
_MOST_CHARACTERS = 6000


def _fail(untrue: str, error: node.ToolError, hint: str = "") -> typer.Exit:
    told = str(error)[:_MOST_CHARACTERS]
    typer.echo(f"This is not so: {untrue}.\n{told}\n{hint}".rstrip(), err=True)
    return typer.Exit(1)


@app.command()
def document() -> None:
    """Print the API's description, as a gateway of the local profile serves it."""
    json.dump(description(), sys.stdout, ensure_ascii=False, indent=1)


@app.command()
def check() -> None:
    """Validate and lint the description, and generate clients from it; exit 1 at a fault."""
    for what, step in checking.steps():
        try:
            step()
        except node.ToolError as error:
            raise _fail(what, error, _HINT) from error
        typer.echo(f"api-check: {what}: good")


@app.command()
def write(
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether they are current.")
    ] = False,
) -> None:
    """Write the gateway's explanations of problems, and the Postman collection.

    Under --check they are only compared; exit 1 where one is stale.
    """
    made = {
        explanations.DATA: explanations.data(),
        collection.FILE: collection.collection(description()),
    }
    for file, text in made.items():
        if not check:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            typer.echo(f"{file.relative_to(node.ROOT)} is stale: run make docs", err=True)
            raise typer.Exit(1)


@app.command("check-web")
def check_web() -> None:
    """Check the web page's modules: types, lint, texts, vendored libraries; exit 1 at a fault."""
    for what, step in web.steps():
        try:
            step()
        except node.ToolError as error:
            raise _fail(what, error, "docs/web.md says how pages are written.") from error
        typer.echo(f"web-check: {what}: good")


@app.command("vendor")
def vendor_libraries() -> None:
    """Make web/vendor anew from the pinned packages."""
    try:
        vendor.write()
    except node.ToolError as error:
        raise _fail("the libraries can be copied", error) from error


@app.command("screenshots")
def take_screenshots(
    folder: Annotated[Path, typer.Option(help="Where the pictures go.")] = screenshots.FOLDER,
    dark: Annotated[bool, typer.Option("--dark", help="In dark colours, too.")] = False,
) -> None:
    """Take pictures of every page in three widths, on the running system or one of its own."""
    try:
        schemes = ["light", "dark"] if dark else ["light"]
        faults = screenshots.take_all(folder, schemes, typer.echo)
    except SetupError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"The pictures are in {folder}.")
    if faults:
        typer.echo("These pages were not as they should be:\n" + "\n".join(faults), err=True)
        raise typer.Exit(1)


@app.command()
def lock() -> None:
    """Pin the tools that run on Node anew."""
    try:
        node.lock()
    except node.ToolError as error:
        raise _fail("the tools can be pinned", error) from error


if __name__ == "__main__":
    app()
