"""Bookings keep the start that their buyers agreed to; events know when they were moved."""

from alembic import op

revision = "0006"
down_revision = "0005"

_STATEMENTS = (
    "ALTER TABLE event ADD COLUMN moved_at timestamptz",
    # The version of the event that moved it last; 0: it was not moved.
    "ALTER TABLE event ADD COLUMN moved_version bigint NOT NULL DEFAULT 0",
    # Until when whoever had bought before may cancel in full.
    "ALTER TABLE event ADD COLUMN cancel_until timestamptz",
    # As the event was when the booking was made. Those of before agreed to what it is by now, as
    # far as anybody knows, and to no move that comes.
    "ALTER TABLE booking ADD COLUMN agreed_starts_at timestamptz",
    "ALTER TABLE booking ADD COLUMN agreed_version bigint NOT NULL DEFAULT 0",
    """
    UPDATE booking SET agreed_starts_at = event.starts_at
      FROM event WHERE event.event_id = booking.event_id
    """,
    """
    ALTER TABLE booking ADD CONSTRAINT booking_agreed_starts_at
        CHECK (agreed_starts_at IS NOT NULL) NOT VALID
    """,
    # The services are stopped: nobody waits for the table meanwhile.
    "-- squawk-ignore constraint-missing-not-valid\n"
    "ALTER TABLE booking VALIDATE CONSTRAINT booking_agreed_starts_at",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
