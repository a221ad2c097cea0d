"""What is no clean request: refused with the reason, never with a 500, and nothing is written."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.api.conftest import Rest
from tests.effort import effort
from wsapp.api import schemas_in, schemas_logs
from wsapp.crm.customers.models import KINDS as CUSTOMER_KINDS
from wsapp.crm.customers.models import LEVELS, STAGES, Customer
from wsapp.crm.followups.models import KINDS as FOLLOW_UP_KINDS
from wsapp.crm.notifications.models import STATES as DELIVERY_STATES
from wsapp.crm.tasks.models import KINDS as TASK_KINDS
from wsapp.crm.tasks.models import PRIORITIES, REPEATS, Task
from wsapp.crm.tasks.models import STATES as TASK_STATES
from wsapp.crm.visits.models import STATES as VISIT_STATES
from wsapp.db import db, every_corp

CALLS_OF_A_REFUSAL = 6_000  # half of them, whatever the body says


def nested(depth: int) -> bytes:
    return b'{"name":"' + b'xx", "custom":' + b'{"a":' * (depth - 1) + b"1" + b"}" * (depth - 1) + b"}"


BAD_BODIES: dict[str, bytes] = {
    "empty": b"",
    "no json": b"name=x",
    "half": b'{"name": "abc"',
    "array": b"[]",
    "string": b'"{\\"name\\": \\"\\u534e\\u661f\\"}"',
    "number": b"1",
    "null": b"null",
    "twice": b'{"name": "ab", "name": "cd"}',
    "twice inside": b'{"name": "ab", "location": {"lat": 1, "lat": 2, "lng": 3}}',
    "nan": b'{"name": "ab", "location": {"lat": NaN, "lng": 1}}',
    "infinity": b'{"name": "ab", "location": {"lat": -Infinity, "lng": 1}}',
    "overflow": b'{"name": "ab", "location": {"lat": 1e999, "lng": 1}}',
    "long number": b'{"name": ' + b"9" * 5000 + b"}",
    "nul": b'{"name": "ab\\u0000c"}',
    "nul in a key": b'{"na\\u0000me": "abc"}',
    "surrogate": b'{"name": "ab\\ud800"}',
    "latin": '{"name": "caf\xe9"}'.encode("latin-1"),
    "utf-16": '{"name": "abc"}'.encode("utf-16"),
    "bom": b'\xef\xbb\xbf{"name": "abc"}',
    "deep": nested(33),
    "deeper": nested(100_000),
    "deep array": b'{"tags": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "large": b'{"name": "' + b"a" * (1024 * 1024) + b'"}',
}


def test_bad_json_is_refused_at_once_with_the_reason(app: Flask, me: Rest, subtests: pytest.Subtests) -> None:
    me.get("/tasks")
    for name, raw in BAD_BODIES.items():
        with subtests.test(name):
            answer, calls = effort(lambda raw=raw: me("POST", "/customers", data=raw, content_type="application/json"))
            assert calls < CALLS_OF_A_REFUSAL
            body = answer.get_json()
            assert answer.status_code == 400, body
            assert answer.content_type == "application/problem+json"
            assert body["type"].endswith("bad_json")
            assert len(body["detail"]) > 3
    assert_nothing_written(app)


def assert_nothing_written(app: Flask) -> None:
    with app.app_context(), every_corp():
        for model in (Customer, Task):
            assert db.session.scalar(sa.select(sa.func.count()).select_from(model)) == 0


def test_a_body_full_of_unknown_fields_is_refused_at_once(me: Rest) -> None:
    me.get("/tasks")
    flood = {f"{number:05d}" + "x" * 20: 1 for number in range(30_000)}
    answer, calls = effort(lambda: me.post("/customers", flood))
    assert calls < CALLS_OF_A_REFUSAL + 5 * len(flood)
    assert answer.status_code == 422
    assert len(answer.get_json()["errors"]) <= 20


def test_the_deepest_allowed_body_is_read(me: Rest) -> None:
    answer = me("POST", "/customers", data=nested(32), content_type="application/json")
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "custom.a"


def test_the_line_of_the_fault_is_named(me: Rest) -> None:
    answer = me("POST", "/customers", data=b'{\n"name": "abc",\n oops\n}', content_type="application/json")
    assert "第 3 行" in answer.get_json()["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_other_content_types_are_refused(app: Flask, me: Rest, kind: str) -> None:
    answer = me("POST", "/customers", data=b'{"name": "abc"}', content_type=kind)
    assert answer.status_code == 415
    assert answer.content_type == "application/problem+json"


BAD_FIELDS: list[tuple[str, dict[str, Any], str, str]] = [
    ("/customers", {"name": "华星", "phne": ["1"]}, "phne", "phones"),
    ("/customers", {"name": "华星", "location": {"lat": 1, "lng": 2, "accurcy": 3}}, "location.accurcy", ""),
    ("/customers", {}, "name", "必填"),
    ("/customers", {"name": 12}, "name", "文字"),
    ("/customers", {"name": None}, "name", "文字"),
    ("/customers", {"name": "华星", "phones": "13800138000"}, "phones", "列表"),
    ("/customers", {"name": "华星", "phones": [13800138000]}, "phones.0", "文字"),
    ("/customers", {"name": "华星", "phones": ["12"]}, "phones", "11 位"),
    ("/customers", {"name": "华星", "location": {"lat": "23", "lng": 1}}, "location.lat", "数字"),
    ("/customers", {"name": "华星", "location": {"lat": 91, "lng": 1}}, "location.lat", "90"),
    ("/customers", {"name": "华星", "location": {"lat": 2**63, "lng": 1}}, "location.lat", "90"),
    ("/customers", {"name": "华星", "location": {"lat": 0, "lng": 0}}, "location", "位置"),
    ("/customers", {"name": "华星", "location": [1, 2]}, "location", "对象"),
    ("/customers", {"name": "华星", "level": "E"}, "level", "'A', 'B', 'C', 'D'"),
    ("/customers", {"name": "华星", "custom": {"color": 1}}, "custom.color", "自定义"),
    ("/customers", {"name": "华星", "owner": "nobody"}, "owner", "成员"),
    ("/customers", {"name": "华星", "owner": "cha"}, "owner", "成员"),
    ("/customers", {"name": "华星", "parent": "nope"}, "parent", "客户"),
    ("/customers", {"name": " \u200b "}, "name", "2–120"),
    ("/customers", {"name": "长" * 121}, "name", "2–120"),
    ("/tasks", {"title": "回访"}, "due_at", "必填"),
    ("/tasks", {"title": "回访", "due_at": "2027-01-01T09:00:00"}, "due_at", "时区"),
    ("/tasks", {"title": "回访", "due_at": "2027-02-30T09:00:00+08:00"}, "due_at", "日期不存在"),
    ("/tasks", {"title": "回访", "due_at": "0000-01-01T09:00:00Z"}, "due_at", "日期不存在"),
    ("/tasks", {"title": "回访", "due_at": "9999-12-31T23:59:59-23:00"}, "due_at", "年份"),
    ("/tasks", {"title": "回访", "due_at": "99999-01-01T09:00:00Z"}, "due_at", "RFC 3339"),
    ("/tasks", {"title": "回访", "due_at": "tomorrow"}, "due_at", "RFC 3339"),
    ("/tasks", {"title": "回访", "due_at": 1800000000}, "due_at", "文字"),
    ("/tasks", {"title": "回访", "due_at": "2027-01-01T09:00:00Z", "reminders": [True]}, "reminders.0", "整数"),
    ("/tasks", {"title": "回访", "due_at": "2027-01-01T09:00:00Z", "reminders": [2**62]}, "reminders", "7 天"),
    ("/tasks", {"title": "回访", "due_at": "2027-01-01T09:00:00Z", "reminders": [0, 5, 10, 15]}, "reminders", "3"),
    ("/tasks", {"title": "回访", "due_at": "2027-01-01T09:00:00Z", "all_day": 1}, "all_day", "true"),
    ("/tasks", {"title": "回访", "due_at": "2027-01-01T09:00:00Z", "assignee": "cha"}, "assignee", "团队"),
    ("/tasks", {"title": "回访", "due_at": "2027-01-01T09:00:00Z", "customer": "nope"}, "customer", "客户"),
]


def test_bad_fields_are_named(app: Flask, me: Rest, subtests: pytest.Subtests) -> None:
    for path, body, field, word in BAD_FIELDS:
        with subtests.test(path=path, body=body):
            answer = me.post(path, body)
            problem = answer.get_json()
            assert answer.status_code == 422, problem
            assert [error["field"] for error in problem["errors"]] == [field]
            assert word in problem["errors"][0]["message"]
    assert_nothing_written(app)


BAD_QUERIES = [
    "limit=0",
    "limit=201",
    "limit=-1",
    "limit=1000000000",
    "limit=x",
    "limit=9" + "9" * 400,
    "lmit=1",
    "page=2",
    "filter[name]=x",
    "sort=password",
    "sort=name;drop table customer",
    "sort=-",
    "cursor=abc",
    "cursor=%00",
    "cursor=" + "A" * 2000,
    "q=%00",
    "q=" + "x" * 61,
    "q=a&q=b",
    "level=E",
    "stage=",
    "updated_since=yesterday",
    "updated_since=2026-01-01",
    "%00=1",
]


def test_bad_queries_are_refused(me: Rest, subtests: pytest.Subtests) -> None:
    for query in BAD_QUERIES:
        with subtests.test(query):
            answer = me.get(f"/customers?{query}")
            assert answer.status_code == 422, answer.get_data(as_text=True)
            assert answer.get_json()["errors"]


def test_the_nearest_filter_is_named(me: Rest) -> None:
    assert "updated_since" in me.get("/customers?updated_sinse=1").get_json()["errors"][0]["message"]


def cursor_of(*parts: Any) -> str:
    import base64

    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


FORGED = [
    cursor_of("-updated_at", "2026-01-01T00:00:00+00:00", "\x00"),
    cursor_of("-updated_at", "2026-01-01T00:00:00+00:00", "\ud800"),
    cursor_of("-updated_at", "0001-01-01T00:00:00+14:00", "a"),
    cursor_of("-updated_at", "2026-01-01T00:00:00", "a"),
    cursor_of("-updated_at", 5, "a"),
    cursor_of("-updated_at", None, "a"),
    cursor_of("-updated_at", "2026-01-01T00:00:00+00:00", 7),
    cursor_of("-updated_at", "2026-01-01T00:00:00+00:00"),
    cursor_of("name", "a", "a"),
    cursor_of(),
    cursor_of("-updated_at", {}, []),
]


def test_forged_cursors_are_refused(me: Rest, subtests: pytest.Subtests) -> None:
    for cursor in FORGED:
        with subtests.test(cursor):
            assert me.get(f"/customers?cursor={cursor}").status_code == 422
    for value in (5, "\x00", "\ud800", None):
        with subtests.test(value=repr(value)):
            assert me.get(f"/customers?sort=name&cursor={cursor_of('name', value, 'a')}").status_code == 422


UNKNOWN = ("nope", "%00", "%ff%fe", "a" * 4000, "..%2f..%2fetc", "'; drop table customer; --", "𠮷")


def test_unknown_ids_are_not_found(me: Rest, subtests: pytest.Subtests) -> None:
    for name in UNKNOWN:
        for kind in ("customers", "follow-ups", "tasks", "visits", "files", "members", "departments", "events"):
            with subtests.test(kind=kind, name=name):
                answer = me.get(f"/{kind}/{name}")
                assert answer.status_code == 404
                assert answer.content_type == "application/problem+json"


def test_every_answer_under_api_is_a_problem_document(app: Flask, me: Rest) -> None:
    for method, path, status in (
        ("GET", "/nope", 404),
        ("DELETE", "/customers", 405),
        ("PUT", "/customers/1", 405),
        ("POST", "/openapi.json", 405),
    ):
        answer = me(method, path)
        assert answer.status_code == status
        assert answer.content_type == "application/problem+json"
        assert set(answer.get_json()) >= {"type", "title", "status", "detail", "request_id"}
    assert "GET" in me("DELETE", "/customers").headers["Allow"]


def test_a_fault_of_ours_is_a_problem_document_without_inner_words(app: Flask, me: Rest) -> None:
    app.view_functions["api_customers.index"] = lambda: 1 / 0  # a fault, put in where a view stands
    answer = me.get("/customers")
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert "division" not in answer.get_data(as_text=True)


COLUMNS = {column.key for model in (Customer, Task) for column in sa.inspect(model).columns}
GIVEN = {
    "/customers": set(schemas_in.CustomerNew.model_fields),
    "/tasks": set(schemas_in.TaskNew.model_fields),
}


@pytest.mark.parametrize("path", GIVEN)
def test_no_column_is_written_that_the_schema_does_not_name(
    app: Flask, me: Rest, huaxing: dict[str, Any], path: str
) -> None:
    made = {"name": "新客户"} if path == "/customers" else {"title": "回访", "due_at": "2027-01-01T09:00:00Z"}
    task = me.made("/tasks", {"title": "回访", "due_at": "2027-01-01T09:00:00Z"})
    record = f"{path}/{huaxing['id'] if path == '/customers' else task['id']}"
    before = me.get(record).get_json()
    hidden = (COLUMNS | {"role", "corp", "is_admin", "phone_rows", "__class__"}) - GIVEN[path]
    assert {"id", "corp_id", "owner_id", "assignee_id", "created_at", "version", "deleted_at"} <= hidden
    for column in sorted(hidden):
        for answer in (me.post(path, {**made, column: "1"}), me.patch(record, {column: "1"})):
            assert answer.status_code == 422
            assert answer.get_json()["errors"][0]["field"] == column
    assert me.get(record).get_json() == before
    assert len(me.items(path)) == 1


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (schemas_in.Kind, CUSTOMER_KINDS),
        (schemas_in.Level, LEVELS),
        (schemas_in.Stage, STAGES),
        (schemas_logs.FollowUpKind, FOLLOW_UP_KINDS),
        (schemas_in.VisitState, VISIT_STATES),
        (schemas_in.TaskKind, TASK_KINDS),
        (schemas_in.TaskState, TASK_STATES),
        (schemas_in.Repeat, REPEATS),
        (schemas_in.Priority, PRIORITIES),
        (schemas_in.DeliveryState, DELIVERY_STATES),
    ],
)
def test_the_schemas_name_the_choices_of_the_domain(kind: Any, values: tuple[str, ...]) -> None:
    assert set(kind.__args__) == set(values)


INJECTIONS = ["'", "' or 1=1 --", "%", "_", "\\", '"', "'); delete from customer; --", "${jndi:ldap://x}", "{{7*7}}"]


def test_filters_take_any_text_as_text(me: Rest, huaxing: dict[str, Any], subtests: pytest.Subtests) -> None:
    for text in INJECTIONS:
        for name in ("q", "owner", "tag", "pool"):
            with subtests.test(name=name, text=text):
                answer = me.get("/customers", query_string={name: text})
                assert answer.status_code == 200
                assert answer.get_json()["items"] == []
    assert len(me.items("/customers")) == 1
