"""Organizers' webhooks: the facts that can be sent, where to, how signed, and how often tried.

By the Standard Webhooks specification (standardwebhooks.com, 1.0).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from uuid import UUID

from chassis.text import flaw_in_line, line
from notification_service.domain.bookings import EndedBooking, ReturnedMoney
from notification_service.domain.errors import (
    InvalidCursorError,
    InvalidFilterError,
    InvalidWebhookEndpointError,
)
from notification_service.domain.events import Event
from notification_service.domain.mails import Draft

# What an organizer may choose.
FACTS = (
    "booking.confirmed",
    "booking.cancelled",
    "ticket.admitted",
    "payment.refunded",
    "event.published",
    "event.changed",
    "event.cancelled",
)
TEST = "webhook.test"
# What went wrong with a try on our side; the others are `calling`'s.
NOT_WRITTEN, SECRET_LOST = "NOT_WRITTEN", "SECRET_LOST"
ENABLED, DISABLED, FAILING, GONE = ENDPOINT_STATUSES = ("ENABLED", "DISABLED", "FAILING", "GONE")
WAITING, DELIVERED, GIVEN_UP = DELIVERY_STATUSES = ("WAITING", "DELIVERED", "GIVEN_UP")
MAX_URL = 2_000
MAX_DESCRIPTION = 100
MAX_PAGE = 100
MAX_ENDPOINTS = 20
# An hour; each is a call to the outside that somebody has us make.
MAX_TESTS = 60
# How long both secrets sign after there is a new one.
OLD_SECRET_GOOD = timedelta(hours=24)
# An endpoint of which nothing succeeded for so long is disabled.
FAILS_AT_MOST = timedelta(days=3)
# After each try that failed; a day in all, and the last one is the last.
_PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 60, 300, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 8 * 3600)
)
# An endpoint that fails so often in a row rests before the next try of whatever waits for it.
_FAILURES_BEFORE_REST = 3
_LONGEST_REST = timedelta(minutes=5)
_SECRET_PREFIX = "whsec_"  # noqa: S105 - as the specification has it
# 443 and 8443 are what a server with a certificate listens on; others stay closed to us.
_PORTS = frozenset({443, 8443})

# The whole of a URL, character by character, so that no two readers can read two hosts in it: no
# user, no backslash, no blank, nothing beyond ASCII, no fragment.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
    re.ASCII,
)
_HEAD = re.compile(r"(https?://)([^/?#\\]*)", re.ASCII | re.IGNORECASE)
# The last label of a name has a letter first: 127.1, 0x7f.1 and 2130706433 are no names.
_NAME = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII
)
# IPv4 addresses that are no public host's (IANA's registry of special-purpose addresses).
_CLOSED_V4 = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
# Public hosts have their IPv6 addresses here. What has an IPv4 address in it (mapped, compatible,
# NAT64) lies elsewhere, and is closed with all the rest; Teredo and 6to4 lie within.
_OPEN_V6 = ip_network("2000::/3")
_CLOSED_V6 = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened, for the organizer it concerns."""

    key: str  # names it: of one fact an endpoint gets one delivery
    name: str  # one of FACTS
    organizer_id: UUID
    said: Mapping[str, Any]  # ids and state; JSON
    at: datetime | None = None  # when it happened; None: when it was heard of


@dataclass(frozen=True, slots=True)
class EndpointWish:
    """An endpoint as its owner wants it."""

    url: str
    description: str
    facts: Sequence[str]


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """What is to change of an endpoint; None: nothing."""

    url: str | None = None
    description: str | None = None
    facts: Sequence[str] | None = None
    is_enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an organizer's facts are sent."""

    id: UUID
    url: str
    description: str
    facts: Sequence[str]
    status: str  # one of ENDPOINT_STATUSES
    failing_since: datetime | None
    old_secret_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """A fact that is, was, or will be sent to an endpoint."""

    id: UUID
    endpoint_id: UUID
    fact: str
    status: str  # one of DELIVERY_STATUSES
    attempts: int
    created_at: datetime
    next_try_at: datetime | None
    tried_at: datetime | None
    answer_status: int | None  # of HTTP
    answer: str
    duration_ms: int | None
    error: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that is being sent."""

    id: UUID
    endpoint_id: UUID
    organizer_id: UUID
    url: str
    fact: str
    said: Mapping[str, Any]
    at: datetime
    now: datetime  # by the database's clock
    attempts: int  # this one included
    sealed_secrets: Sequence[str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)  # as at the first try; None: this is it


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a try to send."""

    status: int | None = None  # of HTTP; None: there was no answer
    beginning: str = ""  # of the answer
    error: str = ""  # a word of ours; empty: there was an answer
    duration_ms: int = 0

    @property
    def is_success(self) -> bool:
        """Whether the endpoint took it. A redirect is a refusal: it is not followed."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_ours(self) -> bool:
        """Whether nothing was sent, for a reason that the endpoint can't help."""
        return self.error in {NOT_WRITTEN, SECRET_LOST}

    @property
    def is_gone(self) -> bool:
        """Whether the endpoint asks for no more, ever (410, as the specification has it)."""
        return self.status == 410


