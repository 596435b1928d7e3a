"""Events' places, the holds on them, and the journal of every seat.

No foreign keys on the way of a hold: each would lock the event's one row for every hold on it.
What they would say is said by inserting parent and children in one transaction, and deleting none.
"""

from alembic import op

from chassis.tables import MESSAGING_V1

revision = "0001"
down_revision = None

_STATEMENTS = (
    """
    CREATE TABLE event (
        event_id uuid PRIMARY KEY,
        status text NOT NULL CHECK (status IN ('OPEN', 'CLOSED')),
        organizer_id uuid,
        currency text CHECK (currency ~ '^[A-Z]{3}$'),
        max_per_customer integer CHECK (max_per_customer > 0),
        sales_from timestamptz,  -- null: from the opening on
        sales_to timestamptz,
        starts_at timestamptz,
        capacity integer NOT NULL DEFAULT 0 CHECK (capacity >= 0),
        focal_x double precision,
        focal_y double precision,
        -- An event may be called off before it was opened; then the rest is never known.
        CHECK (status = 'CLOSED' OR num_nulls(organizer_id, currency, max_per_customer, sales_to,
                                              starts_at, focal_x, focal_y) = 0)
    )
    """,
    """
    CREATE TABLE tier (
        event_id uuid NOT NULL REFERENCES event,
        tier_id uuid NOT NULL,
        ordinal integer NOT NULL,
        name text NOT NULL,
        price bigint NOT NULL CHECK (price >= 0),  -- minor units
        PRIMARY KEY (event_id, tier_id)
    )
    """,
    """
    CREATE TABLE section (
        event_id uuid NOT NULL,
        section_id uuid NOT NULL,
        ordinal integer NOT NULL,
        name text NOT NULL,
        tier_id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('SEATED', 'STANDING')),
        capacity integer NOT NULL CHECK (capacity >= 0),
        PRIMARY KEY (event_id, section_id),
        FOREIGN KEY (event_id, tier_id) REFERENCES tier
    )
    """,
    """
    CREATE TABLE seat_place (
        event_id uuid NOT NULL,
        seat_no integer NOT NULL CHECK (seat_no >= 0),  -- 0.. in section, row and seat order
        section_id uuid NOT NULL,
        row_no integer NOT NULL,
        row_label text NOT NULL,
        position integer NOT NULL,
        number text NOT NULL,
        x double precision NOT NULL,
        y double precision NOT NULL,
        PRIMARY KEY (event_id, seat_no)
    )
    """,
    # What changes, apart from what does not. No index on a column that changes: every update stays
    # within its page (HOT), for which the page keeps room.
    """
    CREATE TABLE seat (
        event_id uuid NOT NULL,
        seat_no integer NOT NULL,
        status text NOT NULL DEFAULT 'AVAILABLE'
            CHECK (status IN ('AVAILABLE', 'HELD', 'RESERVED', 'SOLD', 'BLOCKED')),
        hold_id uuid,
        version integer NOT NULL DEFAULT 0,
        PRIMARY KEY (event_id, seat_no),
        CHECK ((hold_id IS NULL) = (status IN ('AVAILABLE', 'BLOCKED')))
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE pool (
        event_id uuid NOT NULL,
        section_id uuid NOT NULL,
        capacity integer NOT NULL CHECK (capacity >= 0),
        held integer NOT NULL DEFAULT 0 CHECK (held >= 0),
        reserved integer NOT NULL DEFAULT 0 CHECK (reserved >= 0),
        sold integer NOT NULL DEFAULT 0 CHECK (sold >= 0),
        version bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (event_id, section_id),
        FOREIGN KEY (event_id, section_id) REFERENCES section,
        CHECK (held + reserved + sold <= capacity)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE hold (
        event_id uuid NOT NULL,
        hold_id uuid NOT NULL,  -- UUIDv7: the order of making; the fencing token
        customer_id uuid,  -- null: a tombstone for a hold that never was
        status text NOT NULL
            CHECK (status IN ('ACTIVE', 'RESERVED', 'SOLD', 'RELEASED', 'EXPIRED')),
        version integer NOT NULL DEFAULT 1,  -- rises when its lines change
        seats integer NOT NULL CHECK (seats >= 0),
        tickets integer NOT NULL CHECK (tickets >= 0),
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        extendable_until timestamptz NOT NULL,
        booking_id uuid,  -- whose commands it has seen
        saga_step integer NOT NULL DEFAULT 0,  -- the newest of them: older ones have no effect
        PRIMARY KEY (event_id, hold_id),
        CHECK (customer_id IS NOT NULL OR status = 'RELEASED'),
        CHECK (status <> 'ACTIVE' OR (seats + tickets > 0 AND expires_at <= extendable_until)),
        CHECK (booking_id IS NOT NULL OR status NOT IN ('RESERVED', 'SOLD')),
        CHECK (CASE WHEN booking_id IS NULL THEN saga_step = 0 ELSE saga_step > 0 END)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX hold_by_id ON hold (hold_id)",
    "CREATE INDEX hold_by_customer ON hold (customer_id, hold_id)",
    "CREATE INDEX hold_due ON hold (expires_at, event_id) WHERE status = 'ACTIVE'",
    """
    CREATE TABLE hold_line (
        event_id uuid NOT NULL,
        hold_id uuid NOT NULL,
        line_no integer NOT NULL,
        seat_no integer,  -- null: counted tickets
        section_id uuid NOT NULL,
        tier_id uuid NOT NULL,
        quantity integer NOT NULL CHECK (quantity > 0),
        price bigint NOT NULL CHECK (price >= 0),  -- of one, minor units
        PRIMARY KEY (event_id, hold_id, line_no),
        CHECK (seat_no IS NULL OR quantity = 1)
    )
    """,
    """
    CREATE TABLE seat_journal (
        event_id uuid NOT NULL,
        seat_no integer NOT NULL,
        version integer NOT NULL CHECK (version > 0),
        from_status text NOT NULL,
        to_status text NOT NULL,
        hold_id uuid NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (event_id, seat_no, version),
        CHECK ((from_status, to_status) IN (
            ('AVAILABLE', 'HELD'), ('HELD', 'AVAILABLE'), ('HELD', 'RESERVED'),
            ('RESERVED', 'SOLD'), ('RESERVED', 'AVAILABLE'), ('SOLD', 'RESERVED'),
            ('SOLD', 'AVAILABLE'), ('AVAILABLE', 'SOLD')))
    )
    """,
    "REVOKE UPDATE, DELETE ON seat_journal FROM parterre_inventory",
    # What a person holds and has bought of an event, together. Rows stay when they reach zero:
    # whoever gives something back finds one to lock.
    """
    CREATE TABLE customer_quota (
        event_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        seats integer NOT NULL CHECK (seats >= 0),
        PRIMARY KEY (event_id, customer_id)
    ) WITH (fillfactor = 70)
    """,
    # Two live holds a person, over all events: the one table that is not keyed by the event.
    """
    CREATE TABLE live_hold (
        customer_id uuid NOT NULL,
        slot integer NOT NULL CHECK (slot IN (1, 2)),
        event_id uuid NOT NULL,
        hold_id uuid NOT NULL,
        expires_at timestamptz NOT NULL,  -- always the hold's own: past it the slot is free
        PRIMARY KEY (customer_id, slot)
    ) WITH (fillfactor = 70)
    """,
)


def upgrade() -> None:
    for statement in (*MESSAGING_V1, *_STATEMENTS):
        op.execute(statement)
