"""Events know when they changed last, for the dates that people keep in their calendars."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    # Of what changed before, the moment of the migration: later than it was told to anybody.
    op.execute("ALTER TABLE event ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now()")
