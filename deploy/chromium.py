"""Where Chromium is: the browser that tests, screenshots and measurements look at the pages in."""

from __future__ import annotations

import shutil
from pathlib import Path

from deploy.processes import SetupError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def ensure_installed() -> Path:
    """The browser's program.

    Raises:
        SetupError: there is none.
    """
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise SetupError(
        "there is no Chromium on this machine (Debian: apt install chromium;"
        " Ubuntu: snap install chromium)"
    )
