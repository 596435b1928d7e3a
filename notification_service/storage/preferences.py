"""Table `preference`: which kinds of news somebody wants, and by which channel; absent: wanted."""

from __future__ import annotations

from chassis.database import Session

_SAVE = """
INSERT INTO preference (addressee, kind, channel, is_wanted)
VALUES (:addressee, :kind, :channel, :is_wanted)
    ON CONFLICT (addressee, kind, channel) DO UPDATE SET is_wanted = excluded.is_wanted
"""


def save(session: Session, addressee: str, kind: str, channel: str, *, is_wanted: bool) -> None:
    """Notes a wish; `addressee` is a person's id, or the address of somebody without an account."""
    session.defer(_SAVE, addressee=addressee, kind=kind, channel=channel, is_wanted=is_wanted)
