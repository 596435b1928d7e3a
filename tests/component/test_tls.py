"""Mutual TLS: RPCs, signing keys and the list of ended sessions come over it, and no other way."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from parterre.auth.v1 import auth_pb2, auth_pb2_grpc

from auth_service.service import auth_service
from auth_service.settings import Settings
from chassis.errors import RemoteError, ServiceError
from chassis.grpc_client import GrpcClient
from chassis.identity import Jwks, Role, ServiceTokens, TokenVerifier, encode_key
from chassis.revocations import fetch_from, followed
from chassis.telemetry import routes_app, serve_http
from chassis.tls import EXPIRES, client_context, server_context
from deploy.certificates import Authority
from deploy.processes import free_ports

from .conftest import MakeDatabase

HOSTS = ("127.0.0.1", "localhost")
PASSWORD = "staple of many horses"


async def test_keys_and_ended_sessions_come_over_the_same_mutual_tls_as_rpcs(
    make_database: MakeDatabase, broker_url: str, tmp_path: Path
) -> None:
    database = await make_database("auth")
    gateway = Ed25519PrivateKey.generate()
    rpc_port, internal_port, keys_port = free_ports(3)
    ours = Authority(tmp_path)
    (tmp_path / "evil").mkdir()
    theirs = Authority(tmp_path / "evil")
    certificate, key, authority = ours.issue("auth", HOSTS)
    jwks_url = f"https://127.0.0.1:{keys_port}/.well-known/jwks.json"
    settings = Settings(
        profile="local",
        internal_port=internal_port,
        grpc_port=rpc_port,
        keys_port=keys_port,
        jwks_url=jwks_url,
        service_key=encode_key(Ed25519PrivateKey.generate().private_bytes_raw()),
        service_peers={"gateway": encode_key(gateway.public_key().public_bytes_raw())},
        database_url=database.url,
        amqp_url=broker_url,
        code_pepper="p" * 32,
        bootstrap_admin_email="admin@example.org",
        bootstrap_admin_password=PASSWORD,
        tls_certificate=certificate,
        tls_key=key,
        tls_authority=authority,
    )
    own = ours.issue("gateway", HOSTS)
    stranger = (*theirs.issue("gateway", HOSTS)[:2], authority)  # trusts us, and we not it
    tokens = ServiceTokens("gateway", encode_key(gateway.private_bytes_raw()))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(auth_service(settings))

        async def log_in(tls: tuple[Path, Path, Path] | None) -> str:
            client = GrpcClient("auth", f"127.0.0.1:{rpc_port}", tokens, tls)
            stack.push_async_callback(client.close)
            request = auth_pb2.LogInRequest(email="admin@example.org", password=PASSWORD)
            stub = auth_pb2_grpc.AuthServiceStub(client.channel)
            return str((await client.call(stub.LogIn, request, seconds=5)).tokens.access_token)

        # Whoever has a certificate of ours is served, by all three.
        token = await log_in(own)
        trusted = client_context(own)
        ended = await stack.enter_async_context(followed(fetch_from(jwks_url, trusted), None))
        assert ended.is_complete
        verifier = TokenVerifier("gateway", Jwks(jwks_url, trusted), {}, ended)
        assert (await verifier.verify(token)).role is Role.ADMIN

        # With another's, with none, or in plain text nothing is had.
        for context in (client_context(stranger), ssl.create_default_context(cafile=authority)):
            with pytest.raises(ServiceError):
                await Jwks(jwks_url, context).refresh()
            with pytest.raises(httpx.TransportError):
                await fetch_from(jwks_url, context)()
        with pytest.raises(ServiceError):
            await Jwks(jwks_url.replace("https", "http")).refresh()
        for tls in (stranger, None):
            with pytest.raises(RemoteError):
                await log_in(tls)

        # The internal port, plain for probes and metrics, does not give them out.
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{internal_port}") as http:
            assert (await http.get("/healthz")).status_code == 200
            for path in ("/.well-known/jwks.json", "/revocations"):
                assert (await http.get(path)).status_code == 404


def test_a_process_shows_until_when_its_certificate_is_good(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue("booking", HOSTS)
    client_context(files)
    ends = x509.load_pem_x509_certificate(files[0].read_bytes()).not_valid_after_utc
    assert datetime.fromtimestamp(EXPIRES._value.get(), UTC) == ends


@pytest.mark.parametrize("case", ["another authority", "another name"])
async def test_a_callee_of_another_authority_or_name_is_not_believed(
    tmp_path: Path, case: str
) -> None:
    ours = Authority(tmp_path)
    (tmp_path / "evil").mkdir()
    theirs = Authority(tmp_path / "evil")
    if case == "another authority":
        certificate, key, _ = theirs.issue("auth", HOSTS)
    else:
        certificate, key, _ = ours.issue("auth", ["elsewhere.example"])
    [port] = free_ports(1)
    served = server_context((certificate, key, ours.file))
    url = f"https://127.0.0.1:{port}/keys"
    async with serve_http(routes_app({}), "127.0.0.1", port, drain_seconds=1, tls=served):
        with pytest.raises(httpx.ConnectError):
            await fetch_from(url, client_context(ours.issue("gateway", HOSTS)))()
