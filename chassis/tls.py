"""Mutual TLS between processes: RPCs, auth_service's keys and the list of ended sessions alike."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509
from prometheus_client import Gauge

from chassis.settings import ProcessSettings

EXPIRES = Gauge(
    "parterre_certificate_expires_timestamp_seconds",
    "When the certificate ends that was read at the start, seconds since 1970; 0: there is none",
)

# This process's certificate and key, and the authority of all of them; PEM.
Files = tuple[Path, Path, Path]


def tls_of(settings: ProcessSettings) -> Files | None:
    """The process's certificate, key and authority, where mutual TLS is configured."""
    if settings.tls_certificate and settings.tls_key and settings.tls_authority:
        return settings.tls_certificate, settings.tls_key, settings.tls_authority
    return None


def client_context(files: Files | None) -> ssl.SSLContext | None:
    """What a caller over HTTP shows, and whom it takes for a callee: those of our authority alone.

    Every process makes one when it starts; from then on it shows until when that is good.

    Raises:
        OSError, ssl.SSLError: a file can't be read, or is not what it should be.
    """
    if files is None:
        return None
    certificate, key, authority = files
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(authority)
    context.load_cert_chain(certificate, key)
    own = x509.load_pem_x509_certificate(certificate.read_bytes())
    EXPIRES.set(own.not_valid_after_utc.timestamp())
    return context


def server_context(files: Files) -> ssl.SSLContext:
    """What a server over HTTP shows; a caller without a certificate of our authority gets nowhere.

    Raises:
        OSError, ssl.SSLError: a file can't be read, or is not what it should be.
    """
    certificate, key, authority = files
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority)
    context.load_cert_chain(certificate, key)
    return context
