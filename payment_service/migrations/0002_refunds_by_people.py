"""Who asked for a refund, what reports look up by time, and cheaper writes."""

from alembic import op

revision = "0002"
down_revision = "0001"

_INDEXED_SOON = "-- squawk-ignore require-concurrent-index-creation\n"
STATEMENTS = (
    # Null: the booking's saga, or nobody.
    "ALTER TABLE refund ADD COLUMN requested_by uuid",
    # Built while these tables can still be read through in a moment.
    f"{_INDEXED_SOON}CREATE INDEX attempt_created_at ON attempt USING brin (created_at)",
    f"{_INDEXED_SOON}CREATE INDEX refund_created_at ON refund USING brin (created_at)",
    f"{_INDEXED_SOON}CREATE INDEX ledger_transaction_created_at ON ledger_transaction"
    " USING brin (created_at)",
    # Every payment is changed a few times soon after it was made: in the same page, then.
    "ALTER TABLE payment SET (fillfactor = 70)",
    "ALTER TABLE attempt SET (fillfactor = 60)",
    # A transaction's postings come in one statement, so the statement is what has to balance: one
    # look for all of them, where a look for each row had to wait for the commit.
    "DROP TRIGGER ledger_balances ON ledger_posting",
    """
    CREATE OR REPLACE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE
        unbalanced uuid;
    BEGIN
        SELECT transaction_id INTO unbalanced FROM posted
         GROUP BY transaction_id, currency HAVING sum(amount) <> 0 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'ledger transaction % does not sum to zero', unbalanced
                  USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER ledger_balances AFTER INSERT ON ledger_posting
        REFERENCING NEW TABLE AS posted FOR EACH STATEMENT EXECUTE FUNCTION ledger_balances()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
