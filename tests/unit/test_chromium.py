"""Which browser the pages are looked at in."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import chromium
from deploy.processes import SetupError


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str) -> Path:
    made = folder / name
    made.touch(mode=0o755)
    return made


def test_the_machines_own_browser_is_used(path: Path) -> None:
    chrome = program(path, "google-chrome")
    assert chromium.ensure_installed() == chrome
    own = program(path, "chromium")
    assert chromium.ensure_installed() == own


def test_a_machine_that_can_fetch_none_is_told_what_to_do(path: Path) -> None:
    assert list(path.iterdir()) == []
    with pytest.raises(SetupError, match="apt install chromium"):
        chromium.ensure_installed()


def test_one_that_was_fetched_is_used_again(
    path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("apt-get", "dpkg-deb"):
        program(path, name)
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("PARTERRE_CACHE", str(cache))
    fetched: list[str] = []

    class Fetched:
        """An archive that has what is asked for, and says that the system lacks a library."""

        def __init__(self, work: Path) -> None:
            self.root = work / "root"
            self.root.mkdir()

        def apt(self, *_arguments: str) -> str:
            return "Inst libnss3 (2:3.87)\nConf libnss3 (2:3.87)\n"

        def unpack(self, packages: list[str]) -> None:
            fetched.extend(packages)

    monkeypatch.setattr("deploy.archive.Fetch", Fetched)
    first = chromium.ensure_installed()
    assert first.is_relative_to(cache)
    assert first.stat().st_mode & 0o111
    assert chromium.ensure_installed() == first
    assert fetched == ["chromium", "chromium-common", "libnss3"]
