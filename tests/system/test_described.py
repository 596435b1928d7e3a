"""The running system answers as its description says, whatever is asked of it and in which order.

Schemathesis makes requests of the description and follows what comes of them: an event that was
made is published, a hold that was made is booked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Flaky, FlakyStrategyDefinition
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ops.client import Client

from .conftest import System
from .patience import book, publish_an_event, somebody, tickets_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # Connections that Schemathesis leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROUNDS = 6

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Endless, not the API's own, or the end of whoever asks.
LEFT_OUT = [
    "stream_seats",
    "stream_unread",
    "docs_page",
    "docs_asset",
    "openapi",
    "log_out",
    "change_password",
    "revoke_session",
    "revoke_api_key",
]
SCOPES = [
    "events:read",
    "events:write",
    "bookings:read",
    "bookings:write",
    "coupons:read",
    "coupons:write",
    "check-ins:write",
    "sales:read",
]


def bearing(person: Client) -> str:
    return str(person._http.headers["Authorization"])


def customer(_system: System, _owner: Client, buyer: Client) -> str:
    return bearing(buyer)


def organizer(_system: System, owner: Client, _buyer: Client) -> str:
    return bearing(owner)


def admin(system: System, _owner: Client, _buyer: Client) -> str:
    return bearing(system.client("ADMIN"))


def key(_system: System, owner: Client, _buyer: Client) -> str:
    made = owner.post("/api-keys", {"name": "All of it", "scopes": SCOPES})
    return f"Bearer {made['key']}"


Caller = Callable[[System, Client, Client], str]


def what_there_is(owner: Client, buyer: Client) -> Mapping[str, str]:
    """Objects that a path may name: an event on sale, and a booking of it."""
    event = publish_an_event(owner)
    reference = book(buyer, tickets_of(event))
    booking = buyer.get(f"/bookings/{reference}?wait=10")
    return {
        "event_id": event["id"],
        "tier_id": event["tiers"][0]["id"],
        "reference": reference,
        "booking_reference": reference,
        "hold_id": buyer.post("/holds", tickets_of(event))["id"],
        "payment_id": booking["payment"]["id"],
        "user_id": owner.get("/auth/me")["id"],
    }


@pytest.mark.parametrize("caller", [customer, organizer, admin, key])
def test_every_answer_is_as_described_in_whatever_order(system: System, caller: Caller) -> None:
    with (
        somebody(system.gateway, "ORGANIZER") as owner,
        somebody(system.gateway) as buyer,
    ):
        there = what_there_is(owner, buyer)
        walked = Walked(system.gateway, caller(system, owner, buyer), there)
        for seed in range(ROUNDS):
            walked.once(seed)
    assert not walked.faults, "\n\n".join(walked.faults.values())
    assert sum(walked.answers.values()) > 200, walked.answers
    assert len(walked.answers) > 3, walked.answers


@dataclass
class Walked:
    """What came of requests that follow each other."""

    gateway: str
    token: str
    there: Mapping[str, str]
    answers: Counter[int] = field(default_factory=Counter)  # by status
    faults: dict[str, str] = field(default_factory=dict)  # by operation

    def once(self, seed: int) -> None:
        """Makes some walks; a system that lives may change while Hypothesis looks again."""
        document = httpx.get(f"{self.gateway}/api/openapi.json").json()
        schema = schemathesis.openapi.from_dict(document).exclude(operation_id=LEFT_OUT)
        machine = self.machine(schema, seed)
        with suppress(Flaky, FlakyStrategyDefinition):
            machine.run(
                settings=settings(
                    max_examples=6,
                    stateful_step_count=15,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
            )

    def meant(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body, of what there is: the event has counted tickets alone."""
        meant = {name: self.there.get(name, value) for name, value in body.items()}
        if "event_id" in meant and {"seat_ids", "best_available", "general"} & {*meant}:
            meant = {**meant, "general": [{"tier_id": self.there["tier_id"], "quantity": 1}]}
            meant.pop("seat_ids", None)
            meant.pop("best_available", None)
        if "payment_method" in meant:
            meant |= {"payment_method": "CARD", "payment_token": "tok_ok"}
        return meant

    def machine(self, schema: Any, seed: int) -> Any:
        walked, numbers, session = self, count(), requests.Session()

        class Walk(schema.as_state_machine()):  # type: ignore[misc]  # made at run time
            _hypothesis_internal_use_seed = seed

            def before_call(self, case: schemathesis.Case) -> None:
                if next(numbers) % 3 == 0:
                    return
                # Of three two speak of something that there is.
                for name in {*(case.path_parameters or {})} & {*walked.there}:
                    case.path_parameters[name] = walked.there[name]
                if isinstance(case.body, dict):
                    case.body = walked.meant(case.body)

            def get_call_kwargs(self, _case: schemathesis.Case) -> dict[str, Any]:
                return {
                    "base_url": walked.gateway,
                    "headers": {"Authorization": walked.token},
                    "session": session,
                }

            def validate_response(self, response: Any, case: schemathesis.Case, **_: Any) -> None:
                walked.answers[response.status_code] += 1
                try:
                    case.validate_response(response, checks=CHECKS)
                except FailureGroup as group:
                    parts = group.exceptions
                    name = str(case.operation.definition.raw["operationId"])
                    told = "\n".join(str(part) for part in parts)
                    walked.faults[name] = f"{name} {response.status_code}: {told}"

        return Walk
