"""What every part of the servicer has."""

from __future__ import annotations

from typing import Any

import grpc
from parterre.notification.v1 import notification_pb2, notification_pb2_grpc

from chassis.database import Database
from chassis.sealing import Seal
from notification_service.letters import Composer
from notification_service.rpc.bookings import Bookings
from notification_service.rpc.catcher import Catcher

SERVICE = notification_pb2.DESCRIPTOR.services_by_name["NotificationService"]

Call = grpc.aio.ServicerContext[Any, Any]


class Servicer(notification_pb2_grpc.NotificationServiceServicer):
    """Holds what the RPCs need."""

    def __init__(
        self,
        database: Database,
        bookings: Bookings,
        composer: Composer,
        *,
        key: bytes,
        messages_per_day: int,
        catcher: Catcher | None,
        seal: Seal,
        allows_loopback: bool,
    ) -> None:
        """`key`: seals the links that switch mails off; `catcher`: in the local profile only.

        `seal`: of webhooks' secrets; `allows_loopback`: they may go to this machine itself.
        """
        self._database = database
        self._bookings = bookings
        self._composer = composer
        self._key = key
        self._messages_per_day = messages_per_day
        self._catcher = catcher
        self._seal = seal
        self._allows_loopback = allows_loopback
