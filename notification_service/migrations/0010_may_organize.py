"""Webhooks are for people who may organize events."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    # Null: not told of it yet. auth_service tells of everybody again.
    op.execute("ALTER TABLE person ADD COLUMN may_organize boolean")
