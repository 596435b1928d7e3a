"""Links that switch a kind of mail off, good for whoever has the mail."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from notification_service.domain.errors import InvalidUnsubscriptionError
from notification_service.domain.kinds import KINDS

_MOST = 500  # characters
_SEAL = 24  # bytes


def unsubscribe_token(key: bytes, addressee: str, kind: str) -> str:
    """What the link in a mail says: whom, and which kind of mail they want no more."""
    stated = f"{kind}:{addressee}".encode()
    return base64.urlsafe_b64encode(_seal(key, stated) + stated).rstrip(b"=").decode()


def read_token(key: bytes, token: str) -> tuple[str, str]:
    """Addressee and kind, as the link was made for.

    Raises:
        InvalidUnsubscriptionError: it was not made here, or of a kind that is essential.
    """
    try:
        raw = base64.b64decode(
            token[:_MOST] + "=" * (-len(token[:_MOST]) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError):
        raise _invalid() from None
    seal, stated = raw[:_SEAL], raw[_SEAL:]
    if not hmac.compare_digest(seal, _seal(key, stated)):
        raise _invalid()
    kind, _, addressee = stated.decode().partition(":")
    if kind not in KINDS or KINDS[kind].is_essential:
        raise _invalid()
    return addressee, kind


def _invalid() -> InvalidUnsubscriptionError:
    return InvalidUnsubscriptionError("This link is not whole; take it from the mail once more.")


def _seal(key: bytes, stated: bytes) -> bytes:
    return hmac.digest(key, b"unsubscribe\0" + stated, hashlib.sha256)[:_SEAL]
