"""People and mails."""

from alembic import op

from chassis.tables import MESSAGING_V1

revision = "0001"
down_revision = None


def upgrade() -> None:
    for statement in MESSAGING_V1:
        op.execute(statement)
    op.execute(
        """
        CREATE TABLE person (
            user_id uuid PRIMARY KEY,
            email text NOT NULL,
            name text NOT NULL,
            version bigint NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE mail (
            id uuid PRIMARY KEY,  -- UUIDv7: the order of writing
            recipient text NOT NULL,
            kind text NOT NULL,
            subject text NOT NULL,
            body text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            sent_at timestamptz,
            tries integer NOT NULL DEFAULT 0,
            due_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    op.execute("CREATE INDEX mail_recipient ON mail (recipient, id DESC)")
    op.execute("CREATE INDEX mail_due ON mail (due_at) WHERE sent_at IS NULL")
