"""In which language to write to people, and the events they are told of."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("ALTER TABLE person ADD COLUMN language text NOT NULL DEFAULT 'en'")
    op.execute(
        """
        CREATE TABLE event (
            event_id uuid PRIMARY KEY,
            organizer_id uuid NOT NULL,
            title text NOT NULL,
            place text NOT NULL,
            starts_at timestamptz NOT NULL,
            timezone text NOT NULL,  -- IANA name
            version bigint NOT NULL  -- an older one that arrives later is not kept
        )
        """
    )
