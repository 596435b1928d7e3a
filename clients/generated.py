"""Clients generated from the description, in Python and in TypeScript."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from clients import node
from clients.document import description

_OWN = Path(__file__).parent
_GUIDE = node.ROOT / "docs" / "clients.md"


def document_in(folder: Path) -> Path:
    """Writes the description there, as openapi.json."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "openapi.json"
    file.write_text(json.dumps(description(), ensure_ascii=False, indent=1))
    return file


def program(language: str) -> str:
    """The program of docs/clients.md in that language: its first block of it."""
    _, _, rest = _GUIDE.read_text().partition(f"```{language}\n")
    found, _, _ = rest.partition("```\n")
    if not found:
        raise LookupError(f"docs/clients.md has no block of {language}")
    return found


def python_client(document: Path, folder: Path) -> Path:
    """Generates the package parterre_client there; what it gives is to be on Python's path.

    Raises:
        ToolError: the generator failed, or left something of the description out.
    """
    made = folder / "python"
    shutil.rmtree(made, ignore_errors=True)
    node.run(
        Path(sys.executable).parent / "openapi-python-client", "generate",
        "--path", document, "--config", _OWN / "python.yaml",
        "--meta", "none", "--output-path", made / "parterre_client", "--fail-on-warning",
    )  # fmt: skip
    return made


def typescript_types(document: Path, file: Path) -> None:
    """Generates the API's types.

    Raises:
        ToolError: the generator failed.
    """
    node.run(
        node.tool("openapi-typescript"), document,
        "--default-non-nullable=false",  # a field with a default need not be sent
        "--output", file,
    )  # fmt: skip


def typescript_client(document: Path, folder: Path) -> None:
    """Generates types, and checks the program of docs/clients.md against them.

    Raises:
        ToolError: the generator failed, or the program does not fit.
    """
    made = folder / "typescript"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    typescript_types(document, made / "parterre.d.ts")
    (made / "first_booking.ts").write_text(program("ts"))
    shutil.copy(_OWN / "tsconfig.json", made)
    node.run(node.tool("tsc"), "--project", made)
