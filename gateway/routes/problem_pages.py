"""What a problem means: where the `type` of each leads."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request
from starlette.responses import HTMLResponse, Response

from gateway import problem_pages
from gateway.answers import Json
from gateway.preferences import prefers_json
from gateway.problems import ProblemError
from gateway.routing import OPEN, Routes
from presentation.views import base
from presentation.views import problems as views

PROBLEM_PAGES = Routes("Documentation", prefix="")

_EXPLANATIONS = problem_pages.explanations()


@PROBLEM_PAGES.route("GET", "/problems", OPEN, answers=base.Page[views.Explanation], has_page=True)
async def list_problems(request: Request) -> Response:
    """Every reason to refuse; a page for people, or JSON by `Accept`."""
    if prefers_json(request.headers.getlist("accept")):
        return Json(base.page(map(_view, _EXPLANATIONS.values())), headers=problem_pages.HEADERS)
    return HTMLResponse(problem_pages.index(_EXPLANATIONS.values()), headers=problem_pages.HEADERS)


@PROBLEM_PAGES.route(
    "GET",
    "/problems/{reason}",
    OPEN,
    answers=views.Explanation,
    refuses=["NOT_FOUND"],
    has_page=True,
)
async def explain_problem(
    reason: Annotated[str, Path(description="The reason in kebab case.")], request: Request
) -> Response:
    """What a problem's `type` means and what to do; a page for people, or JSON by `Accept`."""
    it = _EXPLANATIONS.get(reason)
    if it is None:
        raise ProblemError("NOT_FOUND", "No problem has this type.")
    if prefers_json(request.headers.getlist("accept")):
        return Json(_view(it), headers=problem_pages.HEADERS)
    return HTMLResponse(problem_pages.page(it), headers=problem_pages.HEADERS)


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
