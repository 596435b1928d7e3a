"""Runs the gateway."""

from __future__ import annotations

import argparse

from chassis import lifecycle, logs, tracing
from gateway.service import gateway
from gateway.settings import Settings


def main() -> None:
    """Runs the gateway with settings from the environment (GATEWAY_...)."""
    argparse.ArgumentParser(prog="gateway", description=__doc__).parse_args()
    settings = Settings()
    logs.configure("gateway", settings.log_level)
    tracing.configure("gateway", settings.traces)
    lifecycle.run(gateway(settings))


if __name__ == "__main__":
    main()
