"""The provider's memory: one SQLite file, one connection, calls too short to leave the loop for.

Every change runs inside BEGIN IMMEDIATE, which takes the file's only write lock before it reads,
and awaits nothing until it commits; the CHECKs hold the money even against a mistake of ours.
"""

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from payment_service.sandbox.domain import Charge, Method, Order, Refund, Refused, Status

_SCHEMA = """
CREATE TABLE IF NOT EXISTS charges (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    idempotency_key TEXT NOT NULL UNIQUE,
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    method TEXT NOT NULL,
    token TEXT,
    reference TEXT NOT NULL,
    return_url TEXT,
    status TEXT NOT NULL,
    captured_amount INTEGER NOT NULL CHECK (captured_amount BETWEEN 0 AND amount),
    refunded_amount INTEGER NOT NULL CHECK (refunded_amount BETWEEN 0 AND captured_amount),
    decline_code TEXT,
    page_token TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    settles_ms INTEGER,
    capture INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS charges_pending ON charges (settles_ms) WHERE status = 'PENDING';
CREATE TABLE IF NOT EXISTS refunds (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    charge_id TEXT NOT NULL REFERENCES charges (id),
    idempotency_key TEXT NOT NULL UNIQUE,
    amount INTEGER NOT NULL CHECK (amount > 0),
    created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS refunds_of_charge ON refunds (charge_id);
CREATE TABLE IF NOT EXISTS failed_first_tries (idempotency_key TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS webhooks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    charge_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    status TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (due_ms);
"""

