"""The process that catches mails on a developer's machine, asked for them."""

from __future__ import annotations

from typing import Any

import httpx

from chassis.errors import unavailable

_SECONDS = 2.0


class Catcher:
    """The process that catches mails on a developer's machine."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def newest(self, to: str, limit: int) -> list[dict[str, Any]]:
        """Its mails, newest first, as JSON of the contract's `Mail`; `to` one address or all.

        Raises:
            ServiceError: SERVICE_UNAVAILABLE, it does not answer.
        """
        try:
            async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
                reply = await client.get(f"{self._url}/mails", params={"to": to, "limit": limit})
                reply.raise_for_status()
                caught: list[dict[str, Any]] = reply.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise unavailable() from error
        return caught
