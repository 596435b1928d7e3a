"""News in the app, how many are unread as that changes, and what people want to be told."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from parterre.notification.v1 import notification_pb2
from starlette.responses import Response

from chassis.context import caller
from gateway.answers import Json
from gateway.bodies.notices import NoticeId, NoticeQuery, Wishes
from gateway.representations import own, to_json
from gateway.routing import CUSTOMER, Behind, IdempotencyKey, Routes, replay_header
from gateway.streams import NoticeStream
from gateway.versions import IfNoneMatch
from presentation.views import notices as views

NOTICES = Routes("Notifications")


@NOTICES.route("GET", "/notifications", CUSTOMER, answers=views.Notices, refuses=["INVALID_CURSOR"])
async def list_notices(
    query: Annotated[NoticeQuery, Query()], behind: Behind, if_none_match: IfNoneMatch = ()
) -> Response:
    """One's own news, newest first, and how many are not read; kept for 90 days."""
    reply = await behind.notification(
        behind.notification.rpc.ListNotices,
        notification_pb2.ListNoticesRequest(
            unread=query.unread, limit=query.limit, cursor=query.cursor or ""
        ),
    )
    return own(to_json(views.notices(reply)), if_none_match)


@NOTICES.route(
    "GET",
    "/notifications/stream",
    CUSTOMER,
    media_type="text/event-stream",
    refuses=["TOO_MANY_STREAMS"],
    headers=["Cache-Control"],
)
async def stream_unread(behind: Behind) -> Response:
    """How many of one's own notices are not read, as that changes.

    Server-Sent Events: `unread`, `{unread}`, at first and whenever there are more or fewer.
    """
    return NoticeStream(behind.streams, caller())


@NOTICES.route(
    "POST",
    "/notifications/{notice_id}/read",
    CUSTOMER,
    answers=views.Notice,
    refuses=["NOTICE_NOT_FOUND"],
)
async def read_notice(notice_id: NoticeId, behind: Behind, key: IdempotencyKey = "") -> Response:
    """Mark one of one's own notices as read; it stays read since the first time."""
    reply, replayed = await behind.notification.replayable(
        behind.notification.rpc.ReadNotice,
        notification_pb2.ReadNoticeRequest(notice_id=notice_id, idempotency_key=key),
    )
    return Json(views.notice(reply.notice), headers=replay_header(replayed))


@NOTICES.route("POST", "/notifications/read-all", CUSTOMER, status=204)
async def read_all_notices(behind: Behind, key: IdempotencyKey = "") -> Response:
    """Mark all of one's own notices as read."""
    _reply, replayed = await behind.notification.replayable(
        behind.notification.rpc.ReadAllNotices,
        notification_pb2.ReadAllNoticesRequest(idempotency_key=key),
    )
    return Response(status_code=204, headers=replay_header(replayed))


@NOTICES.route("GET", "/users/me/notification-preferences", CUSTOMER, answers=views.Preferences)
async def get_preferences(behind: Behind, if_none_match: IfNoneMatch = ()) -> Response:
    """What one is told, kind by kind, and by which channel."""
    reply = await behind.notification(
        behind.notification.rpc.GetPreferences, notification_pb2.GetPreferencesRequest()
    )
    return own(to_json(views.preferences(reply)), if_none_match)


@NOTICES.route(
    "PUT",
    "/users/me/notification-preferences",
    CUSTOMER,
    answers=views.Preferences,
    refuses=["INVALID_PREFERENCE"],
)
async def set_preferences(body: Wishes, behind: Behind) -> Response:
    """Choose what one is told: this takes the place of all that was chosen before.

    Mails that are essential, such as tickets and one-time codes, always come.
    """
    reply = await behind.notification(
        behind.notification.rpc.SetPreferences,
        notification_pb2.SetPreferencesRequest(
            preferences=[
                notification_pb2.Preference(
                    kind=wish.kind, channel=wish.channel, wanted=wish.wanted
                )
                for wish in body.items
            ]
        ),
    )
    return Json(views.preferences(reply))
