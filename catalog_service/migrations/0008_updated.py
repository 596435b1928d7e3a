"""Events say when they were updated last, and are listed by that."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    # Of those of before, the moment of the migration: who follows changes hears of all of them once.
    "ALTER TABLE event ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now()",
    "ALTER TABLE event ALTER COLUMN updated_at SET DEFAULT clock_timestamp()",
    # Whichever statement raises the version, of this release or another.
    """
    CREATE FUNCTION event_is_updated() RETURNS trigger LANGUAGE plpgsql AS $do$
    BEGIN
        NEW.updated_at := clock_timestamp();
        RETURN NEW;
    END
    $do$
    """,
    """
    CREATE TRIGGER event_updated BEFORE UPDATE ON event FOR EACH ROW
        WHEN (NEW.version <> OLD.version) EXECUTE FUNCTION event_is_updated()
    """,
    # The services are stopped: nobody waits for the table meanwhile.
    "-- squawk-ignore require-concurrent-index-creation\n"
    "CREATE INDEX event_by_update ON event (updated_at, id)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
