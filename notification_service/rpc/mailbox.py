"""The local mailbox: what the catcher of mails caught, read back."""

from __future__ import annotations

from google.protobuf.json_format import ParseDict, ParseError
from parterre.notification.v1 import notification_pb2

from chassis.errors import unavailable
from notification_service.domain import MailboxClosedError
from notification_service.rpc.servicer import Call, Servicer

_MAX_PAGE = 100


class Mailbox(Servicer):
    """The local mailbox."""

    async def ListMailbox(  # noqa: N802 - the proto's name
        self,
        request: notification_pb2.ListMailboxRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> notification_pb2.ListMailboxResponse:
        if self._catcher is None:
            raise MailboxClosedError("There is no mailbox here.")
        limit = min(request.limit or _MAX_PAGE, _MAX_PAGE)
        caught = await self._catcher.newest(request.to.lower(), limit)
        try:
            return ParseDict({"mails": caught}, notification_pb2.ListMailboxResponse())
        except ParseError as error:
            raise unavailable() from error
