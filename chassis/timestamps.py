"""Moments in messages."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(moment: datetime | None) -> Timestamp | None:
    """A moment as messages have it; None stays None."""
    if moment is None:
        return None
    written = Timestamp()
    written.FromDatetime(moment)
    return written
