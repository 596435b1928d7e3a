"""Events are found by words that the service writes, by one rule for every script.

The functions of before stay for the version that is running.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

_STATEMENTS = (
    # Up to which event all are indexed by the rule of now; no row: all of them. A later change of the
    # rule adds the row again.
    "CREATE TABLE rewording (after uuid NOT NULL)",
    "CREATE UNIQUE INDEX rewording_one ON rewording ((true))",
    "INSERT INTO rewording (after) VALUES ('00000000-0000-0000-0000-000000000000')",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
