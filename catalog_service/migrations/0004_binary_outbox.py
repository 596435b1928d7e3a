"""Messages as binary protobuf."""

from alembic import op

from chassis.tables import MESSAGING_V2

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for statement in MESSAGING_V2:
        op.execute(statement)
