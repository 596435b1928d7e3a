"""What clients are told of each fault: in words, never in the library's, and never as a pattern."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.bodies.base import Email, Id, Time
from gateway.bodies.bookings import NewBooking
from gateway.bodies.catalog import NewEvent, NewSection, NewVenue
from gateway.bodies.identity import Registration
from gateway.bodies.payments import NewPayment
from gateway.bodies.tickets import Scan
from gateway.faults import told


class Anything(BaseModel):
    """A field of each kind that a body has."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(min_length=2, max_length=3)] = "aa"
    code: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "NP"
    number: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 1
    lax: int = 1
    place: Annotated[float, Field(strict=True, gt=0, lt=5, allow_inf_nan=False)] = 1
    flag: bool = True
    choice: Literal["A", "B", "C"] = "A"
    several: list[int] = Field(default=[1], min_length=1, max_length=2)
    inner: NewBooking | None = None
    section: NewSection | None = None
    id: Id | None = None
    at: Time | None = None
    email: Email | None = None


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"text": "a"}, "text", "Must have at least 2 characters"),
        ({"text": "aaaa"}, "text", "Must have at most 3 characters"),
        ({"text": 5}, "text", "Must be text"),
        ({"text": "\ud800x"}, "text", "Must be text of whole characters"),
        ({"code": "np"}, "code", "Must be two capital letters, as ISO 3166-1 has them, such as NP"),
        ({"number": "1"}, "number", "Must be a whole number"),
        ({"number": 1.5}, "number", "Must be a whole number"),
        ({"number": 0}, "number", "Must be at least 1"),
        ({"number": 1_000_001}, "number", "Must be at most 1,000,000"),
        ({"lax": "x"}, "lax", "Must be a whole number"),
        ({"place": 0}, "place", "Must be more than 0"),
        ({"place": 5}, "place", "Must be less than 5"),
        ({"place": float("nan")}, "place", "Must be a number"),
        ({"flag": "perhaps"}, "flag", "Must be true or false"),
        ({"choice": "D"}, "choice", "Must be one of A, B, C"),
        ({"several": 1}, "several", "Must be a list"),
        ({"several": []}, "several", "Must have at least 1 element"),
        ({"several": [1, 2, 3]}, "several", "Must have at most 2 elements"),
        ({"inner": []}, "inner", "Must be an object"),
        ({"inner": {}}, "inner.hold_id", "Must be given"),
        ({"section": {"kind": "BOX"}}, "section.kind", "Must be one of SEATED, STANDING"),
        ({"section": {}}, "section.kind", "Must be given"),
        ({"other": 1}, "other", "Must be left out: there is no such field"),
        ({"email": "asha"}, "email", "Must be an e-mail address, such as asha@example.org"),
    ],
)
def test_a_fault_is_told_in_words(body: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Anything.model_validate(body)
    # As FastAPI gives them: each begins with where it came in.
    faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in refused.value.errors()]
    assert told(faults) == [{"field": field, "message": message}]


BODIES = (NewEvent, NewVenue, NewBooking, NewPayment, Registration, Scan)
WRONG = (None, 5, -1, 1.5, True, "", " ", "no", "x" * 20_000, [], [None], {}, {"a": 1}, "\ud800")


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_whatever_is_wrong_no_message_is_the_librarys(body: type[BaseModel]) -> None:
    for value in WRONG:
        for name, field in body.model_fields.items():
            try:
                body.model_validate({field.alias or name: value})
            except ValidationError as error:
                faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
                for each in told(faults):
                    assert re.match(r"Must (be|have|not have) ", each["message"]), each
                    assert not re.search(r"\\|\^|\[A-|Input|valid ", each["message"]), each
                    assert "see the API's description" not in each["message"], each
