"""Where somebody comes from who has proved nothing yet, and devices that were logged in before."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

_MAX_ADDRESS = 64  # characters of a client's address that are kept
_NO_NETWORK = "-"  # of a caller within the system
_MAX_DEVICE = 120  # characters


@dataclass(frozen=True, slots=True)
class Device:
    """One that was logged in before, as it says itself, under our seal."""

    source: str  # what its failures are counted by
    password_version: int  # another password makes a stranger of it
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceToken:
    """What a device is known by at its next log-in."""

    token: str
    expires_in: int  # seconds


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where somebody comes from who has proved nothing yet."""

    address: str  # as it is throttled; empty: a caller within the system
    network: str
    device: Device | None = None


def throttled_by(address: str) -> str:
    """What a client is throttled by: its address; of IPv6 the /64 it has to itself (RFC 6177)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return kept(address, _MAX_ADDRESS)
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Network((int(parsed), 64), strict=False))


def network_of(address: str) -> str:
    """Where tries against one account are counted together: the /24 of IPv4, the /64 of IPv6.

    Whoever has one address often has its neighbours too.
    """
    by = throttled_by(address)
    try:
        return str(IPv4Network((int(IPv4Address(by)), 24), strict=False))
    except ValueError:
        return by or _NO_NETWORK


def kept(text: str, length: int) -> str:
    """What the client says of itself, cut to size, without the one character that can't be kept."""
    return text.replace("\0", "")[:length]


def device_token(
    pepper: bytes, email: str, *, source: str, password_version: int, expires_at: datetime
) -> str:
    """What the device `source` is known by, for one account and password."""
    stated = f"{password_version}.{int(expires_at.timestamp())}.{source}"
    return f"{stated}.{_seal(pepper, email, stated)}"


def read_device(pepper: bytes, email: str, token: str) -> Device | None:
    """The device that the token was made for; None where it was not made here for this account."""
    stated, _, seal = token.rpartition(".")
    if len(token) > _MAX_DEVICE or not hmac.compare_digest(
        seal.encode(), _seal(pepper, email, stated).encode()
    ):
        return None
    password_version, expires_at, source = stated.split(".", 2)
    return Device(source, int(password_version), datetime.fromtimestamp(int(expires_at), UTC))


def _seal(pepper: bytes, email: str, stated: str) -> str:
    digest = hmac.digest(pepper, "\0".join(("DEVICE", email, stated)).encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
