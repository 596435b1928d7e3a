"""The real processes do not start unsafely in production, say why, and tell no secret."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from deploy.processes import free_port
from tests.unit.test_settings import ADDRESSES, KEY, WORD

PLAIN = {"profile": "production", "jwks_url": "http://127.0.0.1:1/jwks", "service_key": KEY}
CASES = {
    "gateway": (
        {**PLAIN, **ADDRESSES, "cors_origins": "*", "trusted_proxies": "*"},
        ["GATEWAY_CORS_ORIGINS", "GATEWAY_TRUSTED_PROXIES", "GATEWAY_TLS_CERTIFICATE"],
    ),
    "notification_service": (
        {
            **PLAIN,
            "grpc_port": "1",
            "database_url": "postgresql://role:canary@127.0.0.1:1/parterre",
            "amqp_url": f"amqp://user:{WORD}@127.0.0.1:1/",
            "booking_address": "127.0.0.1:1",
            "catalog_address": "127.0.0.1:1",
            "webhook_key": "canary",
        },
        [
            "NOTIFICATION_DATABASE_URL",
            "NOTIFICATION_SMTP_URL",
            "NOTIFICATION_UNSUBSCRIBE_LINK",
            "NOTIFICATION_WEBHOOK_KEY",
            "NOTIFICATION_TLS_CERTIFICATE",
            "NOTIFICATION_SERVICE_PEERS",
        ],
    ),
}


@pytest.mark.parametrize("module", CASES)
async def test_a_process_that_would_be_unsafe_ends_at_once_and_names_the_settings(
    module: str,
) -> None:
    settings, named = CASES[module]
    prefix = module.partition("_")[0].upper()
    own = {f"{prefix}_{name}".upper(): value for name, value in settings.items()}
    own[f"{prefix}_INTERNAL_PORT"] = str(free_port())
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        env={"PATH": os.environ["PATH"], **own},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = output.decode()
    assert process.returncode not in {0, None}
    for name in named:
        assert name in said
    for secret in (KEY, WORD, "canary"):
        assert secret not in said
