"""Switching a kind of mail off by the link in one."""

from __future__ import annotations

from parterre.notification.v1 import notification_pb2

from notification_service.domain import KINDS, read_token
from notification_service.handlers import people
from notification_service.rpc.servicer import Call, Servicer


class Unsubscribing(Servicer):
    """Switching a kind of mail off."""

    async def Unsubscribe(  # noqa: N802 - the proto's name
        self,
        request: notification_pb2.UnsubscribeRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> notification_pb2.UnsubscribeResponse:
        addressee, kind = read_token(self._key, request.token)
        if not request.preview:
            async with self._database.transaction() as session:
                await people.unsubscribe(session, addressee, kind)
        return notification_pb2.UnsubscribeResponse(kind=kind, tells=KINDS[kind].tells)
