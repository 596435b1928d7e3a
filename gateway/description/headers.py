"""The headers of answers, described once, and which answers have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def _header(description: str, type: str = "string", **schema: Any) -> Mapping[str, Any]:
    return {"description": description, "schema": {"type": type, **schema}}


HEADERS: Mapping[str, Mapping[str, Any]] = {
    "Allow": _header("The methods that the path has (RFC 9110, 10.2.1)."),
    "Cache-Control": _header("How long the answer may be kept, and by whom (RFC 9111)."),
    "Content-Disposition": _header("The name to save the file by (RFC 6266)."),
    "Content-Language": _header("Of labels, amounts and times (RFC 9110, 8.5).", enum=["en", "ne"]),
    "Deprecation": _header("Since when the route is on its way out (RFC 9745)."),
    "ETag": _header("The version of what is answered (RFC 9110, 8.8.3)."),
    "Idempotency-Replayed": _header(
        "There, and `true`, where this is the answer that a request with this key had before.",
        enum=["true"],
    ),
    "Last-Modified": _header("When what is answered last changed (RFC 9110, 8.8.2)."),
    "Link": _header("`successor-version`: what to call instead (RFC 8288)."),
    "Location": _header(
        "Where what was made, or its list, is found: below this host.", format="uri-reference"
    ),
    "Preference-Applied": _header("Which preference was followed: `wait=N` (RFC 7240)."),
    "RateLimit-Limit": _header("How many requests one may make at once.", "integer", minimum=1),
    "RateLimit-Remaining": _header("How many of them are left.", "integer", minimum=0),
    "RateLimit-Reset": _header("Seconds until all of them are back.", "integer", minimum=0),
    "Retry-After": _header("Seconds to wait before the next try.", "integer", minimum=1),
    "Set-Cookie": _header(
        "The refresh token, or what the device is known by: for browsers, out of scripts' reach."
    ),
    "Sunset": _header("When the route goes (RFC 8594), where that is settled."),
    "Vary": _header("The headers of the request that the answer depends on."),
    "WWW-Authenticate": _header("How to authenticate (RFC 6750)."),
    "X-Request-ID": _header("The request's name: as it was sent, else one of ours."),
}

_ALWAYS = ("X-Request-ID",)
# Of every request that was counted: those to the paths of health are not.
RATE = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_OF_STATUS: Mapping[int, tuple[str, ...]] = {
    304: ("ETag", "Cache-Control", "Vary"),
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),  # where an API key is not good for it
    405: ("Allow",),
    409: ("Retry-After",),  # where waiting helps
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def headers_of(status: int, *, counted: bool, own: Iterable[str] = ()) -> dict[str, Any]:
    """The headers that answers of that status have; `own` are those of the route besides."""
    names = (*own, *_OF_STATUS.get(status, ()), *(RATE if counted else ()), *_ALWAYS)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in dict.fromkeys(names)}
