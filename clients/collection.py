"""The Postman collection: every operation of the description, and a first booking to run through.

Of the generators there are, openapi-to-postmanv2 invents values at random, so that no two of its
collections are alike and few of its bodies are accepted. This one takes the description's examples.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clients.node import ROOT

FILE = ROOT / "docs" / "postman" / "parterre.postman_collection.json"
_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_JSON = "application/json"
_GUIDE = """\
Run the folder "First booking" from top to bottom: it logs in with the variables `email` and
`password` (make up prints them), finds an event on sale, holds a ticket, books it and fetches the
ticket. The other folders have every operation of the API; a log-in leaves its token for all.

Made by `make docs`."""
# What a run keeps for the steps after it; the first three are filled in by hand.
_VARIABLES = ("email", "password", "token", "event_id", "hold", "hold_id", "reference")
_BASE_URL = "http://127.0.0.1:8080"


def collection(document: Mapping[str, Any]) -> str:
    """The file, whole (Postman Collection 2.1)."""
    whole = {
        "info": {
            "name": document["info"]["title"],
            "description": _GUIDE,
            "schema": _SCHEMA,
        },
        "auth": _bearer("{{token}}"),
        "variable": [
            {"key": "baseUrl", "value": _BASE_URL},
            *({"key": name, "value": ""} for name in _VARIABLES),
        ],
        "item": [_first_booking(document), *_folders(document)],
    }
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def _folders(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A folder for each tag, in the order in which tags come first."""
    by_tag: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for tag in operation["tags"][:1]:
                by_tag.setdefault(tag, []).append(_item(document, method, path, operation))
    for tag, items in by_tag.items():
        yield {"name": tag, "item": items}


def _item(
    document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]
) -> dict[str, Any]:
    parameters = [_resolved(document, each) for each in operation.get("parameters", ())]
    request: dict[str, Any] = {
        "method": method.upper(),
        "header": [_pair(each) for each in parameters if each["in"] == "header"],
        "url": _url(path, parameters),
        "description": operation.get("description", operation["summary"]),
    }
    body = operation.get("requestBody")
    if body is not None:
        request |= {"body": _body(document, _resolved(document, body)["content"])}
        if request["body"]["mode"] == "raw":
            request["header"].append({"key": "Content-Type", "value": _JSON})
    if not any(operation.get("security", ())):
        request["auth"] = {"type": "noauth"}
    return {"name": operation["summary"], "request": request, "response": []}


def _url(path: str, parameters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    parts = [
        f":{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")
    ]
    url: dict[str, Any] = {
        "raw": "{{baseUrl}}/" + "/".join(parts),
        "host": ["{{baseUrl}}"],
        "path": parts,
    }
    query = [_pair(each) for each in parameters if each["in"] == "query"]
    variables = [_pair(each) for each in parameters if each["in"] == "path"]
    if query:
        url["query"] = query
    if variables:
        url["variable"] = variables
    return url


