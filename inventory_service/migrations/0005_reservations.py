"""Reservations: a hold gets its booking, and its places stay as they are until they are sold.

The services are stopped meanwhile. Reservations of before keep their bookings, which are not asked
after; their seats are held again, as the seats of every reservation are from now on.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

_STATEMENTS = (
    # When the booking asked for it; null: it is none, or one of before.
    "ALTER TABLE hold ADD COLUMN reserved_at timestamptz",
    # When the booking is asked whether it exists; null: it does.
    "ALTER TABLE hold ADD COLUMN ask_at timestamptz",
    """
    ALTER TABLE hold ADD CONSTRAINT hold_asked
        CHECK (ask_at IS NULL OR (status = 'RESERVED' AND reserved_at IS NOT NULL)) NOT VALID
    """,
    "-- squawk-ignore require-concurrent-index-creation\n"
    "CREATE INDEX hold_ask_at ON hold (ask_at) WHERE ask_at IS NOT NULL",  # it has no entry yet
    "-- squawk-ignore ban-drop-constraint\n"
    "ALTER TABLE seat_journal DROP CONSTRAINT seat_journal_legal",  # the next one takes its place
    # From and to RESERVED go what was reserved before, and is in the journal.
    """
    ALTER TABLE seat_journal ADD CONSTRAINT seat_journal_legal CHECK (CASE
        WHEN hold_id IS NULL THEN (from_status, to_status) IN (
            ('AVAILABLE', 'BLOCKED'), ('BLOCKED', 'AVAILABLE'))
        ELSE (from_status, to_status) IN (
            ('AVAILABLE', 'HELD'), ('HELD', 'AVAILABLE'), ('HELD', 'SOLD'),
            ('SOLD', 'AVAILABLE'), ('AVAILABLE', 'SOLD'),
            ('HELD', 'RESERVED'), ('RESERVED', 'SOLD'), ('RESERVED', 'AVAILABLE'),
            ('SOLD', 'RESERVED'), ('RESERVED', 'HELD')) END) NOT VALID
    """,
    """
    WITH kept AS (
        UPDATE seat SET status = 'HELD', version = version + 1 WHERE status = 'RESERVED'
        RETURNING event_id, seat_no, version, hold_id
    )
    INSERT INTO seat_journal (event_id, seat_no, version, from_status, to_status, hold_id)
    SELECT event_id, seat_no, version, 'RESERVED', 'HELD', hold_id FROM kept
    """,
    """
    UPDATE pool SET held = held + reserved, reserved = 0, version = version + 1
     WHERE reserved > 0
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
