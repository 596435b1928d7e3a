"""Where the operator's commands look for a system that was started here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("home", ["", "another"])
def test_it_is_the_home_that_make_up_was_given(tmp_path: Path, home: str) -> None:
    environment = {**os.environ, "PARTERRE_HOME": home and str(tmp_path / home)}
    environment.pop("READER_DATABASE_URL", None)
    refused = subprocess.run(
        [sys.executable, "-m", "ops", "fsck"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    there = tmp_path / home if home else Path(".parterre")
    assert f"({there / 'run.json'})" in refused.stderr
