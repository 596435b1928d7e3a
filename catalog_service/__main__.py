"""Runs catalog_service."""

from __future__ import annotations

import argparse

from catalog_service.service import catalog_service
from catalog_service.settings import Settings
from chassis import lifecycle, logs, tracing


def main() -> None:
    """Runs the service with settings from the environment (CATALOG_...)."""
    argparse.ArgumentParser(prog="catalog_service", description=__doc__).parse_args()
    settings = Settings()
    logs.configure("catalog", settings.log_level)
    tracing.configure("catalog", settings.traces)
    lifecycle.run(catalog_service(settings))


if __name__ == "__main__":
    main()
