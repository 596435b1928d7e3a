"""Runs inventory_service."""

from __future__ import annotations

import argparse

from chassis import lifecycle, logs, tracing
from inventory_service.service import inventory_service
from inventory_service.settings import Settings


def main() -> None:
    """Runs the service with settings from the environment (INVENTORY_...)."""
    argparse.ArgumentParser(prog="inventory_service", description=__doc__).parse_args()
    settings = Settings()
    logs.configure("inventory", settings.log_level)
    tracing.configure("inventory", settings.traces)
    lifecycle.run(inventory_service(settings))


if __name__ == "__main__":
    main()
