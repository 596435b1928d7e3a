"""The gRPC servicer."""

from __future__ import annotations

from parterre.auth.v1 import auth_pb2

from auth_service.rpc.accounts import Accounts
from auth_service.rpc.administration import Administration
from auth_service.rpc.api_keys import ApiKeys
from auth_service.rpc.sessions import Sessions

__all__ = ["SERVICE", "AuthServicer"]

SERVICE = auth_pb2.DESCRIPTOR.services_by_name["AuthService"]


class AuthServicer(Accounts, Sessions, ApiKeys, Administration):
    """Identity."""
