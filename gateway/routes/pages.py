"""The web page: the document of each page, its files, and what robots ask for.

They are no part of the API: its description does not list them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from gateway.backend import Backend
from gateway.bodies.base import UUID
from gateway.preferences import prefers_html
from gateway.problems import ProblemError
from gateway.representations import AcceptEncoding, public
from gateway.routing import OPEN, Behind, Routes
from gateway.settings import Settings
from gateway.site import shell
from gateway.site.pages import LOST, PAGES, Page
from gateway.snapshots import PLAIN, best_encoding
from gateway.versions import IfNoneMatch, coded, etag, held, tag_of

_FOREVER = "public, max-age=31536000, immutable"
_REFERENCE = re.compile(r"PT-[0-9A-Z]{8}", re.ASCII)
_HTML = "text/html; charset=utf-8"


def pages_of(settings: Settings) -> Routes:
    """The pages that this gateway shows, and what belongs to them."""
    routes = Routes("Pages", prefix="", described=False)
    for page in PAGES.values():
        if settings.is_local or not page.is_local:
            _declare(routes, page)
    routes.route("GET", "/bookings", OPEN)(come_back)
    for path in ("{a}", "{a}/{b}", "{a}/{b}/{c}"):
        routes.route("GET", f"/assets/{{version}}/{path}", OPEN, media_type="*/*")(asset)
    routes.route("GET", "/favicon.ico", OPEN, media_type="image/svg+xml")(icon)
    routes.route("GET", "/manifest.webmanifest", OPEN, media_type="*/*")(manifest)
    routes.route("GET", "/sw.js", OPEN, media_type="*/*")(service_worker)
    routes.route("GET", "/robots.txt", OPEN, media_type="text/plain")(robots)
    routes.route("GET", "/sitemap.xml", OPEN, media_type="*/*")(sitemap)
    return routes


def _declare(routes: Routes, page: Page) -> None:
    shows_event = "{event_id}" in page.path and page.is_public

    @routes.route("GET", page.path, OPEN, media_type="text/html")
    async def show(
        request: Request,
        behind: Behind,
        if_none_match: IfNoneMatch = (),
        accept_encoding: AcceptEncoding = (),
    ) -> Response:
        """The document of a page."""
        site = site_of(request, behind.settings)
        head, status, more = shell.head_of(page, site, request.url.path), 200, {}
        if shows_event:
            event = await _event(behind, request.path_params["event_id"])
            if event is None:
                status = 404
            else:
                head, more = shell.event_head(event, site), {"event": event}
        body = _document(behind, page, head, more)
        if status != 200:
            return Response(body, status, shell.HEADERS, media_type=_HTML)
        return await public(
            body, tag_of(body), if_none_match, accept_encoding,
            media_type=_HTML, headers=shell.HEADERS,
        )  # fmt: skip


def site_of(request: Request, settings: Settings) -> str:
    """This site's address without a slash at the end: as set, else as it was called."""
    if settings.public_url is not None:
        return str(settings.public_url).rstrip("/")
    return f"{request.url.scheme}://{request.headers.get('host', '')}"


async def _event(behind: Backend, event_id: str) -> Mapping[str, Any] | None:
    """The event as the API shows it to everybody; None: there is none that everybody may see."""
    if not UUID.fullmatch(event_id):
        return None
    try:
        page = await behind.events.page(event_id)
    except ProblemError:
        return None
    event: dict[str, Any] = json.loads(page.body)
    return event


def _document(behind: Backend, page: Page, head: shell.Head, more: Mapping[str, Any]) -> bytes:
    boot = {"local": behind.settings.is_local, **more}
    tree = behind.assets.tree
    return shell.document(head, tree, modules=page.modules, styles=page.styles, boot=boot)


def lost(backend: Backend, scope: Scope) -> Response | None:
    """The page for an address that none has, for people; None: a problem says it better."""
    path: str = scope["path"]
    if scope["method"] not in {"GET", "HEAD"} or path.startswith(("/api", "/assets/", "/.")):
        return None
    request = Request(scope)
    if not prefers_html(request.headers.getlist("accept")):
        return None
    head = shell.head_of(LOST, site_of(request, backend.settings), "/")
    return Response(_document(backend, LOST, head, {}), 404, shell.HEADERS, media_type=_HTML)


