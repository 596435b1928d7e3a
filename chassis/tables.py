"""The tables that outbox, inbox and idempotency keys need in each service's schema.

A service's first migration executes `MESSAGING_V1`, a later one `MESSAGING_V2`, then `PARKED`; each
is frozen once released, like a migration.
"""

MESSAGING_V1 = (
    """
    CREATE TABLE outbox (
        id uuid PRIMARY KEY,  -- UUIDv7: about the order of sending; also the message id
        type text NOT NULL,  -- the proto message's full name
        body text NOT NULL,  -- proto-JSON
        headers jsonb NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL DEFAULT clock_timestamp()
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)
    """,
    """
    CREATE TABLE inbox (
        consumer text NOT NULL,
        message_id uuid NOT NULL,
        received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (consumer, message_id)
    )
    """,
    "CREATE INDEX inbox_received_at ON inbox USING brin (received_at)",
    """
    CREATE TABLE idempotency (
        subject text NOT NULL,  -- whose key
        key text NOT NULL,
        fingerprint bytea NOT NULL,  -- SHA-256 of the request
        reply bytea,  -- the serialized reply, or
        refusal jsonb,  -- the refusal
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (subject, key),
        CHECK ((reply IS NULL) <> (refusal IS NULL))
    )
    """,
    "CREATE INDEX idempotency_created_at ON idempotency USING brin (created_at)",
)

# Messages are written as binary protobuf. Rows of before keep their JSON and are published with it.
MESSAGING_V2 = (
    "ALTER TABLE outbox ADD COLUMN payload bytea",
    # The services are stopped: nobody reads a row without it, nor waits for the table meanwhile.
    "-- squawk-ignore ban-drop-not-null\nALTER TABLE outbox ALTER COLUMN body DROP NOT NULL",
    """
    ALTER TABLE outbox ADD CONSTRAINT outbox_has_one_body
        CHECK ((payload IS NULL) <> (body IS NULL)) NOT VALID
    """,
    "-- squawk-ignore constraint-missing-not-valid\n"
    "ALTER TABLE outbox VALIDATE CONSTRAINT outbox_has_one_body",
)

# Messages that wait for a version which knows them (chassis.parking).
PARKED = (
    """
    CREATE TABLE parked (
        queue text NOT NULL,
        message_id uuid NOT NULL,
        awaits text NOT NULL,  -- a type's full name, or an enumeration's with `=` and the value
        type text NOT NULL,
        content_type text NOT NULL,
        headers text NOT NULL,  -- JSON
        payload bytea NOT NULL,
        sendings integer NOT NULL DEFAULT 0,  -- a row that came back meanwhile has another number
        parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (queue, message_id)
    )
    """,
    "CREATE INDEX parked_awaits ON parked (queue, awaits)",
)
