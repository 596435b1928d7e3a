"""What the service sends. It consumes nothing."""

from __future__ import annotations

from parterre.messages.v1 import messages_pb2

from auth_service.domain import (
    DeliverCode,
    NewDeviceSignedIn,
    OrganizerApproved,
    SessionsRevoked,
    UserChanged,
)
from chassis.outbox import Outgoing, encoded
from chassis.timestamps import timestamp

MESSAGES = messages_pb2.DESCRIPTOR


def encode(message: object) -> Outgoing:
    """The outbox's form of a message of the domain.

    Raises:
        TypeError: it is no message.
    """
    match message:
        case DeliverCode():
            code = messages_pb2.DeliverCode(
                email=message.email,
                purpose=message.purpose,
                code=message.code,
                is_wanted=message.is_wanted,
            )
            code.expires_at.FromDatetime(message.expires_at)
            return encoded(code)
        case UserChanged():
            return encoded(
                messages_pb2.UserChanged(
                    user_id=str(message.user_id),
                    email=message.email,
                    name=message.name,
                    version=message.version,
                    language=message.language,
                    may_organize=message.may_organize,
                )
            )
        case OrganizerApproved(user_id, at):
            return encoded(messages_pb2.OrganizerApproved(user_id=str(user_id), at=timestamp(at)))
        case NewDeviceSignedIn():
            return encoded(
                messages_pb2.NewDeviceSignedIn(
                    user_id=str(message.user_id),
                    session_id=str(message.session_id),
                    user_agent=message.user_agent,
                    address=message.address,
                    at=timestamp(message.at),
                )
            )
        case SessionsRevoked():
            return encoded(messages_pb2.SessionsRevoked(session_ids=map(str, message.session_ids)))
    raise TypeError(f"{type(message).__name__} is no message")
