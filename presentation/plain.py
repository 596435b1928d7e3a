"""Text that people wrote, as it can be drawn and put in files.

Services keep text by one rule (`chassis.text`); this takes out what older rows may still have.
"""

from __future__ import annotations

import re
import unicodedata

# Overrides and isolates turn around what stands beside them (Unicode's UAX #9).
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    """The text without controls, its line breaks as spaces."""
    return " ".join(map(_printable, text.splitlines()))


def many_lines(text: str) -> str:
    """The text without controls other than its line breaks."""
    return "\n".join(map(_printable, text.splitlines()))


def _printable(line: str) -> str:
    kept = "".join(each for each in line if unicodedata.category(each) not in {"Cc", "Cs"})
    return _TURNING.sub("", kept)
