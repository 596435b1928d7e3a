"""Optimistic edits: the version that was read goes out as ETag and comes back as If-Match."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header
from pydantic import BeforeValidator, WithJsonSchema

from gateway.problems import ProblemError

_OURS = re.compile(r'"([1-9][0-9]{0,17})"', re.ASCII)


def etag(version: int) -> dict[str, str]:
    """The header that says which version an answer is of."""
    return {"ETag": f'"{version}"'}


def _expected(if_match: str) -> int:
    if if_match.strip() == "*":
        return 0
    found = _OURS.fullmatch(if_match.strip())
    if found is None:
        # A tag we never gave, a weak one too, is no version's.
        raise ProblemError("STALE_VERSION", "There never was a version with that ETag.")
    return int(found[1])


# The version a change was made for (RFC 9110, 13.1.1); 0, where the header is absent: whichever.
Expected = Annotated[
    int,
    BeforeValidator(_expected),
    WithJsonSchema({"type": "string"}),
    Header(
        alias="If-Match",
        description="The ETag it was read with, or `*`: refused where it has changed since.",
        examples=['"7"'],
    ),
]
