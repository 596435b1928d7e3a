"""What people are shown in the app, and what they want to be told."""

from __future__ import annotations

from collections.abc import Sequence

from parterre.notification.v1 import notification_pb2

from chassis.context import caller_id
from chassis.database import Row, Session
from chassis.idempotency import once
from chassis.ids import parse_uuid
from notification_service.domain import InvalidCursorError, Preference
from notification_service.handlers import news
from notification_service.rpc.servicer import Call, Servicer
from notification_service.storage import notices, people

_MOST = 100
_USUAL = 20


class Notices(Servicer):
    """Notices and preferences: each person's own."""

    async def ListNotices(  # noqa: N802 - the proto's name
        self,
        request: notification_pb2.ListNoticesRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> notification_pb2.ListNoticesResponse:
        person = caller_id()
        limit = min(max(request.limit, 0) or _USUAL, _MOST)
        before = parse_uuid(request.cursor) if request.cursor else None
        if request.cursor and before is None:
            raise InvalidCursorError("The cursor is none of ours.")
        async with self._database.transaction() as session:
            rows = await notices.newest(
                session, person, unread=request.unread, before=before, limit=limit + 1
            )
            unread = await notices.unread(session, person)
            language = await self._language(session)
        reply = notification_pb2.ListNoticesResponse(unread=unread)
        reply.notices.extend(self._notice(row, language) for row in rows[:limit])
        if len(rows) > limit:
            reply.next_cursor = str(rows[limit - 1].id)
        return reply

    async def ReadNotice(  # noqa: N802 - the proto's name
        self, request: notification_pb2.ReadNoticeRequest, context: Call
    ) -> notification_pb2.ReadNoticeResponse:
        async def work(session: Session) -> notification_pb2.ReadNoticeResponse:
            row = await news.read(session, caller_id(), parse_uuid(request.notice_id))
            language = await self._language(session)
            return notification_pb2.ReadNoticeResponse(notice=self._notice(row, language))

        return await once(
            self._database, request, notification_pb2.ReadNoticeResponse, work, context
        )

    async def ReadAllNotices(  # noqa: N802 - the proto's name
        self, request: notification_pb2.ReadAllNoticesRequest, context: Call
    ) -> notification_pb2.ReadAllNoticesResponse:
        async def work(session: Session) -> notification_pb2.ReadAllNoticesResponse:
            await news.read_all(session, caller_id())
            return notification_pb2.ReadAllNoticesResponse()

        return await once(
            self._database, request, notification_pb2.ReadAllNoticesResponse, work, context
        )

    async def CountUnreadNotices(  # noqa: N802 - the proto's name
        self,
        request: notification_pb2.CountUnreadNoticesRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> notification_pb2.CountUnreadNoticesResponse:
        person = parse_uuid(request.person_id)
        if person is None:
            return notification_pb2.CountUnreadNoticesResponse()
        async with self._database.transaction() as session:
            unread = await notices.unread(session, person)
        return notification_pb2.CountUnreadNoticesResponse(unread=unread)

    async def GetPreferences(  # noqa: N802 - the proto's name
        self,
        request: notification_pb2.GetPreferencesRequest,  # noqa: ARG002 - gRPC's signature
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> notification_pb2.GetPreferencesResponse:
        async with self._database.transaction() as session:
            wanted = await news.wanted(session, caller_id())
        return notification_pb2.GetPreferencesResponse(preferences=_preferences(wanted))

    async def SetPreferences(  # noqa: N802 - the proto's name
        self,
        request: notification_pb2.SetPreferencesRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> notification_pb2.SetPreferencesResponse:
        asked = [(each.kind, each.channel, each.wanted) for each in request.preferences]
        async with self._database.transaction() as session:
            wanted = await news.want(session, caller_id(), asked)
        return notification_pb2.SetPreferencesResponse(preferences=_preferences(wanted))

    async def _language(self, session: Session) -> str:
        known = await people.find(session, {caller_id()})
        return known[caller_id()].language if known else "en"

    def _notice(self, row: Row, language: str) -> notification_pb2.Notice:
        title, text = self._composer.notice(row.kind, language, row.facts)
        notice = notification_pb2.Notice(
            id=str(row.id),
            kind=row.kind,
            title=title,
            text=text,
            booking_reference=row.facts.get("reference", ""),
            event_id=row.facts.get("event_id", ""),
        )
        notice.created_at.FromDatetime(row.created_at)
        if row.read_at is not None:
            notice.read_at.FromDatetime(row.read_at)
        return notice


def _preferences(wanted: Sequence[Preference]) -> list[notification_pb2.Preference]:
    return [
        notification_pb2.Preference(
            kind=each.kind.name,
            tells=each.kind.tells,
            channel=each.channel,
            wanted=each.is_wanted,
            essential=each.is_essential,
        )
        for each in wanted
    ]
