"""Builds auth_service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.responses import JSONResponse, Response

from auth_service import handlers
from auth_service.handlers import Auth
from auth_service.keys import KeyRing
from auth_service.loops import announce, forget
from auth_service.messaging import MESSAGES, encode
from auth_service.passwords import HashingPool
from auth_service.rpc import SERVICE, AuthServicer
from auth_service.settings import Settings
from chassis.revocations import PATH as REVOCATIONS_PATH
from chassis.service import Chassis

JWKS_PATH = "/.well-known/jwks.json"
_JWKS_HEADERS = {"cache-control": "public, max-age=300"}


@asynccontextmanager
async def auth_service(settings: Settings) -> AsyncIterator[None]:
    """The running service."""
    limits = settings.limits
    with HashingPool(
        settings.hashing_threads,
        settings.hashing_waiting,
        wait_seconds=settings.hashing_wait_seconds,
    ) as passwords:
        async with Chassis.open("auth", settings) as chassis:
            database = chassis.database("auth", encode)
            keys = KeyRing(database)
            await keys.open()
            auth = Auth(
                database,
                keys,
                passwords,
                code_pepper=settings.code_pepper.get_secret_value().encode(),
                organizer_signup_open=settings.organizer_signup == "open",
                limits=limits,
            )
            if settings.bootstrap_admin_email and settings.bootstrap_admin_password:
                await handlers.bootstrap_admin(
                    auth,
                    email=settings.bootstrap_admin_email,
                    password=settings.bootstrap_admin_password.get_secret_value(),
                )
            await chassis.run("signing-keys", keys.keep_fresh)
            await chassis.run("forgetting", lambda: forget(database, limits))
            await chassis.relay(database, MESSAGES)
            await chassis.run("announcing", lambda: announce(database))

            async def jwk_set() -> Response:
                return JSONResponse(keys.jwk_set(), headers=_JWKS_HEADERS)

            async def ended_sessions() -> Sequence[str]:
                return await handlers.ended_sessions(auth)

            async def revocations() -> Response:
                return JSONResponse({"sessions": await ended_sessions()})

            await chassis.serve(
                SERVICE,
                AuthServicer(auth),
                keys=keys,
                ended_sessions=ended_sessions,
                routes={JWKS_PATH: jwk_set, REVOCATIONS_PATH: revocations},
                routes_port=settings.keys_port,
            )
            yield
