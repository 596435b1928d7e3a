"""Programs out of the distribution's package archive, unpacked into a folder.

It needs no root and changes nothing of the system: apt-get works on a state of its own.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy import processes
from deploy.processes import SetupError

_STEP_SECONDS = 180
_FETCH_SECONDS = 600


def cache_folder() -> Path:
    """Where what was fetched is kept: PARTERRE_CACHE, else ~/.cache/parterre."""
    if chosen := os.environ.get("PARTERRE_CACHE"):
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "parterre"


def can_fetch() -> bool:
    """Whether this is a system with Debian's programs for packages."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def kept(name: str, fill: Callable[[Fetch], None]) -> Path:
    """The folder of that name in the cache, of this release; `fill` makes it, once.

    Raises:
        SetupError: it can't be fetched.
    """
    release = platform.freedesktop_os_release()
    version = release.get("VERSION_ID") or release.get("VERSION_CODENAME", "unversioned")
    cache = cache_folder()
    place = cache / f"{name}-{release['ID']}-{version}-{platform.machine()}"
    if place.exists():
        return place
    cache.mkdir(parents=True, exist_ok=True)
    with (
        processes.claimed(
            place.with_name(f"{place.name}.lock"),
            wait_seconds=_FETCH_SECONDS,
            refusal=f"Another run has been fetching {name} for too long: stop it and try again.",
        ),
        tempfile.TemporaryDirectory(prefix=f"{place.name}.", dir=cache) as work,
    ):
        if not place.exists():  # the one we waited for may have made it
            fetch = Fetch(Path(work))
            fill(fetch)
            fetch.root.rename(place)
    return place


class Fetch:
    """One fetching: the archive's lists, packages, and the folder they are unpacked in."""

    def __init__(self, work: Path) -> None:
        self.root = work / "root"
        self._work = work
        for folder in ("state/lists/partial", "cache/archives/partial", "packages", "root"):
            (work / folder).mkdir(parents=True)
        # Where one of many archives cannot be reached, the others may still do.
        self.apt("update", check=False)

    def apt(self, *arguments: str, check: bool = True) -> str:
        """What apt-get prints.

        Raises:
            SetupError: it fails, and that is not to be passed over.
        """
        options = {
            "Dir::State": self._work / "state",
            "Dir::State::status": "/var/lib/dpkg/status",
            "Dir::Cache": self._work / "cache",
            "Debug::NoLocking": "1",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
        }
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return self.run(["apt-get", "--quiet", *flags, *arguments], check=check)

    def unpack(self, packages: Sequence[str]) -> None:
        """Downloads packages and unpacks them.

        Raises:
            SetupError: one can't be had.
        """
        self.apt("download", *packages)
        for package in sorted((self._work / "packages").glob("*.deb")):
            self.run(["dpkg-deb", "-x", str(package), str(self.root)])

    def run(self, argv: Sequence[str], *, check: bool = True) -> str:
        """What a program prints.

        Raises:
            SetupError: it fails, or takes more than three minutes.
        """
        try:
            done = subprocess.run(
                argv,
                cwd=self._work / "packages",
                env={**os.environ, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_STEP_SECONDS,
                check=check,
            )
        except subprocess.TimeoutExpired:
            raise SetupError(f"{argv[0]} took too long") from None
        except subprocess.CalledProcessError as error:
            raise SetupError(error.stderr.strip() or f"{argv[0]} failed") from None
        return done.stdout
