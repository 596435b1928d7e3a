"""Versions of what is answered: ETag, and the conditions that name one (RFC 9110, 13).

A tag is `version-digest`: the version is what an edit counts up, the digest is of all that is
shown, which changes without an edit too (an event's places left, its rating). A condition to read
compares the whole of it. A condition to change compares the version: what was sold meanwhile is no
reason to refuse an edit. What has no version, such as a list, has the digest alone. The tag of an
answer that was compressed ends with how (8.8.3.3).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b
from typing import Annotated

from fastapi import Header
from pydantic import WithJsonSchema

from gateway.problems import ProblemError

CODINGS = ("br", "gzip")
_DIGEST_BYTES = 9
# A tag of the list, or whatever else stands there. Nothing of the text is looked at twice.
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_VERSION = re.compile(r"([1-9][0-9]{0,17})(?:-[0-9a-z-]*)?", re.ASCII)
# More tags than anybody keeps of one thing.
_MOST_TAGS = 100


def tag_of(body: bytes, version: int = 0) -> str:
    """The tag of an answer, without its quotes: of its version, if it has one, and its content."""
    digest = blake2b(body, digest_size=_DIGEST_BYTES).hexdigest()
    return f"{version}-{digest}" if version else digest


def etag(tag: str) -> dict[str, str]:
    """The header that says which version an answer is of."""
    return {"ETag": f'"{tag}"'}


def coded(tag: str, coding: str) -> str:
    """The tag of an answer in that coding ("": in none): other bytes have another one (8.8.3.3)."""
    return f"{tag}-{coding}" if coding else tag


def held(if_none_match: Sequence[str], tag: str) -> str:
    """The tag under which the client has what has this one, in whatever coding; "": it has not.

    Weak tags count, and so does `*` (13.1.2). `if_none_match` are the header's lines. A 304 names
    the tag of what the client has, or it could not tell which of its answers is meant (RFC 9111,
    4.3.4).
    """
    if not if_none_match:
        return ""
    given = ", ".join(if_none_match)
    if given.strip() == "*":
        return tag
    good = {coded(tag, coding) for coding in ("", *CODINGS)}
    found = (found for _weak, found in _TAG.findall(given)[:_MOST_TAGS] if found in good)
    return next(found, "")


async def expected_version(if_match: Sequence[str], current: Callable[[], Awaitable[int]]) -> int:
    """The version that a change is made for (13.1.1); 0: whichever there is.

    `if_match` are the header's lines. Of several versions it is the one there is now, which
    `current` tells; the service that acts looks at it again. Weak tags are no version's.

    Raises:
        ProblemError: STALE_VERSION, none of the tags was ever ours.
    """
    if not if_match:
        return 0
    given = ", ".join(if_match)
    if given.strip() == "*":
        return 0
    versions = {
        int(version[1])
        for weak, tag in _TAG.findall(given)[:_MOST_TAGS]
        if not weak and (version := _VERSION.fullmatch(tag))
    }
    if not versions:
        raise ProblemError("STALE_VERSION", "There never was a version with that ETag.")
    if len(versions) == 1:
        return versions.pop()
    now = await current()
    return now if now in versions else max(versions)


IfMatch = Annotated[
    Sequence[str],
    WithJsonSchema({"type": "string"}),
    Header(
        alias="If-Match",
        description="The ETag it was read with, or several, or `*`: refused where it has been "
        "edited since.",
        examples=['"7"'],
    ),
]
IfNoneMatch = Annotated[
    Sequence[str],
    WithJsonSchema({"type": "string"}),
    Header(
        alias="If-None-Match",
        description="The ETag it was read with, or several: 304 where it is still the same.",
    ),
]
