"""The fonts that everything printed is set in: the Noto family, for nearly every living script.

Two packages bring them (SIL Open Font License 1.1). A file is read when a letter of it is drawn
first, and what a document does not use of it is left out. A letter that none of them has is drawn
as an empty box, and so is seen to be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import typst

_PACKAGES = ("manimgx_fonts", "manimgx_fonts_cjk")
_FIRST = "Noto Sans"  # Latin, Greek, Cyrillic
_CJK = "Noto Sans CJK"
# Han characters are drawn as they are where they are read. Each has all of them, and 32 MB.
_HAN = {"ja": "JP", "ko": "KR"}


@cache
def font_book() -> typst.Fonts:
    """Every font there is, found once; of a file only what is drawn is read."""
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(files(package)) for package in _PACKAGES],
    )


@cache
def families(language: str) -> Sequence[str]:
    """The families for a text of a language, in the order in which they are asked for a letter."""
    others = [
        each for each in font_book().families() if each != _FIRST and not each.startswith(_CJK)
    ]
    return [_FIRST, *others, f"{_CJK} {_HAN.get(language, 'SC')}"]
