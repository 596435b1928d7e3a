"""Edits of capacities are put in order by the catalog's number of each."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # Of the newest edit that was heard; 0: as the event was opened.
    op.execute("ALTER TABLE event ADD COLUMN capacity_version bigint NOT NULL DEFAULT 0")
