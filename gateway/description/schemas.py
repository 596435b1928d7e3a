"""Schemas as clients' generators like them: a name of its own for each, and no noise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

_SCHEMAS = "#/components/schemas/"
# What pydantic calls a generic's shape: `Page[Booking]`.
_PAGE = re.compile(r"Page_(\w+)_")


def with_names_of_their_own(document: dict[str, Any]) -> dict[str, Any]:
    """The document, in which a page of bookings is a `BookingPage`, and titles are names."""
    renamed = {
        name: f"{found[1]}Page"
        for name in document["components"]["schemas"]
        if (found := _PAGE.fullmatch(name))
    }
    text = json.dumps(document)
    for old, new in renamed.items():
        text = text.replace(f'"{_SCHEMAS}{old}"', f'"{_SCHEMAS}{new}"')
    result: dict[str, Any] = json.loads(text)
    schemas = result["components"]["schemas"]
    for old, new in renamed.items():
        page = schemas.pop(old)
        page["description"] = f"A page of a list of `{new.removesuffix('Page')}`."
        schemas[new] = page
    for name, schema in schemas.items():
        each_part(schema, _without_title)
        schema["title"] = name
    return result


def hand_down(schemas: Mapping[str, Any], shapes: Iterable[Any]) -> None:
    """Gives a field of an extended shape the text that it has in the shape it comes from.

    pydantic reads the text below a field of the class alone that has it. `shapes` are the shapes
    of the answers, among which are those of `schemas`.
    """
    for shape in shapes:
        schema = schemas.get(getattr(shape, "__name__", ""))
        if schema is None:
            continue
        for base in getattr(shape, "__orig_bases__", ()):
            if base.__name__ not in {"View", "TypedDict", "Generic", "Page"}:
                for field, described in TypeAdapter(base).json_schema()["properties"].items():
                    if text := described.get("description"):
                        schema["properties"][field].setdefault("description", text)


def each_part(schema: dict[str, Any], do: Callable[[dict[str, Any]], None]) -> None:
    """Does it to the schema and to every one within it, the innermost first."""
    for part in _parts(schema):
        each_part(part, do)
    do(schema)


def _parts(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key in ("items", "additionalProperties", "propertyNames", "not"):
        if isinstance(schema.get(key), dict):
            yield schema[key]
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        yield from schema.get(key, ())
    yield from schema.get("properties", {}).values()


def _without_title(schema: dict[str, Any]) -> None:
    # "Starts At" says nothing that `starts_at` does not, and generators would name types by it.
    schema.pop("title", None)


def tidy_parameter(parameter: dict[str, Any]) -> None:
    """What is absent is left out of a query or a header: it can't be null, nor default to ""."""
    if parameter["in"] == "header":
        parameter["schema"].pop("default", None)
        if parameter["schema"].get("type") == "array":
            # Lines of a header are one list, with commas (RFC 9110, 5.3).
            parameter["schema"] = parameter["schema"]["items"]
    schema = parameter["schema"]
    each_part(schema, _without_title)
    schema.pop("description", None)
    if schema.get("default") in ("", [], ()):
        del schema["default"]
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        parameter["schema"] = {**kinds[0], **schema}


def unused(document: Mapping[str, Any]) -> list[str]:
    """The names of schemas that nothing refers to."""
    text = json.dumps(document)
    return [name for name in document["components"]["schemas"] if f'"{_SCHEMAS}{name}"' not in text]
