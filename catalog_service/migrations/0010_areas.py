"""Where people stand has a shape on the plan."""

from alembic import op

revision = "0010"
down_revision = "0009"

_STATEMENTS = (
    # A rectangle by its middle; what is null is as there is room for it in the plan.
    "ALTER TABLE section ADD COLUMN area_x double precision",
    "ALTER TABLE section ADD COLUMN area_y double precision",
    "ALTER TABLE section ADD COLUMN area_width double precision",
    "ALTER TABLE section ADD COLUMN area_height double precision",
    """
    ALTER TABLE section ADD CONSTRAINT section_area
        CHECK ((kind = 'STANDING' OR num_nonnulls(area_x, area_y, area_width, area_height) = 0)
               AND area_width > 0 AND area_height > 0)
        NOT VALID
    """,
    # The services are stopped: nobody waits for the table meanwhile.
    "-- squawk-ignore constraint-missing-not-valid\n"
    "ALTER TABLE section VALIDATE CONSTRAINT section_area",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