async def come_back(
    booking: Annotated[str, Query()] = "",
    result: Annotated[str, Query()] = "",
    charge: Annotated[str, Query()] = "",
) -> Response:
    """Leads who comes back from a payment provider's page to their booking."""
    if not _REFERENCE.fullmatch(booking):
        return RedirectResponse("/tickets", 303)
    told = {name: value for name, value in (("result", result), ("charge", charge)) if value}
    return RedirectResponse(f"/bookings/{booking}" + (f"?{urlencode(told)}" if told else ""), 303)


async def asset(
    request: Request,
    behind: Behind,
    if_none_match: IfNoneMatch = (),
    accept_encoding: AcceptEncoding = (),
) -> Response:
    """A file of the page; for good, if its address names this version."""
    names = request.path_params
    path = "/".join(names[part] for part in "abc" if part in names)
    current = names["version"] == behind.assets.tree.version
    cache = _FOREVER if current else "no-cache"
    return await _file(behind, path, if_none_match, accept_encoding, cache=cache)


async def _file(
    behind: Backend,
    path: str,
    if_none_match: IfNoneMatch,
    accept_encoding: AcceptEncoding,
    *,
    cache: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    file = behind.assets.tree.files.get(path)
    if file is None:
        raise ProblemError("NOT_FOUND")
    told = {"Cache-Control": cache, "Vary": "Accept-Encoding", **(headers or {})}
    if has := held(if_none_match, file.tag):
        return Response(status_code=304, headers={**told, **etag(has)})
    coding = best_encoding(", ".join(accept_encoding))
    if coding == PLAIN:
        told |= etag(file.tag)
    else:
        told |= {**etag(coded(file.tag, coding)), "Content-Encoding": coding}
    return Response(await file.coded(coding), headers=told, media_type=file.media_type)


async def icon(
    behind: Behind, if_none_match: IfNoneMatch = (), accept_encoding: AcceptEncoding = ()
) -> Response:
    """The icon, where browsers ask for it without having been told."""
    path = "icons/icon.svg"
    return await _file(behind, path, if_none_match, accept_encoding, cache="max-age=86400")


async def manifest(behind: Behind) -> Response:
    """What a phone shows the page as, once it is put beside its apps."""
    tree = behind.assets.tree
    told = {
        "name": "Parterre",
        "short_name": "Parterre",
        "start_url": "/tickets",
        "display": "standalone",
        "background_color": "#fbfaf7",
        "theme_color": "#0f5c4d",
        "icons": [{"src": tree.address("icons/icon.svg"), "type": "image/svg+xml", "sizes": "any"}],
    }
    headers = {"Cache-Control": "no-cache"}
    return Response(json.dumps(told), headers=headers, media_type="application/manifest+json")


async def service_worker(
    behind: Behind, if_none_match: IfNoneMatch = (), accept_encoding: AcceptEncoding = ()
) -> Response:
    """What has the door work without a network: web/sw.js tells."""
    headers = {
        "Service-Worker-Allowed": "/door",
        "Content-Security-Policy": "default-src 'none'; connect-src 'self'; script-src 'self'",
    }
    return await _file(
        behind, "sw.js", if_none_match, accept_encoding, cache="no-cache", headers=headers
    )


async def robots(request: Request, behind: Behind) -> Response:
    """What those who index may read."""
    site = site_of(request, behind.settings)
    text = f"User-agent: *\nDisallow: /api/\nDisallow: /checkout/\nSitemap: {site}/sitemap.xml\n"
    return Response(text, headers={"Cache-Control": "max-age=3600"}, media_type="text/plain")


async def sitemap(request: Request, behind: Behind) -> Response:
    """The events that are worth finding, the next ones first (https://www.sitemaps.org)."""
    body = await behind.sitemap.of(site_of(request, behind.settings))
    return Response(body, headers={"Cache-Control": "max-age=300"}, media_type="application/xml")