def _pair(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter; one that need not be given is there, switched off."""
    value = _example_of(parameter)
    if value is None:
        value = _example_of(parameter.get("schema", {}))
    if isinstance(value, list):
        value = ",".join(map(str, value))
    pair: dict[str, Any] = {"key": parameter["name"], "value": "" if value is None else str(value)}
    if parameter.get("description"):
        pair["description"] = parameter["description"]
    if not parameter.get("required"):
        pair["disabled"] = True
    return pair


def _body(document: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    if "multipart/form-data" in content:
        schema = _resolved(document, content["multipart/form-data"]["schema"])
        return {
            "mode": "formdata",
            "formdata": [
                {"key": name, "type": "file", "src": []}
                if "contentMediaType" in field or field.get("format") == "binary"
                else {"key": name, "type": "text", "value": str(field.get("enum", [""])[0])}
                for name, field in schema["properties"].items()
            ],
        }
    media_type = content.get(_JSON) or next(iter(content.values()))
    sample = _example_of(media_type)
    if sample is None:
        sample = _example_of(_resolved(document, media_type.get("schema", {})))
    return {
        "mode": "raw",
        "raw": json.dumps({} if sample is None else sample, ensure_ascii=False, indent=2),
        "options": {"raw": {"language": "json"}},
    }


def _example_of(of: Mapping[str, Any]) -> Any:
    """The first example of a parameter, a media type or a schema; None where it has none."""
    if "example" in of:
        return of["example"]
    examples = of.get("examples")
    if isinstance(examples, Mapping):
        return next(iter(examples.values()))["value"]
    return examples[0] if examples else None


def _resolved(document: Mapping[str, Any], it: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in it:
        found: Any = document
        for part in it["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        it = found
    return it


def _bearer(token: str) -> dict[str, Any]:
    return {"type": "bearer", "bearer": [{"key": "token", "value": token, "type": "string"}]}


# --- the first booking ---------------------------------------------------------------------------


def _first_booking(document: Mapping[str, Any]) -> dict[str, Any]:
    """The folder that runs from a log-in to a ticket, each step with what the next needs."""
    steps = [
        _step(
            document, "POST", "/api/v1/auth/login", 200,
            body={"email": "{{email}}", "password": "{{password}}"},
            keeps=['pm.collectionVariables.set("token", answer.access_token);'],
        ),
        _step(
            document, "GET", "/api/v1/events", 200,
            keeps=[
                "const event = answer.items.find((each) => each.sales.open && "
                "each.availability && each.availability.available);",
                'pm.test("an event is on sale", () => pm.expect(event).to.be.an("object"));',
                'pm.collectionVariables.set("event_id", event.id);',
            ],
        ),
        _step(
            document, "GET", "/api/v1/events/{event_id}/seats", 200,
            variables={"event_id": "{{event_id}}"},
            keeps=[
                "const [section] = answer.sections;",
                'const places = section.kind === "STANDING"',
                "  ? { general: [{ tier_id: section.tier_id, quantity: 1 }] }",
                "  : { best_available: { quantity: 1 } };",
                "const hold = JSON.stringify({ event_id: answer.event_id, ...places });",
                'pm.collectionVariables.set("hold", hold);',
            ],
        ),
        _step(
            document, "POST", "/api/v1/holds", 201,
            headers={"Idempotency-Key": "{{$guid}}"},
            body="{{hold}}",
            keeps=['pm.collectionVariables.set("hold_id", answer.id);'],
        ),
        _step(
            document, "POST", "/api/v1/bookings", 201,
            headers={"Idempotency-Key": "{{hold_id}}", "Prefer": "wait=20"},
            body={
                "hold_id": "{{hold_id}}",
                "payment_method": "CARD",
                "payment_token": "tok_ok",
            },
            keeps=[
                'pm.test("it is confirmed", () => pm.expect(answer.status).to.eql("CONFIRMED"));',
                'pm.collectionVariables.set("reference", answer.reference);',
            ],
        ),
        _step(
            document, "GET", "/api/v1/bookings/{reference}/tickets", 200,
            variables={"reference": "{{reference}}"},
            keeps=['pm.test("there is a ticket", () => pm.expect(answer).to.have.lengthOf(1));'],
        ),
        _step(
            document, "GET", "/api/v1/bookings/{reference}/tickets.pdf", 200,
            variables={"reference": "{{reference}}"},
            is_json=False,
        ),
    ]  # fmt: skip
    return {"name": "First booking", "item": steps}


def _step(
    document: Mapping[str, Any],
    method: str,
    path: str,
    status: int,
    *,
    headers: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | str | None = None,
    keeps: Sequence[str] = (),
    is_json: bool = True,
) -> dict[str, Any]:
    """An operation's own item, with these values and a script that checks and keeps its answer."""
    item = _item(document, method.lower(), path, document["paths"][path][method.lower()])
    request = item["request"]
    for pairs, given in (
        (request["header"], headers or {}),
        (request["url"].get("variable", []), variables or {}),
    ):
        for name, value in given.items():
            pair = next(each for each in pairs if each["key"] == name)
            pair["value"] = value
            pair.pop("disabled", None)
    if body is not None:
        request["body"]["raw"] = body if isinstance(body, str) else json.dumps(body, indent=2)
    script = [
        f'pm.test("{status}", () => pm.expect(pm.response.code, pm.response.text())'
        f".to.eql({status}));",
        *(["const answer = pm.response.json();"] if is_json else []),
        *keeps,
    ]
    item["event"] = [{"listen": "test", "script": {"type": "text/javascript", "exec": script}}]
    return item
