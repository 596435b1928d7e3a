"""Which passwords are good enough."""

from __future__ import annotations

import unicodedata
from collections.abc import Set as AbstractSet

from auth_service.domain.errors import WeakPasswordError

PASSWORD_LENGTH = range(8, 129)  # characters; NIST SP 800-63B asks for 8 at least
_MAX_LOCAL_PART_TO_IGNORE = 2  # "al@example.org" must not forbid every password with "al" in it


def parse_password(text: str) -> str:
    """The password in the form it is hashed in, so that every keyboard's spelling is the same."""
    return unicodedata.normalize("NFKC", text)


def check_password(
    password: str, email: str, common: AbstractSet[str], *, field: str = "password"
) -> None:
    """Refuses a password, given as `field`, that would be guessed; `common` are case-folded.

    Raises:
        WeakPasswordError: and why.
    """
    if len(password) not in PASSWORD_LENGTH:
        raise WeakPasswordError("A password has 8 to 128 characters.", field)
    folded = password.casefold()
    if folded in common or len(set(folded)) < 3:
        raise WeakPasswordError("This password is among the first that are tried.", field)
    local_part = email.partition("@")[0]
    if len(local_part) > _MAX_LOCAL_PART_TO_IGNORE and local_part in folded:
        why = "A password must not contain the name of your e-mail address."
        raise WeakPasswordError(why, field)
