"""The description of the API: complete, true, and readable."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.conftest import Rest, picture
from wsapp import clock
from wsapp.crm.org.models import Member

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture
def spec(app: Flask) -> dict[str, Any]:
    found: dict[str, Any] = app.test_client().get("/api/v1/openapi.json").get_json()
    return found


def operations(spec: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, one) for path, item in spec["paths"].items() for method, one in item.items()]


def test_every_route_under_api_is_described_and_nothing_else(app: Flask, spec: dict[str, Any]) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and rule.rule != "/api/v1/openapi.json"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _one in operations(spec)} == routes
    assert len(routes) >= 60


def test_path_parameters_are_named_after_the_collection_before_them(spec: dict[str, Any]) -> None:
    singular = {"follow-ups": "follow_up", "people": "person"}
    for path in spec["paths"]:
        for collection, name in re.findall(r"/([a-z-]+)/\{(\w+)\}", path):
            assert name == f"{singular.get(collection, collection.removesuffix('s'))}_id", path


def test_every_operation_says_who_may_and_what_can_go_wrong(spec: dict[str, Any]) -> None:
    assert spec["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    names = [one["operationId"] for _path, _method, one in operations(spec)]
    assert len(names) == len(set(names))
    for path, method, one in operations(spec):
        assert one["security"] == [{"token": []}]
        assert one["summary"].endswith(".")
        wanted = {"401", "403", "404", "422", "429", "500"} | ({"400", "409"} if method != "get" else set())
        assert wanted <= set(one["responses"]), path
        for status in wanted:
            assert "application/problem+json" in one["responses"][status]["content"]
        headers = {parameter["name"] for parameter in one["parameters"] if parameter["in"] == "header"}
        assert headers - {"If-Match"} == ({"Idempotency-Key"} if method == "post" else set()), path
        assert ("If-Match" in headers) is ("412" in one["responses"]), path


def test_unknown_fields_are_forbidden_in_every_body(spec: dict[str, Any]) -> None:
    for path, method, one in operations(spec):
        for media in one.get("requestBody", {}).get("content", {}).values():
            schema = media["schema"]
            if "$ref" in schema:
                schema = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            assert schema["additionalProperties"] is False, (method, path)


@pytest.fixture
def records(me: Rest, rest: Callable[..., Rest], guan: Member, huaxing: dict[str, Any]) -> dict[str, str]:
    """One real record for each path parameter."""
    boss = rest(guan)
    due_at = (clock.now() + timedelta(days=1)).isoformat()
    soon = (clock.now() + timedelta(days=1, hours=1)).isoformat()
    visit = me.made(f"/customers/{huaxing['id']}/visits", {"note": "到访"})
    follow_up = me.made(f"/customers/{huaxing['id']}/follow-ups", {"text": "谈了价格"})
    gone = me.made(f"/customers/{huaxing['id']}/follow-ups", {"text": "写错了"})
    assert me("DELETE", f"/follow-ups/{gone['id']}").status_code == 200
    return {
        "customer_id": huaxing["id"],
        "contact_id": me.made(f"/customers/{huaxing['id']}/contacts", {"name": "王姐"})["id"],
        "lead_id": me.made("/leads", {"name": "展会线索"})["id"],
        "pool_id": me.items("/pools")[0]["id"],
        "coworker_id": "cha",
        "deletion_id": gone["id"],
        "field_id": boss.made("/fields", {"label": "楼层", "type": "number", "key": "floor"})["id"],
        "export_id": me.made("/exports", {"object": "customer", "format": "csv"})["id"],
        "visit_id": visit["id"],
        "plan_id": me.made(f"/customers/{huaxing['id']}/plans", {"kind": "巡店", "starts_at": due_at, "ends_at": soon})[
            "id"
        ],
        "follow_up_id": follow_up["id"],
        "task_id": me.made("/tasks", {"title": "回访", "due_at": due_at})["id"],
        "file_id": me.upload(picture()).get_json()["id"],
        "member_id": "ali",
        "department_id": "2",
        "event_id": me.items("/events")[0]["id"],
    }


@pytest.mark.parametrize("examples", [8, pytest.param(100, marks=pytest.mark.long)])
def test_the_api_keeps_to_its_description_whatever_is_sent(
    app: Flask,
    rest: Callable[..., Rest],
    ali: Member,
    guan: Member,
    records: dict[str, str],
    subtests: pytest.Subtests,
    examples: int,
) -> None:
    app.config["API_RATE"] = "1000000 per minute"
    tokens = {"fields": rest(guan).token}  # only administrators change those
    mine = rest(ali).token
    described = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)

    def drive(operation: Any) -> None:
        token = tokens.get(operation.path.split("/")[3], mine)
        # This way to the app does not unpack what it asked to have packed.
        headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def run(case: Any) -> None:
            for name in case.path_parameters or {}:
                case.path_parameters[name] = records.get(name, case.path_parameters[name])
            case.validate_response(case.call(headers=headers), checks=CHECKS)

        run()

    driven = 0
    there: list[Any] = list(described.get_all_operations())
    for operation in sorted((one.ok() for one in there), key=_ends_a_record):
        with subtests.test(operation.label):
            drive(operation)
        driven += 1
    assert driven == len(operations(described.raw_schema))


def _ends_a_record(operation: Any) -> bool:
    """What deletes, merges or gives away comes last: the others look at records that are there."""
    return operation.method.upper() == "DELETE" or operation.path.endswith(("/merge", "/release", "/assignment"))


def test_people_can_read_it_without_script_or_anything_from_elsewhere(app: Flask, spec: dict[str, Any]) -> None:
    answer = app.test_client().get("/api/docs")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    for path, method, _one in operations(spec):
        assert f"{method.upper()} {path}" in page
    assert "Idempotency-Key" in page
    english = app.test_client().get("/api/docs", headers={"Accept-Language": "en"}).get_data(as_text=True)
    assert 'lang="en"' in english
