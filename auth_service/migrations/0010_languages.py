"""In which language to write to people."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE account ADD COLUMN language text NOT NULL DEFAULT 'en'"
        " CONSTRAINT account_language CHECK (language ~ '^[a-z]{2}$')"
    )
