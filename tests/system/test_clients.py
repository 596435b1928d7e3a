"""Clients that were generated from the description, and what the papers show to newcomers."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from clients import collection, generated, node
from ops.client import Client
from ops.seed import Account, register

from .conftest import System

README = node.ROOT / "README.md"


@pytest.fixture
def newcomer(system: System) -> Account:
    """Somebody with an account and nothing else."""
    account = Account(
        "CUSTOMER", f"{secrets.token_hex(4)}@parterre.example", secrets.token_urlsafe(12)
    )
    with Client(system.gateway) as visitor:
        register(visitor, account)
    return account


def play(
    words: Sequence[str | Path], folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs a program there, as a newcomer would."""
    return subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_a_ticket_is_bought_with_the_generated_python_client_alone(
    system: System, newcomer: Account, tmp_path: Path
) -> None:
    package = generated.python_client(generated.document_in(tmp_path), tmp_path)
    program = tmp_path / "first_booking.py"
    program.write_text(generated.program("python"))
    words = [sys.executable, program, system.gateway, newcomer.email, newcomer.password]

    bought = play(words, tmp_path, PYTHONPATH=str(package))
    assert bought.returncode == 0, bought.stderr
    reference, status, ticket_id = bought.stdout.split()
    assert status == "CONFIRMED"
    assert (tmp_path / "tickets.pdf").read_bytes().startswith(b"%PDF-")
    with Client(system.gateway).log_in(newcomer.email, newcomer.password) as customer:
        tickets = customer.get(f"/bookings/{reference}/tickets")
    assert [(ticket["id"], ticket["status"]) for ticket in tickets] == [(ticket_id, "VALID")]

    refused = play([*words[:-1], "wrong"], tmp_path, PYTHONPATH=str(package))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("401 INVALID_CREDENTIALS: ")


# Node reads TypeScript as it stands, without its types.
BUY = """
import { buy } from "./first_booking.ts";
const { booking, pdf } = await buy(...process.argv.slice(2));
console.log(booking.reference, booking.status, (await pdf.text()).slice(0, 5));
"""


def test_a_ticket_is_bought_with_the_generated_types_for_typescript(
    system: System, newcomer: Account
) -> None:
    node.install()
    folder = node.CACHE / "tested"  # where the installed packages are found
    generated.typescript_client(generated.document_in(folder), folder)
    program = folder / "typescript" / "buy.mjs"
    program.write_text(BUY)
    bought = node.run("node", program, system.gateway, newcomer.email, newcomer.password)
    assert bought.split()[1:] == ["CONFIRMED", "%PDF-"]
    with pytest.raises(node.ToolError, match="401 INVALID_CREDENTIALS: "):
        node.run("node", program, system.gateway, newcomer.email, "wrong")


def test_the_postman_collection_runs_from_a_log_in_to_a_ticket(
    system: System, newcomer: Account, tmp_path: Path
) -> None:
    node.install()
    report = tmp_path / "report.json"
    variables = {
        "baseUrl": system.gateway, "email": newcomer.email, "password": newcomer.password
    }  # fmt: skip
    given = [f"--env-var={name}={value}" for name, value in variables.items()]
    node.run(
        node.tool("newman"), "run", collection.FILE, "--folder", "First booking", *given,
        "--reporters", "json", "--reporter-json-export", report,
    )  # fmt: skip
    run = json.loads(report.read_text())["run"]
    assert run["stats"]["requests"] == {"total": 7, "pending": 0, "failed": 0}
    assert run["stats"]["assertions"]["failed"] == 0
    assert run["failures"] == []
    with Client(system.gateway).log_in(newcomer.email, newcomer.password) as customer:
        bookings = customer.get("/bookings")["items"]
    assert [booking["status"] for booking in bookings] == ["CONFIRMED"]


def first_booking(folder: Path, run: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
    """The README's first booking, pasted into a shell in that folder."""
    _, _, rest = README.read_text().partition("## A first booking")
    block = rest.partition("```bash\n")[2].partition("```\n")[0]
    (folder / ".parterre").mkdir(exist_ok=True)
    (folder / ".parterre" / "run.json").write_text(json.dumps(run))
    return play(["bash", "-c", block], folder)


def test_the_readmes_first_booking_comes_true(system: System, tmp_path: Path) -> None:
    told = first_booking(tmp_path, system.run)
    assert told.returncode == 0, told.stderr
    assert " CONFIRMED" in told.stdout
    assert told.stdout.count('"status": "VALID"') == 2


def test_the_readmes_first_booking_shows_why_it_is_refused(system: System, tmp_path: Path) -> None:
    other = dict(system.run)
    other["events"] = [{"kind": "SEATED", "id": "01a219ed-27d9-73df-9de4-d2f27590e029"}]
    refused = first_booking(tmp_path, other)
    assert refused.returncode == 1
    assert "404 EVENT_NOT_FOUND: " in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "tickets" not in refused.stdout
