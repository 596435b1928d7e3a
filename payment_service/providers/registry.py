"""The providers by name, and which methods go by which of them.

A new provider is an adapter beside this file, its settings, and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from payment_service.providers import Provider
from payment_service.providers.sandbox import SandboxProvider
from payment_service.settings import Settings


def _sandbox(settings: Settings) -> SandboxProvider:
    secrets = (settings.sandbox_webhook_secret, settings.sandbox_webhook_secret_old)
    return SandboxProvider(
        url=settings.sandbox_url,
        api_key=settings.sandbox_api_key.get_secret_value(),
        webhook_secrets=[secret.get_secret_value() for secret in secrets if secret],
        return_url=settings.return_url,
        deadline_seconds=settings.provider_seconds,
        connections=settings.connections,
    )


ADAPTERS: Mapping[str, Callable[[Settings], Provider]] = {SandboxProvider.name: _sandbox}


def opened(settings: Settings) -> Mapping[str, Provider]:
    """Every provider, as configured; their connections are the caller's to close.

    Raises:
        ValueError: a method names a provider that there is not.
    """
    unknown = set(settings.providers.values()) - set(ADAPTERS)
    if unknown:
        raise ValueError(f"no provider goes by the name of {', '.join(sorted(unknown))}")
    return {name: open_(settings) for name, open_ in ADAPTERS.items()}
