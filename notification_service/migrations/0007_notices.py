"""Notices: what people are shown in the app."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE notice (
            id uuid PRIMARY KEY,  -- UUIDv7: the order of telling
            person_id uuid NOT NULL,
            fact text NOT NULL,  -- what it tells: once to each
            kind text NOT NULL,
            facts jsonb NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            read_at timestamptz,
            UNIQUE (person_id, fact)
        )
        """
    )
    op.execute("CREATE INDEX notice_newest ON notice (person_id, id DESC)")
    op.execute("CREATE INDEX notice_unread ON notice (person_id, id DESC) WHERE read_at IS NULL")
    op.execute("CREATE INDEX notice_created ON notice (created_at)")
