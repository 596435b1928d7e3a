"""Which ending of a booking was told last."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE ending (
            booking_id uuid PRIMARY KEY,
            version integer NOT NULL  -- an older one that arrives later is not told
        )
        """
    )
