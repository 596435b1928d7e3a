"""What every part of the servicer has."""

from __future__ import annotations

from typing import Any

import grpc
from parterre.auth.v1 import auth_pb2_grpc

from auth_service.handlers import Auth

Call = grpc.aio.ServicerContext[Any, Any]


class Servicer(auth_pb2_grpc.AuthServiceServicer):
    """Holds what the RPCs need."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
