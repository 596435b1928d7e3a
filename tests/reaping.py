"""Whatever tests have started ends with the process that runs them, however that ends.

Most of what is started dies with its parent. A system in the background does not, nor does a
browser; and a test that takes too long ends its process at once, with no fixture cleaned up
(pytest-timeout, "thread"). So everything inherits a mark, and somebody outside waits for the end of
the process, and then ends what has its mark.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

MARK = "PARTERRE_TEST_RUN"
_GRACE_SECONDS = 30.0
_END_SECONDS = 60.0
_REAPER = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Marks what this process will start, and has somebody wait for its end."""
    mark = secrets.token_hex(8)
    # It holds one end of a pipe whose other end goes with this process.
    session.stash[_REAPER] = subprocess.Popen(
        [sys.executable, Path(__file__), mark],
        env={name: value for name, value in os.environ.items() if name != MARK},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.environ[MARK] = mark


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Has what was left running ended now."""
    session.stash[_REAPER].communicate(timeout=_END_SECONDS)


def reap(mark: str) -> None:
    """Ends every process with that mark: asks it to, and does not ask for ever."""
    marked = [one for one in psutil.process_iter() if _mark_of(one) == mark]
    for process in marked:
        _tell(process, kill=False)
    _, left = psutil.wait_procs(marked, _GRACE_SECONDS)
    for process in left:
        _tell(process, kill=True)


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None  # it has ended, or is another's


def _tell(process: psutil.Process, *, kill: bool) -> None:
    with contextlib.suppress(psutil.Error):  # it has ended by itself
        (process.kill if kill else process.terminate)()


if __name__ == "__main__":
    sys.stdin.buffer.read()
    reap(sys.argv[1])
