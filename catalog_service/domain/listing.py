"""Lists: what they are narrowed and sorted by, and where a page begins."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from catalog_service.domain.errors import InvalidCursorError, InvalidFilterError
from catalog_service.domain.events import CATEGORIES, PUBLIC_STATUSES, STATUSES, Event
from catalog_service.domain.findings import Findings
from catalog_service.domain.venues import MAX_CITY

DEFAULT_PAGE = 20
MAX_PAGE = 100
MAX_QUERY = 200  # characters
MAX_WORDS = 10


@dataclass(frozen=True, slots=True)
class EventSearch:
    """What a list of events is narrowed by; None or empty does not narrow."""

    query: str = ""
    category: str = ""
    city: str = ""
    starts_from: datetime | None = None
    starts_before: datetime | None = None
    min_price: int | None = None
    max_price: int | None = None
    status: str = ""
    organizer_id: UUID | None = None
    sort: str = "starts_at"
    # The person whose own events are listed, in any status; None: everybody's, in public.
    owner_id: UUID | None = None
    updated_since: datetime | None = None  # only sorted by `updated_at`

    @property
    def words(self) -> Sequence[str]:
        """The words that title, place or description must have, each, at least as a beginning."""
        return self.query.split()


def check_filter(search: EventSearch) -> None:
    """Holds a search to what can be searched by.

    Raises:
        InvalidFilterError: what is wrong, by query parameter.
    """
    wrong = Findings()
    wrong.text("q", search.query, 0, MAX_QUERY)
    wrong.add("q", f"must have at most {MAX_WORDS} words", when=len(search.words) > MAX_WORDS)
    wrong.text("city", search.city, 0, MAX_CITY)
    unknown = bool(search.category) and search.category not in CATEGORIES
    wrong.add("category", f"must be one of {', '.join(CATEGORIES)}", when=unknown)
    statuses = PUBLIC_STATUSES if search.owner_id is None else STATUSES
    unknown = bool(search.status) and search.status not in statuses
    wrong.add("status", f"must be one of {', '.join(statuses)}", when=unknown)
    wrong.add("sort", f"must be one of {', '.join(SORTS)}", when=search.sort not in SORTS)
    wrong.add(
        "sort",
        "needs words (q) to be relevant to",
        when=search.sort == "relevance" and not search.words,
    )
    wrong.add(
        "sort",
        "must be updated_at (or absent) with updated_since",
        when=search.updated_since is not None and search.sort != "updated_at",
    )
    wrong.refuse(InvalidFilterError, "There is nothing to search by that")


def page_size(limit: int) -> int:
    """How many to give when `limit` were asked for; 0 asks for the default.

    Raises:
        InvalidFilterError: it is not 1-100.
    """
    wrong = Findings()
    wrong.within("limit", limit or DEFAULT_PAGE, 1, MAX_PAGE)
    wrong.refuse(InvalidFilterError, "A page can't have that size")
    return limit or DEFAULT_PAGE


# --- cursors -----------------------------------------------------------------------------------


def to_cursor(*key: str) -> str:
    """The opaque form of the last key of a page."""
    return base64.urlsafe_b64encode(" ".join(key).encode()).rstrip(b"=").decode()


def from_cursor(cursor: str) -> Sequence[str]:
    """The key that `to_cursor` was given.

    Raises:
        InvalidCursorError: it was given none such.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return raw.decode("ascii").split(" ")
    except (binascii.Error, ValueError):
        raise InvalidCursorError from None


# What an event is sorted by, before its id.
Key = datetime | int | float


@dataclass(frozen=True, slots=True)
class Listed:
    """An event of a list, and what it is sorted by there."""

    event: Event
    keys: Sequence[Key]


@dataclass(frozen=True, slots=True)
class Position:
    """Where in a sorted list the next page begins: after these keys, as text, and this id."""

    keys: Sequence[str]
    id: UUID


@dataclass(frozen=True, slots=True)
class _Sort:
    beginning: Position  # before the first
    keys: Sequence[Callable[[str], str]]  # read each, from text that may be anything


def _integer(most: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        value = int(text)
        if not 0 <= value <= most:
            raise ValueError("no such number")
        return str(value)

    return read


def _rank(text: str) -> str:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("no rank")
    return repr(value)


def _time(text: str) -> str:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("no zone")
    return value.isoformat()


_FIRST = UUID(int=0)
_LAST = UUID(int=2**128 - 1)
_MOST_SOLD = 2**31 - 1
_DEAREST = 2**63 - 1
_SORTS: Mapping[str, _Sort] = {
    "starts_at": _Sort(Position(["-infinity"], _FIRST), [_time]),
    "-starts_at": _Sort(Position(["infinity"], _LAST), [_time]),
    "price": _Sort(Position(["-1"], _FIRST), [_integer(_DEAREST)]),
    "-price": _Sort(Position([str(_DEAREST)], _LAST), [_integer(_DEAREST)]),
    # Most sold first.
    "popularity": _Sort(Position([str(_MOST_SOLD)], _LAST), [_integer(_MOST_SOLD)]),
    # Best first: the rank below zero, and among equals the soonest.
    "relevance": _Sort(Position(["-infinity", "-infinity"], _FIRST), [_rank, _time]),
    "updated_at": _Sort(Position(["-infinity"], _FIRST), [_time]),
}
SORTS = tuple(_SORTS)


def position_after(listed: Listed, sort: str) -> str:
    """The cursor of a page that ends with `listed`."""
    keys = [key.isoformat() if isinstance(key, datetime) else repr(key) for key in listed.keys]
    return to_cursor(sort, *keys, str(listed.event.id))


def first_position(search: EventSearch) -> Position:
    """Where the list begins: within its range, so that its index is walked from there on."""
    beginning = _SORTS[search.sort].beginning
    bounds: Mapping[str, tuple[datetime | int | None, UUID]] = {
        "starts_at": (search.starts_from, _FIRST),
        "-starts_at": (search.starts_before, _FIRST),
        "price": (search.min_price, _FIRST),
        "-price": (search.max_price, _LAST),
        "updated_at": (search.updated_since, _FIRST),
    }
    bound, id = bounds.get(search.sort, (None, _FIRST))
    if bound is None:
        return beginning
    return Position([bound.isoformat() if isinstance(bound, datetime) else str(bound)], id)


def position_of(cursor: str, sort: str) -> Position:
    """Where the page of `cursor` begins in a list sorted by `sort`.

    Raises:
        InvalidCursorError: it is not a cursor of such a list.
    """
    readers = _SORTS[sort].keys
    try:
        cursor_sort, *keys, id = from_cursor(cursor)
        if cursor_sort != sort or len(keys) != len(readers):
            raise InvalidCursorError
        return Position([read(key) for read, key in zip(readers, keys, strict=True)], UUID(id))
    except (ValueError, OverflowError):
        raise InvalidCursorError from None


def before_id(cursor: str, what: str) -> UUID:
    """The id that a page comes before, in a list of `what` by falling ids.

    `cursor` is `to_cursor(what, id)` of the last on the page before; empty: the first page.

    Raises:
        InvalidCursorError: it is not a cursor of that list.
    """
    if not cursor:
        return _LAST
    try:
        cursor_what, id = from_cursor(cursor)
        if cursor_what != what:
            raise InvalidCursorError
        return UUID(id)
    except ValueError:
        raise InvalidCursorError from None
