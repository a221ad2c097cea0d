"""The description of the API: `/api/v1/openapi.json` for programs, `/api/docs` for people."""

import json
from collections.abc import Iterator
from typing import Any

from flask import Response, current_app, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.openapi import OpenAPI

from wsapp.api.base import PROBLEMS, RATE, respond
from wsapp.web import own_origin

bp = APIBlueprint("api_docs", __name__, doc_ui=False)

ABOUT = (
    "Lists answer `{items, next_cursor}`. Errors are RFC 9457 problem documents. A `POST` may carry `Idempotency-Key`, "
    "a `PATCH` may carry `If-Match` with the record's version. Identifiers are opaque; times are RFC 3339 with offset; "
    "people are named by their userid at the host. What the token's user may not see answers 404."
)
IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Repeated within 24 hours, the first answer comes again and nothing is written twice",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The version that was read, as in the ETag; another one answers 412 with the current record",
    "schema": {"type": "string", "pattern": '^"[0-9]{1,9}"$'},
}
VERSIONED = ("/api/v1/customers/{customer_id}/merge",)  # a POST that takes If-Match, as every PATCH does
ETAG = {"ETag": {"description": "The record's version in quotes", "schema": {"type": "string"}}}


@bp.get("/api/v1/openapi.json")
def specification() -> Response:
    """The OpenAPI 3.1 description of every operation."""
    return respond(spec())


@bp.get("/api/docs")
def page() -> str:
    """The same, to read."""
    found = spec()
    groups = [(tag, list(_operations_of(tag["name"], found))) for tag in found["tags"]]
    # Not render_template: what is put into every page asks for the session, and this one needs no cookie.
    return current_app.jinja_env.get_template("api/docs.html").render(
        groups=groups,
        schemas=found["components"]["schemas"],
        problems=PROBLEMS,
        rate=RATE,
        base=own_origin(),
        client=g.client,
    )


def spec() -> dict[str, Any]:
    """Return the description, made once a process."""
    extra = current_app.extensions["wsapp"].extra
    if "openapi" not in extra:
        app = current_app
        assert isinstance(app, OpenAPI)
        # A copy: what flask-openapi3 makes refers to shared parts.
        extra["openapi"] = _complete(json.loads(json.dumps(app.api_doc)))
    found: dict[str, Any] = extra["openapi"]
    return found


def _complete(found: dict[str, Any]) -> dict[str, Any]:
    """Add what flask-openapi3 cannot know: the headers, and fields of a form."""
    found["info"]["description"] = ABOUT
    for path, method, operation in _walk(found):
        parameters = operation.setdefault("parameters", [])
        is_versioned = method == "patch" or (method == "post" and path in VERSIONED)
        if method == "post":
            parameters.append(IDEMPOTENCY)
        if is_versioned:
            parameters.append(IF_MATCH)
        for status in ("200", "201"):
            answer = operation["responses"].get(status)
            schema = found["components"]["schemas"].get(_schema_name(answer), {}) if answer else {}
            if answer and "version" in schema.get("properties", {}):
                answer["headers"] = ETAG
        _keep_possible(method, operation, is_versioned=is_versioned)
    return found


def _keep_possible(method: str, operation: dict[str, Any], *, is_versioned: bool) -> None:
    """Leave out the problems that an operation cannot answer."""
    impossible = () if is_versioned else ("412",)
    for status in (*impossible, *(("400", "409", "413", "415") if method == "get" else ())):
        operation["responses"].pop(status, None)


def _walk(found: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in found["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _operations_of(tag: str, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path, method, operation in _walk(found):
        if tag in operation["tags"]:
            yield {
                "path": path,
                "method": method.upper(),
                "summary": operation.get("summary", ""),
                "parameters": operation["parameters"],
                "body": _body_of(operation, found),
                "answers": [
                    (status, answer["description"], _schema_name(answer))
                    for status, answer in sorted(operation["responses"].items())
                    if status < "400" or status in ("409", "412")
                ],
            }


def _body_of(operation: dict[str, Any], found: dict[str, Any]) -> dict[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {})
    for media, one in content.items():
        schema = one["schema"]
        if "$ref" in schema:
            schema = found["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        required = schema.get("required", [])
        fields = [
            {"name": name, "type": type_text(field), "required": name in required, "text": field.get("description", "")}
            for name, field in schema.get("properties", {}).items()
        ]
        return {"media": media, "text": schema.get("description", ""), "fields": fields}
    return None


def _schema_name(answer: dict[str, Any]) -> str:
    content = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return str(content.get("$ref", "")).rpartition("/")[2]


@bp.app_template_filter("api_type")
def type_text(schema: dict[str, Any]) -> str:
    """Return a schema in a few words: `string (date-time) | null`, `"A" | "B"`, `[string]`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(type_text(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f'"{one}"' for one in schema["enum"])
    if schema.get("type") == "array":
        return f"[{type_text(schema.get('items', {}))}]"
    kind = str(schema.get("type", "any"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind
