"""The event that a payment is for, so that whoever is told of money knows it."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # Empty: paid before this was kept.
    op.execute("ALTER TABLE payment ADD COLUMN event_id uuid")
