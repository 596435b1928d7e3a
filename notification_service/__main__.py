"""Runs notification_service."""

from __future__ import annotations

import argparse

from chassis import lifecycle, logs, tracing
from notification_service.service import notification_service
from notification_service.settings import Settings


def main() -> None:
    """Runs the service with settings from the environment (NOTIFICATION_...)."""
    argparse.ArgumentParser(prog="notification_service", description=__doc__).parse_args()
    settings = Settings()
    logs.configure("notification", settings.log_level)
    tracing.configure("notification", settings.traces)
    lifecycle.run(notification_service(settings))


if __name__ == "__main__":
    main()
