"""What the newest check of the invariants found: one row, which is always there."""

from __future__ import annotations

import orjson

from booking_service.domain import Finding, Verdict
from chassis.database import Row, Session

_KEEP = """
UPDATE verdict SET began_at = :began_at, milliseconds = :milliseconds, version = :version,
                   checks = :checks, findings = CAST(:findings AS jsonb)
 WHERE began_at IS NULL OR began_at < :began_at
"""
_FIND = """
SELECT began_at, milliseconds, version, checks, findings FROM verdict WHERE began_at IS NOT NULL
"""
_FIGURES = """
SELECT greatest(0, extract(epoch FROM clock_timestamp() - coalesce(began_at, kept_since)))::float8
           AS age_seconds,
       (SELECT coalesce(sum(CAST(finding->>'violations' AS bigint)), 0)
          FROM jsonb_array_elements(findings) AS finding)::float8 AS violations
  FROM verdict
"""


async def keep(session: Session, verdict: Verdict) -> None:
    """Keeps a verdict, unless a newer one is known."""
    await session.execute(
        _KEEP,
        began_at=verdict.began_at,
        milliseconds=verdict.milliseconds,
        version=verdict.version,
        checks=verdict.checks,
        findings=orjson.dumps(verdict.findings).decode(),
    )


async def find(session: Session) -> Verdict | None:
    """The newest verdict; None: nobody has checked yet."""
    row = await session.first(_FIND)
    if row is None:
        return None
    findings = [Finding(**finding) for finding in row.findings]
    return Verdict(row.began_at, row.milliseconds, row.version, row.checks, findings)


async def figures(session: Session) -> Row:
    """How old the verdict is (`age_seconds`), and how many `violations` it tells of.

    Where nobody has checked yet it is as old as the table that would keep it.
    """
    return await session.one(_FIGURES)
