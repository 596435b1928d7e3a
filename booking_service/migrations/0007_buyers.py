"""People, so that organizers see who bought; auth_service tells of all of them once more."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE person (
            user_id uuid PRIMARY KEY,
            email text NOT NULL,
            name text NOT NULL,
            words text NOT NULL,  -- folded, to be searched by
            version bigint NOT NULL  -- auth_service's
        )
        """
    )
