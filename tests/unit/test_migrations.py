"""What a migration must not do to a running version is seen before it is released."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# By the rule that sees them.
OFFENCES = {
    "ban-drop-column": "ALTER TABLE booking DROP COLUMN total",
    "renaming-column": "ALTER TABLE booking RENAME COLUMN total TO sum",
    "renaming-table": "ALTER TABLE booking RENAME TO bookings",
    "ban-drop-table": "DROP TABLE booking",
    "adding-required-field": "ALTER TABLE booking ADD COLUMN fee bigint NOT NULL",
    "adding-not-nullable-field": "ALTER TABLE booking ALTER COLUMN fee SET NOT NULL",
    "changing-column-type": "ALTER TABLE booking ALTER COLUMN fee TYPE numeric",
    "constraint-missing-not-valid": "ALTER TABLE booking ADD CONSTRAINT paid CHECK (fee > 0)",
    "require-concurrent-index-creation": "CREATE INDEX fees ON booking (fee)",
}


def judged(statement: str, folder: Path) -> str:
    """What `make deploy-check` says of a migration with that statement; empty: nothing."""
    file = folder / "booking_service-0099_planted.sql"
    file.write_text(statement)
    squawk = Path(sys.executable).with_name("squawk")
    done = subprocess.run(
        [squawk, "--config", ROOT / "deploy/squawk.toml", "--reporter", "gcc", file],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert bool(done.stdout) is bool(done.returncode)
    return done.stdout


@pytest.mark.parametrize("rule", OFFENCES)
def test_what_breaks_or_stops_a_running_version_is_an_offence(rule: str, tmp_path: Path) -> None:
    assert rule in judged(f"{OFFENCES[rule]};\n", tmp_path)


def test_what_a_running_version_can_live_with_is_none(tmp_path: Path) -> None:
    expanding = (
        "ALTER TABLE booking ADD COLUMN fee bigint;\n"
        "ALTER TABLE booking ADD CONSTRAINT paid CHECK (fee > 0) NOT VALID;\n"
        "CREATE TABLE fee (booking_id uuid PRIMARY KEY, amount bigint NOT NULL);\n"
        "CREATE INDEX fee_amount ON fee (amount);\n"
    )
    assert judged(expanding, tmp_path) == ""


def test_the_check_reads_every_migration_with_these_rules() -> None:
    script = (ROOT / "deploy/check.sh").read_text()
    assert 'python" -m deploy.ddl' in script
    assert "--config deploy/squawk.toml" in script
