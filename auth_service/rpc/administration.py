"""What an admin does with other people's accounts, and the trail."""

from __future__ import annotations

from parterre.auth.v1 import auth_pb2

from auth_service import administration
from auth_service.rpc.servicer import Call, Servicer
from auth_service.rpc.shapes import entry_shape, given, managed_shape, user_id_of
from chassis.context import caller_id


class Administration(Servicer):
    """What an admin does with other people's accounts, and the trail."""

    async def ListUsers(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ListUsersRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.ListUsersResponse:
        found, next_cursor = await administration.list_users(
            self._auth,
            query=request.query,
            role=request.role,
            status=request.status,
            limit=request.limit,
            cursor=request.cursor,
        )
        return auth_pb2.ListUsersResponse(users=map(managed_shape, found), next_cursor=next_cursor)

    async def GetUser(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.GetUserRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.GetUserResponse:
        found = await administration.get_user(self._auth, user_id=user_id_of(request.user_id))
        return auth_pb2.GetUserResponse(user=managed_shape(found))

    async def UpdateUser(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.UpdateUserRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.UpdateUserResponse:
        changed = await administration.update_user(
            self._auth,
            admin_id=caller_id(),
            user_id=user_id_of(request.user_id),
            role=given(request, "role"),
            disabled=given(request, "disabled"),
            business_name=given(request, "business_name"),
        )
        return auth_pb2.UpdateUserResponse(user=managed_shape(changed))

    async def ListAudit(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ListAuditRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.ListAuditResponse:
        found, next_cursor = await administration.list_audit(
            self._auth,
            user_id=request.user_id,
            action=request.action,
            limit=request.limit,
            cursor=request.cursor,
        )
        return auth_pb2.ListAuditResponse(entries=map(entry_shape, found), next_cursor=next_cursor)
