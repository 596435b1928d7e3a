"""A test that takes too long ends the process it runs in, and what it started goes with it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
TOO_LONG = """
import subprocess, sys, threading
import pytest

@pytest.mark.timeout(0.5, method="thread")
def test_starts_something_and_hangs():
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    open(sys.argv[-1], "w").write(str(left.pid))
    threading.Event().wait()
"""


def test_what_a_test_leaves_running_ends_with_the_run(tmp_path: Path) -> None:
    file, told = tmp_path / "test_too_long.py", tmp_path / "pid"
    file.write_text(TOO_LONG.replace("sys.argv[-1]", repr(str(told))))
    configuration = tmp_path / "pytest.ini"
    configuration.write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.reaping", "-c", configuration, file],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Timeout" in run.stderr + run.stdout
    left = int(told.read_text())
    deadline = time.monotonic() + 30
    while psutil.pid_exists(left):
        assert time.monotonic() < deadline
        time.sleep(0.05)
