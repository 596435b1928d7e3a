"""An organizer's own words to all who go to an event."""

from __future__ import annotations

from parterre.notification.v1 import notification_pb2

from chassis import context as request_context
from chassis.context import caller, caller_id
from chassis.database import Session
from chassis.idempotency import once
from chassis.identity import Role
from chassis.ids import parse_uuid, uuid7
from notification_service.domain import EventNotFoundError, parse_message
from notification_service.handlers import events
from notification_service.rpc.bookings import Audience
from notification_service.rpc.servicer import Call, Servicer
from notification_service.storage import announcements


class Messages(Servicer):
    """Messages to those who go."""

    async def MessageAttendees(  # noqa: N802 - the proto's name
        self, request: notification_pb2.MessageAttendeesRequest, context: Call
    ) -> notification_pb2.MessageAttendeesResponse:
        subject, text = parse_message(request.subject, request.text)
        audience = await self._audience(request.event_id)
        event_id, limit = audience.event.id, self._messages_per_day
        if request.preview:
            async with self._database.transaction() as session:
                left = await announcements.messages_left(session, event_id, limit)
            return self._shown(audience, subject, text, left=left)
        message_id = uuid7()

        async def work(session: Session) -> notification_pb2.MessageAttendeesResponse:
            await events.send_message(
                session, message_id, event_id, subject=subject, text=text, daily_limit=limit
            )
            left = await announcements.messages_left(session, event_id, limit)
            reply = self._shown(audience, subject, text, left=left)
            reply.message_id = str(message_id)
            return reply

        return await once(
            self._database, request, notification_pb2.MessageAttendeesResponse, work, context
        )

    async def _audience(self, event_id: str) -> Audience:
        """The caller's own event, and who goes.

        Raises:
            EventNotFoundError: there is none on sale, or it is another's.
            RemoteError: booking_service does not answer.
        """
        parsed = parse_uuid(event_id)
        if parsed is None:
            raise EventNotFoundError("There is no such event.")
        # In this process's own name: organizers may not ask for it.
        with request_context.request(seconds=request_context.seconds_left()):
            audience = await self._bookings.audience(parsed, called_off=False, after=None, limit=1)
        if caller().role is not Role.ADMIN and audience.event.organizer_id != caller_id():
            raise EventNotFoundError("There is no such event.")
        return audience

    def _shown(
        self, audience: Audience, subject: str, text: str, *, left: int
    ) -> notification_pb2.MessageAttendeesResponse:
        event = audience.event
        letter = self._composer.compose(
            "organizer_message",
            "en",
            {
                "name": "",
                "subject": subject,
                "text": text,
                "title": event.title,
                "place": event.place,
                "starts_at": event.starts_at,
                "timezone": event.timezone,
            },
        )
        return notification_pb2.MessageAttendeesResponse(
            subject=letter.subject,
            text=letter.text,
            html=letter.html,
            bookings=audience.bookings,
            messages_left=left,
        )
