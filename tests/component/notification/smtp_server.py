"""A mail server in a process of its own, that fails as the recipient's name says.

It writes each thing that happened to a file, one JSON object a line. Recipients: `refused…` is
refused with 550, `later…` with 451, `full…` after the content with 552, `busy…` after the content
with 451, `lost…` has its connection cut after the content came, once; `slow…` is answered late.
Another word is taken, from the second time on, wherever `…once` follows.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


class Handler:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: Counter[str] = Counter()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        name = address.partition("@")[0]
        self._write("rcpt", address)
        self._seen[name] += 1
        again = "once" in name and self._seen[name] > 1
        if name.startswith("refused"):
            return "550 No such mailbox"
        if name.startswith("later") and not again:
            return "451 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        address = envelope.rcpt_tos[0]
        name = address.partition("@")[0]
        again = "once" in name and self._seen[name] > 1
        content = envelope.content
        raw = content.encode() if isinstance(content, str) else content or b""
        if name.startswith("lost") and not again:
            self._write("lost", address, raw)
            assert server.transport is not None
            server.transport.abort()
            return "250 never heard"
        if name.startswith("full"):
            return "552 Mailbox full"
        if name.startswith("busy") and not again:
            return "451 Greylisted"
        if name.startswith("slow"):
            self._write("slow", address, raw)
            await asyncio.sleep(20)
        self._write("taken", address, raw)
        return "250 OK"

    def _write(self, what: str, address: str, content: bytes = b"") -> None:
        entry: dict[str, Any] = {"what": what, "to": address}
        entry["content"] = base64.b64encode(content).decode()
        with self._file.open("a") as file:
            file.write(json.dumps(entry) + "\n")


async def main(port: int, file: Path) -> None:
    loop = asyncio.get_running_loop()
    handler = Handler(file)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="test", loop=loop, enable_SMTPUTF8=True), "127.0.0.1", port
    )
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
