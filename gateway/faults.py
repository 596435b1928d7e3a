"""What a client is told of each fault in what it sent: our own words, in one style.

The validation library has its own, for programmers in Python: they name its types, and show regular
expressions. Here each kind of fault has a sentence that goes on after the field's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic_core.core_schema import ErrorType

# A small body may have thousands.
_MOST_ERRORS = 100
_LONGEST_MESSAGE = 300
# What the library calls a fault; any other name is one of our own validators', which says what it
# means by itself.
_OF_THE_LIBRARY = frozenset(get_args(ErrorType))

_A_WHOLE_NUMBER = "Must be a whole number"
_A_NUMBER = "Must be a number"
_A_LIST = "Must be a list"
_AN_OBJECT = "Must be an object"
_TEXT = "Must be text"
_TRUE_OR_FALSE = "Must be true or false"
_A_CHOICE = "Must be one of {expected}"
_MESSAGES: Mapping[str, str] = {
    "missing": "Must be given",
    "extra_forbidden": "Must be left out: there is no such field",
    "string_type": _TEXT,
    "string_unicode": "Must be text of whole characters",
    "string_too_short": "Must have at least {min_length} character{s}",
    "string_too_long": "Must have at most {max_length} character{s}",
    "int_type": _A_WHOLE_NUMBER,
    "int_parsing": _A_WHOLE_NUMBER,
    "int_parsing_size": _A_WHOLE_NUMBER + " of at most 18 digits",
    "int_from_float": _A_WHOLE_NUMBER,
    "float_type": _A_NUMBER,
    "float_parsing": _A_NUMBER,
    "finite_number": _A_NUMBER,
    "decimal_type": _A_NUMBER,
    "decimal_parsing": _A_NUMBER,
    "bool_type": _TRUE_OR_FALSE,
    "bool_parsing": _TRUE_OR_FALSE,
    "greater_than": "Must be more than {gt}",
    "greater_than_equal": "Must be at least {ge}",
    "less_than": "Must be less than {lt}",
    "less_than_equal": "Must be at most {le}",
    "literal_error": _A_CHOICE,
    "enum": _A_CHOICE,
    "list_type": _A_LIST,
    "tuple_type": _A_LIST,
    "set_type": _A_LIST,
    "too_short": "Must have at least {min_length} element{s}",
    "too_long": "Must have at most {max_length} element{s}",
    "dict_type": _AN_OBJECT,
    "model_type": _AN_OBJECT,
    "model_attributes_type": _AN_OBJECT,
    "union_tag_invalid": "Must be one of {expected_tags}",
    "union_tag_not_found": "Must be given",
}
# What each form that text may be held to is, in words.
FORMS: Mapping[str, str] = {
    r"^[A-Z]{2}$": "Must be two capital letters, as ISO 3166-1 has them, such as NP",
    r"^[A-Z]{3}$": "Must be three capital letters, as ISO 4217 has them, such as NPR",
    r"^[A-Z_]{1,40}$": "Must be capital letters and underscores, at most 40, such as THEATRE",
    r"^[A-Za-z0-9_+/-]{1,64}$": "Must be a time zone's name, such as Asia/Kathmandu",
    r"^[A-Za-z0-9_=-]{1,512}$": "Must be the next_cursor of the page before",
    r"^[\x21-\x7e]{1,200}$": "Must be a token as the provider gave it, of at most 200 characters",
    r"^[A-Za-z0-9_.:-]{1,64}$": "Must be the id of a seat, as the seat map has it",
    r"^\+[1-9][0-9]{6,14}$": "Must be a + and 7 to 15 digits, such as +9779812345678",
    r"^[0-9]{6}$": "Must be the six digits that were mailed",
    r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$": "Must be the otp_id that was answered",
    r"^[A-Za-z0-9-]{3,40}$": "Must be 3 to 40 letters, digits and hyphens, such as EARLY-BIRD",
    r"^[\x20-\x7e]{1,255}$": "Must be 1 to 255 printable characters of ASCII, such as a UUID",
}


def told(faults: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Field and message of each fault, as a problem's `errors` have them; at most a hundred."""
    return [{"field": _field(fault), "message": _message(fault)} for fault in faults[:_MOST_ERRORS]]


def _field(fault: Mapping[str, Any]) -> str:
    """A fault's field as the client wrote it: without where it came in, or which kind it is."""
    location: Sequence[str | int] = fault["loc"]
    parts = [str(part) for part in location[1:] if part not in {"SEATED", "STANDING"}]
    if fault["type"].startswith("union_tag_"):
        parts.append(str(fault["ctx"]["discriminator"]).strip("'"))
    return ".".join(parts) or str(location[0])


def _message(fault: Mapping[str, Any]) -> str:
    kind = fault["type"]
    context: Mapping[str, Any] = fault.get("ctx") or {}
    if kind not in _OF_THE_LIBRARY:
        return str(fault["msg"])
    if kind == "string_pattern_mismatch":
        return FORMS.get(context["pattern"], "Must be of another form: see the API's description")
    words = _MESSAGES.get(kind, "Must be something else: see the API's description")
    return words.format(**{name: _said(value) for name, value in _facts(context)})[
        :_LONGEST_MESSAGE
    ]


def _facts(context: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    yield from context.items()
    number = context.get("min_length", context.get("max_length"))
    yield "s", "" if number == 1 else "s"


def _said(value: Any) -> str:
    """A bound, or what may be chosen: the library quotes words, and has an `or` before the last."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return f"{value:,}"
    return str(value).replace("' or '", "', '").replace("'", "")
