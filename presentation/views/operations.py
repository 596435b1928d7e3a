"""Readiness, how services are, and the local mailbox."""

from __future__ import annotations

from collections.abc import Mapping

from parterre.booking.v1 import booking_pb2
from parterre.notification.v1 import notification_pb2
from parterre.vitals.v1 import vitals_pb2

from presentation.views.base import Count, Email, Id, Time, View, time
from presentation.vocabulary import MailKind, word


class Mail(View):
    """A mail in the local mailbox."""

    id: Id
    """The mail's id."""
    to: Email
    """Whom it goes to."""
    kind: MailKind
    """What it is about."""
    subject: str
    """Its subject."""
    body: str
    """Its text."""
    html: str | None
    """The same as a page; null: it has none."""
    attachments: list[str]
    """The names of the files that came with it."""
    created_at: Time
    """When it was written."""
    sent_at: Time | None
    """When it was sent; null: not yet."""


class Readiness(View):
    """Whether all the gateway needs answers."""

    ready: bool
    """True: it does."""


class Figure(View):
    """Something that is measured."""

    name: str
    """As in the metrics."""
    labels: dict[str, str]
    """Of what: a queue, a state, a provider."""
    value: float
    """How much."""


class ServiceVitals(View):
    """How one service is."""

    service: str
    """Its name."""
    answers: bool
    """Whether it told."""
    figures: list[Figure]
    """What it told, read at most 15 seconds ago; empty where it did not."""


class Vitals(View):
    """How the services are."""

    services: list[ServiceVitals]
    """Each of them."""


def vitals(told: Mapping[str, vitals_pb2.GetVitalsResponse | None]) -> Vitals:
    """How the services are, by their names; None did not answer."""
    return {
        "services": [
            {
                "service": name,
                "answers": reply is not None,
                "figures": [
                    {"name": figure.name, "labels": dict(figure.labels), "value": figure.value}
                    for figure in (reply.figures if reply else ())
                ],
            }
            for name, reply in told.items()
        ]
    }


class Finding(View):
    """A check that found something."""

    invariant: str
    """I1 to I10, or several of them."""
    title: str
    """What does not hold."""
    violations: Count
    """How many rows violate it; `parterre fsck` shows the first ones."""


class Verdict(View):
    """What `parterre fsck` found."""

    began_at: Time
    """When it began."""
    milliseconds: Count
    """How long it took."""
    version: str
    """Which version checked."""
    checks: Count
    """How many checks there were."""
    findings: list[Finding]
    """Those that found something; empty: all of it holds."""


class LastVerdict(View):
    """What the newest check of the invariants found."""

    verdict: Verdict | None
    """Null: nobody has checked yet."""


def last_verdict(it: booking_pb2.GetVerdictResponse) -> LastVerdict:
    """What the newest check found."""
    if not it.HasField("verdict"):
        return {"verdict": None}
    verdict = it.verdict
    return {
        "verdict": {
            "began_at": time(verdict.began_at),
            "milliseconds": verdict.milliseconds,
            "version": verdict.version,
            "checks": verdict.checks,
            "findings": [
                {
                    "invariant": finding.invariant,
                    "title": finding.title,
                    "violations": finding.violations,
                }
                for finding in verdict.findings
            ],
        }
    }


def mail(it: notification_pb2.Mail) -> Mail:
    """A mail in the local mailbox."""
    return {
        "id": it.id,
        "to": it.to,
        "kind": word(it.kind),
        "subject": it.subject,
        "body": it.body,
        "html": it.html or None,
        "attachments": list(it.attachments),
        "created_at": time(it.created_at),
        "sent_at": time(it.sent_at) if it.HasField("sent_at") else None,
    }
