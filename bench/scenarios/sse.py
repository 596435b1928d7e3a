"""From a seat's change to whoever watches: 1,000 streams of one event while its seats are held.

Counted from when the hold was asked for, so its own time is in it, to when each stream's bytes
arrived. A stream that misses a change fails the scenario.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

import orjson
import uvloop

from bench.figures import Report
from bench.load import percentile, request
from bench.system import Person, System

_LISTENERS = 1_000
_ROWS, _SEATS = 200, 100
_HOLDS_A_SECOND = 50
_SECONDS = 15
_SETTLE_SECONDS = 5.0
_CHANGES = re.compile(rb"id: (\S+)\nevent: delta\ndata: (\{[^\n]*\})\n\n")


def run(system: System, report: Report) -> None:
    """Holds seats at a steady rate and looks who hears of it, and when."""
    event_id = system.on_sale(rows=_ROWS, seats=_SEATS)["id"]
    people = system.people(_HOLDS_A_SECOND * _SECONDS)
    uvloop.run(_measure(system, report, event_id, people))


class _Listener(asyncio.Protocol):
    """One stream: when each piece came."""

    def __init__(self, data: bytes) -> None:
        self._request = data
        self.pieces: list[tuple[float, bytes]] = []
        self.began = asyncio.get_running_loop().create_future()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self.began.done():
            if b"event: snapshot" in data:
                self.began.set_result(None)
            elif not data.startswith(b"HTTP/1.1 200") and b"retry: " not in data:
                self.began.set_exception(RuntimeError(repr(data[:200])))
            return
        self.pieces.append((time.perf_counter(), data))

    def connection_lost(self, _error: Exception | None) -> None:
        self.lost = True
        if not self.began.done():
            self.began.set_exception(ConnectionError("the stream was closed"))


async def _measure(system: System, report: Report, event_id: str, people: Sequence[Person]) -> None:
    loop = asyncio.get_running_loop()
    parts = urlsplit(system.url)
    host, port = parts.hostname or "", parts.port or 80
    data = request("GET", f"/api/v1/events/{event_id}/seats/stream")
    before_mib = system.meter.resident_mib("gateway")
    listeners: list[_Listener] = []
    began = time.perf_counter()
    for _ in range(_LISTENERS):
        _, listener = await loop.create_connection(lambda: _Listener(data), host, port)
        listeners.append(listener)
    async with asyncio.timeout(30):
        await asyncio.gather(*(listener.began for listener in listeners))
    report.add("1,000 streams begin in", time.perf_counter() - began, "s")
    mib = system.meter.resident_mib("gateway") - before_mib
    report.add("gateway's memory for each stream", mib / _LISTENERS * 1024, "KiB")

    cpu = system.meter.read()
    asked = await _hold_steadily(host, port, event_id, people)
    await asyncio.sleep(_SETTLE_SECONDS)
    used = system.meter.since(cpu)
    waits = _waits(listeners, asked)
    deltas = max(len(listener.pieces) for listener in listeners)
    for listener in listeners:
        listener.transport.close()
    if any(listener.lost for listener in listeners):
        raise RuntimeError("streams were closed")
    report.at_most("p99", percentile(waits, 0.99) * 1000, "ms", 500)
    report.add("p50", percentile(waits, 0.5) * 1000, "ms")
    report.add("longest", waits[-1] * 1000, "ms")
    report.add("deltas to each stream", deltas / _SECONDS, "/s")
    report.add("CPU: gateway, all told", used["gateway"] / (_SECONDS + _SETTLE_SECONDS), "cores")
    report.add("CPU: generator", used["generator"] / (_SECONDS + _SETTLE_SECONDS), "cores")
    report.add(
        "CPU: gateway for each delta sent",
        used["gateway"] / (deltas * _LISTENERS) * 1e6,
        "us",
    )


async def _hold_steadily(
    host: str, port: int, event_id: str, people: Sequence[Person]
) -> dict[str, float]:
    """Holds one seat after another, each when it is due; when each was asked for."""
    asked: dict[str, float] = {}
    reader, writer = await asyncio.open_connection(host, port)
    began = time.perf_counter()
    for seat_no, person in enumerate(people):
        pause = began + seat_no / _HOLDS_A_SECOND - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        body = {"event_id": event_id, "seat_ids": [str(seat_no)]}
        asked[str(seat_no)] = time.perf_counter()
        writer.write(request("POST", "/api/v1/holds", person.token, body))
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        content = await reader.readexactly(int(length[1]) if length else 0)
        if not head.startswith(b"HTTP/1.1 201"):
            raise RuntimeError(repr(content[:300]))
    writer.close()
    return asked


def _waits(listeners: Sequence[_Listener], asked: dict[str, float]) -> list[float]:
    """How long each change took to each listener, sorted.

    Raises:
        RuntimeError: a listener was not told of a change.
    """
    named: dict[bytes, list[str]] = {}
    waits: list[float] = []
    for listener in listeners:
        missing = set(asked)
        text = b""
        for moment, piece in listener.pieces:
            text += piece
            *whole, text = re.split(rb"(?<=\n\n)\r\n", text)  # a chunk's end
            for chunk in whole:
                for match in _CHANGES.finditer(chunk):
                    seats = named.get(match[1])
                    if seats is None:
                        seats = named[match[1]] = list(orjson.loads(match[2])["changes"])
                    for seat in missing.intersection(seats):
                        waits.append(moment - asked[seat])
                        missing.discard(seat)
        if missing:
            raise RuntimeError(f"a stream was not told of {len(missing)} of {len(asked)} seats")
    return sorted(waits)
