"""Where Chromium is: the browser that tests, screenshots and measurements look at the pages in."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from deploy import archive
from deploy.archive import Fetch
from deploy.processes import SetupError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_ADVICE = "Debian: apt install chromium"
_PROGRAM = "chromium-unpacked"
# Debian's own start script looks in /usr/lib. Libraries, fonts and their configuration are beside
# the program, as far as the system lacked them.
_SCRIPT = """\
#!/bin/sh
root=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
for folder in "$root"/usr/lib/*-linux-gnu* "$root"/lib/*-linux-gnu*; do
  LD_LIBRARY_PATH="$LD_LIBRARY_PATH${LD_LIBRARY_PATH:+:}$folder"
done
export LD_LIBRARY_PATH
if [ ! -e /etc/fonts/fonts.conf ]; then
  export FONTCONFIG_PATH="$root/etc/fonts" XDG_DATA_HOME="$root/usr/share"
fi
exec "$root/usr/lib/chromium/chromium" "$@"
"""


def ensure_installed() -> Path:
    """The browser's program: the system's, else one of Debian's packages.

    Those are fetched once (about 100 MB), without root, into PARTERRE_CACHE (else
    ~/.cache/parterre).

    Raises:
        SetupError: neither is to be had.
    """
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    if not archive.can_fetch():
        raise SetupError(
            f"there is no Chromium on this machine, and nothing to fetch it with ({_ADVICE})"
        )
    try:
        return archive.kept("chromium", fetch_into) / _PROGRAM
    except SetupError as error:
        raise SetupError(f"Chromium could not be fetched: {error} ({_ADVICE})") from None


def fetch_into(fetch: Fetch) -> None:
    """Unpacks Chromium and what of its libraries the system lacks.

    Raises:
        SetupError: a package can't be had.
    """
    plan = fetch.apt("install", "--simulate", "--no-install-recommends", "chromium")
    lacking = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    fetch.unpack(sorted({"chromium", "chromium-common", *lacking}))
    program = fetch.root / _PROGRAM
    program.write_text(_SCRIPT)
    program.chmod(0o755)
