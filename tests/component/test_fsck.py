"""fsck on small data made wrong on purpose; the system tests plant the rest on a whole house."""

from __future__ import annotations

import psycopg
import pytest

from chassis.ids import uuid7
from chassis.migrate import migrate
from deploy.postgres import Postgres
from deploy.provision import MIGRATOR, SCHEMAS, provision, url_for
from ops.fsck import check_all
from tests.component.conftest import PASSWORDS

CAPACITIES = "the catalog's capacities are inventory's"
EVENT, TIER, ORGANIZER = uuid7(), uuid7(), uuid7()


@pytest.fixture
def house(postgres: Postgres) -> str:
    """The address of a house whose one event counts 60 tickets, in the catalog and in inventory."""
    name = f"test_{uuid7().hex}"
    provision(postgres.admin_url, name, PASSWORDS)
    migrator = url_for(postgres.admin_url, name, MIGRATOR, PASSWORDS[MIGRATOR])
    for schema, package in SCHEMAS.items():
        migrate(migrator, package, schema)
    url = psycopg.conninfo.make_conninfo(postgres.admin_url, dbname=name)
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO catalog.event (id, organizer_id, status, title, description, category,"
            " location, starts_at, ends_at, timezone, currency, max_per_customer,"
            " refund_until_hours, refund_percent, tax_basis_points, terms, min_price, capacity)"
            " VALUES (%s, %s, 'PUBLISHED', 'x', '', 'OTHER', 'x', now() + interval '1 day',"
            " now() + interval '2 days', 'UTC', 'NPR', 9, 24, 100, 0, '', 1, 60)",
            (EVENT, ORGANIZER),
        )
        connection.execute(
            "INSERT INTO catalog.tier (id, event_id, position, name, price, capacity)"
            " VALUES (%s, %s, 0, 'x', 1, 60)",
            (TIER, EVENT),
        )
        connection.execute(
            "INSERT INTO inventory.event (event_id, status, organizer_id, currency,"
            " max_per_customer, sales_to, starts_at, capacity, focal_x, focal_y)"
            " VALUES (%s, 'OPEN', %s, 'NPR', 9, now(), now(), 60, 0, 0)",
            (EVENT, ORGANIZER),
        )
        connection.execute("INSERT INTO inventory.tier VALUES (%s, %s, 0, 'x', 1)", (EVENT, TIER))
        connection.execute(
            "INSERT INTO inventory.section VALUES (%s, %s, 0, 'x', %s, 'STANDING', 60)",
            (EVENT, TIER, TIER),
        )
        connection.execute(
            "INSERT INTO inventory.pool (event_id, section_id, capacity) VALUES (%s, %s, 60)",
            (EVENT, TIER),
        )
    return url


def found(url: str) -> set[str]:
    return {finding.check.title for finding in check_all(url) if finding.violations}


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE inventory.pool SET capacity = 407;"
        " UPDATE inventory.section SET capacity = 407; UPDATE inventory.event SET capacity = 407",
        "UPDATE catalog.tier SET capacity = 61",
        "UPDATE catalog.event SET capacity = 61",
        "DELETE FROM inventory.pool",
    ],
)
def test_capacities_that_came_apart_are_found_unless_they_are_looked_into(
    house: str, wrong: str
) -> None:
    assert found(house) == set()
    with psycopg.connect(house) as connection:
        connection.execute(wrong)
    assert CAPACITIES in found(house)
    with psycopg.connect(house) as connection:
        connection.execute("UPDATE catalog.event SET capacity_due_at = now() + interval '9 s'")
    assert CAPACITIES not in found(house)