@dataclass(frozen=True, slots=True)
class DeliveriesWritten:
    """Noted when there is something to be sent."""


def ending(booking: EndedBooking) -> Fact | None:
    """That a booking is confirmed, or cancelled; None: it ended otherwise."""
    name = f"booking.{booking.status.lower()}"
    if name not in FACTS or booking.organizer_id is None:
        return None
    return Fact(
        f"booking:{booking.booking_id}:{booking.version}",
        name,
        booking.organizer_id,
        {
            "booking_id": str(booking.booking_id),
            "booking_reference": booking.reference,
            "event_id": booking.event_id,
            "status": booking.status,
            "reason": booking.reason or None,
        },
    )


def refund(money: ReturnedMoney) -> Fact | None:
    """That money went back; None: whose it was is not known."""
    if money.organizer_id is None:
        return None
    return Fact(
        f"refund:{money.refund_id}",
        "payment.refunded",
        money.organizer_id,
        {
            "refund_id": str(money.refund_id),
            "payment_id": money.payment_id,
            "booking_id": str(money.booking_id),
            "booking_reference": money.reference,
            "event_id": money.event_id,
            "amount": {"amount": money.amount, "currency": money.currency},
            "refunded": {"amount": money.refunded, "currency": money.currency},
            "captured": {"amount": money.captured, "currency": money.currency},
            "reason": money.reason or None,
        },
        money.at,
    )


def listing(event: Event, *, is_new: bool) -> Fact:
    """That an event went on sale, or changed since."""
    name = "event.published" if is_new else "event.changed"
    key = f"published:{event.id}" if is_new else f"changed:{event.id}:{event.version}"
    said = {"event_id": str(event.id), "version": event.version}
    return Fact(key, name, event.organizer_id, said)


def calling_off(event_id: UUID, organizer_id: UUID, reason: str) -> Fact:
    """That an event is cancelled."""
    said = {"event_id": str(event_id), "reason": reason or None}
    return Fact(f"cancelled:{event_id}", "event.cancelled", organizer_id, said)


def parse_endpoint(
    url: str, description: str, facts: Sequence[str], *, allows_loopback: bool
) -> EndpointWish:
    """An endpoint as its owner wants it.

    Raises:
        InvalidWebhookEndpointError: a field is not right.
    """
    change = parse_change(url, description, facts, None, allows_loopback=allows_loopback)
    if not change.facts:
        raise InvalidWebhookEndpointError("Some fields are not right.", facts="Name at least one.")
    return EndpointWish(change.url or "", change.description or "", change.facts)


def parse_change(
    url: str | None,
    description: str | None,
    facts: Sequence[str] | None,
    is_enabled: bool | None,  # noqa: FBT001 - as the change says it
    *,
    allows_loopback: bool,
) -> EndpointChange:
    """What is to change of an endpoint.

    Raises:
        InvalidWebhookEndpointError: a field is not right.
    """
    wrong = {}
    if url is not None:
        url = _in_small_letters(url)
        if flaw := flaw_in_url(url, allows_loopback=allows_loopback):
            wrong["url"] = flaw
    if description is not None:
        description = line(description)
        if len(description) > MAX_DESCRIPTION:
            wrong["description"] = f"A description has up to {MAX_DESCRIPTION} characters."
        elif flaw := flaw_in_line(description):
            wrong["description"] = f"A description {flaw}."
    if facts:
        facts = list(dict.fromkeys(facts[: len(FACTS) + 1]))
        if unknown := [fact for fact in facts if fact not in FACTS]:
            wrong["facts"] = f"There is no fact {unknown[0][:40]!r}."
    if wrong:
        raise InvalidWebhookEndpointError("Some fields are not right.", **wrong)
    return EndpointChange(url, description, facts or None, is_enabled)


