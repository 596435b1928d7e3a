"""Schemas as clients' generators like them: a name of its own for each, and no noise."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from types import ModuleType
from typing import Any

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


Texts = Mapping[str, Mapping[str, str]]


def texts_below_fields(package: ModuleType) -> Texts:
    """By class, in all modules of the package, the text below each field, with those inherited.

    pydantic would read them too (`use_attribute_docstrings`), parsing a module for every class in
    it whenever a route is made of one: half a second of each start.
    """
    own: dict[str, dict[str, str]] = {}
    bases: dict[str, list[str]] = {}
    for found in pkgutil.iter_modules(package.__path__):
        source = inspect.getsource(importlib.import_module(f"{package.__name__}.{found.name}"))
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef):
                own[node.name] = dict(_texts_of(node))
                bases[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]

    def whole(name: str) -> dict[str, str]:
        texts: dict[str, str] = {}
        for base in bases.get(name, ()):
            texts |= whole(base)
        return texts | own.get(name, {})

    return {name: whole(name) for name in own}


def _texts_of(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(node.body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            yield field.target.id, inspect.cleandoc(str(below.value.value))


def describe_fields(schemas: Mapping[str, Any], texts: Texts) -> None:
    """Gives the fields of the schemas the texts below them."""
    for name, schema in schemas.items():
        of_shape = texts.get(name) or (texts["Page"] if name.endswith("Page") else {})
        for field, described in schema.get("properties", {}).items():
            if text := of_shape.get(field):
                described.setdefault("description", text)


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
