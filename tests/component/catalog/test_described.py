"""The catalog's routes hold what their description says: a gateway before the real service.

Schemathesis makes requests of the OpenAPI document, sound ones and unsound; half of them about
objects that are there.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from obstore.store import LocalStore
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from catalog_service import messaging
from catalog_service.media import ObjectMedia
from catalog_service.rpc import CatalogServicer
from catalog_service.rpc.inventory import Inventory
from catalog_service.uploads import Uploads
from chassis.grpc_client import GrpcClient
from chassis.identity import Role, ServiceTokens, encode_key
from chassis.ids import uuid7
from tests.component.conftest import MakeDatabase
from tests.contract.conftest import Edge, running_gateway

ROUTES = (
    ("GET", "/venues"),
    ("POST", "/venues"),
    ("GET", "/venues/{venue_id}"),
    ("PATCH", "/venues/{venue_id}"),
    ("POST", "/venues/{venue_id}/sections"),
    ("PATCH", "/venues/{venue_id}/sections/{section_id}"),
    ("GET", "/events"),
    ("GET", "/organizer/events"),
    ("POST", "/events"),
    ("GET", "/events/{event_id}"),
    ("PATCH", "/events/{event_id}"),
    ("POST", "/events/{event_id}/publish"),
    ("POST", "/events/{event_id}/cancel"),
    ("DELETE", "/events/{event_id}"),
)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EVENT = {
    "title": "The Tempest",
    "category": "THEATRE",
    "starts_at": "2030-01-01T10:00:00Z",
    "ends_at": "2030-01-02T00:00:00Z",
    "currency": "NPR",
}


async def objects(edge: Edge, token: str) -> dict[str, str]:
    """A hall with seats, and a draft there."""
    headers = {"Authorization": f"Bearer {token}"}

    async def made(path: str, body: dict[str, Any]) -> str:
        answer = await edge.post(path, body, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    hall = {"name": "Globe", "address": "1", "city": "London", "country": "GB", "timezone": "UTC"}
    venue_id = await made("/venues", hall)
    rows = [{"label": "A", "seats": 5}]
    stalls = {"name": "Stalls", "kind": "SEATED", "rows": rows}
    section_id = await made(f"/venues/{venue_id}/sections", stalls)
    draft = {**EVENT, "venue_id": venue_id}
    tiers = [{"name": "All", "price": 1, "section_ids": [section_id]}]
    event_id = await made("/events", {**draft, "tiers": tiers})
    return {"venue_id": venue_id, "section_id": section_id, "event_id": event_id}


def ask(edge: Edge, token: str, known: dict[str, str], examples: int) -> None:
    """Asks every route, soundly and not."""
    schema = schemathesis.openapi.from_dict(edge.document)
    for method, path in ROUTES:
        operation = schema[f"/api/v1{path}"][method]
        for mode in schemathesis.GenerationMode:

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode), there=st.booleans())
            def asked(case: schemathesis.Case, there: bool) -> None:
                if there:
                    for name in {*(case.path_parameters or {})} & {*known}:
                        case.path_parameters[name] = known[name]
                    if isinstance(case.body, dict) and case.body.get("venue_id"):
                        case.body["venue_id"] = known["venue_id"]
                case.call_and_validate(
                    base_url=edge.url, headers={"Authorization": f"Bearer {token}"}, checks=CHECKS
                )

            # Of some routes nothing unsound can be asked: what is in their path may be anything.
            unsound = mode is schemathesis.GenerationMode.NEGATIVE
            with suppress(Unsatisfiable) if unsound else nullcontext():
                asked()


@pytest.mark.parametrize("examples", [6, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
async def test_every_answer_is_one_that_is_described(
    make_database: MakeDatabase, tmp_path: Path, examples: int
) -> None:
    database = await make_database("catalog", encode=messaging.encode)
    # Nothing is on sale here, so that no room is made.
    nowhere = GrpcClient(
        "inventory", "127.0.0.1:1", ServiceTokens("catalog", encode_key(bytes(32)))
    )
    uploads = Uploads(database, ObjectMedia(LocalStore(tmp_path)))
    servicer = CatalogServicer(database, uploads, Inventory(nowhere))
    plenty = {"person_rate": 100_000, "person_burst": 100_000}
    async with running_gateway({"catalog": servicer}, **plenty) as edge:
        token = edge.keys.token(Role.ADMIN, sub=str(uuid7()))
        known = await objects(edge, token)
        await asyncio.to_thread(ask, edge, token, known, examples)
    await nowhere.close()
