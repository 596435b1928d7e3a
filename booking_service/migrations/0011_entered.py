"""Sagas know since when they are in their state, for whoever watches that they move on."""

from alembic import op

revision = "0011"
down_revision = "0010"

_STATEMENTS = (
    # Of those of before, the moment of the migration. The version before does not write it: what it
    # moves meanwhile seems to be in its state for longer than it is.
    "ALTER TABLE saga ADD COLUMN entered_at timestamptz NOT NULL DEFAULT now()",
    "ALTER TABLE saga ALTER COLUMN entered_at SET DEFAULT clock_timestamp()",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
