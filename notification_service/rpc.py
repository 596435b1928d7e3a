"""The gRPC servicer."""

from __future__ import annotations

from typing import Any

import grpc
from parterre.notification.v1 import notification_pb2, notification_pb2_grpc

from chassis.database import Database
from notification_service import storage
from notification_service.domain import MailboxClosedError

SERVICE = notification_pb2.DESCRIPTOR.services_by_name["NotificationService"]
_MAX_PAGE = 100


class NotificationServicer(notification_pb2_grpc.NotificationServiceServicer):
    """Mail, read back."""

    def __init__(self, database: Database, *, mailbox_open: bool) -> None:
        self._database = database
        self._mailbox_open = mailbox_open

    async def ListMailbox(  # noqa: N802 - the proto's name
        self,
        request: notification_pb2.ListMailboxRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> notification_pb2.ListMailboxResponse:
        if not self._mailbox_open:
            raise MailboxClosedError("There is no mailbox here.")
        limit = min(request.limit or _MAX_PAGE, _MAX_PAGE)
        async with self._database.transaction() as session:
            rows = await storage.list_mails(session, request.to.lower() or None, limit)
        reply = notification_pb2.ListMailboxResponse()
        for row in rows:
            mail = reply.mails.add(
                id=str(row.id), to=row.recipient, kind=row.kind, subject=row.subject, body=row.body
            )
            mail.created_at.FromDatetime(row.created_at)
            if row.sent_at:
                mail.sent_at.FromDatetime(row.sent_at)
        return reply
