"""What becomes of places that were held, reserved and sold under the version before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, cast
from uuid import UUID

import psycopg
import pytest
from parterre.inventory.v1 import inventory_pb2_grpc

from chassis.consumer import Consumer
from chassis.database import Database
from chassis.ids import uuid7
from chassis.migrate import migrate
from deploy.postgres import Postgres
from deploy.provision import MIGRATOR, provision, role_of, url_for
from inventory_service.messaging import QUEUES, encode
from inventory_service.rpc import SERVICE, InventoryServicer
from tests.component.conftest import PASSWORDS, Serve

from .box import TERMS, Box, Saga

if TYPE_CHECKING:
    from chassis.broker import Broker

# Once its saga had reserved a hold, its seats and tickets were RESERVED, and it lived for hours; an
# Unsell brought what was sold back to that.
_RESERVED = """
WITH kept AS (
    UPDATE hold SET status = 'RESERVED', booking_id = :booking_id, saga_step = 1,
                    expires_at = clock_timestamp() + interval '3 hours'
     WHERE hold_id = :hold_id
    RETURNING event_id, hold_id, tickets
), slot AS (
    DELETE FROM live_hold WHERE hold_id = :hold_id
), reserved AS (
    UPDATE seat SET status = 'RESERVED', version = version + 1 FROM kept
     WHERE seat.event_id = kept.event_id AND seat.hold_id = kept.hold_id
    RETURNING seat.event_id, seat_no, version, seat.hold_id
), told AS (
    INSERT INTO seat_journal (event_id, seat_no, version, from_status, to_status, hold_id)
    SELECT event_id, seat_no, version, 'HELD', 'RESERVED', hold_id FROM reserved
)
UPDATE pool SET held = held - tickets, reserved = reserved + tickets, version = version + 1
  FROM kept WHERE pool.event_id = kept.event_id
"""
_SOLD = """
WITH kept AS (
    UPDATE hold SET status = 'SOLD', saga_step = 3 WHERE hold_id = :hold_id
    RETURNING event_id, hold_id, tickets
), sold AS (
    UPDATE seat SET status = 'SOLD', version = version + 1 FROM kept
     WHERE seat.event_id = kept.event_id AND seat.hold_id = kept.hold_id
    RETURNING seat.event_id, seat_no, version, seat.hold_id
), told AS (
    INSERT INTO seat_journal (event_id, seat_no, version, from_status, to_status, hold_id)
    SELECT event_id, seat_no, version, 'RESERVED', 'SOLD', hold_id FROM sold
)
UPDATE pool SET reserved = reserved - tickets, sold = sold + tickets, version = version + 1
  FROM kept WHERE pool.event_id = kept.event_id
"""

# What this version writes when an event is opened, and the version before had no place for: it
# stays empty.
_NEW_COLUMNS = ("area_x", "area_y", "area_width", "area_height")


@pytest.fixture
async def before(postgres: Postgres, serve: Serve) -> AsyncIterator[Box]:
    """A box whose schema is the version before's."""
    name = f"test_{uuid7().hex}"
    provision(postgres.admin_url, name, PASSWORDS)
    migrate(_migrator(postgres, name), "inventory_service", "inventory", to="0004")
    _alter_sections(postgres, name, "ADD COLUMN {} double precision")
    role = role_of("inventory")
    url = url_for(postgres.admin_url, name, role, PASSWORDS[role])
    database = Database(url, "inventory", encode=encode)
    caller = await serve(
        "inventory",
        SERVICE,
        partial(InventoryServicer, database, TERMS),
        inventory_pb2_grpc.InventoryServiceStub,
    )
    handlers = {kind: handle for queue in QUEUES.values() for kind, handle in queue.items()}
    consumer = Consumer("inventory.commands", handlers, database, cast("Broker", None))
    yield Box([database], [caller], [consumer])
    await database.close()


def _migrator(postgres: Postgres, name: str) -> str:
    return url_for(postgres.admin_url, name, MIGRATOR, PASSWORDS[MIGRATOR])


