"""Accounts are searched by folded words; and all are told of again, as booking_service hears now."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    # Name and address, folded; empty: of before, until it is told of.
    "ALTER TABLE account ADD COLUMN words text NOT NULL DEFAULT ''",
    # Up to which account all were told of again; no row: all of them. Whoever begins to listen later
    # adds the row again.
    "CREATE TABLE announcing (after uuid NOT NULL)",
    "CREATE UNIQUE INDEX announcing_one ON announcing ((true))",
    "INSERT INTO announcing (after) VALUES ('00000000-0000-0000-0000-000000000000')",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
