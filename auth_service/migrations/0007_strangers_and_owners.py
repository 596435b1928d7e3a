"""Throttles by account and network, so that no stranger keeps anybody out; codes by their asker."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # Counts of minutes and hours, made anew: who was refused by them tries again.
    op.execute("-- squawk-ignore ban-drop-table\nDROP TABLE login_throttle")
    op.execute(
        """
        CREATE TABLE login_throttle (
            email text NOT NULL,
            -- From where: a network, a device that was logged in before, or an open session.
            source text NOT NULL CHECK (char_length(source) BETWEEN 1 AND 64),
            failures integer NOT NULL CHECK (failures > 0),
            next_at timestamptz NOT NULL,  -- refused until then
            PRIMARY KEY (email, source)
        )
        """
    )
    op.execute("-- squawk-ignore ban-drop-table\nDROP TABLE code_quota")
    op.execute(
        """
        CREATE TABLE code_quota (
            email text NOT NULL,
            purpose text NOT NULL,
            network text NOT NULL CHECK (char_length(network) BETWEEN 1 AND 64),
            sent_at timestamptz[] NOT NULL,  -- newest first, as many as may be sent in an hour
            PRIMARY KEY (email, purpose, network)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE account_throttle (
            email text NOT NULL,
            kind text NOT NULL CHECK (kind IN ('LOG_IN', 'CODE_REGISTER', 'CODE_PASSWORD_RESET',
                                               'TRY_REGISTER', 'TRY_PASSWORD_RESET')),
            network text NOT NULL CHECK (char_length(network) <= 64),  -- empty: all of them
            drained_at timestamptz NOT NULL,  -- when nothing that was done counts any more
            PRIMARY KEY (email, kind, network)
        )
        """
    )
    # Several codes of one address stand beside one another: each has its asker. The table holds
    # what was asked for within an hour, and nothing runs meanwhile.
    for statement in (
        "-- squawk-ignore ban-drop-constraint\n"
        "ALTER TABLE one_time_code DROP CONSTRAINT one_time_code_pkey",
        "-- squawk-ignore adding-field-with-default\n"
        "ALTER TABLE one_time_code ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid()",
        "-- squawk-ignore adding-serial-primary-key-field, constraint-missing-not-valid\n"
        "ALTER TABLE one_time_code ADD PRIMARY KEY (id)",
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX one_time_code_address ON one_time_code (email, purpose)",
    ):
        op.execute(statement)