def _upgrade(box: Box, postgres: Postgres) -> None:
    name = cast("str", psycopg.conninfo.conninfo_to_dict(box.database.url)["dbname"])
    _alter_sections(postgres, name, "DROP COLUMN {}")
    migrate(_migrator(postgres, name), "inventory_service", "inventory")


def _alter_sections(postgres: Postgres, name: str, change: str) -> None:
    changes = ", ".join(change.format(column) for column in _NEW_COLUMNS)
    with psycopg.connect(postgres.admin_url, dbname=name, autocommit=True) as admin:
        admin.execute(f"ALTER TABLE inventory.section {changes}".encode())


async def test_whatever_was_under_way_ends_well(before: Box, postgres: Postgres) -> None:
    box = before
    event = await box.opened(rows=3, seats=10, pools=(50,), most=4)
    people = [str(uuid7()) for _ in range(7)]
    active, asked, selling, unselling, releasing, sold, cancelled = sagas = [
        await Saga.begun(box, event, person, seats=[2 * n, 2 * n + 1], tickets=1)
        for n, person in enumerate(people)
    ]
    for saga in sagas[2:]:
        ids = {"booking_id": UUID(saga.booking_id), "hold_id": UUID(saga.hold.id)}
        await box.sql(_RESERVED, **ids)
        saga.step = 2
        if saga not in (selling, releasing):
            await box.sql(_SOLD, hold_id=ids["hold_id"])
            saga.step = 3
    for _ in range(2):
        due = await box.hold(event, str(uuid7()), seats=[29])
        await box.let_expire(due.id)  # one that has expired, and one that is about to
    assert set((await box.statuses(event)).values()) == {"HELD", "RESERVED", "SOLD"}

    _upgrade(box, postgres)

    assert set((await box.statuses(event)).values()) == {"HELD", "SOLD"}
    assert (await box.pool(event))[1] == 0
    await box.check()
    await box.answers()
    # Messages that were on their way, and what the sagas ask for from now on.
    await asked.send("Reserve")
    await box.tell(unselling.message("Unsell"))
    await selling.send("Sell")
    await releasing.send("Release")
    await unselling.send("Release")
    await cancelled.send("Restock")
    await sold.send_again("Sell")
    (result,) = await box.reserve((people[0], active.hold.id, active.booking_id))
    assert result.booking_id == active.booking_id
    assert await box.answers() == [
        ("RESERVED", ""),
        ("SOLD", ""),
        ("RELEASED", ""),
        ("RELEASED", ""),
        ("RESTOCKED", ""),
        ("SOLD", ""),
    ]
    statuses = await box.statuses(event)
    assert {seat: status for seat, status in statuses.items() if seat != 29} == {
        **dict.fromkeys((0, 1, 2, 3), "HELD"),
        **dict.fromkeys((4, 5, 10, 11), "SOLD"),
    }
    # A booking of before is there: nobody asks after it.
    rows = await box.sql("SELECT hold_id FROM hold WHERE ask_at IS NOT NULL")
    assert [row.hold_id for row in rows] == [UUID(active.hold.id)]
    # One of before, whose booking were never to be, is given back within the cap of its own hold.
    await box.cancel((asked.hold.id, asked.booking_id))
    assert (await box.kept(asked.hold.id)).status == "ACTIVE"
    await box.check()


async def test_an_old_reservation_that_is_given_back_has_what_its_hold_could_have_had(
    before: Box, postgres: Postgres
) -> None:
    box = before
    event = await box.opened()
    saga = await Saga.begun(box, event, str(uuid7()), seats=[1])
    await box.sql(_RESERVED, booking_id=UUID(saga.booking_id), hold_id=UUID(saga.hold.id))
    _upgrade(box, postgres)
    await box.cancel((saga.hold.id, saga.booking_id))
    kept = await box.kept(saga.hold.id)
    assert (kept.status, kept.expires_at) == ("ACTIVE", kept.extendable_until)
    await box.check()
