"""The gateway's page of metrics stays small and is whole from the start."""

from __future__ import annotations

import re

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.conftest import Edge, running_gateway

# Prometheus reads it every 15 seconds, of every process.
MOST_BYTES = 240_000


def http_series(page: str) -> set[tuple[str, str]]:
    """The method and the route of everything that is shown of HTTP requests."""
    return {
        (sample.labels["method"], sample.labels["route"])
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if family.name in {"parterre_http_server_seconds", "parterre_http_answers"}
    }


async def page_of(edge: Edge) -> str:
    async with httpx.AsyncClient(base_url=edge.internal_url) as internal:
        return (await internal.get("/metrics")).text


async def test_the_gateways_page_shows_every_route_from_the_start_and_never_grows() -> None:
    async with running_gateway() as edge:
        before = http_series(await page_of(edge))
        routes = [
            (method.upper(), path)
            for path, operations in edge.document["paths"].items()
            for method in operations
            if method in {"get", "post", "put", "patch", "delete"}
        ]
        assert len(routes) > 80
        assert set(routes) <= before

        for method, route in routes:
            path = re.sub(r"{[^}]*}", "1", route)
            for asked in (method, "HEAD" if method == "GET" else "PROPFIND"):
                async with edge.http.stream(asked, path):  # some never end: nobody reads on
                    pass
        for number in range(200):
            await edge.http.request(f"M{number}", f"/nowhere/{number}")

        page = await page_of(edge)
        assert http_series(page) == before
        # The fake services live in this process, too: what they count is on their own pages.
        own = "".join(line for line in page.splitlines(True) if "parterre_rpc_" not in line)
        assert len(own) < MOST_BYTES
