"""How refusals are described: one shape, and one more for each reason that says more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chassis.identity import Role
from gateway.description.headers import headers_of
from gateway.problems import MEDIA_TYPE, REASONS

_PROBLEM = "#/components/schemas/Problem"
# Refusals that a service keeps beside an idempotency key, and gives again.
_KEPT = frozenset({404, 409, 410, 422})


def _list_of_texts(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description}


def _number(description: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "description": description}


# What the problem of a reason says besides (RFC 9457, 3.2).
MEMBERS: Mapping[str, Mapping[str, Any]] = {
    "CAPACITY_BELOW_SOLD": {"taken": _number("Places that are held, reserved and sold.")},
    "CUSTOMER_LIMIT": {
        "limit": _number("How many places a person may have."),
        "held": _number("How many they have, held and bought together."),
    },
    "EVENT_STATE": {"fields": _list_of_texts("The fields that can't change any more.")},
    "FORBIDDEN": {
        "required_role": {
            "type": "string",
            "enum": [role.name for role in Role if role > min(Role)],
            "description": "The role that it needs, or a higher one.",
        }
    },
    "INSUFFICIENT_SCOPE": {
        "scope": {"type": "string", "description": "The scope that the key would need."}
    },
    "MALFORMED_JSON": {
        "line": _number("Where in the body, from 1."),
        "column": _number("Where in the line, from 1."),
    },
    "REFUND_TOO_LARGE": {"left": _number("What is left of the payment, minor units.")},
    "SEATS_NOT_BLOCKED": {"seat_ids": _list_of_texts("The seats that are not kept back.")},
    "SEATS_UNAVAILABLE": {"seat_ids": _list_of_texts("The seats that are not free.")},
    "SECTION_IN_USE": {"lost": _number("How many places on sale would go.")},
    "STALE_VERSION": {"version": _number("The version that there is now.")},
}
# Where they are not always said.
_OPTIONAL = frozenset(
    {
        "CAPACITY_BELOW_SOLD",
        "EVENT_STATE",
        "FORBIDDEN",
        "INSUFFICIENT_SCOPE",
        "MALFORMED_JSON",
        "STALE_VERSION",
    }
)

_FIELDS: Mapping[str, Any] = {
    "type": {
        "type": "string",
        "format": "uri-reference",
        "description": "`/problems/` and the reason in kebab case.",
    },
    "title": {"type": "string", "description": "The reason in words."},
    "status": {
        "type": "integer",
        "minimum": 400,
        "maximum": 599,
        "description": "The HTTP status.",
    },
    "detail": {"type": "string", "description": "What happened this time, for people."},
    "instance": {
        "type": "string",
        "format": "uri-reference",
        "description": "The path that was asked.",
    },
    "reason": {
        "$ref": "#/components/schemas/Reason",
        "description": "Why, for programs: it never changes.",
    },
    "request_id": {"type": "string", "description": "Finds the log line: tell it when you ask us."},
}
_ERRORS: Mapping[str, Any] = {
    "errors": {
        "type": "array",
        "items": {"$ref": "#/components/schemas/FieldError"},
        "description": "What is wrong, field by field, where fields are at fault.",
    }
}


def schemas() -> dict[str, Any]:
    """The schemas of problems, by name."""
    return {
        "Reason": {
            "type": "string",
            "title": "Reason",
            "description": "Why something is refused. `docs/problems.md` says what to do.",
            "enum": sorted(REASONS),
        },
        "FieldError": {
            "type": "object",
            "title": "FieldError",
            "description": "What is wrong with a field.",
            "required": ["field", "message"],
            "properties": {
                "field": {
                    "type": "string",
                    "description": "The field's path in the body, or the parameter's name.",
                },
                "message": {"type": "string", "description": "What is wrong, for people."},
            },
        },
        "Problem": {
            "type": "object",
            "title": "Problem",
            "description": "A refusal (RFC 9457).",
            "required": list(_FIELDS),
            "properties": {**_FIELDS, **_ERRORS},
        },
        **{schema_name(reason): _own_schema(reason) for reason in MEMBERS},
    }


def _own_schema(reason: str) -> dict[str, Any]:
    members = MEMBERS[reason]
    status, title = REASONS[reason]
    fixed = {**_FIELDS, "reason": {"const": reason, "type": "string", "description": title + "."}}
    return {
        "type": "object",
        "title": schema_name(reason),
        "description": f"{title} ({status}).",
        "required": [*_FIELDS, *(() if reason in _OPTIONAL else members)],
        "properties": {**fixed, **members},
    }


def schema_name(reason: str) -> str:
    """The name of the schema of a reason that says more: `SeatsUnavailableProblem`."""
    return f"{in_camel_case(reason)}Problem"


def in_camel_case(reason: str) -> str:
    """`SEATS_UNAVAILABLE` as `SeatsUnavailable`."""
    return reason.title().replace("_", "")


def responses_of(
    reasons: Iterable[str], examples: Mapping[str, Any], *, counted: bool, replayed: bool
) -> dict[str, tuple[str, dict[str, Any]]]:
    """By status the name and the description of the refusals of a route.

    `replayed`: the route takes an idempotency key, so that refusals are given again too.
    """
    by_status: dict[int, list[str]] = defaultdict(list)
    for reason in dict.fromkeys(reasons):
        by_status[REASONS[reason][0]].append(reason)
    found = {}
    for status, of_status in sorted(by_status.items()):
        is_kept = replayed and status in _KEPT
        own = ("Idempotency-Replayed",) if is_kept else ()
        said = {f"`{reason}`: {REASONS[reason][1]}" for reason in of_status}
        content: dict[str, Any] = {"schema": _schema_of(of_status)}
        told = {
            reason: {"$ref": f"#/components/examples/{reason}"}
            for reason in of_status
            if reason in examples
        }
        if told:
            content["examples"] = told
        response = {
            "description": "; ".join(sorted(said)) + ".",
            "headers": headers_of(status, counted=counted, own=own),
            "content": {MEDIA_TYPE: content},
        }
        name = "Or".join(map(in_camel_case, sorted(of_status)))
        found[str(status)] = (f"Replayable{name}" if is_kept else name, response)
    return found


def _schema_of(reasons: Sequence[str]) -> dict[str, Any]:
    special = [reason for reason in reasons if reason in MEMBERS]
    if not special:
        return {"$ref": _PROBLEM}
    own = {reason: f"#/components/schemas/{schema_name(reason)}" for reason in special}
    mapping = {reason: own.get(reason, _PROBLEM) for reason in reasons}
    return {
        "anyOf": [{"$ref": name} for name in dict.fromkeys([*own.values(), _PROBLEM])],
        "discriminator": {"propertyName": "reason", "mapping": mapping},
    }
