"""Messages as binary protobuf."""

from alembic import op

from chassis.tables import MESSAGING_V2

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for statement in MESSAGING_V2:
        op.execute(statement)
