"""What `python -m deploy provision` and `migrate` are told, from the environment or secret files.

The addresses are those that the processes themselves have: each names the database, the role and
its password, so that no password is said twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.settings import FromFiles
from deploy.processes import SetupError
from deploy.provision import MIGRATOR, READER, SCHEMAS, role_of


class MigrateSettings(FromFiles):
    """For `migrate`: MIGRATE_DATABASE_URL."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    # As the migrator.
    migrate_database_url: SecretStr


class ProvisionSettings(MigrateSettings):
    """For `provision`: besides, the superuser's address and those of all roles."""

    # As a role that may create databases and roles.
    provision_database_url: SecretStr
    # As the reader; without it nobody can log in as that.
    reader_database_url: SecretStr | None = None
    auth_database_url: SecretStr
    catalog_database_url: SecretStr
    inventory_database_url: SecretStr
    booking_database_url: SecretStr
    payment_database_url: SecretStr
    notification_database_url: SecretStr

    @property
    def database(self) -> str:
        """The database that all of them name.

        Raises:
            SetupError: they do not name the same one.
        """
        names = {told.get("dbname") for told in self._addresses().values()}
        if len(names) != 1 or not (name := names.pop()):
            raise SetupError("The roles' addresses (…_DATABASE_URL) must name one database, alike.")
        return str(name)

    @property
    def passwords(self) -> Mapping[str, str]:
        """Each role's.

        Raises:
            SetupError: an address names another role than the one it is for, or no password.
        """
        found = {}
        for role, told in self._addresses().items():
            if told.get("user") != role or not told.get("password"):
                raise SetupError(f"The address for {role} must name that role, and its password.")
            found[role] = str(told["password"])
        return found

    def _addresses(self) -> Mapping[str, Mapping[str, Any]]:
        secrets = {
            MIGRATOR: self.migrate_database_url,
            **{role_of(name): getattr(self, f"{name}_database_url") for name in SCHEMAS},
        }
        if self.reader_database_url:
            secrets[READER] = self.reader_database_url
        try:
            return {
                role: conninfo_to_dict(secret.get_secret_value())
                for role, secret in secrets.items()
            }
        except psycopg.ProgrammingError:  # its text may show the address, the password with it
            raise SetupError(
                "A role's address (…_DATABASE_URL) can't be read: write"
                " postgresql://role:password@host:port/database."
            ) from None
