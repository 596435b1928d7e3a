"""One call that charges, providers by name, the house's fees, and refunds that are awaited.

What the version before left, ends well under this one:
- What was authorized and is kept, its capture wanted or not yet, has a charge that is AUTHORIZED:
  it is captured by the next CHARGE. The calls that were asked for are on the work list still; for
  the others the booking asks again.
- What was authorized and whose capture the provider refused is a refused attempt, and is let go.
- Refunds that the saga waits for are marked on their payments.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

# The services stand still meanwhile: nobody reads or writes by the old schema.
_NO_COLUMN = "-- squawk-ignore ban-drop-column\n"
_NO_DEFAULT = "-- squawk-ignore ban-drop-default\n"
_NO_KEY = "-- squawk-ignore ban-drop-constraint\n"
_AT_ONCE = "-- squawk-ignore constraint-missing-not-valid\n"
STATEMENTS = (
    "ALTER TABLE payment ADD COLUMN fees bigint NOT NULL DEFAULT 0",
    "ALTER TABLE payment ADD CONSTRAINT payment_fees"
    " CHECK (fees >= 0 AND (amount IS NULL OR fees <= amount)) NOT VALID",
    f"{_AT_ONCE}ALTER TABLE payment VALIDATE CONSTRAINT payment_fees",
    "ALTER TABLE payment ADD COLUMN refund_awaited boolean NOT NULL DEFAULT false",
    """
    UPDATE payment SET refund_awaited = true
      FROM refund
     WHERE refund.payment_id = payment.id AND NOT done AND NOT automatic AND requested_by IS NULL
    """,
    # Until now there was one provider.
    "ALTER TABLE attempt ADD COLUMN provider text NOT NULL DEFAULT 'sandbox'",
    f"{_NO_DEFAULT}ALTER TABLE attempt ALTER COLUMN provider DROP DEFAULT",
    "ALTER TABLE provider_call ADD COLUMN provider text NOT NULL DEFAULT 'sandbox'",
    f"{_NO_DEFAULT}ALTER TABLE provider_call ALTER COLUMN provider DROP DEFAULT",
    # How far a webhook says that the charge has come, since the call was claimed.
    "ALTER TABLE provider_call ADD COLUMN claimed_rank smallint NOT NULL DEFAULT 0",
    "UPDATE provider_call SET kind = 'CHARGE' WHERE kind IN ('AUTHORIZE', 'CAPTURE')",
    "UPDATE attempt SET status = 'FAILED'"
    " WHERE status = 'AUTHORIZED' AND capture = 'REFUSED' AND charge = 'AUTHORIZED'",
    """
    UPDATE payment SET status = 'FAILED'
     WHERE status = 'AUTHORIZED'
       AND id IN (SELECT payment_id FROM attempt WHERE status = 'FAILED' AND capture = 'REFUSED')
    """,
    """
    INSERT INTO provider_call (id, payment_id, attempt, provider)
    SELECT gen_random_uuid(), payment_id, number, provider FROM attempt
     WHERE status = 'FAILED' AND capture = 'REFUSED' AND charge = 'AUTHORIZED'
        ON CONFLICT DO NOTHING
    """,
    f"{_NO_COLUMN}ALTER TABLE attempt DROP COLUMN capture",
    # The work list is short.
    "-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX provider_call_due",
    "-- squawk-ignore require-concurrent-index-creation\n"
    "CREATE INDEX provider_call_due ON provider_call (provider, due_at)",
    # Nothing that these speak of is ever deleted, and whoever inserts a row has inserted what it
    # speaks of in the same transaction, or holds its payment's lock. The look at each was a good
    # part of what a payment costs; the ledger's balance is still checked.
    f"{_NO_KEY}ALTER TABLE attempt DROP CONSTRAINT attempt_payment_id_fkey",
    f"{_NO_KEY}ALTER TABLE refund DROP CONSTRAINT refund_payment_id_attempt_fkey",
    f"{_NO_KEY}ALTER TABLE provider_call DROP CONSTRAINT provider_call_payment_id_attempt_fkey",
    f"{_NO_KEY}ALTER TABLE provider_call DROP CONSTRAINT provider_call_refund_id_fkey",
    f"{_NO_KEY}ALTER TABLE ledger_transaction DROP CONSTRAINT ledger_transaction_payment_id_attempt_fkey",
    f"{_NO_KEY}ALTER TABLE ledger_transaction DROP CONSTRAINT ledger_transaction_refund_id_fkey",
    f"{_NO_KEY}ALTER TABLE ledger_posting DROP CONSTRAINT ledger_posting_transaction_id_fkey",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
