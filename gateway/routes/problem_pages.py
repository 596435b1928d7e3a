"""What a problem means: where the `type` of each leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Path, Request
from starlette.responses import Response

from gateway import problem_pages
from gateway.preferences import prefers_json
from gateway.problems import ProblemError
from gateway.representations import AcceptEncoding, public, to_json
from gateway.routing import OPEN, Routes
from gateway.versions import IfNoneMatch, tag_of
from presentation.views import base
from presentation.views import problems as views

PROBLEM_PAGES = Routes("Documentation", prefix="")

_EXPLANATIONS = problem_pages.explanations()
_HTML = "text/html; charset=utf-8"


@PROBLEM_PAGES.route("GET", "/problems", OPEN, answers=base.Page[views.Explanation], has_page=True)
async def list_problems(
    request: Request, if_none_match: IfNoneMatch = (), accept_encoding: AcceptEncoding = ()
) -> Response:
    """Every reason to refuse; a page for people, or JSON by `Accept`."""
    all_ = _EXPLANATIONS.values()
    if prefers_json(request.headers.getlist("accept")):
        body, media_type = to_json(base.page(map(_view, all_))), "application/json"
    else:
        body, media_type = problem_pages.index(all_).encode(), _HTML
    return await _told(body, media_type, if_none_match, accept_encoding)


@PROBLEM_PAGES.route(
    "GET",
    "/problems/{reason}",
    OPEN,
    answers=views.Explanation,
    refuses=["NOT_FOUND"],
    has_page=True,
)
async def explain_problem(
    reason: Annotated[str, Path(description="The reason in kebab case.")],
    request: Request,
    if_none_match: IfNoneMatch = (),
    accept_encoding: AcceptEncoding = (),
) -> Response:
    """What a problem's `type` means and what to do; a page for people, or JSON by `Accept`."""
    it = _EXPLANATIONS.get(reason)
    if it is None:
        raise ProblemError("NOT_FOUND", "No problem has this type.")
    if prefers_json(request.headers.getlist("accept")):
        body, media_type = to_json(_view(it)), "application/json"
    else:
        body, media_type = problem_pages.page(it).encode(), _HTML
    return await _told(body, media_type, if_none_match, accept_encoding)


async def _told(
    body: bytes, media_type: str, if_none_match: Sequence[str], accept_encoding: Sequence[str]
) -> Response:
    return await public(
        body,
        tag_of(body),
        if_none_match,
        accept_encoding,
        media_type=media_type,
        headers=problem_pages.HEADERS,
    )


def _view(it: problem_pages.Explanation) -> views.Explanation:
    return {
        "type": it.type,
        "reason": it.reason,
        "status": it.status,
        "title": it.title,
        "subject": it.subject,
        "advice": it.advice,
        "members": [
            {"name": name, "description": description} for name, description in it.members.items()
        ],
    }
