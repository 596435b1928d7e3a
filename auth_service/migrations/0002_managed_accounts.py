"""Who did what to whom; throttles by client address; what is asked about sessions and accounts."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # `account_id` stays whom it is about; rows written before have no actor.
    op.execute("ALTER TABLE audit ADD COLUMN actor_id uuid")
    op.execute(
        """
        CREATE TABLE address_throttle (
            address text NOT NULL CHECK (char_length(address) BETWEEN 1 AND 64),
            kind text NOT NULL CHECK (kind IN ('PASSWORD', 'CODE')),
            drained_at timestamptz NOT NULL,  -- when nothing that was done counts any more
            PRIMARY KEY (address, kind)
        ) WITH (fillfactor = 70)
        """
    )
    op.execute("CREATE INDEX address_throttle_drained ON address_throttle (drained_at)")
    # Built while these tables can still be read through in a moment.
    for index in (
        "audit_actor ON audit (actor_id, id)",
        "audit_action ON audit (action, id)",
        "audit_logged_in ON audit (account_id, id) WHERE action = 'LOGGED_IN'",
        "session_ended ON session (last_used_at) WHERE ended_at IS NOT NULL",
    ):
        op.execute(f"-- squawk-ignore require-concurrent-index-creation\nCREATE INDEX {index}")
