"""Bookings say when they were updated last, and are listed by that."""

from alembic import op

revision = "0009"
down_revision = "0008"

_STATEMENTS = (
    # Of those of before, the moment of the migration: who follows changes hears of all of them once.
    "ALTER TABLE saga ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now()",
    "ALTER TABLE saga ALTER COLUMN updated_at SET DEFAULT clock_timestamp()",
    # The services are stopped: nobody waits for the table meanwhile.
    "-- squawk-ignore require-concurrent-index-creation\n"
    "CREATE INDEX saga_of_event_updated ON saga (event_id, updated_at, booking_id)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
