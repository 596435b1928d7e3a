"""Requests that are made of the description, sound and not, are answered as it says.

The services are fakes that refuse nothing: what the gateway itself refuses of a sound request has
to be one of the rules that the description tells in words.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from parterre.auth.v1 import auth_pb2
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chassis.api_keys import new_key
from chassis.identity import Role
from gateway.scopes import Scope
from tests.contract.conftest import Edge, running_gateway
from tests.contract.story import IN_PATHS

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Not the API's own.
LEFT_OUT = {"docs_page", "docs_asset", "openapi"}
PLENTY = {
    "person_rate": 100_000,
    "person_burst": 100_000,
    "person_concurrent": 1000,
    "coupon_guesses": 100_000,
}
# What a sound request may be refused for, as the description says in words.
IN_WORDS = (
    "Must have",  # blank text
    "Must not have",  # text: control characters, writing that turns around
    "e-mail address",
    "RFC 3339",  # years from 2000 to 2199
    "Give ",  # what goes together
    "time zone",
)


@pytest.fixture(scope="module")
async def generous() -> AsyncIterator[Edge]:
    """A gateway that lets a person ask as often as they like."""
    async with running_gateway(**PLENTY) as edge:
        token = edge.keys.for_api_key(*Scope)
        edge.auth.answers["ExchangeApiKey"] = auth_pb2.ExchangeApiKeyResponse(
            access_token=token, expires_in=600
        )
        yield edge


Caller = Callable[[Edge], dict[str, str]]


def bearer(role: Role) -> Caller:
    return lambda edge: {"Authorization": f"Bearer {edge.keys.token(role)}"}


CALLERS: dict[str, Caller] = {
    "VISITOR": lambda _edge: {},
    "CUSTOMER": bearer(Role.CUSTOMER),
    "ORGANIZER": bearer(Role.ORGANIZER),
    "ADMIN": bearer(Role.ADMIN),
    "KEY": lambda _edge: {"Authorization": f"Bearer {new_key()}"},
}


@dataclass
class Asking:
    """Asks a gateway what its description lets one ask."""

    edge: Edge
    examples: int
    faults: dict[str, str] = field(default_factory=dict)

    def everything(self) -> None:
        """Asks every route, soundly and not, each caller in turn."""
        schema = schemathesis.openapi.from_dict(self.edge.document)
        for path, of_path in self.edge.document["paths"].items():
            for method, described in of_path.items():
                if described["operationId"] not in LEFT_OUT and not is_endless(described):
                    self.soundly(schema[path][method], described["operationId"])
                    self.unsoundly(schema[path][method], described["operationId"])

    def soundly(self, operation: Any, name: str) -> None:
        def hold(answer: Any) -> None:
            hold_to_words(name, answer)

        with self.noting(name):
            self.ask(operation, schemathesis.GenerationMode.POSITIVE, hold)

    def unsoundly(self, operation: Any, name: str) -> None:
        # Of some routes nothing unsound can be asked: what is in their path may be anything.
        with self.noting(name), suppress(Unsatisfiable):
            self.ask(operation, schemathesis.GenerationMode.NEGATIVE, lambda _answer: None)

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        try:
            yield
        except (AssertionError, BaseExceptionGroup) as error:
            parts = getattr(error, "exceptions", [error])
            self.faults[name] = "\n".join(str(part) for part in parts)

    def ask(
        self,
        operation: Any,
        mode: schemathesis.GenerationMode,
        hold: Callable[[Any], None],
    ) -> None:
        headers = {name: caller(self.edge) for name, caller in CALLERS.items()}

        @settings(
            max_examples=self.examples,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(
            case=operation.as_strategy(generation_mode=mode),
            who=st.sampled_from(sorted(CALLERS)),
            there=st.booleans(),
        )
        def asked(case: schemathesis.Case, who: str, there: bool) -> None:
            for name in {*(case.path_parameters or {})} if there else ():
                case.path_parameters[name] = IN_PATHS[name]
            hold(
                case.call_and_validate(base_url=self.edge.url, headers=headers[who], checks=CHECKS)
            )

        asked()


def is_endless(described: dict[str, Any]) -> bool:
    """Whether it answers a stream."""
    return "text/event-stream" in described["responses"].get("200", {}).get("content", {})


def hold_to_words(name: str, answer: Any) -> None:
    """A sound request is refused for who asks, or for a rule that is told in words."""
    if answer.status_code in {400, 413, 415, 422}:
        problem = answer.json()
        for error in problem.get("errors", [{"message": problem["detail"]}]):
            told = any(words in error["message"] for words in IN_WORDS)
            assert told, f"{name} refuses what is sound: {problem} of {answer.request.body!r}"


@pytest.mark.parametrize("examples", [5, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.timeout(1200)
async def test_every_request_is_answered_as_the_description_says(
    generous: Edge, examples: int
) -> None:
    asking = Asking(generous, examples)
    await asyncio.to_thread(asking.everything)
    assert not asking.faults, "\n\n".join(asking.faults.values())
