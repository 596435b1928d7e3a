"""What the newest check of the invariants found, for admins."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    # One row, there from the beginning: `kept_since` says for how long nobody has checked.
    op.execute(
        """
        CREATE TABLE verdict (
            one boolean PRIMARY KEY DEFAULT true CHECK (one),
            kept_since timestamptz NOT NULL DEFAULT clock_timestamp(),
            began_at timestamptz,  -- null: nobody has checked yet
            milliseconds bigint CHECK (milliseconds >= 0),
            version text CHECK (length(version) <= 100),
            checks integer CHECK (checks > 0),
            findings jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_array_length(findings) <= 100),
            CHECK (num_nonnulls(began_at, milliseconds, version, checks) IN (0, 4))
        )
        """
    )
    op.execute("INSERT INTO verdict DEFAULT VALUES")
