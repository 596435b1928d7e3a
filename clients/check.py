"""Holds the description to what its readers' tools ask of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator

from clients import generated, node

_OWN = Path(__file__).parent
_MOST_FAULTS = 50


def steps() -> Iterator[tuple[str, Callable[[], object]]]:
    """What is checked, and how; what fails raises a ToolError. Each needs those before it."""
    folder = node.CACHE
    document = folder / "openapi.json"
    yield "the description is written", lambda: generated.document_in(folder)
    yield "the tools are installed", node.install
    yield "the description's lint is good", lambda: _lint(document)
    yield "it is valid OpenAPI 3.1", lambda: _validate(document)
    yield "a Python client comes of it", lambda: generated.python_client(document, folder)
    yield (
        "types for TypeScript come of it, and docs/clients.md fits them",
        lambda: generated.typescript_client(document, folder),
    )


def _validate(document: Path) -> None:
    faults = OpenAPIV31SpecValidator(json.loads(document.read_text())).iter_errors()
    told = [
        f"{'/'.join(map(str, fault.absolute_path)) or '(whole)'}: {fault.message[:300]}"
        for fault in faults
    ]
    if told:
        raise node.ToolError("\n".join(told[:_MOST_FAULTS]))


def _lint(document: Path) -> None:
    node.run(
        node.tool("spectral"), "lint", document, "--ruleset", _OWN / "spectral.yaml",
        "--fail-severity", "warn", "--display-only-failures", "--format", "text",
    )  # fmt: skip
