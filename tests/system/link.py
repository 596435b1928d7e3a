"""A link between two processes that can be cut, and can go silent, as a network does.

Where this machine lets us have network namespaces (root, iproute2), a link leads through a host of
its own, and in silence packets are dropped on the way: what is sent waits for the kernel to send it
again, and a new connection is not made. Elsewhere the link takes what comes and holds it back.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

HOST = "127.0.0.1"
_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closed without a word


class Link:
    """A port that leads to another one; of several, to the first that takes a connection.

    Cut, it resets what there is and refuses what comes. Silent, it takes connections and bytes and
    passes nothing on, either way; once it speaks again what was held back arrives.
    """

    def __init__(self, *ports: int, there: str = HOST, host: str = HOST, at: int = 0) -> None:
        self._ports = ports
        self._there = there
        self.host = host
        self.port = at
        self._server: asyncio.Server | None = None
        self._speaks = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

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
        self._server = await asyncio.start_server(self._pass_on, self.host, self.port, backlog=1024)
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
            answers, there = await _first_of(self._there, self._ports)
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


async def _first_of(
    host: str, ports: Sequence[int]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for port in ports[:-1]:
        with suppress(ConnectionRefusedError):
            return await asyncio.open_connection(host, port)
    return await asyncio.open_connection(host, ports[-1])


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class FarLink(Link):
    """A link by way of another host: a network namespace with a line of its own to this one.

    Those who use it connect to that host; that connects to this class's own end of the line, which
    leads to the port.
    """

    _numbers = itertools.count()

    def __init__(self, port: int) -> None:
        number = next(self._numbers)
        self._name = f"pt{secrets.token_hex(3)}"
        near, self._far = (f"10.199.{number}.{end}" for end in (1, 2))
        super().__init__(port, host=near)
        self._stack = ExitStack()
        self._far_port = 0

    @property
    def address(self) -> str:
        return f"{self._far}:{self._far_port}"

    def __enter__(self) -> Self:
        name, near = self._name, self.host
        with self._stack as stack:
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "delete", name)
            _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            stack.callback(subprocess.run, ["ip", "link", "delete", name], capture_output=True)
            _ip("address", "add", f"{near}/30", "dev", name)
            _ip("link", "set", name, "up")
            _ip("-n", name, "address", "add", f"{self._far}/30", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            super().__enter__()
            stack.callback(super().__exit__)
            far = subprocess.Popen(
                [
                    *("ip", "netns", "exec", name, sys.executable, "-m", __name__),
                    *(self._far, near, str(self.port)),
                ],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            stack.callback(far.wait, 10)
            assert far.stdin is not None
            assert far.stdout is not None
            stack.callback(far.stdout.close)
            stack.callback(far.stdin.close)
            self._far_port = int(far.stdout.readline())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """The other host's packets to this one are dropped until the end of the block."""
        dropped = ("-n", self._name, "route", "{}", "blackhole", f"{self.host}/32")
        _ip(*(word.format("add") for word in dropped))
        try:
            yield
        finally:
            _ip(*(word.format("delete") for word in dropped))


def can_be_far() -> bool:
    """Whether this machine lets us have network namespaces."""
    if shutil.which("ip") is None:
        return False
    name = f"pt{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode == 0:
        _ip("netns", "delete", name)
    return made.returncode == 0


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


def _be_far(host: str, there: str, port: int) -> None:
    """What runs on the other host, until nobody wants it any more."""
    with Link(port, there=there, host=host) as link:
        sys.stdout.write(f"{link.port}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    _be_far(sys.argv[1], sys.argv[2], int(sys.argv[3]))
