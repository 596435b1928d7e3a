"""Payments, the calls to providers, webhooks and the ledger."""

from alembic import op

from chassis.tables import MESSAGING_V1

revision = "0001"
down_revision = None

TABLES = (
    """
    CREATE TABLE payment (
        id uuid PRIMARY KEY,
        booking_id uuid NOT NULL UNIQUE,
        booking_reference text,
        customer_id uuid,
        organizer_id uuid,
        amount bigint CHECK (amount > 0),
        currency text CHECK (currency ~ '^[A-Z]{3}$'),
        void boolean NOT NULL DEFAULT false,  -- a Void was commanded
        status text NOT NULL CHECK (status IN ('INITIATED', 'REQUIRES_ACTION', 'AUTHORIZED', 'CAPTURED', 'FAILED', 'VOIDED', 'REFUNDED', 'PARTIALLY_REFUNDED')),
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        saga_step integer NOT NULL CHECK (saga_step > 0),  -- the newest seen: older ones have no effect
        -- A tombstone, voided before anything was to be paid, knows its ids alone.
        CHECK (void OR num_nulls(booking_reference, customer_id, organizer_id, amount, currency) = 0)
    )
    """,
    """
    CREATE TABLE attempt (
        payment_id uuid NOT NULL REFERENCES payment (id),
        number integer NOT NULL CHECK (number > 0),
        method text NOT NULL CHECK (method IN ('CARD', 'KHALTI', 'ESEWA')),
        token text,  -- until a charge is known
        provider_key text NOT NULL UNIQUE,
        status text NOT NULL CHECK (status IN ('INITIATED', 'REQUIRES_ACTION', 'AUTHORIZED', 'CAPTURED', 'FAILED', 'VOIDED')),
        reason text NOT NULL DEFAULT '',
        charge text NOT NULL CHECK (charge IN ('UNKNOWN', 'ABSENT', 'PENDING', 'REQUIRES_ACTION', 'AUTHORIZED', 'CAPTURED', 'DECLINED', 'VOIDED')),
        charge_id text NOT NULL DEFAULT '',  -- the provider's own
        action_url text NOT NULL DEFAULT '',
        voidable boolean NOT NULL DEFAULT true,
        capture text NOT NULL DEFAULT 'NONE' CHECK (capture IN ('NONE', 'WANTED', 'REFUSED')),
        captured bigint NOT NULL DEFAULT 0,  -- minor units, as are the next two
        refunding bigint NOT NULL DEFAULT 0,  -- asked to go back, what went back included
        refunded bigint NOT NULL DEFAULT 0,  -- went back
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (payment_id, number),
        CHECK (0 <= refunded AND refunded <= refunding AND refunding <= captured),
        CHECK (captured = 0 OR charge = 'CAPTURED'),
        CHECK (token IS NULL OR (charge = 'UNKNOWN' AND status = 'INITIATED'))
    )
    """,
    """
    CREATE TABLE refund (
        id uuid PRIMARY KEY,
        payment_id uuid NOT NULL,
        attempt integer NOT NULL,
        amount bigint NOT NULL CHECK (amount > 0),
        reason text NOT NULL,
        automatic boolean NOT NULL,
        done boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        FOREIGN KEY (payment_id, attempt) REFERENCES attempt (payment_id, number)
    )
    """,
    "CREATE INDEX refund_payment ON refund (payment_id)",
    # The work list: what providers are to be called for. One row per charge that is not at rest,
    # one per refund that is not done; what a charge's row means follows from the payment.
    """
    CREATE TABLE provider_call (
        id uuid PRIMARY KEY,
        payment_id uuid NOT NULL,
        attempt integer NOT NULL,
        refund_id uuid UNIQUE REFERENCES refund (id),
        kind text,  -- of the call made last: AUTHORIZE, CAPTURE, VOID, REFUND, LOOKUP
        look_up boolean NOT NULL DEFAULT false,  -- look before acting
        asked integer NOT NULL DEFAULT 0,  -- AUTHORIZE calls that may have reached the provider
        tries integer NOT NULL DEFAULT 0,  -- calls since the charge last moved
        claim bigint NOT NULL DEFAULT 0,  -- the fencing token: which claim of the row is the newest
        due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        leased_until timestamptz,  -- while a call is in flight
        FOREIGN KEY (payment_id, attempt) REFERENCES attempt (payment_id, number)
    ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)
    """,
    "CREATE UNIQUE INDEX provider_call_charge ON provider_call (payment_id, attempt) WHERE refund_id IS NULL",
    "CREATE INDEX provider_call_due ON provider_call (due_at)",
    """
    CREATE TABLE webhook_event (
        provider text NOT NULL,
        event_id text NOT NULL,
        body text NOT NULL,
        received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (provider, event_id)
    )
    """,
    "CREATE INDEX webhook_event_received_at ON webhook_event USING brin (received_at)",
    """
    CREATE TABLE ledger_transaction (
        id uuid PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('CAPTURE', 'REFUND')),
        payment_id uuid NOT NULL,
        attempt integer NOT NULL,
        refund_id uuid UNIQUE REFERENCES refund (id),
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        FOREIGN KEY (payment_id, attempt) REFERENCES attempt (payment_id, number),
        CHECK ((kind = 'REFUND') = (refund_id IS NOT NULL))
    )
    """,
    # A charge is captured once, whatever is told how often.
    "CREATE UNIQUE INDEX ledger_one_capture ON ledger_transaction (payment_id, attempt) WHERE kind = 'CAPTURE'",
    """
    CREATE TABLE ledger_posting (
        transaction_id uuid NOT NULL REFERENCES ledger_transaction (id),
        account text NOT NULL,
        currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
        amount bigint NOT NULL CHECK (amount <> 0),  -- minor units; debit > 0, credit < 0
        PRIMARY KEY (transaction_id, account, currency)
    )
    """,
    "CREATE INDEX ledger_posting_account ON ledger_posting (account, currency) INCLUDE (amount)",
    """
    CREATE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF EXISTS (SELECT FROM ledger_posting WHERE transaction_id = NEW.transaction_id
                    GROUP BY currency HAVING sum(amount) <> 0) THEN
            RAISE EXCEPTION 'ledger transaction % does not sum to zero', NEW.transaction_id
                  USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    # Deferred: the postings of a transaction come one by one and balance when it commits.
    """
    CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON ledger_posting
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balances()
    """,
    "REVOKE UPDATE, DELETE ON ledger_transaction, ledger_posting FROM parterre_payment",
)


def upgrade() -> None:
    for statement in (*MESSAGING_V1, *TABLES):
        op.execute(statement)
