"""A link between two processes that can be cut, and can go silent, as a network does."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Self

HOST = "127.0.0.1"
_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closed without a word


class Link:
    """A port that leads to another one; of several, to the first that takes a connection.

    Cut, it resets what there is and refuses what comes. Silent, it takes connections and bytes and
    passes nothing on, either way; once it speaks again what was held back arrives.
    """

    def __init__(self, *ports: int, at: int = 0) -> None:
        self._ports = ports
        self.port = at
        self._server: asyncio.Server | None = None
        self._speaks = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Nothing gets through until the end of the block, and both sides know it at once."""
        self._do(self._close())
        try:
            yield
        finally:
            self._do(self._open())

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Nothing gets through until the end of the block, and nobody is told."""
        self._loop.call_soon_threadsafe(self._speaks.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._speaks.set)

    def _do(self, work: asyncio._CoroutineLike[None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        self._speaks.set()
        self._server = await asyncio.start_server(self._pass_on, HOST, self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            _reset(writer)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            await self._speaks.wait()
            answers, there = await _first_of(self._ports)
            self._writers.add(there)
            await asyncio.gather(self._copy(reader, there), self._copy(answers, writer))
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            for each in (writer, there):
                if each is not None:
                    self._writers.discard(each)
                    each.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._speaks.wait()
            writer.write(chunk)
            await writer.drain()
        await self._speaks.wait()
        if writer.can_write_eof():
            with suppress(OSError):
                writer.write_eof()


async def _first_of(ports: Sequence[int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for port in ports[:-1]:
        with suppress(ConnectionRefusedError):
            return await asyncio.open_connection(HOST, port)
    return await asyncio.open_connection(HOST, ports[-1])


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
