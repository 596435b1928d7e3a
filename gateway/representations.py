"""What a read answers: not at all where the client has it, and compressed where it may be.

Compressed is only what anybody may read: the length of a compressed answer gives away whether
something secret in it resembles what somebody else put beside it (BREACH).
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Annotated, Any, NamedTuple

import brotli as brotli_codec
import orjson
from fastapi import Header
from starlette.responses import Response

from gateway.snapshots import BROTLI, GZIP, PLAIN, best_encoding
from gateway.versions import coded, etag, held, tag_of

# Less does not get smaller by as much as it costs.
_LEAST_BYTES = 1024
# More is compressed beside the event loop.
_MOST_HERE = 64 * 1024


class Effort(NamedTuple):
    """How much is done to make an answer small: gzip's level and Brotli's quality."""

    gzip: int
    brotli: int


# Fast rather than small: lists are made for each who asks.
FAST = Effort(2, 2)
# What is kept for many who ask: of a page's document a fifth less than fast, in 0.04 ms more.
SMALL = Effort(6, 5)
_GZIP_WINDOW = zlib.MAX_WBITS | 16  # with gzip's own header (zlib's manual, deflateInit2)

AcceptEncoding = Annotated[Sequence[str], Header(alias="Accept-Encoding", include_in_schema=False)]


def to_json(content: Any) -> bytes:
    """JSON, as every answer is written."""
    return orjson.dumps(content)


def own(body: bytes, if_none_match: Sequence[str]) -> Response:
    """JSON that is its reader's alone: kept by no cache, never compressed."""
    tag = tag_of(body)
    if held(if_none_match, tag):
        return Response(status_code=304, headers=etag(tag))
    return Response(body, headers=etag(tag), media_type="application/json")


async def public(
    body: bytes,
    tag: str,
    if_none_match: Sequence[str],
    accept_encoding: Sequence[str],
    made: MutableMapping[str, bytes] | None = None,
    *,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
    effort: Effort = FAST,
) -> Response:
    """What anybody may read, in the coding the client likes best.

    `made` keeps what was compressed, for whoever asks next; `headers` come on top.
    """
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding", **(headers or {})}
    if has := held(if_none_match, tag):
        return Response(status_code=304, headers={**headers, **etag(has)})
    coding = best_encoding(", ".join(accept_encoding)) if len(body) >= _LEAST_BYTES else PLAIN
    if coding == PLAIN:
        headers |= etag(tag)
    else:
        headers |= {**etag(coded(tag, coding)), "Content-Encoding": coding}
        kept = made.get(coding) if made is not None else None
        body = kept or await _compressed(body, coding, effort)
        if made is not None:
            made[coding] = body
    return Response(body, headers=headers, media_type=media_type)


async def _compressed(body: bytes, coding: str, effort: Effort) -> bytes:
    if len(body) <= _MOST_HERE:
        return compress(body, coding, gzip=effort.gzip, brotli=effort.brotli)
    return await asyncio.to_thread(compress, body, coding, gzip=effort.gzip, brotli=effort.brotli)


def compress(body: bytes, coding: str, *, gzip: int, brotli: int) -> bytes:
    """The body in that coding, made with gzip's level or Brotli's quality."""
    if coding == BROTLI:
        return bytes(brotli_codec.compress(body, quality=brotli))
    assert coding == GZIP  # noqa: S101 - there is no other
    deflate = zlib.compressobj(gzip, zlib.DEFLATED, _GZIP_WINDOW)
    return deflate.compress(body) + deflate.flush()
