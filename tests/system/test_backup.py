"""The drill: a system is backed up, sells on, and is put back as it was."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from ops.demo import stage_for

from .conftest import System, new_system
from .patience import until


def parterre(system: System, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.command", *map(str, words)],
        env=system.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def differing(system: System, *words: str) -> tuple[int, set[tuple[str, str]]]:
    """Exit code of `parterre reconcile`, and what differs by booking."""
    run_file = system.home / "run.json"
    told = parterre(system, "reconcile", "--json", "--run-file", run_file, *words)
    assert told.returncode in {0, 1}, told.stderr
    found: list[dict[str, Any]] = json.loads(told.stdout)["differences"]
    return told.returncode, {(each["reference"], each["what"].split()[0]) for each in found}


@pytest.mark.slow
def test_a_restored_system_ends_what_was_under_way_and_gives_back_what_it_does_not_know(
    tmp_path: Path,
) -> None:
    system = new_system(tmp_path)
    assert system.command("up", "--detach").returncode == 0
    try:
        with stage_for(system.home / "run.json", Console(file=io.StringIO())) as stage:
            asha, bikram = stage.asha, stage.bikram
            kept = stage.book(asha, stage.hold_best(asha, 1), "tok_ok")
            cancelled = stage.book(asha, stage.hold_best(asha, 1), "tok_ok")
            for reference in (kept, cancelled):
                assert stage.until_ended(asha, reference)["status"] == "CONFIRMED"
            hold = stage.hold_best(bikram, 1)
            under_way = bikram.post(
                "/bookings", {"hold_id": hold["id"], "payment_method": "KHALTI"}
            )["reference"]
            waiting = stage.until(
                bikram, under_way, lambda booking: (booking["payment"]["action"] or {}).get("url")
            )
            page = waiting["payment"]["action"]["url"]

            made = parterre(system, "backup", tmp_path / "backup")
            assert made.returncode == 0, made.stderr

            # All of this the restored system does not know.
            gone = stage.book(asha, stage.hold_best(asha, 1), "tok_ok")
            assert stage.until_ended(asha, gone)["status"] == "CONFIRMED"
            asha.post(f"/bookings/{cancelled}/cancel")
            stage.until(asha, cancelled, lambda booking: booking["status"] == "CANCELLED")
            assert httpx.post(page, data={"action": "approve"}).status_code == 303
            assert stage.until_ended(bikram, under_way)["status"] == "CONFIRMED"

            live = parterre(system, "restore", tmp_path / "backup", "--replace")
            assert live.returncode == 1
            assert "make down" in live.stderr
            assert system.command("down").returncode == 0
            refused = parterre(system, "restore", tmp_path / "backup")
            assert refused.returncode == 1
            assert "--replace" in refused.stderr
            restored = parterre(system, "restore", tmp_path / "backup", "--replace")
            assert restored.returncode == 0, restored.stderr
            assert not (system.home / "rabbitmq").exists()
            assert system.command("up", "--detach").returncode == 0

            # Whoever was logged in still is; what was paid meanwhile is found without a webhook.
            assert stage.until_ended(bikram, under_way)["status"] == "CONFIRMED"
            assert asha.get(f"/bookings/{kept}/tickets")[0]["status"] == "VALID"
            assert asha.get(f"/bookings/{cancelled}")["status"] == "CONFIRMED"
            code, found = differing(system)
            assert code == 1
            assert ("", "MISSING_HERE") in found
            assert {reference for reference, _ in found} == {"", cancelled}

            # What an operator does.
            asha.post(f"/bookings/{cancelled}/cancel")
            stage.until(asha, cancelled, lambda booking: booking["status"] == "CANCELLED")
            differing(system, "--give-back", "--yes")
            until(lambda: differing(system) == (0, set()))
            fsck = parterre(system, "fsck", "--run-file", system.home / "run.json")
            assert fsck.returncode == 0, fsck.stdout
    finally:
        system.command("clean")
