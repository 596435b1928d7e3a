"""What every body and query is made of: bounded text, times, ids; unknown fields refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from email_validator import EmailNotValidError, validate_email
from fastapi import Path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from chassis import text
from chassis.ids import parse_uuid
from gateway.bodies import limits

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
# Error types that `app` knows: an id in a path that can't be one is an object that is not there.
UNKNOWN_OBJECT = "unknown_object"


def _as_line(value: Any) -> Any:
    return text.line(value) if isinstance(value, str) else value


def _as_lines(value: Any) -> Any:
    return text.lines(value) if isinstance(value, str) else value


def _line(value: str) -> str:
    return sound(value, text.flaw_in_line(value))


def _lines(value: str) -> str:
    return sound(value, text.flaw_in_lines(value))


def sound(value: str, flaw: str) -> str:
    """The text, if it has no flaw; else that is what is wrong with it."""
    if flaw:
        raise PydanticCustomError("text", "{flaw}", {"flaw": flaw.capitalize()})
    return value


def _time(value: Any) -> datetime:
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            time = datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        else:
            if 2000 <= time.year < 2200:
                return time
    raise PydanticCustomError(
        "time", "Must be an RFC 3339 time with its offset, such as 2026-11-20T10:00:00Z"
    )


def _email(value: str) -> str:
    try:
        parsed = validate_email(
            value, allow_smtputf8=False, check_deliverability=False, test_environment=True
        )
    except EmailNotValidError:
        raise PydanticCustomError(
            "email", "Must be an e-mail address, such as asha@example.org"
        ) from None
    return (parsed.ascii_email or parsed.normalized).lower()


def _id(value: str) -> str:
    parsed = parse_uuid(value)
    if parsed is None:
        raise PydanticCustomError(
            "id", "Must be an id, such as 0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f11"
        )
    return str(parsed)


def reference_of(written: str) -> str:
    """The reference of a booking that somebody means, as they read or type it; "": none."""
    if len(written) > _LONGEST_REFERENCE:
        return ""
    found = _REFERENCE.fullmatch(text.base32(written))
    return f"PT-{found[1]}" if found else ""


def _reference(written: str) -> str:
    reference = reference_of(written)
    if not reference:
        raise PydanticCustomError("reference", "Must be a booking's reference, such as PT-7K2M9QXA")
    return reference


def _known_reference(written: str) -> str:
    reference = reference_of(written)
    if not reference:
        raise PydanticCustomError(UNKNOWN_OBJECT, "No such", {"reason": "BOOKING_NOT_FOUND"})
    return reference


def _as_email(value: Any) -> Any:
    return value.strip().strip("\ufeff\u200b") if isinstance(value, str) else value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def absent() -> Any:
    """Stands for what a change does not say; what it says is in `model_fields_set`."""
    return None


def not_found(reason: str, pattern: re.Pattern[str]) -> Any:
    """Refuses with `reason` what can't be one, for it would not be found."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise PydanticCustomError(UNKNOWN_OBJECT, "No such thing", {"reason": reason})
        return value

    return AfterValidator(check)


UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
UUID_SCHEMA = WithJsonSchema({"type": "string", "format": "uuid"})
# A booking's reference, without its hyphen.
_REFERENCE = re.compile(r"(?:PT)?([0-9A-HJKMNP-TV-Z]{8})", re.ASCII)
_LONGEST_REFERENCE = 40  # with whatever blanks and hyphens
REFERENCE_SCHEMA = WithJsonSchema(
    {
        "type": "string",
        "pattern": "^([Pp][Tt])?([ -]?[0-9A-TV-Za-tv-z]){8}$",
        "maxLength": _LONGEST_REFERENCE,
    }
)

# Text that people write, by the one rule of `chassis.text`; lengths are counted of what is kept.
IS_LINE = (AfterValidator(_line), BeforeValidator(_as_line))
IS_LINES = (AfterValidator(_lines), BeforeValidator(_as_lines))


def line(most: int) -> tuple[Any, ...]:
    """What makes a text one line of 1 to `most` characters: `Annotated[str, *line(60)]`."""
    return (StringConstraints(min_length=1, max_length=most), *IS_LINE)


def lines(most: int) -> tuple[Any, ...]:
    """What makes a text any number of lines, of up to `most` characters in all."""
    return (StringConstraints(max_length=most), *IS_LINES)


Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=254),
    BeforeValidator(_as_email),
    AfterValidator(_email),
    WithJsonSchema({"type": "string", "format": "email", "minLength": 3, "maxLength": 254}),
]
# A booking's, in whatever case and with whatever hyphens: as what is looked for, and in a body.
Reference = Annotated[
    str,
    AfterValidator(_known_reference),
    REFERENCE_SCHEMA,
    Path(description="The booking's reference, in whatever case."),
]
GivenReference = Annotated[str, AfterValidator(_reference), REFERENCE_SCHEMA]
# What a time looks like; the same bounds as everywhere: a year from 2000 to 2199.
Time = Annotated[
    datetime, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})
]
Id = Annotated[
    str,
    StringConstraints(max_length=36),
    AfterValidator(_id),
    WithJsonSchema({"type": "string", "format": "uuid"}),
]
Country = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="ISO 3166-1 alpha-2.")
]
Zone = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_+/-]{1,64}$"),
    Field(description="An IANA time zone, such as Asia/Kathmandu."),
]
# A number that is whole, however it is written: to JSON 2.0 is 2 (JSON Schema, 6.1.1).
WHOLE = (Field(strict=True), BeforeValidator(_whole))
# Of money, in minor units.
Amount = Annotated[int, Field(ge=1, le=limits.AMOUNT), *WHOLE]


class Input(BaseModel):
    """What comes in: unknown fields are refused. The text below each field describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Nothing(Input):
    """A body that says nothing: absent, or an empty object."""


class PageQuery(Input):
    """Which page; unknown filters are refused."""

    limit: int = Field(default=20, ge=1, le=limits.PAGE)
    """How many to give at most."""
    cursor: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_=-]{1,512}$")
    """Where the page begins: `next_cursor` of the one before; absent: the first page."""
