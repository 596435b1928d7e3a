"""What a version before left in the mailbox is kept, and what waits is sent as it was written."""

from __future__ import annotations

import psycopg

from chassis.database import Database
from chassis.ids import uuid7
from chassis.migrate import migrate
from deploy.postgres import Postgres
from deploy.provision import MIGRATOR, provision, role_of, url_for
from notification_service.domain import Draft, Lane
from notification_service.storage import mails
from tests.component.conftest import PASSWORDS

# As the version before takes the mails that are due.
_LEASED_BEFORE = """
SELECT subject FROM notification.mail
 WHERE sent_at IS NULL AND due_at <= clock_timestamp() AND tries < 12
   AND coalesce(expires_at > clock_timestamp(), true)
"""


async def test_mails_of_the_version_before_stay_and_it_passes_new_ones_by(
    postgres: Postgres,
) -> None:
    name = f"upgrade_{uuid7().hex}"
    provision(postgres.admin_url, name, PASSWORDS)
    migrator, own = (
        url_for(postgres.admin_url, name, role, PASSWORDS[role])
        for role in (MIGRATOR, role_of("notification"))
    )
    migrate(migrator, "notification_service", "notification", to="0004")
    with psycopg.connect(own, autocommit=True) as connection:

        def write(subject: str, tries: int, sent: str) -> None:
            connection.execute(
                "INSERT INTO notification.mail (id, recipient, kind, subject, body, tries, sent_at)"
                " VALUES (gen_random_uuid(), 'asha@example.org', 'booking_failed', %s, 'x', %s,"
                f" {sent})",
                [subject, tries],
            )

        write("waits", 1, "NULL")
        write("sent", 1, "clock_timestamp()")
        write("given up", 12, "NULL")
        migrate(migrator, "notification_service", "notification")
        write("written by the old one meanwhile", 0, "NULL")

        database = Database(own, "notification")
        try:
            async with database.transaction() as session:
                rows = await mails.lease(session, {Lane.USUAL: 10}, lease_seconds=30)
            assert {row.subject for row in rows} == {"waits", "written by the old one meanwhile"}
            # What one has leased the other passes by.
            assert connection.execute(_LEASED_BEFORE).fetchall() == []
            kept = connection.execute(
                "SELECT subject, outcome FROM notification.mail WHERE outcome <> '' ORDER BY 1"
            ).fetchall()
            assert kept == [("given up", "GIVEN_UP"), ("sent", "SENT")]

            async with database.transaction() as session:
                mails.add(session, [Draft("f", "booking_failed", {}, address="b@example.org")])
            assert connection.execute(_LEASED_BEFORE).fetchall() == []
        finally:
            await database.close()
