"""How the services are, as an admin sees it."""

from __future__ import annotations

from collections.abc import Iterator

from parterre.booking.v1 import booking_pb2
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector

from chassis.identity import Role
from tests.contract.conftest import Edge


def measure(registry: CollectorRegistry) -> None:
    """Sets what an admin is told, and what not."""
    Gauge("parterre_outbox_waiting", "Rows", registry=registry).set(7)
    dead = Gauge("parterre_queue_messages", "Messages", ["queue"], registry=registry)
    dead.labels("booking.replies.dead").set(2)
    Counter("parterre_alerts", "Alerts", ["kind"], registry=registry).labels("STUCK").inc()
    Counter("parterre_http_answers", "Answers", registry=registry).inc()
    Histogram("parterre_rpc_server_seconds", "Time", registry=registry).observe(1)
    Gauge("python_threads", "Threads", registry=registry).set(1)


class Broken(Collector):
    """Figures that can't be told."""

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        raise RuntimeError("no figures")


async def test_services_are_shown_with_their_gauges_and_alerts_or_as_silent(edge: Edge) -> None:
    measure(edge.booking.registry)
    edge.payment.registry.register(Broken())
    told = (await edge.get("/admin/vitals", role=Role.ADMIN)).json()["services"]
    by_name = {one["service"]: one for one in told}
    assert list(by_name) == [
        "auth", "booking", "catalog", "inventory", "notification", "payment",
    ]  # fmt: skip
    assert [name for name, one in by_name.items() if not one["answers"]] == ["payment"]
    assert by_name["payment"]["figures"] == []
    dead = {"queue": "booking.replies.dead"}
    assert by_name["booking"]["figures"] == [
        {"name": "parterre_outbox_waiting", "labels": {}, "value": 7},
        {"name": "parterre_queue_messages", "labels": dead, "value": 2},
        {"name": "parterre_alerts_total", "labels": {"kind": "STUCK"}, "value": 1},
    ]


async def test_only_admins_see_how_the_services_are(edge: Edge) -> None:
    assert (await edge.get("/admin/vitals", role=Role.ORGANIZER)).status_code == 403
    assert (await edge.get("/admin/vitals", role=None)).status_code == 401


async def test_what_fsck_found_last_is_shown_to_admins_alone(edge: Edge) -> None:
    edge.booking.answers["GetVerdict"] = booking_pb2.GetVerdictResponse()
    assert (await edge.get("/admin/verdict", role=Role.ADMIN)).json() == {"verdict": None}
    verdict = booking_pb2.Verdict(milliseconds=7, version="0.1.0", checks=38)
    verdict.began_at.FromJsonString("2026-11-20T03:00:00Z")
    verdict.findings.add(invariant="I1", title="at most one good ticket a seat", violations=3)
    edge.booking.answers["GetVerdict"] = booking_pb2.GetVerdictResponse(verdict=verdict)
    assert (await edge.get("/admin/verdict", role=Role.ADMIN)).json()["verdict"] == {
        "began_at": "2026-11-20T03:00:00Z",
        "milliseconds": 7,
        "version": "0.1.0",
        "checks": 38,
        "findings": [
            {"invariant": "I1", "title": "at most one good ticket a seat", "violations": 3}
        ],
    }
    for role, status in ((Role.ORGANIZER, 403), (Role.CUSTOMER, 403), (None, 401)):
        assert (await edge.get("/admin/verdict", role=role)).status_code == status
