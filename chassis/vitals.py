"""How a service is, told to an admin: the same figures as its metrics, without Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from parterre.vitals.v1 import vitals_pb2
from prometheus_client import REGISTRY, CollectorRegistry

from chassis.figures import Figures
from chassis.grpc_server import Call

_PREFIX = "parterre_"
# Told beside the gauges: it says that something wanted an operator.
_COUNTERS = frozenset({"parterre_alerts"})
# More says nothing to a person.
MOST_FIGURES = 500

SERVICE = vitals_pb2.DESCRIPTOR.services_by_name["VitalsService"]


class Vitals:
    """Answers what the service's gauges show now."""

    def __init__(self, figures: Figures, registry: CollectorRegistry = REGISTRY) -> None:
        self._figures = figures
        self._registry = registry

    async def GetVitals(  # noqa: N802 - the proto's name
        self,
        request: vitals_pb2.GetVitalsRequest,  # noqa: ARG002 - gRPC's signature
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> vitals_pb2.GetVitalsResponse:
        await self._figures.refresh()
        reply = vitals_pb2.GetVitalsResponse()
        for figure, _room in zip(self._told(), range(MOST_FIGURES), strict=False):
            reply.figures.append(figure)
        return reply

    def _told(self) -> Iterator[vitals_pb2.Figure]:
        for family in self._registry.collect():
            if not family.name.startswith(_PREFIX):
                continue
            if family.type != "gauge" and family.name not in _COUNTERS:
                continue
            for sample in family.samples:
                if not sample.name.endswith("_created"):
                    yield vitals_pb2.Figure(
                        name=sample.name, labels=sample.labels, value=sample.value
                    )
