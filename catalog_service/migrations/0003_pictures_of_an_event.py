"""Pictures are found by their event."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX image_of_event ON image (event_id) WHERE state = 'STORED'"
    )
