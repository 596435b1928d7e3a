"""Seats an organizer keeps back, and terms that change while an event is on sale."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    # Of the newest EventPublished that was heard; 0: as the event was opened.
    "ALTER TABLE event ADD COLUMN terms_version bigint NOT NULL DEFAULT 0",
    """
    CREATE TABLE block (
        event_id uuid NOT NULL,
        block_id uuid NOT NULL,  -- UUIDv7: the order of making
        note text NOT NULL CHECK (char_length(note) <= 200),
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        created_by uuid NOT NULL,
        PRIMARY KEY (event_id, block_id)
    )
    """,
    # While, and only while, the seat is BLOCKED.
    """
    CREATE TABLE block_seat (
        event_id uuid NOT NULL,
        seat_no integer NOT NULL,
        block_id uuid NOT NULL,
        PRIMARY KEY (event_id, seat_no)
    )
    """,
    "-- squawk-ignore require-concurrent-index-creation\n"
    "CREATE INDEX block_seat_by_block ON block_seat (event_id, block_id)",  # the table is new
    # A seat that is kept back, or no longer, is nobody's. Nothing reads the column but checks.
    "-- squawk-ignore ban-drop-not-null\n"
    "ALTER TABLE seat_journal ALTER COLUMN hold_id DROP NOT NULL",
    """
    ALTER TABLE seat_journal ADD CONSTRAINT seat_journal_legal CHECK (CASE
        WHEN hold_id IS NULL THEN (from_status, to_status) IN (
            ('AVAILABLE', 'BLOCKED'), ('BLOCKED', 'AVAILABLE'))
        ELSE (from_status, to_status) IN (
            ('AVAILABLE', 'HELD'), ('HELD', 'AVAILABLE'), ('HELD', 'RESERVED'),
            ('RESERVED', 'SOLD'), ('RESERVED', 'AVAILABLE'), ('SOLD', 'RESERVED'),
            ('SOLD', 'AVAILABLE'), ('AVAILABLE', 'SOLD')) END) NOT VALID
    """,
    # What the journal has already was held to the same by the constraint that goes now.
    "-- squawk-ignore ban-drop-constraint\n"
    "ALTER TABLE seat_journal DROP CONSTRAINT seat_journal_check",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
