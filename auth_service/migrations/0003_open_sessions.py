"""An account's open sessions, to count them and to find the oldest."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX session_open ON session (account_id, last_used_at) WHERE ended_at IS NULL"
    )
