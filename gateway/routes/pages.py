"""The web page: the document of each page, its files, and what robots ask for.

They are no part of the API: its description does not list them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from chassis.errors import RemoteError, ServiceError
from chassis.ids import parse_uuid
from gateway.backend import Backend
from gateway.bodies.base import reference_of
from gateway.edge import header
from gateway.events import EventPage
from gateway.preferences import prefers_html
from gateway.problems import ProblemError, from_remote_error, from_service_error
from gateway.representations import SMALL, AcceptEncoding, public
from gateway.routing import OPEN, Behind, Routes
from gateway.settings import Settings
from gateway.site import shell
from gateway.site.documents import Document, may_be_seen
from gateway.site.pages import LOST, PAGES, Page
from gateway.snapshots import PLAIN, best_encoding
from gateway.versions import IfNoneMatch, coded, etag, held

_FOREVER = "max-age=31536000, immutable"
_HTML = "text/html; charset=utf-8"
# A script or a style sheet is no document, and whom a document may be framed by or send forms to is
# not said in the heads of dozens of them.
_NO_DOCUMENT = (".js", ".css")
_POLICY_OF_NO_DOCUMENT = {"Content-Security-Policy": "default-src 'none'"}
# One person's pages, by how their addresses begin.
_NOT_TO_BE_READ = sorted(
    {f"/{page.path.split('/')[1]}" for page in PAGES.values() if not page.is_public}
)


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
    @routes.route("GET", page.path, OPEN, media_type="text/html")
    async def show(
        request: Request,
        behind: Behind,
        if_none_match: IfNoneMatch = (),
        accept_encoding: AcceptEncoding = (),
    ) -> Response:
        """The document of a page; its scripts tell why, where what it shows can't be had now."""
        site = _site(request.scope, behind)
        event, listing, problem = None, None, None
        if page.shows_event:
            try:
                event = await _event(behind, request.path_params["event_id"])
            except (ProblemError, RemoteError, ServiceError) as error:
                problem = _problem_of(error)
        elif page.shows_programme and not request.url.query:  # with one, the events are others
            listing = await behind.programme.next()
        there = page if problem is None or problem.status != 404 else LOST
        document = behind.documents.of(there, site, event, listing)
        return await _html(there, document, if_none_match, accept_encoding, problem)


async def _html(
    page: Page,
    document: Document,
    if_none_match: Sequence[str],
    accept_encoding: Sequence[str],
    problem: ProblemError | None,
) -> Response:
    """A document as an answer; with the status of a problem, if there is one."""
    headers = {**shell.HEADERS, **(problem.headers if problem else {})}
    if not page.is_public:
        headers["Cache-Control"] = "private, no-store"
    answer = await public(
        document.body,
        document.tag,
        () if problem else if_none_match,
        accept_encoding,
        document.compressed,
        media_type=_HTML,
        headers=headers,
        effort=SMALL,
    )
    if problem is not None:
        answer.status_code = problem.status
    return answer


def _site(scope: Scope, behind: Backend) -> str:
    host = (header(scope, b"host") or b"").decode("latin-1")
    return shell.site_of(str(behind.settings.public_url or ""), scope["scheme"], host)


async def _event(behind: Backend, event_id: str) -> EventPage:
    """The event, if everybody may see it: its document is kept for everybody.

    Raises:
        ProblemError: EVENT_NOT_FOUND.
        RemoteError: catalog_service failed, or did not answer in time.
        ServiceError: OVERLOADED, too many are waiting, or for too long.
    """
    id = parse_uuid(event_id)
    event = await behind.events.page(str(id)) if id else None
    if event is None or not may_be_seen(event):
        raise ProblemError("EVENT_NOT_FOUND")
    return event


def _problem_of(error: ProblemError | RemoteError | ServiceError) -> ProblemError:
    if isinstance(error, RemoteError):
        return from_remote_error(error)
    return from_service_error(error) if isinstance(error, ServiceError) else error


async def lost(backend: Backend, scope: Scope) -> Response | None:
    """The page for an address that none has, for people; None: a problem says it better.

    A slash too many at the end of a page's address leads to the page.
    """
    path: str = scope["path"]
    if scope["method"] != "GET" or path.startswith(("/api", "/assets/", "/.")):
        return None
    request = Request(scope)
    if not prefers_html(request.headers.getlist("accept")):
        return None
    if path.rstrip("/") in PAGES and path.endswith("/"):
        return RedirectResponse(path.rstrip("/"), 308)
    document = backend.documents.of(LOST, _site(scope, backend))
    coding = request.headers.getlist("accept-encoding")
    return await _html(LOST, document, (), coding, ProblemError("NOT_FOUND"))


async def come_back(
    booking: Annotated[str, Query()] = "",
    result: Annotated[str, Query()] = "",
    charge: Annotated[str, Query()] = "",
) -> Response:
    """Leads who comes back from a payment provider's page to their booking."""
    reference = reference_of(booking)
    if not reference:
        return RedirectResponse("/tickets", 303)
    told = {name: value for name, value in (("result", result), ("charge", charge)) if value}
    return RedirectResponse(f"/bookings/{reference}" + (f"?{urlencode(told)}" if told else ""), 303)


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
    policy = _POLICY_OF_NO_DOCUMENT if path.endswith(_NO_DOCUMENT) else {}
    told = {"Cache-Control": cache, "Vary": "Accept-Encoding", **policy, **(headers or {})}
    if has := held(if_none_match, file.tag):
        return Response(status_code=304, headers={**told, **etag(has)})
    coding = file.coding(best_encoding(", ".join(accept_encoding)))
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
        # A worker is held to the policy that its script came with; other scripts to their page's.
        "Content-Security-Policy": shell.HEADERS["Content-Security-Policy"],
    }
    return await _file(
        behind, "sw.js", if_none_match, accept_encoding, cache="no-cache", headers=headers
    )


async def robots(request: Request, behind: Behind) -> Response:
    """What those who index may read: not what is one person's; pages say more by `noindex`.

    The API is not shut to them: the pages' scripts read it, and previews show its pictures.
    """
    lines = ["User-agent: *", *(f"Disallow: {place}" for place in _NOT_TO_BE_READ)]
    site = _site(request.scope, behind)
    if site:
        lines.append(f"Sitemap: {site}/sitemap.xml")
    text = "\n".join(lines) + "\n"
    return Response(text, headers={"Cache-Control": "max-age=3600"}, media_type="text/plain")


async def sitemap(request: Request, behind: Behind) -> Response:
    """The events that are worth finding, the next ones first (https://www.sitemaps.org)."""
    site = _site(request.scope, behind)
    if not site:
        raise ProblemError("NOT_FOUND", "A sitemap is of a host's name, and the request has none.")
    body = await behind.sitemap.of(site)
    return Response(body, headers={"Cache-Control": "max-age=300"}, media_type="application/xml")
