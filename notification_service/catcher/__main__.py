"""Runs the catcher of mails."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from datetime import UTC, datetime
from functools import partial

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from notification_service.catcher.settings import Settings
from notification_service.catcher.store import Store

_MOST_SHOWN = 100
_MOST_BYTES = 32 * 1024 * 1024  # of one mail
_COMMAND_SECONDS = 60.0


log = logging.getLogger("catcher")


class JsonLines(logging.Formatter):
    """One JSON object a line, by the names of Parterre's own lines; nothing of a mail is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """A line."""
        at = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
        line = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "timestamp": f"{at.isoformat(timespec='microseconds')}Z",
            "process": "catcher",
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class Handler:
    """Takes every mail."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keeps a mail."""
        content = envelope.content
        raw = content.encode() if isinstance(content, str) else content or b""
        self._store.add(envelope.rcpt_tos, raw)
        log.info("mail caught", extra={"fields": {"bytes": len(raw)}})
        return "250 Caught"


def routes(store: Store) -> web.Application:
    """What it shows: /mails as JSON, /mails/{number}.eml as it came, /healthz."""

    async def alive(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def mails(request: web.Request) -> web.Response:
        try:
            limit = min(max(int(request.query.get("limit", 20)), 1), _MOST_SHOWN)
        except ValueError:
            raise web.HTTPBadRequest from None
        found = store.newest(request.query.get("to", ""), limit)
        return web.json_response([mail.as_json() for mail in found])

    async def original(request: web.Request) -> web.Response:
        mail = store.find(int(request.match_info["number"]))
        if mail is None:
            raise web.HTTPNotFound
        return web.Response(body=mail.content, content_type="message/rfc822")

    application = web.Application()
    application.router.add_get("/healthz", alive)
    application.router.add_get("/mails", mails)
    application.router.add_get(r"/mails/{number:\d{1,12}}.eml", original)
    return application


async def run(settings: Settings) -> None:
    """Serves until it is told to stop."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stopped.set)
    store = Store(settings.most_mails, settings.most_bytes)
    make = partial(
        SMTP,
        Handler(store),
        hostname="catcher",
        data_size_limit=_MOST_BYTES,
        timeout=_COMMAND_SECONDS,
        loop=loop,
    )
    runner = web.AppRunner(routes(store), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.http_port).start()
        server = await loop.create_server(make, settings.host, settings.smtp_port)
        async with server:
            await stopped.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Runs the catcher with settings from the environment (CATCHER_...)."""
    argparse.ArgumentParser(prog="notification_service.catcher", description=__doc__).parse_args()
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in ("mail.log", "aiohttp", "asyncio"):  # aiosmtpd tells every line it hears
        logging.getLogger(library).setLevel(logging.WARNING)
    asyncio.run(run(Settings()))


if __name__ == "__main__":
    main()
