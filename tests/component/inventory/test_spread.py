"""inventory_service on tables that are spread by event: holds, sagas and the sweeper once more."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from deploy.postgres import Postgres
from deploy.provision import MIGRATOR, url_for
from tests.component.conftest import PASSWORDS

from . import test_expiry, test_holds_together, test_making, test_owning, test_reserving, test_saga
from .box import Box
from .partitions import KEPT_WHOLE, SPREAD, spread_by_event

# All of these run here as well, on the template below.
for _module in (
    test_making,
    test_holds_together,
    test_owning,
    test_expiry,
    test_reserving,
    test_saga,
):
    _tests = {name: test for name, test in vars(_module).items() if name.startswith("test_")}
    assert not _tests.keys() & globals().keys()
    globals().update(_tests)


@pytest.fixture(scope="session")
def template(postgres: Postgres, template: Callable[[str], str]) -> Callable[[str], str]:
    """Gives a database whose tables are spread; it is made once."""
    made: set[str] = set()

    def make(schema: str) -> str:
        whole = template(schema)
        name = f"{whole}_spread"
        if name not in made:
            with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{whole}"')
            url = url_for(postgres.admin_url, name, MIGRATOR, PASSWORDS[MIGRATOR])
            with psycopg.connect(url) as connection:
                spread_by_event(connection)
            made.add(name)
        return name

    return make


async def test_every_table_is_spread_by_event_or_kept_whole_on_purpose(box: Box) -> None:
    rows = await box.sql(
        "SELECT relname::text AS name, relkind = 'p' AS spread FROM pg_class"
        " WHERE relnamespace = 'inventory'::regnamespace AND relkind IN ('r', 'p')"
        "   AND NOT relispartition"
    )
    assert {row.name for row in rows if row.spread} == set(SPREAD)
    assert {row.name for row in rows if not row.spread} == set(KEPT_WHOLE)
