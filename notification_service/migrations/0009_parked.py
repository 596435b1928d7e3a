"""A place for messages that only another version knows."""

from alembic import op

from chassis.tables import PARKED

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    for statement in PARKED:
        op.execute(statement)
