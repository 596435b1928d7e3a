"""Accounts, one-time codes, throttles, sessions, signing keys, the audit trail."""

from alembic import op

from chassis.tables import MESSAGING_V1

revision = "0001"
down_revision = None


def upgrade() -> None:
    for statement in MESSAGING_V1:
        op.execute(statement)
    op.execute(
        """
        CREATE TABLE account (
            id uuid PRIMARY KEY,
            email text NOT NULL UNIQUE
                CHECK (email = lower(email COLLATE "C") AND char_length(email) BETWEEN 3 AND 254),
            name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
            role text NOT NULL CHECK (role IN ('CUSTOMER', 'ORGANIZER', 'ADMIN')),
            phone text NOT NULL DEFAULT '',  -- E.164 or empty
            country text NOT NULL DEFAULT '' CHECK (country ~ '^([A-Z]{2})?$'),
            organizer_requested boolean NOT NULL DEFAULT false,
            password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
            password_version bigint NOT NULL DEFAULT 1,  -- rises when the password is another one
            version bigint NOT NULL DEFAULT 1,  -- rises when name or address change
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            disabled_at timestamptz,
            CHECK (NOT organizer_requested OR role = 'CUSTOMER')
        )
        """
    )
    op.execute(
        """
        CREATE TABLE one_time_code (
            email text NOT NULL,
            purpose text NOT NULL CHECK (purpose IN ('REGISTER', 'PASSWORD_RESET')),
            digest bytea NOT NULL CHECK (octet_length(digest) = 32),
            expires_at timestamptz NOT NULL,
            tries_left integer NOT NULL CHECK (tries_left >= 0),
            used_at timestamptz,
            PRIMARY KEY (email, purpose)  -- a new code takes the old one's place
        )
        """
    )
    op.execute(
        """
        CREATE TABLE code_quota (
            email text PRIMARY KEY,
            sent_at timestamptz[] NOT NULL  -- newest first, as many as may be sent in an hour
        )
        """
    )
    op.execute(
        """
        CREATE TABLE login_throttle (
            email text PRIMARY KEY,
            failures integer NOT NULL CHECK (failures > 0),
            next_at timestamptz NOT NULL  -- refused until then
        )
        """
    )
    op.execute(
        """
        CREATE TABLE session (
            id uuid PRIMARY KEY,
            account_id uuid NOT NULL REFERENCES account,
            address text NOT NULL,
            user_agent text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            last_used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            ended_at timestamptz
        )
        """
    )
    op.execute("CREATE INDEX session_account ON session (account_id)")
    op.execute("CREATE INDEX session_last_used ON session (last_used_at)")
    op.execute(
        """
        CREATE TABLE refresh_token (
            digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
            session_id uuid NOT NULL REFERENCES session ON DELETE CASCADE,
            expires_at timestamptz NOT NULL,
            rotated_at timestamptz
        )
        """
    )
    op.execute("CREATE INDEX refresh_token_session ON refresh_token (session_id)")
    op.execute("CREATE INDEX refresh_token_expires ON refresh_token (expires_at)")
    op.execute(
        """
        CREATE TABLE signing_key (
            kid uuid PRIMARY KEY,  -- UUIDv7: the oldest live one signs, the others are next
            private_key bytea NOT NULL CHECK (octet_length(private_key) = 32),
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            retired_at timestamptz  -- signs no more; what it signed is accepted a while longer
        )
        """
    )
    op.execute(
        """
        CREATE TABLE audit (
            id uuid PRIMARY KEY,  -- UUIDv7: the order of writing
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            action text NOT NULL CHECK (action ~ '^[A-Z_]{1,50}$'),
            account_id uuid,  -- whom it is about, where that is known; outlives the account
            detail jsonb NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX audit_account ON audit (account_id, id)")
    op.execute("REVOKE UPDATE, DELETE ON audit FROM parterre_auth")
