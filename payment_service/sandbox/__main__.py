"""Runs the sandbox provider until SIGTERM or SIGINT."""

import logging
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from payment_service.sandbox.answers import CONNECTION
from payment_service.sandbox.app import create_app
from payment_service.sandbox.settings import Settings


class JsonLines(logging.Formatter):
    """One JSON object a line; what a call gives as `extra={"fields": …}` stands beside the message.

    The names are those of Parterre's own lines, so that one search finds both.

    Callers name the fields, so that tokens, keys and page addresses never get here.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "timestamp": _iso(record.created),
            "process": "sandbox",
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def _iso(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{at.isoformat(timespec='microseconds')}Z"


class CuttableProtocol(HttpToolsProtocol):
    """Lets an answer cut its own connection without a byte, for which ASGI has no message."""

    withheld = False

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # Uvicorn's type for a scope knows only the extensions that it has itself.
        self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]

    def cut(self) -> None:
        self.transport.abort()

    def shutdown(self) -> None:
        # A stop waits for answers, but not for one that will never come.
        if self.withheld:
            self.cut()
        else:
            super().shutdown()


def main() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)

    settings = Settings.given()
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http=CuttableProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=2048,
            # Longer than a client keeps an idle connection: it must not write to a dead one.
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
        )
    )
    # Uvicorn raises the signal again once it has drained; a stop that was asked for is no failure.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        uvloop.run(server.serve())


if __name__ == "__main__":
    main()
