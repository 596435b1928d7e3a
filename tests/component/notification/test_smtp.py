"""The way to a mail server: encrypted where it has to be, to none but whom it is meant for."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from deploy.certificates import Authority
from deploy.processes import free_port
from notification_service.smtp import NotTakenError, Smtp

WORD = "correct-horse-battery"


class Handler:
    """Takes mails, and notes whether they came encrypted and logged in."""

    def __init__(self) -> None:
        self.taken: list[tuple[bool, bool]] = []
        self.connections: set[Any] = set()

    async def handle_DATA(self, _server: SMTP, session: Session, _envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.taken.append((session.ssl is not None, bool(session.authenticated)))
        self.connections.add(session.peer)
        return "250 OK"


def lets_in(
    _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any
) -> AuthResult:
    right = isinstance(data, LoginPassword) and data.password == WORD.encode()
    return AuthResult(success=right)


@asynccontextmanager
async def mail_server(
    handler: Handler, certificate: tuple[Path, Path, Path] | None, *, start_tls: bool, **more: Any
) -> AsyncIterator[int]:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate[:2])
    loop, port = asyncio.get_running_loop(), free_port()
    server = await loop.create_server(
        lambda: SMTP(handler, loop=loop, tls_context=context if start_tls else None, **more),
        "127.0.0.1",
        port,
        ssl=None if start_tls else context,
    )
    async with server:
        yield port


def mail() -> bytes:
    message = EmailMessage(policy=SMTP_POLICY)
    message["Subject"] = "Hello"
    message.set_content("Hello")
    return message.as_bytes()


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_mails_go_encrypted_and_logged_in_and_on_one_connection(ours: Authority) -> None:
    handler, certificate = Handler(), ours.issue("mail", ["127.0.0.1"])
    async with mail_server(
        handler, certificate, start_tls=True, authenticator=lets_in, auth_required=True
    ) as port:
        smtp = Smtp(
            f"smtp://box:{WORD}@127.0.0.1:{port}",
            "box@example.org",
            needs_tls=True,
            authority=ours.file,
        )
        for _ in range(3):
            await smtp.deliver(mail(), "asha@example.org")
        await smtp.close()
    assert handler.taken == [(True, True)] * 3
    assert len(handler.connections) == 1


async def test_tls_from_the_start_too(ours: Authority) -> None:
    handler, certificate = Handler(), ours.issue("mail", ["127.0.0.1"])
    async with mail_server(handler, certificate, start_tls=False) as port:
        smtp = Smtp(
            f"smtps://127.0.0.1:{port}", "box@example.org", needs_tls=True, authority=ours.file
        )
        await smtp.deliver(mail(), "asha@example.org")
        await smtp.close()
    assert handler.taken == [(False, False)]  # aiosmtpd notes STARTTLS alone


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_server_that_is_not_who_it_says_gets_no_mail(
    ours: Authority, tmp_path: Path, scheme: str
) -> None:
    (tmp_path / "evil").mkdir()
    evil = Authority(tmp_path / "evil")
    for certificate in (evil.issue("mail", ["127.0.0.1"]), ours.issue("mail", ["mail.example"])):
        handler = Handler()
        async with mail_server(handler, certificate, start_tls=scheme == "smtp") as port:
            smtp = Smtp(
                f"{scheme}://127.0.0.1:{port}",
                "box@example.org",
                needs_tls=True,
                authority=ours.file,
            )
            with pytest.raises(NotTakenError, match="CERTIFICATE_VERIFY_FAILED"):
                await smtp.deliver(mail(), "asha@example.org")
        assert handler.taken == []


async def test_a_server_without_tls_gets_no_mail_where_it_is_needed(ours: Authority) -> None:
    handler = Handler()
    async with mail_server(handler, None, start_tls=True) as port:
        url = f"smtp://127.0.0.1:{port}"
        insisting = Smtp(url, "box@example.org", needs_tls=True, authority=ours.file)
        with pytest.raises(NotTakenError):
            await insisting.deliver(mail(), "asha@example.org")
        assert handler.taken == []
        trusting = Smtp(url, "box@example.org", needs_tls=False)
        await trusting.deliver(mail(), "asha@example.org")
        await trusting.close()
    assert handler.taken == [(False, False)]


async def test_a_server_that_hung_up_meanwhile_gets_the_mail_on_another_connection() -> None:
    handler = Handler()
    async with mail_server(handler, None, start_tls=True, timeout=0.2) as port:
        smtp = Smtp(f"smtp://127.0.0.1:{port}", "box@example.org", needs_tls=False)
        await smtp.deliver(mail(), "asha@example.org")
        [(_since, connection)] = smtp._idle
        async with asyncio.timeout(10):
            while connection.is_connected:
                await asyncio.sleep(0.02)
        await smtp.deliver(mail(), "asha@example.org")
        await smtp.close()
    assert len(handler.taken) == len(handler.connections) == 2
