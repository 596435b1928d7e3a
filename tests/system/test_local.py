"""Starting and stopping the whole system: what it leaves, what it finds again, what it refuses."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from deploy.local import alive, read_run
from ops.client import Client

from .conftest import System, new_system


def gone(pids: dict[str, int]) -> bool:
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in pids.values()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_a_second_start_finds_everything_again_and_nothing_is_left_running(tmp_path: Path) -> None:
    system = new_system(tmp_path)
    assert system.command("up", "--detach").returncode == 0
    first = system.run
    event = system.event("SEATED")
    with system.client("CUSTOMER") as customer:
        hold = customer.post("/holds", {"event_id": event, "best_available": {"quantity": 2}})
    assert system.command("down").returncode == 0
    assert gone(first["pids"])
    assert not (system.home / "run.json").exists()

    assert system.command("up", "--detach").returncode == 0
    second = system.run
    try:
        assert (second["accounts"], second["events"]) == (first["accounts"], first["events"])
        with system.client("CUSTOMER") as customer:
            assert customer.get(f"/holds/{hold['id']}")["status"] == "ACTIVE"
        # Killed without a word, the supervisor takes everything with it.
        os.kill(second["pids"]["supervisor"], signal.SIGKILL)
        assert gone(second["pids"])
        assert read_run(system.home) is None
        assert system.command("status").returncode == 1
    finally:
        assert system.command("clean").returncode == 0
    assert not system.home.exists()


def test_a_taken_port_is_said_clearly(tmp_path: Path) -> None:
    system = new_system(tmp_path)
    with socket.create_server(("127.0.0.1", int(system.environment["PARTERRE_PORT"]))):
        refused = system.command("up")
    assert refused.returncode == 1
    assert "taken" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_second_up_says_that_it_runs_already(system: System) -> None:
    for words in (("up",), ("up", "--detach")):
        refused = system.command(*words)
        assert refused.returncode == 1
        assert "runs already" in refused.stderr


def test_status_shows_addresses_accounts_and_processes(system: System) -> None:
    shown = system.command("status").stdout
    for account in system.run["accounts"]:
        assert account["email"] in shown
        assert account["password"] in shown
    assert f"{system.gateway}/api/v1" in shown
    assert "inventory" in shown


def test_a_service_that_dies_is_started_again(system: System) -> None:
    before = system.run["pids"]["catalog"]
    os.kill(before, signal.SIGKILL)
    with Client(system.gateway) as visitor:
        visitor.patiently(lambda: visitor.get("/events"), seconds=30)
    assert system.run["pids"]["catalog"] != before


def test_run_json_is_for_our_eyes_only(system: System) -> None:
    assert (system.home / "run.json").stat().st_mode & 0o077 == 0
    assert (system.home / "secrets.json").stat().st_mode & 0o077 == 0
