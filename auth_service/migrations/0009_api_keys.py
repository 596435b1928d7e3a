"""API keys of organizers' programs; wrong ones are throttled by address."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE api_key (
            id uuid PRIMARY KEY,  -- UUIDv7; also the session of the tokens that are made for it
            account_id uuid NOT NULL REFERENCES account,
            name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
            prefix text NOT NULL,  -- how it begins
            digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
            scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
            event_id uuid,  -- the one it is confined to
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            expires_at timestamptz CHECK (expires_at > created_at),
            last_used_at timestamptz,  -- within ten minutes
            revoked_at timestamptz,
            refused_at timestamptz  -- when a use of it after its end was last noted
        )
        """
    )
    op.execute("CREATE INDEX api_key_account ON api_key (account_id, id)")
    op.execute("CREATE INDEX api_key_revoked ON api_key (revoked_at) WHERE revoked_at IS NOT NULL")
    # The table holds minutes.
    for statement in (
        "-- squawk-ignore ban-drop-constraint\n"
        "ALTER TABLE address_throttle DROP CONSTRAINT address_throttle_kind_check",
        "ALTER TABLE address_throttle ADD CONSTRAINT address_throttle_kind_check"
        " CHECK (kind IN ('PASSWORD', 'CODE', 'KEY')) NOT VALID",
        "-- squawk-ignore constraint-missing-not-valid\n"
        "ALTER TABLE address_throttle VALIDATE CONSTRAINT address_throttle_kind_check",
    ):
        op.execute(statement)
