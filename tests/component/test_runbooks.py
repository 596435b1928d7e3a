"""The SQL of the runbooks runs, as the operator's role that may only read."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from chassis.ids import uuid7
from deploy.postgres import Postgres
from deploy.provision import MIGRATOR, READER, migrate_all, provision, url_for
from tests.component.conftest import PASSWORDS

PAGES = sorted((Path(__file__).parents[2] / "docs" / "runbooks").glob("*.md"))
_SQL = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUERIES = [
    pytest.param(query, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, query in enumerate(
        re.findall(r"^```sql\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    )
]


@pytest.fixture(scope="module")
def reader(postgres: Postgres) -> str:
    name = f"test_{uuid7().hex}"
    passwords = {**PASSWORDS, READER: "read"}
    provision(postgres.admin_url, name, passwords)
    migrate_all(url_for(postgres.admin_url, name, MIGRATOR, passwords[MIGRATOR]))
    return url_for(postgres.admin_url, name, READER, passwords[READER])


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_a_runbook_runs(reader: str, query: str) -> None:
    with psycopg.connect(reader) as connection:
        assert connection.execute(query.encode()).description
