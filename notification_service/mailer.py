"""Hands the mails to a mail server, at least once each, the urgent ones past all others."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from traceback import extract_tb
from uuid import UUID

from prometheus_client import Counter

from chassis.database import Database, Row, Session
from chassis.lifecycle import background
from chassis.logs import get_logger
from chassis.retrying import persistently
from chassis.telemetry import alert
from notification_service.domain import KINDS, Lane, MailsWritten, Outgoing
from notification_service.smtp import NotTakenError, RefusedError, Smtp
from notification_service.storage import mails as stored
from notification_service.writing import MootError, Writer

# Behind the word that there are mails: for those that are to be tried again.
_POLL_SECONDS = 5.0
# How many of a lane are sent at once, each by a connection of its own.
_AT_ONCE: Mapping[Lane, int] = {Lane.URGENT: 30, Lane.USUAL: 12, Lane.MANY: 4}
# One that takes longer than this makes room for the next: a server that keeps some mails waiting
# keeps no others. So many at most, over all lanes.
_SLOW_SECONDS = 3.0
_MOST_SLOW = 200
# For writing and handing over; a mail server may take ten minutes to say that it took a mail.
_DIALOGUE_SECONDS = 780.0
# A mail that is being sent is kept from other senders for so long, again and again until the
# dialogue ended; where this process dies it is tried again after that.
_LEASE_SECONDS = 30.0
_RENEW_SECONDS = 10.0
_TRIED_HOURS = 24
_NOTE_TRIES = 100  # of what became of a mail; over about four minutes

MAILS = Counter(
    "parterre_mails",
    "Tries to send a mail: sent, refused (for good), not_taken, not_written, moot, unwanted",
    ["outcome"],
)
_SENT, _REFUSED, _NOT_TAKEN, _NOT_WRITTEN, _MOOT, _UNWANTED = map(
    MAILS.labels, ("sent", "refused", "not_taken", "not_written", "moot", "unwanted")
)
_GIVEN_UP = alert("mail_given_up")
_FAILED = alert("mail_failed")

log = get_logger(__name__)


class Mailer:
    """Sends what the mailbox holds."""

    def __init__(
        self, database: Database, writer: Writer, smtp: Smtp, *, many_per_second: float
    ) -> None:
        self._database = database
        self._writer = writer
        self._smtp = smtp
        self._seconds_each = 1 / many_per_second
        self._next_of_many = 0.0  # by the monotonic clock
        self._sending: dict[UUID, tuple[Lane, float, asyncio.Task[None]]] = {}
        self._wake = asyncio.Event()
        database.when_noted = self.take

    def take(self, facts: Sequence[object]) -> None:
        """Hears that there are mails; `Database.when_noted`."""
        if any(isinstance(fact, MailsWritten) for fact in facts):
            self._wake.set()

    async def run(self) -> None:
        """Sends until cancelled. A mail that fails is tried again later, for a day."""
        preparing = asyncio.create_task(self._writer.prepare())
        try:
            async with background("mail-leases", self._keep_leases):
                await self._send_for_ever()
        finally:
            preparing.cancel()
            for _lane, _began, sending in self._sending.values():
                sending.cancel()
            await self._smtp.close()

    async def _send_for_ever(self) -> None:
        while True:
            self._wake.clear()
            pause = _POLL_SECONDS
            room = {lane: room for lane in Lane if (room := self._room(lane))}
            if room:
                async with self._database.transaction() as session:
                    rows = await stored.lease(session, room, lease_seconds=_LEASE_SECONDS)
                self._start(rows)
            if len(self._sending) and any(self._is_full(lane) for lane in Lane):
                pause = min(pause, _SLOW_SECONDS / 4)  # when one of them has become slow
            if (wait := self._next_of_many - time.monotonic()) > 0:
                pause = min(pause, wait)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    def _room(self, lane: Lane) -> int:
        if len(self._sending) >= _MOST_SLOW:
            return 0
        if lane is Lane.MANY and time.monotonic() < self._next_of_many:
            return 0
        return max(0, _AT_ONCE[lane] - self._quick(lane))

    def _is_full(self, lane: Lane) -> bool:
        return self._quick(lane) >= _AT_ONCE[lane]

    def _quick(self, lane: Lane) -> int:
        """How many of a lane are being sent, but for the slow ones."""
        slow = time.monotonic() - _SLOW_SECONDS
        return sum(each is lane and began > slow for each, began, _task in self._sending.values())

    def _start(self, rows: Sequence[Row]) -> None:
        now = time.monotonic()
        for row in rows:
            lane = Lane(row.lane)
            if lane is Lane.MANY:
                self._next_of_many = max(now, self._next_of_many) + self._seconds_each
            sending = asyncio.create_task(self._send(row))
            self._sending[row.id] = lane, now, sending
            sending.add_done_callback(partial(self._ended, row.id))

    def _ended(self, id: UUID, sending: asyncio.Task[None]) -> None:
        lane, _began, _sending = self._sending[id]
        if self._is_full(lane):
            self._wake.set()  # others may be waiting for room
        del self._sending[id]
        if not sending.cancelled() and (error := sending.exception()) is not None:
            log.warning("mail may be sent again", id=id, error=repr(error))

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            if self._sending:
                async with self._database.transaction() as session:
                    await stored.renew_leases(session, self._sending, lease_seconds=_LEASE_SECONDS)

    async def _send(self, row: Row) -> None:
        note = await self._try(row)

        async def noted() -> None:
            async with self._database.transaction() as session:
                await note(session)

        # Until it is noted, for it would be sent again; meanwhile the lease is kept.
        await persistently(
            noted, lambda _error: True, first_seconds=0.5, most_seconds=5.0, tries=_NOTE_TRIES
        )

    async def _try(self, row: Row) -> Callable[[Session], Awaitable[None]]:
        """Tries to send a mail; gives how to note what became of it."""
        try:
            mail = _outgoing(row)
            if row.is_unwanted and not mail.kind.is_essential:
                _UNWANTED.inc()
                return partial(stored.give_up, id=row.id, why="UNWANTED")
            async with asyncio.timeout(_DIALOGUE_SECONDS):
                content = await self._writer.write(mail, row.subject)
                await self._smtp.deliver(content, mail.to)
        except MootError as error:
            _MOOT.inc()
            return partial(stored.give_up, id=row.id, why=f"MOOT {error}")
        except RefusedError as error:
            _GIVEN_UP.inc()
            _REFUSED.inc()
            log.warning("mail refused for good", id=row.id, kind=row.kind, why=str(error))
            return partial(stored.give_up, id=row.id, why=f"REFUSED {error}")
        except NotTakenError as error:
            _NOT_TAKEN.inc()
            return partial(self._put_off, row, f"NOT_TAKEN {error}")
        except Exception as error:  # noqa: BLE001 - one that can't be written stops no other
            # Where, and no more: whole traces of many that fail would keep the others waiting.
            last = extract_tb(error.__traceback__)[-1]
            why = f"NOT_WRITTEN {error!r} at {Path(last.filename).name}:{last.lineno}"
            _NOT_WRITTEN.inc()
            return partial(self._put_off, row, why)
        _SENT.inc()
        return partial(stored.mark_sent, id=row.id)

    async def _put_off(self, row: Row, why: str, session: Session) -> None:
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads what is tried again
        if await stored.put_off(session, row.id, why, hours=_TRIED_HOURS, jitter=jitter):
            _GIVEN_UP.inc()
            log.error("mail given up", id=row.id, kind=row.kind, why=why)
        else:
            _FAILED.inc()
            log.warning("mail not sent, will be tried again", id=row.id, kind=row.kind, why=why)


def _outgoing(row: Row) -> Outgoing:
    return Outgoing(
        id=row.id,
        fact=row.fact or f"mail:{row.id}",
        addressee=row.addressee or row.recipient,
        kind=KINDS[row.kind],
        facts=row.facts,
        to=row.email or row.recipient,
        name=row.name or "",
        language=row.person_language or row.language,
        written_at=row.created_at,
        now=row.now,
        expires_at=row.expires_at,
        secret=row.body,
        is_written=row.fact is None,
    )