def _in_small_letters(url: str) -> str:
    """Scheme and host in small letters, which mean the same (RFC 3986, 6.2.2.1)."""
    head = _HEAD.match(url[:MAX_URL])
    return head[0].lower() + url[head.end() :] if head else url


def flaw_in_url(url: str, *, allows_loopback: bool) -> str:
    """Why nothing can be sent to a URL; "": nothing is wrong with it as it is written.

    A name may still resolve to an address that is closed: that is seen when it is connected to.
    """
    if len(url) > MAX_URL:
        return f"Must have up to {MAX_URL} characters."
    if not url.isascii():
        return "Must be ASCII: write the host as xn--..., and the rest percent-encoded."
    parts = _URL.fullmatch(url)
    if parts is None:
        return "Must be an https URL, without a user, a blank or a fragment."
    host, port = parts["host"], int(parts["port"] or 443)
    address = address_of(host)
    if allows_loopback and (host == "localhost" or (address and address.is_loopback)):
        return "" if 1 <= port <= 65535 else "Must have a port that there is."
    flaws = {
        "Must have a whole host name, such as hooks.example.org.": address is None
        and not _NAME.fullmatch(host),
        "Must be https.": parts["scheme"] != "https",
        "Must be at port 443 or 8443.": port not in _PORTS,
        "Must be an address of the public internet.": address is not None
        and is_closed(address, allows_loopback=allows_loopback),
    }
    return next((flaw for flaw, is_so in flaws.items() if is_so), "")


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is written as; None: it is a name."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]").partition("%")[0])
    except (AddressValueError, ValueError):
        return None


def is_closed(address: IPv4Address | IPv6Address, *, allows_loopback: bool) -> bool:
    """Whether nothing is sent to an address, for it is no public host's."""
    if allows_loopback and address.is_loopback:
        return False
    if isinstance(address, IPv4Address):
        return any(address in network for network in _CLOSED_V4)
    return address not in _OPEN_V6 or any(address in network for network in _CLOSED_V6)


def secret_of(random: bytes) -> str:
    """A secret as organizers are shown it, of 24 to 64 random bytes."""
    return _SECRET_PREFIX + base64.b64encode(random).decode()


def signatures(secrets: Sequence[str], id: str, at: int, body: bytes) -> str:
    """What `webhook-signature` says: one signature by each secret; `at` in seconds since 1970."""
    signed = f"{id}.{at}.".encode() + body
    made = [
        hmac.digest(base64.b64decode(secret.removeprefix(_SECRET_PREFIX)), signed, hashlib.sha256)
        for secret in secrets
    ]
    return " ".join(f"v1,{base64.b64encode(each).decode()}" for each in made)


def pause_after(attempts: int) -> timedelta | None:
    """How long after a try that failed the next one is, but for jitter; None: there is none."""
    return _PAUSES[attempts - 1] if attempts <= len(_PAUSES) else None


def rest_after(failures: int) -> timedelta:
    """How long an endpoint is left alone that has failed so often in a row."""
    beyond = failures - _FAILURES_BEFORE_REST
    if beyond < 0:
        return timedelta(0)
    return min(_LONGEST_REST, timedelta(seconds=5 * 2 ** min(beyond, 10)))


def disabled_mail(parcel: Parcel, why: str, failing_since: datetime) -> Draft:
    """The mail that tells an organizer that nothing is sent to an endpoint any more."""
    return Draft(
        f"webhook-disabled:{parcel.endpoint_id}:{failing_since.isoformat()}",
        "webhook_disabled",
        {"url": parcel.url, "is_gone": why == GONE},
        person_id=parcel.organizer_id,
    )


def check_page(limit: int, status: str = "") -> None:
    """Holds what is asked of a list to what there is.

    Raises:
        InvalidFilterError: it is not.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidFilterError("No such page.", limit=f"must be 1-{MAX_PAGE}")
    if status and status not in DELIVERY_STATUSES:
        raise InvalidFilterError("No such status.", status="is not known")


def to_cursor(last: UUID) -> str:
    """What the next page is asked for with."""
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode()


def from_cursor(cursor: str) -> UUID:
    """The id that the page of `cursor` (empty: the first) comes after, in falling order.

    Raises:
        InvalidCursorError: it is none.
    """
    if not cursor:
        return UUID(int=2**128 - 1)
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return UUID(bytes=raw)
    except (binascii.Error, ValueError):
        raise InvalidCursorError("Not a cursor of ours.", cursor="is not valid") from None
