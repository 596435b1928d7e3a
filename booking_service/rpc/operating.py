"""What operators see."""

from __future__ import annotations

from parterre.booking.v1 import booking_pb2

from booking_service.handlers import operating
from booking_service.rpc.servicer import Call, Servicer


class Operating(Servicer):
    """For admins."""

    async def GetVerdict(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.GetVerdictRequest,  # noqa: ARG002 - gRPC's signature
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.GetVerdictResponse:
        async with self._database.transaction() as session:
            verdict = await operating.last_verdict(session)
        reply = booking_pb2.GetVerdictResponse()
        if verdict is not None:
            shown = reply.verdict
            shown.began_at.FromDatetime(verdict.began_at)
            shown.milliseconds = verdict.milliseconds
            shown.version = verdict.version
            shown.checks = verdict.checks
            for finding in verdict.findings:
                shown.findings.add(
                    invariant=finding.invariant,
                    title=finding.title,
                    violations=finding.violations,
                )
        return reply
