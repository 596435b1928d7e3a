"""Until when a mail is of use: mails that bring codes go when they are sent or too old."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("ALTER TABLE mail ADD COLUMN expires_at timestamptz")  # empty: never
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX mail_expires ON mail (expires_at) WHERE expires_at IS NOT NULL"
    )
    # A code lives for ten minutes at most: the next round of the forgetting takes these.
    op.execute(
        "UPDATE mail SET expires_at = created_at + interval '10 minutes' WHERE kind = 'code'"
    )
