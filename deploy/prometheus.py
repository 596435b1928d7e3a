"""Prometheus's programs, to check its files by and to try them with.

python -m deploy.prometheus     prints the folder of promtool, amtool, prometheus and
                                prometheus-alertmanager; says why where there is none
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from deploy import archive
from deploy.archive import Fetch
from deploy.processes import SetupError

PROGRAMS = ("promtool", "prometheus", "amtool", "prometheus-alertmanager")


def ensure_installed() -> Path:
    """The folder of the programs: the system's, else one of the distribution's packages.

    Those are fetched once (30 MB), without root, into PARTERRE_CACHE (else ~/.cache/parterre).

    Raises:
        SetupError: neither is to be had.
    """
    found = [shutil.which(program) for program in PROGRAMS]
    if all(found):
        return Path(str(found[0])).parent
    if not archive.can_fetch():
        raise SetupError(
            "there is no promtool on this machine, and nothing to fetch it with"
            " (Debian, Ubuntu: apt install prometheus prometheus-alertmanager)"
        )
    return archive.kept("prometheus", _fetch) / "usr/bin"


def _fetch(fetch: Fetch) -> None:
    fetch.unpack(["prometheus", "prometheus-alertmanager"])


def main() -> int:
    """Prints the folder; 1, and why, if there is none."""
    try:
        print(ensure_installed())
    except SetupError as error:
        print(str(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
