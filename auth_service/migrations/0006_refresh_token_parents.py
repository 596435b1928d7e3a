"""From which refresh token each came, and which was put out of use by its sibling."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # Empty: the first of its session, or given out by a version that did not note it.
    op.execute("ALTER TABLE refresh_token ADD COLUMN parent bytea")
    # Its reply was lost: another was given out for the same parent. `rotated_at` says when.
    op.execute("ALTER TABLE refresh_token ADD COLUMN superseded boolean NOT NULL DEFAULT false")
