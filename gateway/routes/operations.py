"""Health, the local mailbox, and the page that shows the API."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from fastapi import Path as PathParameter
from fastapi import Query, Request
from parterre.notification.v1 import notification_pb2
from starlette.responses import FileResponse, PlainTextResponse, Response

from gateway.answers import Json
from gateway.bodies.operations import MailboxQuery
from gateway.description.document import Description
from gateway.problems import ProblemError
from gateway.routing import (
    OPEN,
    Behind,
    Routes,
)
from gateway.versions import IfNoneMatch, held
from presentation.views import base
from presentation.views import operations as views

HEALTH = Routes("Operations", prefix="")
MAILBOX = Routes("Development")
DOCS = Routes("Documentation", prefix="/api")

_OWN = Path(__file__).parent.parent / "docs_page"
# What the page is made of: ours, and Swagger UI from its package.
_SWAGGER_UI = Path(str(files("fastapi_offline"))) / "static"
_ASSETS = {
    "start.js": _OWN / "start.js",
    "icon.svg": _OWN / "icon.svg",
    "swagger-ui-bundle.js": _SWAGGER_UI / "swagger-ui-bundle.js",
    "swagger-ui.css": _SWAGGER_UI / "swagger-ui.css",
}
_PAGE_HEADERS = {
    # Swagger UI draws its icons from data URLs; all else are files of the page.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Cache-Control": "no-cache",
}


@HEALTH.route("GET", "/healthz", OPEN, media_type="text/plain")
async def alive() -> Response:
    """Whether the gateway answers."""
    return PlainTextResponse("ok")


@HEALTH.route("GET", "/readyz", OPEN, answers=views.Readiness, refuses=["SERVICE_UNAVAILABLE"])
async def ready(behind: Behind) -> Response:
    """Whether what the gateway needs answers too."""
    if await behind.health.failures():
        raise ProblemError("SERVICE_UNAVAILABLE", "Something the gateway needs does not answer.")
    return Json({"ready": True})


@MAILBOX.route(
    "GET", "/dev/mailbox", OPEN, answers=base.Page[views.Mail], refuses=["MAILBOX_CLOSED"]
)
async def read_mailbox(query: Annotated[MailboxQuery, Query()], behind: Behind) -> Response:
    """The mails that were sent, newest first; on a developer's machine only."""
    reply = await behind.notification.as_gateway(
        behind.notification.rpc.ListMailbox,
        notification_pb2.ListMailboxRequest(to=query.to or "", limit=query.limit),
    )
    return Json(base.page(map(views.mail, reply.mails)))


@DOCS.route(
    "GET",
    "/openapi.json",
    OPEN,
    headers=["Cache-Control"],
)
async def openapi(request: Request, if_none_match: IfNoneMatch = ()) -> Response:
    """The API's description (OpenAPI 3.1)."""
    description: Description = request.app.state.description
    # The first to ask waits while it is made, beside the event loop.
    body = await asyncio.to_thread(lambda: description.body)
    headers = {"ETag": description.etag, "Cache-Control": "no-cache"}
    if held(if_none_match, description.etag.strip('"')):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@DOCS.route(
    "GET",
    "/docs",
    OPEN,
    media_type="text/html",
    headers=["Cache-Control", "ETag", "Last-Modified"],
)
async def docs_page() -> Response:
    """The API's description, for people."""
    return FileResponse(_OWN / "index.html", headers=_PAGE_HEADERS)


@DOCS.route(
    "GET",
    "/docs/assets/{name}",
    OPEN,
    media_type="*/*",
    headers=["Cache-Control", "ETag", "Last-Modified"],
)
async def docs_asset(
    name: Annotated[str, PathParameter(description="The file's name.")],
) -> Response:
    """A file of the page."""
    if name not in _ASSETS:
        raise ProblemError("NOT_FOUND")
    return FileResponse(_ASSETS[name], headers={"Cache-Control": "max-age=3600"})
