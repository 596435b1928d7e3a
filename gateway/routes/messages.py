"""An organizer's words to all who go to an event, and links out of mails."""

from __future__ import annotations

from html import escape

from fastapi import Request
from parterre.notification.v1 import notification_pb2
from starlette.responses import HTMLResponse, Response

from gateway import problem_pages
from gateway.answers import Json
from gateway.backend import Backend
from gateway.bodies.catalog import EventId
from gateway.bodies.messages import NewMessage, Token
from gateway.preferences import prefers_json
from gateway.routing import (
    OPEN,
    ORGANIZER,
    Behind,
    IdempotencyKey,
    Routes,
    needless,
    replay_header,
)
from presentation.views import messages as views

MESSAGES = Routes("Messages")

_HEADERS = {
    **problem_pages.HEADERS,
    # The page's one button posts to the page itself.
    "Content-Security-Policy": problem_pages.HEADERS["Content-Security-Policy"].replace(
        "form-action 'none'", "form-action 'self'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


@MESSAGES.route(
    "POST",
    "/events/{event_id}/messages",
    ORGANIZER,
    answers=views.Message,
    status=202,
    refuses=["EVENT_NOT_FOUND", "INVALID_MESSAGE", "TOO_MANY_MESSAGES"],
)
async def message_attendees(
    event_id: EventId, body: NewMessage, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Write to all who go to an own event.

    The mails go out in slices, each person's once; a few messages a day may be sent. With `preview`
    nothing is sent, and the answer says what would be, and to how many.
    """
    reply, replayed = await behind.notification.replayable(
        behind.notification.rpc.MessageAttendees,
        notification_pb2.MessageAttendeesRequest(
            event_id=event_id,
            subject=body.subject,
            text=body.text,
            preview=body.preview,
            idempotency_key="" if body.preview else key,
        ),
    )
    return Json(views.message(reply), 202, replay_header(replayed))


@MESSAGES.route(
    "GET",
    "/unsubscribe/{token}",
    OPEN,
    answers=views.Unsubscription,
    refuses=["INVALID_UNSUBSCRIPTION"],
    has_page=True,
)
async def show_unsubscription(token: Token, behind: Behind, request: Request) -> Response:
    """What a link in a mail switches off; a page with a button for people, or JSON by `Accept`.

    Looking changes nothing: programs follow links before people do.
    """
    shown = await _unsubscribe(behind, token, preview=True)
    if prefers_json(request.headers.getlist("accept")):
        return Json(shown, headers=_HEADERS)
    return _page(
        f"<p>Mails of this kind tell that {escape(shown['tells'])}.</p>"
        '<form method="post"><button type="submit">Send me no more of them</button></form>'
    )


@MESSAGES.route(
    "POST",
    "/unsubscribe/{token}",
    OPEN,
    answers=views.Unsubscription,
    refuses=["INVALID_UNSUBSCRIPTION"],
    has_page=True,
    keys=needless("Switching off twice is switching off."),
)
async def unsubscribe(token: Token, behind: Behind, request: Request) -> Response:
    """Switch a kind of mail off, by the link in one; mail programs do so with one click (RFC 8058).

    Whatever is in the body is let be.
    """
    done = await _unsubscribe(behind, token, preview=False)
    if prefers_json(request.headers.getlist("accept")):
        return Json(done, headers=_HEADERS)
    return _page(f"<p>You get no more mails that tell that {escape(done['tells'])}.</p>")


async def _unsubscribe(behind: Backend, token: str, *, preview: bool) -> views.Unsubscription:
    reply = await behind.notification.as_gateway(
        behind.notification.rpc.Unsubscribe,
        notification_pb2.UnsubscribeRequest(token=token, preview=preview),
    )
    return views.unsubscription(reply)


def _page(body: str) -> HTMLResponse:
    title = "Mails of this kind"
    return HTMLResponse(problem_pages.whole(title, f"<h1>{title}</h1>{body}"), headers=_HEADERS)
