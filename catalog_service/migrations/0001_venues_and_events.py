"""Venues, sections, events, tiers."""

from alembic import op

from chassis.tables import MESSAGING_V1

revision = "0001"
down_revision = None


def upgrade() -> None:
    for statement in MESSAGING_V1:
        op.execute(statement)
    op.execute(
        """
        CREATE TABLE venue (
            id uuid PRIMARY KEY,  -- UUIDv7: newest last
            owner_id uuid NOT NULL,
            name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
            address text NOT NULL,
            city text NOT NULL,
            country text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
            timezone text NOT NULL,
            said_capacity integer CHECK (said_capacity > 0),
            amenities text[] NOT NULL,
            -- What the sections add up to; counted here so that the limits hold under concurrency.
            sections integer NOT NULL DEFAULT 0 CHECK (sections BETWEEN 0 AND 200),
            seats integer NOT NULL DEFAULT 0 CHECK (seats BETWEEN 0 AND 100000),
            standing integer NOT NULL DEFAULT 0 CHECK (standing >= 0),
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    op.execute(
        """
        CREATE TABLE section (
            id uuid PRIMARY KEY,
            venue_id uuid NOT NULL REFERENCES venue,
            name text NOT NULL CHECK (name <> ''),
            kind text NOT NULL CHECK (kind IN ('SEATED', 'STANDING')),
            rows jsonb NOT NULL,  -- [{"label": "A", "seats": ["1", "2"]}], front to back
            capacity integer NOT NULL CHECK (capacity BETWEEN 1 AND 200000),
            origin_x double precision NOT NULL,
            origin_y double precision NOT NULL,
            row_spacing double precision NOT NULL CHECK (row_spacing > 0),
            seat_spacing double precision NOT NULL CHECK (seat_spacing > 0),
            curve double precision NOT NULL,
            UNIQUE (id, venue_id),
            CHECK ((kind = 'STANDING') = (rows = '[]'))
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX section_name ON section (venue_id, lower(name))")
    op.execute(
        """
        CREATE TABLE event (
            id uuid PRIMARY KEY,
            organizer_id uuid NOT NULL,
            status text NOT NULL DEFAULT 'DRAFT'
                CHECK (status IN ('DRAFT', 'PUBLISHING', 'PUBLISHED', 'CANCELLED')),
            title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
            description text NOT NULL,
            category text NOT NULL,
            venue_id uuid REFERENCES venue,
            location text NOT NULL,
            starts_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            doors_at timestamptz,
            timezone text NOT NULL,
            currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
            max_per_customer integer NOT NULL CHECK (max_per_customer BETWEEN 1 AND 100),
            sales_from timestamptz,
            sales_to timestamptz,
            refund_until_hours integer NOT NULL CHECK (refund_until_hours >= 0),
            refund_percent integer NOT NULL CHECK (refund_percent BETWEEN 0 AND 100),
            tax_basis_points integer NOT NULL CHECK (tax_basis_points BETWEEN 0 AND 10000),
            terms text NOT NULL,
            min_price bigint NOT NULL CHECK (min_price >= 0),  -- of its tiers; to sort by
            capacity integer NOT NULL DEFAULT 0,
            cancel_reason text NOT NULL DEFAULT '',
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            open_tries integer NOT NULL DEFAULT 0,  -- how often inventory was asked to open it
            open_due_at timestamptz,  -- when to ask again
            UNIQUE (id, venue_id),
            CHECK ((venue_id IS NULL) = (location <> '')),
            CHECK (starts_at < ends_at AND ends_at <= starts_at + interval '8784 hours'),
            CHECK (doors_at <= starts_at),
            CHECK (sales_from < coalesce(sales_to, starts_at) AND sales_to <= ends_at),
            CHECK (status <> 'PUBLISHED' OR capacity > 0),
            CHECK ((status = 'PUBLISHING') = (open_due_at IS NOT NULL)),
            CHECK ((status = 'CANCELLED') = (cancel_reason <> ''))
        )
        """
    )
    op.execute("CREATE INDEX event_by_start ON event (status, starts_at, id)")
    op.execute("CREATE INDEX event_by_price ON event (status, min_price, id)")
    op.execute("CREATE INDEX event_by_organizer ON event (organizer_id, starts_at, id)")
    op.execute("CREATE INDEX event_by_venue ON event (venue_id)")
    op.execute("CREATE INDEX event_to_open ON event (open_due_at) WHERE status = 'PUBLISHING'")
    op.execute(
        """
        CREATE TABLE tier (
            id uuid PRIMARY KEY,
            event_id uuid NOT NULL REFERENCES event,
            position integer NOT NULL,
            name text NOT NULL CHECK (name <> ''),
            price bigint NOT NULL CHECK (price >= 0),
            capacity integer NOT NULL CHECK (capacity BETWEEN 0 AND 1000000),
            UNIQUE (event_id, position),
            UNIQUE (event_id, name),
            UNIQUE (id, event_id)
        )
        """
    )
    # The keys say: a section has one tier in an event, of that event, and is one of its venue's.
    op.execute(
        """
        CREATE TABLE tier_section (
            event_id uuid NOT NULL,
            section_id uuid NOT NULL,
            tier_id uuid NOT NULL,
            venue_id uuid NOT NULL,
            PRIMARY KEY (event_id, section_id),
            FOREIGN KEY (event_id, venue_id) REFERENCES event (id, venue_id),
            FOREIGN KEY (section_id, venue_id) REFERENCES section (id, venue_id),
            FOREIGN KEY (tier_id, event_id) REFERENCES tier (id, event_id)
        )
        """
    )
