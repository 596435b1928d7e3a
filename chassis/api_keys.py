"""API keys as they are written: a prefix, 190 random bits, a checksum.

The form is that of other services' tokens, so that scanners of repositories and logs find a key by
the pattern `ptk_[0-9A-Za-z]{38}`, and a mistyped one is told without asking anybody.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib

PREFIX = "ptk_"
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 32
_CHECK_LENGTH = 6  # 62 to the power of 6 is more than there are CRC-32s
_KEY = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECK_LENGTH}}}")
# What is shown of a key in lists, for its owner to tell one from another.
_SHOWN_LENGTH = len(PREFIX) + 4


def new_key() -> str:
    """A key that nobody can guess."""
    random = "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM_LENGTH))
    return PREFIX + random + _check(random)


def is_whole(text: str) -> bool:
    """Whether `text` is written as a key is, its checksum included."""
    if not _KEY.fullmatch(text):
        return False
    random = text[len(PREFIX) : -_CHECK_LENGTH]
    return text.endswith(_check(random))


def shown_of(key: str) -> str:
    """The beginning of a key, which may be shown; more than 160 random bits are left."""
    return key[:_SHOWN_LENGTH]


def _check(random: str) -> str:
    left, digits = zlib.crc32(random.encode()), ""
    for _ in range(_CHECK_LENGTH):
        left, digit = divmod(left, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
