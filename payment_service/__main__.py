"""Runs payment_service."""

from __future__ import annotations

import argparse

from chassis import lifecycle, logs, tracing
from payment_service.service import payment_service
from payment_service.settings import Settings


def main() -> None:
    """Runs the service with settings from the environment (PAYMENT_...)."""
    argparse.ArgumentParser(prog="payment_service", description=__doc__).parse_args()
    settings = Settings()
    logs.configure("payment", settings.log_level)
    tracing.configure("payment", settings.traces)
    lifecycle.run(payment_service(settings))


if __name__ == "__main__":
    main()
