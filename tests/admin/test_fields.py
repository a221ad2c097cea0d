"""The form designer: a field is designed, previewed, ordered, deleted and brought back."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.fields.models import Field
from wsapp.crm.fields.types import KINDS
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope


class Console:
    """The administrator's browser."""

    def __init__(self, client: FlaskClient, app: Flask, corp_id: int) -> None:
        self.client, self.app, self.corp_id = client, app, corp_id
        self.token = client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]

    def post(self, path: str, **values: Any) -> Any:
        return self.client.post(f"/admin/fields{path}", data={"csrf_token": self.token, **values})

    def fields(self) -> dict[str, Field]:
        with self.app.app_context(), corp_scope(self.corp_id):
            return dict(fields_of("customer"))


@pytest.fixture
def console(app: Flask, cast: Cast, guan: Member, sign_in: Callable[..., FlaskClient]) -> Console:
    return Console(sign_in(guan), app, cast.corp_id)


def test_a_field_is_designed_with_everything_it_can_have(console: Console) -> None:
    assert console.post("", type="yes_no", label="有出口业务", key="exports").status_code == 303
    design = {
        "type": "single",
        "label": "主要出口地",
        "key": "region",
        "options": "欧洲\n北美\n\n东南亚",
        "hint": "按去年金额",
        "indexed": "1",
        "kinds": ["company"],
        "default.value": "欧洲",
        "show_if.field": ["exports", ""],
        "show_if.op": ["eq", "eq"],
        "show_if.value": ["1", ""],
        "access.seller": "read",
    }
    assert console.post("", **design).status_code == 303
    region = console.fields()["region"]
    assert (region.options, region.indexed, region.required) == (("欧洲", "北美", "东南亚"), True, False)
    assert region.settings == {
        "hint": "按去年金额",
        "kinds": ["company"],
        "default": {"value": "欧洲"},
        "show_if": [{"field": "exports", "op": "eq", "value": True}],
    }
    page = console.client.get(f"/admin/fields/{region.id}").text
    assert "北美" in page
    assert '<option value="read" selected>' in page
    assert console.post(f"/{region.id}", **{**design, "label": "出口地", "indexed": ""}).status_code == 303
    assert (console.fields()["region"].label, console.fields()["region"].indexed) == ("出口地", False)
    again = console.client.get(f"/admin/fields/{region.id}").text
    assert 'value="1"' in again


@pytest.mark.parametrize(
    "kind",
    sorted(KINDS),
)
def test_every_type_can_be_added_and_previewed(console: Console, kind: str) -> None:
    assert console.client.get(f"/admin/fields/new?type={kind}").status_code == 200
    more: dict[str, Any] = {}
    if kind == "formula":
        console.post("", type="number", label="数量", key="pieces")
        more = {"formula": "pieces * 2"}
    if kind in ("single", "multiple", "cascading"):
        more = {"options": "甲/一\n乙/二"}
    if kind == "sub_table":
        more = {"column.key": "", "column.label": "品名", "column.type": "text", "column.options": ""}
    preview = console.post("/preview", type=kind, label="独一无二的名称", **more)
    assert preview.status_code == 200
    assert kind == "heading" or "独一无二的名称" in preview.text
    assert console.post("", type=kind, label="独一无二的名称", key="it", **more).status_code == 303
    assert console.fields()["it"].type == kind


def test_what_is_wrong_is_said_and_nothing_is_kept(console: Console) -> None:
    answer = console.post("", type="single", label="", options="")
    assert answer.status_code == 422
    assert "名称应为 1–60 个字" in answer.text
    assert "请填写至少一个选项" in answer.text
    assert console.fields() == {}
    assert console.client.get("/admin/fields/new?type=nothing").status_code == 404
    assert console.post("/preview", type="text", label="").status_code == 200


def test_fields_are_ordered_deleted_and_brought_back(console: Console) -> None:
    for key in ("one", "two", "three"):
        console.post("", type="number", label=f"第{key}个", key=key)
    console.post("", type="formula", label="合计", key="total", formula="one + two")
    fields = console.fields()
    console.post(f"/{fields['three'].id}/place", step="up")
    assert list(console.fields()) == ["one", "three", "two", "total"]
    console.post(f"/{fields['two'].id}/deletion")
    assert "two" in console.fields()
    console.post(f"/{fields['total'].id}/deletion")
    console.post(f"/{fields['two'].id}/deletion")
    assert list(console.fields()) == ["one", "three"]
    assert "第two个" in console.client.get("/admin/fields").text
    console.post(f"/{fields['two'].id}/restoration")
    assert list(console.fields()) == ["one", "three", "two"]


def test_every_object_has_its_form(console: Console) -> None:
    for obj, label in (("contact", "联系人"), ("follow_up", "跟进"), ("visit", "拜访"), ("task", "待办")):
        assert console.post("", object=obj, type="text", label=f"{label}补充", key=f"more_{obj}").status_code == 303
        page = console.client.get(f"/admin/fields?object={obj}").text
        assert f"{label}表单的自定义字段" in page
        assert f"{label}补充" in page
        assert f"{label}补充" not in console.client.get("/admin/fields").text
        assert console.client.get(f"/admin/fields/new?object={obj}&type=image").status_code == 200
    assert console.client.get("/admin/fields?object=member").status_code == 404
    assert console.post("", object="member", type="text", label="不行").status_code == 404


def test_rules_are_written_in_words(console: Console) -> None:
    rule = {"show_if.field": "kind", "show_if.op": "eq", "show_if.value": "电话"}
    answer = console.post("", object="task", type="text", label="通话要点", key="script", **rule)
    assert answer.status_code == 303
    with console.app.app_context(), corp_scope(console.corp_id):
        field = fields_of("task")["script"]
    assert field.settings["show_if"] == [{"field": "kind", "op": "eq", "value": "call"}]
    page = console.client.get(f"/admin/fields/{field.id}").text
    assert 'value="电话" list="known-values"' in page
