"""Organizers' endpoints for webhooks, and what is sent to them."""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = (
    """
    CREATE TABLE webhook_endpoint (
        id uuid PRIMARY KEY,
        organizer_id uuid NOT NULL,
        url text NOT NULL,
        description text NOT NULL,
        facts text[] NOT NULL CHECK (cardinality(facts) > 0),
        secret text NOT NULL,  -- sealed, as is the one of before
        old_secret text NOT NULL DEFAULT '',
        old_secret_until timestamptz,
        status text NOT NULL DEFAULT 'ENABLED'
            CHECK (status IN ('ENABLED', 'DISABLED', 'FAILING', 'GONE')),
        failing_since timestamptz,
        failures integer NOT NULL DEFAULT 0,  -- in a row
        rests_until timestamptz,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        deleted_at timestamptz,
        CHECK ((old_secret = '') = (old_secret_until IS NULL))
    )
    """,
    "CREATE INDEX webhook_endpoint_organizer ON webhook_endpoint (organizer_id, id DESC)"
    " WHERE deleted_at IS NULL",
    "CREATE INDEX webhook_endpoint_deleted ON webhook_endpoint (deleted_at)"
    " WHERE deleted_at IS NOT NULL",
    """
    CREATE TABLE webhook_delivery (
        id uuid PRIMARY KEY,
        endpoint_id uuid NOT NULL REFERENCES webhook_endpoint,
        key text NOT NULL,  -- names the fact: an endpoint is told it once
        fact text NOT NULL,
        said jsonb NOT NULL,
        at timestamptz NOT NULL,
        body text,  -- as it was first sent; empty: not yet
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        attempts integer NOT NULL DEFAULT 0,
        status text NOT NULL DEFAULT 'WAITING'
            CHECK (status IN ('WAITING', 'DELIVERED', 'GIVEN_UP')),
        tried_at timestamptz,
        answer_status integer,
        answer text NOT NULL DEFAULT '',
        duration_ms integer,
        error text NOT NULL DEFAULT '',
        UNIQUE (endpoint_id, key)
    )
    """,
    "CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint_id, due_at)"
    " WHERE status = 'WAITING'",
    "CREATE INDEX webhook_delivery_endpoint ON webhook_delivery (endpoint_id, id DESC)",
    "CREATE INDEX webhook_delivery_created ON webhook_delivery (created_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
