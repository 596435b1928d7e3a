"""Messages as binary protobuf."""

from alembic import op

from chassis.tables import MESSAGING_V2

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for statement in MESSAGING_V2:
        op.execute(statement)
