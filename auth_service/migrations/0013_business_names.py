"""The names of the businesses that sell, as admins approved them, and those that wait for one."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE account"
        " ADD COLUMN business_name text NOT NULL DEFAULT ''"
        " CONSTRAINT account_business_name CHECK (char_length(business_name) <= 100),"
        " ADD COLUMN requested_business_name text NOT NULL DEFAULT ''"
        " CONSTRAINT account_requested_business_name"
        " CHECK (char_length(requested_business_name) <= 100)"
    )
