"""Events as bookings know them, bookings, their sagas, timelines and tickets."""

from alembic import op

from chassis.tables import MESSAGING_V1

revision = "0001"
down_revision = None

_STATES = (
    "'SECURING', 'AUTHORIZING', 'AWAITING_PAYMENT', 'SELLING', 'CAPTURING', 'CONFIRMED',"
    " 'UNSELLING', 'VOIDING', 'RELEASING', 'RECLAIMING', 'REFUNDING', 'RESTOCKING',"
    " 'FAILED', 'EXPIRED', 'CANCELLED'"
)


def upgrade() -> None:
    for statement in MESSAGING_V1:
        op.execute(statement)
    op.execute(
        """
        CREATE TABLE event (
            event_id uuid PRIMARY KEY,
            organizer_id uuid NOT NULL,
            title text NOT NULL,
            place text NOT NULL,
            starts_at timestamptz NOT NULL,
            timezone text NOT NULL,
            currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
            tax_basis_points integer NOT NULL CHECK (tax_basis_points BETWEEN 0 AND 10000),
            until_hours_before integer NOT NULL CHECK (until_hours_before >= 0),
            percent integer NOT NULL CHECK (percent BETWEEN 0 AND 100),
            version bigint NOT NULL
        )
        """
    )
    # Apart from `event`, because it may arrive before it.
    op.execute(
        """
        CREATE TABLE cancelled_event (
            event_id uuid PRIMARY KEY,
            reason text NOT NULL,
            cancelled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            settled_at timestamptz  -- none of its bookings is left to be told
        )
        """
    )
    op.execute(
        "CREATE INDEX cancelled_event_unsettled ON cancelled_event (cancelled_at)"
        " WHERE settled_at IS NULL"
    )
    op.execute(
        """
        CREATE TABLE booking (
            booking_id uuid PRIMARY KEY,  -- UUIDv7: the order of making
            reference text NOT NULL CONSTRAINT booking_reference UNIQUE
                CHECK (reference ~ '^PT-[0-9A-HJKMNP-TV-Z]{8}$'),
            hold_id uuid NOT NULL CONSTRAINT booking_hold UNIQUE,
            hold_version integer NOT NULL,
            customer_id uuid NOT NULL,
            event_id uuid NOT NULL REFERENCES event,
            payment_id uuid NOT NULL UNIQUE,
            currency text NOT NULL,
            subtotal bigint NOT NULL CHECK (subtotal >= 0),
            discount bigint NOT NULL CHECK (discount BETWEEN 0 AND subtotal),
            tax bigint NOT NULL CHECK (tax >= 0),
            fees bigint NOT NULL CHECK (fees >= 0),
            total bigint NOT NULL CHECK (total = subtotal - discount + tax + fees),
            -- The refund policy as it was when the customer agreed to it.
            until_hours_before integer NOT NULL CHECK (until_hours_before >= 0),
            percent integer NOT NULL CHECK (percent BETWEEN 0 AND 100),
            created_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX booking_customer ON booking (customer_id, booking_id DESC)")
    op.execute(
        """
        CREATE TABLE booking_line (
            booking_id uuid REFERENCES booking,
            line_no smallint,
            seat_id text NOT NULL,  -- empty: standing
            section_id text NOT NULL,
            section text NOT NULL,
            row text NOT NULL,
            number text NOT NULL,
            tier_id text NOT NULL,
            tier text NOT NULL,
            quantity integer NOT NULL CHECK (quantity > 0 AND (seat_id = '' OR quantity = 1)),
            price bigint NOT NULL CHECK (price >= 0),
            PRIMARY KEY (booking_id, line_no)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE attendee (
            booking_id uuid REFERENCES booking,
            attendee_no smallint,
            seat_id text NOT NULL,  -- empty: any of the standing tickets
            name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
            email text NOT NULL,
            PRIMARY KEY (booking_id, attendee_no)
        )
        """
    )
    op.execute(
        f"""
        CREATE TABLE saga (
            booking_id uuid PRIMARY KEY REFERENCES booking,
            event_id uuid NOT NULL,
            state text NOT NULL CHECK (state IN ({_STATES})),
            amount bigint NOT NULL CHECK (amount >= 0),
            pay_by timestamptz NOT NULL,
            deadline_at timestamptz,
            version integer NOT NULL CHECK (version > 0),
            step integer NOT NULL CHECK (step > 0),  -- the newest that was asked for
            attempt smallint NOT NULL CHECK (attempt BETWEEN 1 AND 3),
            resends integer NOT NULL CHECK (resends >= 0),
            ending text CHECK (ending IN ('FAILED', 'EXPIRED', 'CANCELLED')),
            reason text NOT NULL,
            event_off boolean NOT NULL,
            paid_late boolean NOT NULL,
            refund bigint NOT NULL CHECK (refund BETWEEN 0 AND amount),
            action_url text NOT NULL,
            payment_status text NOT NULL,
            refused_because text NOT NULL,
            method text NOT NULL CHECK (method IN ('CARD', 'KHALTI', 'ESEWA')),
            token text NOT NULL,  -- the card's, only until it was passed on
            -- Every state that waits has a deadline, and only those.
            CHECK ((deadline_at IS NULL)
                   = (state IN ('CONFIRMED', 'FAILED', 'EXPIRED', 'CANCELLED'))),
            CHECK (token = '' OR state = 'SECURING')
        ) WITH (fillfactor = 70)
        """
    )
    op.execute("CREATE INDEX saga_due ON saga (deadline_at) WHERE deadline_at IS NOT NULL")
    op.execute(
        "CREATE INDEX saga_of_event ON saga (event_id)"
        " WHERE NOT event_off AND state NOT IN ('FAILED', 'EXPIRED', 'CANCELLED')"
    )
    op.execute(
        """
        CREATE TABLE timeline (
            booking_id uuid REFERENCES booking,
            entry_no integer,  -- the saga's version
            at timestamptz NOT NULL,
            state text NOT NULL,
            step text NOT NULL,
            outcome text NOT NULL CHECK (outcome IN ('DONE', 'REFUSED', 'RESENT', 'IGNORED')),
            attempt smallint NOT NULL,
            detail text NOT NULL,
            PRIMARY KEY (booking_id, entry_no)
        )
        """
    )
    op.execute("REVOKE UPDATE, DELETE ON timeline FROM parterre_booking")
    op.execute(
        """
        CREATE TABLE ticket (
            ticket_id uuid PRIMARY KEY,  -- UUIDv7
            booking_id uuid NOT NULL,
            line_no smallint NOT NULL,
            event_id uuid NOT NULL,
            seat_id text NOT NULL,  -- empty: standing
            version smallint NOT NULL DEFAULT 1,
            status text NOT NULL DEFAULT 'VALID'
                CHECK (status IN ('VALID', 'ADMITTED', 'REVOKED')),
            attendee_name text NOT NULL,
            FOREIGN KEY (booking_id, line_no) REFERENCES booking_line
        )
        """
    )
    op.execute("CREATE INDEX ticket_booking ON ticket (booking_id)")
    # At most one valid ticket per seat, whatever any code does.
    op.execute(
        "CREATE UNIQUE INDEX ticket_one_per_seat ON ticket (event_id, seat_id)"
        " WHERE status <> 'REVOKED' AND seat_id <> ''"
    )
