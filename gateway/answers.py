"""The kinds of answers, each with its media type."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response


class Json(JSONResponse):
    """A JSON answer; what it is made of was checked by the types of `views`."""

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class Png(Response):
    """A picture."""

    media_type = "image/png"


class WebP(Response):
    """A photograph."""

    media_type = "image/webp"


class Svg(Response):
    """A drawing of our own; nothing in it runs or loads anything."""

    media_type = "image/svg+xml"


class Pdf(Response):
    """A document to print."""

    media_type = "application/pdf"


class Calendar(Response):
    """A date for a calendar (RFC 5545)."""

    media_type = "text/calendar"


class Csv(Response):
    """A table (RFC 4180)."""

    media_type = "text/csv"


class EventStream(Response):
    """An answer that goes on."""

    media_type = "text/event-stream"


# By media type; `*/*` is a file of whichever.
CLASSES: dict[str, type[Response]] = {
    "*/*": Response,
    "application/pdf": Pdf,
    "image/png": Png,
    "image/webp": WebP,
    "image/svg+xml": Svg,
    "text/calendar": Calendar,
    "text/csv": Csv,
    "text/event-stream": EventStream,
    "text/html": HTMLResponse,
    "text/plain": PlainTextResponse,
}
