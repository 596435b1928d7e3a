"""What people want to be told, by which channel."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from notification_service.domain.errors import InvalidPreferenceError
from notification_service.domain.kinds import APP, CHANNELS, KINDS, MAIL, Kind

MAX_WISHES = 100


@dataclass(frozen=True, slots=True)
class Preference:
    """Whether somebody is told a kind of news by a channel."""

    kind: Kind
    channel: str
    is_wanted: bool

    @property
    def is_essential(self) -> bool:
        """Whether it comes in any case."""
        return _is_essential(self.kind, self.channel)


def all_preferences(switched_off: Collection[tuple[str, str]]) -> Sequence[Preference]:
    """All that can be told, kind by kind; `switched_off` are kinds with their channels."""
    return [
        Preference(
            kind,
            channel,
            _is_essential(kind, channel) or (kind.name, channel) not in switched_off,
        )
        for kind in KINDS.values()
        for channel in CHANNELS
        if channel == MAIL or kind.in_app
    ]


def parse_preferences(wishes: Sequence[tuple[str, str, bool]]) -> Collection[tuple[str, str]]:
    """What somebody wants no more, of kinds, channels and whether they are wanted.

    Raises:
        InvalidPreferenceError: a kind or channel that there is not, one twice, or one that comes in
            any case switched off; each such entry is named.
    """
    if len(wishes) > MAX_WISHES:
        why = f"Must be {MAX_WISHES} entries at most."
        raise InvalidPreferenceError("Too many preferences.", items=why)
    wrong: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for number, (name, channel, is_wanted) in enumerate(wishes):
        kind = KINDS.get(name)
        field = f"items.{number}"
        if kind is None:
            wrong[f"{field}.kind"] = f"Must be one of {', '.join(KINDS)}."
        elif channel not in CHANNELS or (channel == APP and not kind.in_app):
            wrong[f"{field}.channel"] = "Must be MAIL, or APP where the kind is shown there."
        elif (name, channel) in seen:
            wrong[field] = "Names a kind and a channel that another entry has named."
        elif not is_wanted and _is_essential(kind, channel):
            wrong[f"{field}.wanted"] = f"Must be true: mails about {kind.tells} always come."
        seen.add((name, channel))
    if wrong:
        raise InvalidPreferenceError("Some preferences can't be kept.", **wrong)
    return {(name, channel) for name, channel, is_wanted in wishes if not is_wanted}


def _is_essential(kind: Kind, channel: str) -> bool:
    return channel == MAIL and kind.is_essential
