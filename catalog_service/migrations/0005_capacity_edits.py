"""Edits of counted tiers' capacities are numbered, and one whose end is unknown is looked into."""

from alembic import op

revision = "0005"
down_revision = "0004"

_STATEMENTS = (
    # The number of the newest edit that inventory was asked for, or question after it; and of the
    # newest whose outcome is written down here.
    "ALTER TABLE event ADD COLUMN capacity_asked bigint NOT NULL DEFAULT 0",
    "ALTER TABLE event ADD COLUMN capacity_version bigint NOT NULL DEFAULT 0",
    # When inventory is to be asked what it has, because an edit may have ended unseen.
    "ALTER TABLE event ADD COLUMN capacity_due_at timestamptz",
    "-- squawk-ignore require-concurrent-index-creation\n"
    "CREATE INDEX event_capacity_due ON event (capacity_due_at)"
    " WHERE capacity_due_at IS NOT NULL",  # it has no entry yet
    # What came apart before edits had an order is put right.
    """
    UPDATE event SET capacity_due_at = clock_timestamp()
     WHERE status = 'PUBLISHED' AND venue_id IS NULL
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
