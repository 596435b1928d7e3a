"""Whether payment providers answer, as payment_service tells."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # A row stays when its outage has ended, lest an older message begins it again.
    op.execute(
        """
        CREATE TABLE provider_outage (
            provider text PRIMARY KEY,
            told_at timestamptz NOT NULL,  -- by payment's clock: the order of what it tells
            until timestamptz  -- null: it has ended; past: nobody has spoken of it lately
        )
        """
    )
