"""Runs auth_service."""

from __future__ import annotations

import argparse

from auth_service.service import auth_service
from auth_service.settings import Settings
from chassis import lifecycle, logs, tracing


def main() -> None:
    """Runs the service with settings from the environment (AUTH_...)."""
    argparse.ArgumentParser(prog="auth_service", description=__doc__).parse_args()
    settings = Settings()
    logs.configure("auth", settings.log_level)
    tracing.configure("auth", settings.traces)
    lifecycle.run(auth_service(settings))


if __name__ == "__main__":
    main()
