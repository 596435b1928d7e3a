"""Events that were moved to another time or place while they were on sale."""

from alembic import op

revision = "0006"
down_revision = "0005"

_STATEMENTS = (
    # When it was moved last, which version of the event that made, and until when whoever had
    # bought before may cancel in full.
    "ALTER TABLE event ADD COLUMN moved_at timestamptz",
    "ALTER TABLE event ADD COLUMN moved_version bigint NOT NULL DEFAULT 0",
    "ALTER TABLE event ADD COLUMN cancel_until timestamptz",
    """
    ALTER TABLE event ADD CONSTRAINT event_moved
        CHECK (num_nulls(moved_at, cancel_until) = CASE WHEN moved_version > 0 THEN 0 ELSE 2 END)
        NOT VALID
    """,
    # The services are stopped: nobody waits for the table meanwhile.
    "-- squawk-ignore constraint-missing-not-valid\n"
    "ALTER TABLE event VALIDATE CONSTRAINT event_moved",
    # Its venue has another address, and that has not been told of the event yet.
    "ALTER TABLE event ADD COLUMN venue_moved boolean NOT NULL DEFAULT false",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
