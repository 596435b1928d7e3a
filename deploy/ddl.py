"""Writes every migration down as SQL, one file each, without a database: for a linter to read."""

from __future__ import annotations

import argparse
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from chassis.migrate import chain_of
from deploy.provision import SCHEMAS


def write_migrations(into: Path) -> None:
    """Writes `<package>-<migration>.sql` for each migration of each service that has some."""
    for package in SCHEMAS.values():
        for revision in ScriptDirectory.from_config(chain_of(package)).walk_revisions():
            file = into / f"{package}-{Path(revision.path).stem}.sql"
            with file.open("w") as output:
                context = MigrationContext.configure(
                    dialect_name="postgresql", opts={"as_sql": True, "output_buffer": output}
                )
                with Operations.context(context):
                    revision.module.upgrade()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("into", type=Path, help="an existing folder")
    write_migrations(parser.parse_args().into)
