"""Where people stand has a shape on the map."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    # A rectangle by its middle; all null in a section with rows, and where it was not told.
    "ALTER TABLE section ADD COLUMN area_x double precision",
    "ALTER TABLE section ADD COLUMN area_y double precision",
    "ALTER TABLE section ADD COLUMN area_width double precision",
    "ALTER TABLE section ADD COLUMN area_height double precision",
    """
    ALTER TABLE section ADD CONSTRAINT section_area
        CHECK (num_nulls(area_x, area_y, area_width, area_height) IN (0, 4))
        NOT VALID
    """,
    # The services are stopped: nobody waits for the table meanwhile.
    "-- squawk-ignore constraint-missing-not-valid\n"
    "ALTER TABLE section VALIDATE CONSTRAINT section_area",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
