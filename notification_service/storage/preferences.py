"""Table `preference`: which kinds of news somebody wants, and by which channel; absent: wanted."""

from __future__ import annotations

from collections.abc import Collection

from chassis.database import Session

_SAVE = """
INSERT INTO preference (addressee, kind, channel, is_wanted)
VALUES (:addressee, :kind, :channel, :is_wanted)
    ON CONFLICT (addressee, kind, channel) DO UPDATE SET is_wanted = excluded.is_wanted
"""
_SWITCHED_OFF = """
SELECT kind, channel FROM preference WHERE addressee = :addressee AND NOT is_wanted
"""
_REPLACE = """
WITH off AS (
    SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:channels AS text[])) AS off (kind, channel)),
gone AS (
    DELETE FROM preference WHERE addressee = :addressee
       AND (kind, channel) NOT IN (SELECT kind, channel FROM off))
INSERT INTO preference (addressee, kind, channel, is_wanted)
SELECT :addressee, kind, channel, false FROM off ORDER BY kind, channel
    ON CONFLICT (addressee, kind, channel) DO UPDATE SET is_wanted = false
"""


async def switched_off(session: Session, addressee: str) -> Collection[tuple[str, str]]:
    """The kinds, each with its channel, that somebody wants no more."""
    return {tuple(row) for row in await session.all(_SWITCHED_OFF, addressee=addressee)}


def replace(session: Session, addressee: str, off: Collection[tuple[str, str]]) -> None:
    """Notes that these are all that somebody wants no more."""
    kinds, channels = zip(*sorted(off), strict=True) if off else ((), ())
    session.defer(_REPLACE, addressee=addressee, kinds=list(kinds), channels=list(channels))


def save(session: Session, addressee: str, kind: str, channel: str, *, is_wanted: bool) -> None:
    """Notes a wish; `addressee` is a person's id, or the address of somebody without an account."""
    session.defer(_SAVE, addressee=addressee, kind=kind, channel=channel, is_wanted=is_wanted)
