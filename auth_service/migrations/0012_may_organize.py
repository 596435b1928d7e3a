"""All accounts are told of again: notification_service hears now who may organize."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute(
        "INSERT INTO announcing (after) VALUES ('00000000-0000-0000-0000-000000000000')"
        " ON CONFLICT ((true)) DO UPDATE SET after = excluded.after"
    )
