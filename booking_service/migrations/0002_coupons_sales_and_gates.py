"""Coupons, what went back of a payment, admission at the gate, and figures for organizers."""

from alembic import op

revision = "0002"
down_revision = "0001"

# What an entry and a total have in common: each a difference, or the sum of some.
_FIGURES = """
            bookings integer NOT NULL,  -- ever confirmed
            confirmed integer NOT NULL,  -- in that state now, as the next three
            failed integer NOT NULL,
            expired integer NOT NULL,
            cancelled integer NOT NULL,
            tickets integer NOT NULL,  -- good now
            sold integer NOT NULL,  -- tickets minted
            admitted integer NOT NULL,
            amount bigint NOT NULL,  -- prices of the tickets that are good now, minor units
            gross bigint NOT NULL,  -- paid, minor units, as the next three
            refunded bigint NOT NULL,
            discount bigint NOT NULL,
            tax bigint NOT NULL
"""


def upgrade() -> None:
    for addition in (
        "event ADD COLUMN ends_at timestamptz",  # null: published before this
        "booking ADD COLUMN coupon_code text NOT NULL DEFAULT ''",
        "saga ADD COLUMN refunds integer NOT NULL DEFAULT 0",
        "saga ADD COLUMN refunded bigint NOT NULL DEFAULT 0",
        "ticket ADD COLUMN admitted_at timestamptz",
        "ticket ADD COLUMN gate text NOT NULL DEFAULT ''",
    ):
        op.execute(f"ALTER TABLE {addition}")
    # Every row there is meets these by the columns' defaults, so none has to be read.
    for table, name, condition in (
        ("saga", "saga_refunded", "refunded BETWEEN 0 AND amount"),
        ("ticket", "ticket_admitted", "status <> 'ADMITTED' OR admitted_at IS NOT NULL"),
        ("ticket", "ticket_gate", "length(gate) <= 50"),
    ):
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
    # Built while these tables can still be read through in a moment.
    for index in (
        "event_organizer ON event (organizer_id)",
        "booking_event ON booking (event_id, booking_id DESC)",
    ):
        op.execute(f"-- squawk-ignore require-concurrent-index-creation\nCREATE INDEX {index}")
    op.execute(
        """
        CREATE TABLE coupon (
            event_id uuid REFERENCES event,
            code text CHECK (code ~ '^[A-Z0-9-]{3,40}$'),
            kind text NOT NULL CHECK (kind IN ('PERCENT', 'FIXED')),
            value bigint NOT NULL CHECK (value > 0 AND (kind = 'FIXED' OR value <= 100)),
            min_total bigint CHECK (min_total > 0),
            max_discount bigint CHECK (max_discount > 0),
            usage_limit integer CHECK (usage_limit > 0),
            per_customer_limit integer CHECK (per_customer_limit > 0),
            valid_from timestamptz,
            valid_to timestamptz,
            active boolean NOT NULL DEFAULT true,
            used integer NOT NULL DEFAULT 0 CHECK (used >= 0),
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (event_id, code),
            CHECK (used <= usage_limit),  -- whatever any code does
            CHECK (valid_from < valid_to)
        ) WITH (fillfactor = 70)
        """
    )
    op.execute(
        """
        CREATE TABLE coupon_customer (
            event_id uuid,
            code text,
            customer_id uuid,
            used integer NOT NULL CHECK (used >= 0),
            PRIMARY KEY (event_id, code, customer_id),
            FOREIGN KEY (event_id, code) REFERENCES coupon
        ) WITH (fillfactor = 70)
        """
    )
    op.execute(
        """
        CREATE TABLE coupon_use (
            booking_id uuid PRIMARY KEY REFERENCES booking,
            event_id uuid NOT NULL,
            code text NOT NULL,
            customer_id uuid NOT NULL,
            counted boolean NOT NULL,  -- false: given back
            FOREIGN KEY (event_id, code, customer_id) REFERENCES coupon_customer
        )
        """
    )
    # Insert-only on the saga's way, so that no two bookings wait for the same counter; folded into
    # the totals a moment later, so that reading costs the same however much was sold.
    op.execute(
        f"""
        CREATE TABLE sale_entry (
            entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            event_id uuid NOT NULL,
            day date NOT NULL,  -- in the event's time zone
            tier_id text NOT NULL,  -- empty: of the booking as a whole
            tier text NOT NULL,
            {_FIGURES}
        ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)
        """
    )
    op.execute(
        f"""
        CREATE TABLE sale_total (
            event_id uuid,
            day date,
            tier_id text,
            tier text NOT NULL,
            {_FIGURES},
            PRIMARY KEY (event_id, day, tier_id)
        ) WITH (fillfactor = 70)
        """
    )