_CHARGE = (
    "id, idempotency_key, amount, currency, method, token, reference, return_url, status,"
    " captured_amount, refunded_amount, decline_code, page_token, created_ms, settles_ms, capture"
)
_REFUND = "id, charge_id, idempotency_key, amount, created_ms"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook to be sent; two share an event where the token asks for a duplicate."""

    seq: int
    event_id: str
    charge_id: str
    idempotency_key: str
    status: str
    created_ms: int
    tries: int


@dataclass(frozen=True, slots=True)
class Balance:
    currency: str
    captured: int
    refunded: int


class Storage:
    def __init__(self, path: Path, *, announces: bool) -> None:
        """Opens the file, or makes it. `announces`: each change of a charge leaves a webhook."""
        self._announces = announces
        self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        # One process owns the file: a second one would send every webhook again.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(f"BEGIN EXCLUSIVE; {_SCHEMA} COMMIT;")
        columns = {name for _, name, *_ in self._db.execute("PRAGMA table_info(charges)")}
        if "capture" not in columns:  # a file of before
            self._db.execute("ALTER TABLE charges ADD COLUMN capture INTEGER NOT NULL DEFAULT 0")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk may have rolled it back already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # --- charges -----------------------------------------------------------------------------

    def create(self, charge: Charge) -> tuple[Charge, bool]:
        """The charge that holds the key, and whether it is this one, now recorded."""
        order = charge.order
        with self._transaction():
            # The unique key decides who is first; a row count says it.
            fresh = self._db.execute(
                f"INSERT INTO charges ({_CHARGE}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - our own column list
                " ON CONFLICT (idempotency_key) DO NOTHING",
                (
                    charge.id,
                    charge.idempotency_key,
                    order.amount,
                    order.currency,
                    order.method,
                    order.token,
                    order.reference,
                    order.return_url,
                    charge.status,
                    charge.captured_amount,
                    charge.refunded_amount,
                    charge.decline_code,
                    charge.page_token,
                    charge.created_ms,
                    charge.settles_ms,
                    order.capture,
                ),
            ).rowcount
            if fresh:
                self._announce(charge, charge.created_ms)
                return charge, True
        holder = self.by_key(charge.idempotency_key)
        if holder is None:
            raise RuntimeError("a charge vanished, but charges are never deleted")
        return holder, False

    def change(self, charge_id: str, step: Callable[[Charge], Charge], now_ms: int) -> Charge:
        """Applies a step of the state machine. Raises what the step raises, or `not_found`."""
        with self._transaction():
            return self._change(charge_id, step, now_ms)

    def _change(self, charge_id: str, step: Callable[[Charge], Charge], now_ms: int) -> Charge:
        before = self.by_id(charge_id)
        after = step(before)
        if after != before:
            self._db.execute(
                "UPDATE charges SET status = ?, captured_amount = ?, refunded_amount = ?,"
                " decline_code = ? WHERE id = ?",
                (
                    after.status,
                    after.captured_amount,
                    after.refunded_amount,
                    after.decline_code,
                    charge_id,
                ),
            )
            self._announce(after, now_ms)
        return after

    def refund(self, refund: Refund, step: Callable[[Charge], Charge]) -> tuple[Refund, bool]:
        """The refund that holds the key, and whether it is this one, now recorded."""
        with self._transaction():
            row = self._db.execute(
                f"SELECT {_REFUND} FROM refunds WHERE idempotency_key = ?",  # noqa: S608 - our own column list
                (refund.idempotency_key,),
            ).fetchone()
            if row is not None:
                return Refund(*row), False
            self._change(refund.charge_id, step, refund.created_ms)
            self._db.execute(
                f"INSERT INTO refunds ({_REFUND}) VALUES (?,?,?,?,?)",  # noqa: S608 - our own column list
                (
                    refund.id,
                    refund.charge_id,
                    refund.idempotency_key,
                    refund.amount,
                    refund.created_ms,
                ),
            )
        return refund, True

    def by_id(self, charge_id: str) -> Charge:
        """Raises Refused: `not_found`."""
        for charge in self._charges("WHERE id = ?", (charge_id,)):
            return charge
        raise Refused("not_found", "There is no such charge.")

    def by_key(self, idempotency_key: str) -> Charge | None:
        return next(self._charges("WHERE idempotency_key = ?", (idempotency_key,)), None)

    def page(self, *, limit: int, after: str | None, since_ms: int = 0) -> list[Charge]:
        """Charges in the order they were made, behind the charge `after`."""
        return list(
            self._charges(
                "WHERE seq > coalesce((SELECT seq FROM charges WHERE id = ?), 0)"
                " AND created_ms >= ? ORDER BY seq LIMIT ?",
                (after, since_ms, limit),
            )
        )

    def refund_page(self, *, limit: int, after: str | None, since_ms: int = 0) -> list[Refund]:
        """Refunds in the order they were made, behind the refund `after`. Raises Refused."""
        seq = 0
        if after is not None:
            row = self._db.execute("SELECT seq FROM refunds WHERE id = ?", (after,)).fetchone()
            if row is None:
                raise Refused("not_found", "There is no such refund.")
            (seq,) = row
        rows = self._db.execute(
            f"SELECT {_REFUND} FROM refunds WHERE seq > ? AND created_ms >= ?"  # noqa: S608 - our own column list
            " ORDER BY seq LIMIT ?",
            (seq, since_ms, limit),
        )
        return [Refund(*row) for row in rows]

    def pending(self) -> list[Charge]:
        return list(self._charges("WHERE status = 'PENDING' ORDER BY settles_ms", ()))

    def refunds(self, charge: Charge) -> list[Refund]:
        if not charge.refunded_amount:
            return []
        rows = self._db.execute(
            f"SELECT {_REFUND} FROM refunds WHERE charge_id = ? ORDER BY seq",  # noqa: S608 - our own column list
            (charge.id,),
        )
        return [Refund(*row) for row in rows]

    def balances(self) -> list[Balance]:
        rows = self._db.execute(
            "SELECT currency, sum(captured_amount), sum(refunded_amount) FROM charges"
            " GROUP BY currency ORDER BY currency"
        )
        return [Balance(*row) for row in rows]

    def fails_first(self, idempotency_key: str) -> bool:
        """Whether the key was never seen here before; remembers it."""
        return bool(
            self._db.execute(
                "INSERT INTO failed_first_tries VALUES (?) ON CONFLICT DO NOTHING",
                (idempotency_key,),
            ).rowcount
        )

    def _charges(self, where: str, parameters: Sequence[object]) -> Iterator[Charge]:
        for row in self._db.execute(f"SELECT {_CHARGE} FROM charges {where}", parameters):  # noqa: S608 - constants of this file
            id_, key, amount, currency, method, token, reference, return_url, status, *rest = row
            *rest, capture = rest
            order = Order(
                amount, currency, Method(method), token, reference, return_url, bool(capture)
            )
            yield Charge(id_, key, order, Status(status), *rest)

    # --- webhooks ----------------------------------------------------------------------------

    def _announce(self, charge: Charge, now_ms: int) -> None:
        if not self._announces:
            return
        event_id = "evt_" + secrets.token_hex(12)
        for _ in range(charge.behaviour.webhook_copies):
            self._db.execute(
                "INSERT INTO webhooks"
                " (event_id, charge_id, idempotency_key, status, created_ms, due_ms)"
                " VALUES (?,?,?,?,?,?)",
                (event_id, charge.id, charge.idempotency_key, charge.status, now_ms, now_ms),
            )

    def due(self, now_ms: int, *, limit: int) -> list[Delivery]:
        rows = self._db.execute(
            "SELECT seq, event_id, charge_id, idempotency_key, status, created_ms, tries"
            " FROM webhooks WHERE due_ms <= ? ORDER BY due_ms LIMIT ?",
            (now_ms, limit),
        )
        return [Delivery(*row) for row in rows]

    def next_due_ms(self, now_ms: int) -> int | None:
        """When the first webhook after `now_ms` is due."""
        (due_ms,) = self._db.execute(
            "SELECT min(due_ms) FROM webhooks WHERE due_ms > ?", (now_ms,)
        ).fetchone()
        return None if due_ms is None else int(due_ms)

    def finish(self, delivered: Iterable[int], failed: Iterable[tuple[int, int]]) -> None:
        """Forgets the delivered webhooks and puts the failed ones, (seq, due_ms), off."""
        with self._transaction():
            self._db.executemany("DELETE FROM webhooks WHERE seq = ?", ((s,) for s in delivered))
            self._db.executemany(
                "UPDATE webhooks SET tries = tries + 1, due_ms = ? WHERE seq = ?",
                ((due_ms, seq) for seq, due_ms in failed),
            )
