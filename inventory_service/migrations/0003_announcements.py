"""What was last said of how much an event has left."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    """
    CREATE TABLE announcement (
        event_id uuid PRIMARY KEY,
        version bigint NOT NULL DEFAULT 0,  -- of the counts that were said last; 0: none were
        checked_at timestamptz NOT NULL DEFAULT '-infinity'
    ) WITH (fillfactor = 70)
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
