"""Runs booking_service."""

from __future__ import annotations

import argparse

from booking_service.service import booking_service
from booking_service.settings import Settings
from chassis import lifecycle, logs, tracing


def main() -> None:
    """Runs the service with settings from the environment (BOOKING_...)."""
    argparse.ArgumentParser(prog="booking_service", description=__doc__).parse_args()
    settings = Settings()
    logs.configure("booking", settings.log_level)
    tracing.configure("booking", settings.traces)
    lifecycle.run(booking_service(settings))


if __name__ == "__main__":
    main()
