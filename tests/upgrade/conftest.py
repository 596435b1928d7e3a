"""The last release's own code, where this clone has its history."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from deploy.released import RELEASED

ROOT = Path(__file__).parents[2]
REVISION: str = json.loads((RELEASED / "release.json").read_text())["revision"]


def _has_the_release() -> bool:
    try:
        found = subprocess.run(
            ["git", "cat-file", "-e", f"{REVISION}^{{tree}}"],
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return False
    return found.returncode == 0


# A shallow clone, or a folder without history, has the contract and the migrations of the release,
# which test_contract.py compares, but not its code.
collect_ignore = [] if _has_the_release() else ["test_side_by_side.py"]


def pytest_report_header() -> list[str]:
    if not collect_ignore:
        return []
    return [f"upgrade: NOT run beside the last release: this clone has no {REVISION[:12]}"]


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the last release's code, and the libraries it was released with."""
    folder = tmp_path_factory.mktemp("release")
    packed = subprocess.run(
        ["git", "archive", REVISION], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    # Its own libraries: this version may have others, or no more of some.
    subprocess.run(
        [
            *(ROOT / ".tools/bin/uv", "pip", "install", "--quiet", "--require-hashes"),
            *("--python", sys.executable, "--target", folder),
            *("-r", folder / "requirements.lock"),
        ],
        check=True,
    )
    return folder
