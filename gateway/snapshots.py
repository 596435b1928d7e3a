"""Seat maps as bytes: what never changes of a hall is encoded and compressed once.

A seat map is a long head (every seat of every row) and a short tail (standing places, version,
what is taken). The tail is compressed by itself and put behind the compressed head, which gives
one stream as good as any (ADR 0015):

- gzip: the head's deflate blocks end on a byte with a full flush, so that blocks that know
  nothing of them may follow; the checksum of the whole is carried on from the head's.
- brotli: a flushed encoder ends on a byte too. The tail comes from an encoder of quality 1, whose
  output refers to nothing but itself: no static dictionary, whose references depend on the
  position in the stream, and no contexts of earlier bytes.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import brotli
import orjson
from parterre.inventory.v1 import inventory_pb2

from presentation.views import seats as views

GZIP = "gzip"
BROTLI = "br"
PLAIN = "identity"
_WEIGHT = re.compile(r"[qQ]=([01](?:\.[0-9]{0,3})?)")
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # RFC 1952: deflate, no time, no name
_RAW_DEFLATE = -zlib.MAX_WBITS
# Once for each hall, beside the event loop; 20,000 seats take 20 ms and 80 ms.
_HEAD_DEFLATE_LEVEL = 6
_HEAD_BROTLI_QUALITY = 9
# For each version that somebody asks for; 2,000 taken seats take 0.2 ms.
_TAIL_DEFLATE_LEVEL = 2
_TAIL_BROTLI_QUALITY = 1


def best_encoding(accept_encoding: str) -> str:
    """The coding the client likes best, of those as good the smallest (RFC 9110, 12.5.3).

    A weight of 0 means never; `*` stands for what is not named.
    """
    weights: dict[str, float] = {}
    for wish in accept_encoding.split(","):
        name, has_weight, weight = wish.partition(";")
        given = _WEIGHT.fullmatch(weight.strip()) if has_weight else None
        if has_weight and given is None:
            continue
        weights[name.strip().lower()] = float(given[1]) if given else 1.0
    others = weights.get("*", 0.0)
    liking = {coding: weights.get(coding, others) for coding in (BROTLI, GZIP)}
    best = max(liking, key=lambda coding: liking[coding])
    return best if liking[best] and liking[best] >= weights.get(PLAIN, 0.0) else PLAIN


@dataclass(frozen=True, slots=True)
class Head:
    """The numbered sections of an event, encoded once for everybody who asks."""

    plain: bytes
    deflated: bytes
    checksum: int
    brotli: bytes

    @classmethod
    def of(cls, event_id: str, sections: Sequence[views.SeatedPlaces]) -> Head:
        """Encodes and compresses; takes 0.1 s for 20,000 seats."""
        plain = orjson.dumps({"event_id": event_id, "sections": sections})[:-2]
        deflate = zlib.compressobj(_HEAD_DEFLATE_LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
        deflated = deflate.compress(plain) + deflate.flush(zlib.Z_FULL_FLUSH)
        compressor = brotli.Compressor(quality=_HEAD_BROTLI_QUALITY)
        packed = compressor.process(plain) + compressor.flush()
        return cls(plain, deflated, zlib.crc32(plain), packed)

    def followed_by(self, tail: bytes, encoding: str) -> bytes:
        """Head and tail as one body in that encoding."""
        if encoding == BROTLI:
            compressor = brotli.Compressor(quality=_TAIL_BROTLI_QUALITY)
            compressor.flush()  # the stream's header, which the head has
            return self.brotli + bytes(compressor.process(tail) + compressor.finish())
        if encoding == GZIP:
            deflate = zlib.compressobj(_TAIL_DEFLATE_LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
            checksum = zlib.crc32(tail, self.checksum)
            length = (len(self.plain) + len(tail)) & 0xFFFFFFFF
            return b"".join(
                (
                    _GZIP_HEADER,
                    self.deflated,
                    deflate.compress(tail),
                    deflate.flush(),
                    struct.pack("<II", checksum, length),
                )
            )
        return self.plain + tail

    @property
    def size(self) -> int:
        """Bytes it takes to keep."""
        return len(self.plain) + len(self.deflated) + len(self.brotli)


@dataclass(frozen=True, slots=True)
class Hall:
    """An event's sections: the numbered ones as a `Head`, the standing ones by their ids."""

    head: Head
    standing: Mapping[str, views.StandingPlaces]

    @classmethod
    def of(cls, event_id: str, places: inventory_pb2.SeatMap) -> Hall:
        """Encodes what inventory tells of a hall."""
        seated: list[views.SeatedPlaces] = []
        standing: dict[str, views.StandingPlaces] = {}
        for section in map(views.places, places.sections):
            if section["kind"] == "SEATED":
                seated.append(section)
            else:
                standing[section["id"]] = section
        return cls(Head.of(event_id, seated), standing)

    def tail(
        self,
        version: int,
        taken: Mapping[str, bytes],
        pools: Mapping[str, tuple[int, int]],
    ) -> bytes:
        """What follows the head.

        `taken` are the seats of each status as JSON, `pools` what is available and the capacity.
        """
        sections: list[views.StandingPlaces] = []
        for id, section in self.standing.items():
            available, capacity = pools.get(id, (section["available"], section["capacity"]))
            sections.append({**section, "available": available, "capacity": capacity})
        between = b"," if sections and not self.head.plain.endswith(b"[") else b""
        return b"".join(
            (
                between,
                orjson.dumps(sections)[1:],
                b',"version":%d,"taken":' % version,
                as_object(taken),
                b"}",
            )
        )


def as_object(fields: Mapping[str, bytes]) -> bytes:
    """A JSON object of plain names and values that are JSON already."""
    return b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), fields[name]) for name in fields)


@dataclass(slots=True)
class Bodies:
    """The answers of one version, each encoding made when it is first asked for."""

    version: int
    tail: bytes
    made: dict[str, bytes] = field(default_factory=dict)

    def body(self, hall: Hall, encoding: str) -> bytes:
        """The whole answer in that encoding."""
        made = self.made.get(encoding)
        if made is None:
            made = self.made[encoding] = hall.head.followed_by(self.tail, encoding)
        return made
