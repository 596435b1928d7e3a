"""Mails as facts that are written when they are sent, in lanes; announcements, preferences.

What a version before wrote keeps its text, and is sent as it is. It passes by what this one writes,
which is born with more `tries` than it makes.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

_INDEX = "-- squawk-ignore require-concurrent-index-creation\n"
STATEMENTS = (
    "ALTER TABLE mail ADD COLUMN fact text",  # names what it tells; empty: of a version before
    "ALTER TABLE mail ADD COLUMN addressee text",  # a person's id, or an address
    "ALTER TABLE mail ADD COLUMN person_id uuid",
    "ALTER TABLE mail ADD COLUMN language text NOT NULL DEFAULT 'en'",
    "ALTER TABLE mail ADD COLUMN lane smallint NOT NULL DEFAULT 1",
    "ALTER TABLE mail ADD COLUMN facts jsonb NOT NULL DEFAULT '{}'",
    "ALTER TABLE mail ADD COLUMN attempts integer NOT NULL DEFAULT 0",
    "ALTER TABLE mail ADD COLUMN given_up_at timestamptz",
    "ALTER TABLE mail ADD COLUMN outcome text NOT NULL DEFAULT ''",
    "ALTER TABLE mail ADD COLUMN tried_from timestamptz",  # when an operator had it tried anew
    f"{_INDEX}CREATE UNIQUE INDEX mail_fact ON mail (fact, addressee)",
    f"{_INDEX}CREATE INDEX mail_waiting ON mail (lane, due_at)"
    " WHERE sent_at IS NULL AND given_up_at IS NULL",
    f"{_INDEX}CREATE INDEX mail_given_up ON mail (given_up_at) WHERE given_up_at IS NOT NULL",
    f"{_INDEX}CREATE INDEX mail_created ON mail (created_at)",
    f"{_INDEX}CREATE INDEX mail_person ON mail (person_id, id DESC) WHERE person_id IS NOT NULL",
    "UPDATE mail SET given_up_at = clock_timestamp(), outcome = 'GIVEN_UP'"
    " WHERE sent_at IS NULL AND tries >= 12",
    "UPDATE mail SET outcome = 'SENT' WHERE sent_at IS NOT NULL",
    "ALTER TABLE event ADD COLUMN remind_at timestamptz",  # empty: they were, or are not to be
    f"{_INDEX}CREATE INDEX event_remind ON event (remind_at) WHERE remind_at IS NOT NULL",
    """
    CREATE TABLE announcement (
        id uuid PRIMARY KEY,
        fact text NOT NULL UNIQUE,
        kind text NOT NULL,
        event_id uuid NOT NULL,
        facts jsonb NOT NULL,
        after uuid,  -- the last booking that was told; empty: none
        told integer NOT NULL DEFAULT 0,  -- mails
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        done_at timestamptz
    )
    """,
    "CREATE INDEX announcement_due ON announcement (due_at) WHERE done_at IS NULL",
    """
    CREATE TABLE message_day (
        event_id uuid,
        day date,
        messages integer NOT NULL CHECK (messages > 0),
        PRIMARY KEY (event_id, day)
    )
    """,
    """
    CREATE TABLE preference (
        addressee text,  -- a person's id, or the address of somebody without an account
        kind text,
        channel text CHECK (channel IN ('MAIL', 'APP')),
        is_wanted boolean NOT NULL,
        PRIMARY KEY (addressee, kind, channel)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
