"""The corp's own fields in spreadsheets, in and out; chosen columns; field rules."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.crm.transfer.conftest import csv_bytes, xlsx_bytes
from tests.crm.transfer.test_imports import counts, customers, snapshot, undo
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import StageChange
from wsapp.crm.events.models import Event
from wsapp.crm.fields.definitions import add_field
from wsapp.crm.fields.models import CustomField, CustomValue
from wsapp.crm.org.models import Member
from wsapp.crm.org.role_actions import copy_role, save_role
from wsapp.crm.transfer import exports, imports
from wsapp.crm.transfer.lists import rows_of, table
from wsapp.crm.transfer.models import ImportJob
from wsapp.db import db
from wsapp.problems import Invalid

Bring = Callable[..., ImportJob]
FIELDS: tuple[dict[str, Any], ...] = (
    {"key": "budget", "label": "预算", "type": "money", "indexed": True},
    {"key": "since", "label": "合作日期", "type": "date"},
    {"key": "likes", "label": "关注产品", "type": "multiple", "options": ["岩板", "板材", "五金/拉手"]},
    {"key": "area", "label": "片区", "type": "cascading", "options": ["华东/上海", "华东/杭州"]},
    {"key": "helper", "label": "技术支持", "type": "person"},
    {"key": "vip", "label": "是否战略客户", "type": "yes_no"},
    {"key": "contract", "label": "合同编号", "type": "text", "unique": True},
    {"key": "number", "label": "客户流水号", "type": "serial", "prefix": "KH-"},
    {"key": "double", "label": "两倍预算", "type": "formula", "formula": "budget * 2"},
    {"key": "open_at", "label": "营业时间", "type": "time"},
)
HEADING = ["客户名称", "预算", "合作日期", "关注产品", "片区", "技术支持", "是否战略客户", "合同编号", "营业时间"]
ROW = ["华星木业", "¥12,000.50", "2026年1月31日", "岩板、五金/拉手", "华东 / 上海", "阿丽（ali）", "是", "HT-1", "9:30"]


@pytest.fixture
def fields(here: Flask, guan: Member) -> None:
    for one in FIELDS:
        add_field({"object": "customer", **one}, actor=db.session.merge(guan))
    db.session.commit()


def index() -> list[tuple[str, str]]:
    found = db.session.execute(sa.select(CustomValue.record_id, CustomValue.sort_key).order_by(CustomValue.sort_key))
    return [tuple(row) for row in found]


def test_cells_become_values_of_their_type(fields: None, bring: Bring, bob: Member, ali: Member) -> None:
    job = bring(bob, csv_bytes([HEADING, ROW], "gb18030"))
    assert counts(job) == (1, 0, 0, 0), imports.told(job)
    made = customers()["华星木业"]
    assert made.custom == {
        "budget": "12000.50",
        "since": "2026-01-31",
        "likes": ["岩板", "五金/拉手"],
        "area": "华东/上海",
        "helper": ali.id,
        "vip": True,
        "contract": "HT-1",
        "number": "KH-0001",
        "open_at": "09:30",
    }
    assert {record for record, _key in index()} == {made.id}
    assert len(index()) == 2


def test_cells_of_a_workbook_are_numbers_dates_and_parts_of_a_day(fields: None, bring: Bring, ali: Member) -> None:
    job = bring(ali, xlsx_bytes([[*HEADING[:3], HEADING[8]], ["华星木业", 12000.5, 47604, 0.395833333]]), name="a.xlsx")
    assert counts(job) == (1, 0, 0, 0), imports.told(job)
    made = customers()["华星木业"]
    assert (made.custom["budget"], made.custom["since"], made.custom["open_at"]) == ("12000.50", "2030-05-01", "09:30")


def test_what_is_wrong_is_said_by_field_and_numbers_have_no_gaps(fields: None, bring: Bring, ali: Member) -> None:
    rows = [
        HEADING,
        ["甲公司", "很多"],
        ["乙公司", "", "", "玻璃"],
        ["丙公司", "", "", "", "", "张无忌"],
        ["丁公司", "", "", "", "", "", "", "HT-7"],
        ["戊公司", "", "", "", "", "", "", "ht-7"],
        ["丁公司"],
        ["己公司"],
    ]
    for dry_run in (True, False):
        job = bring(ali, csv_bytes(rows), dry_run=dry_run)
        assert counts(job) == (2, 0, 1, 4)
        assert "应为以下之一：岩板、板材、五金/拉手" in [one["message"] for one in imports.told(job)]
        assert {(one["row"], one["field"]) for one in imports.told(job)} == {
            (2, "custom.budget"),
            (3, "custom.likes"),
            (4, "custom.helper"),
            (6, "custom.contract"),
        }
    assert [customers()[name].custom["number"] for name in ("丁公司", "己公司")] == ["KH-0001", "KH-0002"]
    again = bring(ali, csv_bytes([HEADING, ["庚公司", "", "", "", "", "", "", "HT-7"]]))
    assert counts(again) == (0, 0, 0, 1)


def test_changes_of_custom_values_and_stages_are_taken_back(fields: None, bring: Bring, ali: Member) -> None:
    old = create_customer({"name": "华星木业", "custom": {"budget": "1", "contract": "A"}}, actor=db.session.merge(ali))
    before, index_before, at = snapshot(), index(), old.id
    job = bring(ali, csv_bytes([[*HEADING, "阶段", "电话"], [*ROW, "已成交", "13800138000"]]), on_duplicate="update")
    assert counts(job) == (0, 1, 0, 0), imports.told(job)
    now = customers()["华星木业"]
    assert (now.custom["budget"], now.custom["contract"], now.stage) == ("12000.50", "HT-1", "dealt")
    assert [(one.before, one.after) for one in db.session.scalars(sa.select(StageChange))] == [("new", "dealt")]
    changes = db.session.scalars(sa.select(Event.changes).where(Event.kind == "customer.changed")).one()
    assert changes["custom.budget"] == ["1.00", "12000.50"]
    assert "13800138000" not in str(changes)
    filled = bring(ali, csv_bytes([["客户名称", "预算"], ["华星木业", "9"]]), on_duplicate="fill")
    assert counts(filled) == (0, 0, 1, 0)
    undone = undo(job, ali)
    assert (undone.undone, undone.kept) == (1, 0)
    assert snapshot() == before
    assert index() == index_before
    assert customers()["华星木业"].id == at
    assert not list(db.session.scalars(sa.select(StageChange)))


def test_the_same_name_may_be_added_on_purpose(bring: Bring, ali: Member) -> None:
    rows = [["客户名称", "电话"], ["华星木业", "13800138000"], ["华星木业", ""], ["华星木业", "13800138000"]]
    job = bring(ali, csv_bytes(rows), on_duplicate="add")
    assert counts(job) == (2, 0, 1, 0)
    assert counts(bring(ali, csv_bytes(rows), on_duplicate="add")) == (1, 0, 2, 0)


def test_one_code_is_taken_once_in_a_file_and_afterwards(bring: Bring, ali: Member) -> None:
    code = "91110000100006485K"
    rows = [["客户名称", "统一社会信用代码"], ["甲公司", code], ["乙公司", code]]
    job = bring(ali, csv_bytes(rows))
    assert (counts(job), imports.told(job, ("skipped",))[0]["field"]) == ((1, 0, 1, 0), "credit_code")
    assert counts(bring(ali, csv_bytes([rows[0], rows[2]]))) == (0, 0, 1, 0)


# --- going out ----------------------------------------------------------------------------------------------------


def test_custom_columns_go_out_and_come_back_in(fields: None, bring: Bring, ali: Member) -> None:
    own = db.session.merge(ali)
    bring(ali, csv_bytes([HEADING, ROW]))
    columns = table("customer", own)
    (row,) = rows_of("customer", {}, columns, actor=own)
    cells = dict(zip((column.key for column in columns), row, strict=True))
    assert cells["custom.budget"] == "12000.50"
    assert (cells["custom.double"], cells["custom.number"]) == ("24,001", "KH-0001")
    assert (cells["custom.helper"], cells["custom.likes"]) == ("阿丽（ali）", "岩板；五金/拉手")
    made = customers()["华星木业"]
    custom = {key: value for key, value in made.custom.items() if key != "number"}
    db.session.execute(sa.delete(CustomValue))
    db.session.delete(made)
    db.session.commit()
    again = bring(ali, csv_bytes([[str(column.title) for column in columns], row]))
    assert counts(again) == (1, 0, 0, 0), imports.told(again)
    assert {**customers()["华星木业"].custom, "number": None} == {**custom, "number": None}


def test_columns_are_chosen_ordered_and_remembered(fields: None, bring: Bring, ali: Member) -> None:
    own = db.session.merge(ali)
    bring(ali, csv_bytes([HEADING, ROW]))
    wanted = ["custom.budget", "name"]
    job = exports.request_export(actor=own, obj="customer", format="csv", columns=wanted)
    db.session.commit()
    assert exports.begin(job.id)
    path, count = exports.make_file(job)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert (lines[:2], count) == (["预算,客户名称", "12000.50,华星木业"], 1)
    assert exports.last_columns("customer", actor=own) == wanted
    assert exports.last_columns("follow_up", actor=own) == []
    with pytest.raises(Invalid) as refusal:
        exports.request_export(actor=own, obj="customer", format="csv", columns=["name", "nonsense"])
    assert list(refusal.value.fields) == ["columns"]


def test_field_rules_hold_in_both_directions(fields: None, bring: Bring, ali: Member, guan: Member) -> None:
    bring(ali, csv_bytes([HEADING, ROW]))
    rules = {"customer": {"custom.budget": "hidden", "custom.contract": "masked", "custom.vip": "read"}}
    boss = db.session.merge(guan)
    key = copy_role("seller", name="受限", actor=boss)
    save_role(
        key,
        name="受限",
        grants={"customer": dict.fromkeys(("see", "import", "export", "edit"), "self")},
        fields=rules,
        actor=boss,
    )
    own = db.session.merge(ali)
    own.roles = [key]
    db.session.commit()
    own.__dict__.pop("_field_rules", None)
    columns = table("customer", own)
    assert "custom.budget" not in [column.key for column in columns]
    assert "custom.double" not in [column.key for column in columns]
    (row,) = rows_of("customer", {}, columns, actor=own)
    cells = dict(zip((column.key for column in columns), row, strict=True))
    assert (cells["custom.contract"], cells["custom.vip"]) == ("****", "是")
    job = imports.upload(_io(csv_bytes([HEADING, ["新公司", "5", "", "", "", "", "是", "X"]])), "a.csv", actor=own)
    assert [job.mapping[at] for at in (0, 1, 6, 7)] == ["name", "", "", ""]
    with pytest.raises(Invalid):
        exports.request_export(actor=own, obj="customer", format="csv", columns=["custom.budget"])
    assert db.session.scalar(sa.select(CustomField.counter).where(CustomField.key == "number")) == 1


def _io(body: bytes) -> Any:
    import io

    return io.BytesIO(body)


def test_follow_ups_have_custom_columns_too(here: Flask, bring: Bring, ali: Member, guan: Member) -> None:
    add_field({"object": "follow_up", "key": "mood", "label": "客户态度", "type": "single", "options": ["积极", "冷淡"],
               "indexed": True}, actor=db.session.merge(guan))  # fmt: skip
    create_customer({"name": "华星木业"}, actor=db.session.merge(ali))
    before = snapshot()
    rows = [["客户名称", "跟进时间", "跟进内容", "客户态度"], ["华星木业", "2021-03-04", "谈了价格", "积极"]]
    job = bring(ali, csv_bytes([*rows, ["华星木业", "2021-03-05", "又谈了价格", "一般"]]), obj="follow_up")
    assert counts(job) == (1, 0, 0, 1)
    assert [(one["row"], one["field"]) for one in imports.told(job)] == [(3, "custom.mood")]
    assert len(index()) == 1
    own = db.session.merge(ali)
    columns = table("follow_up", own)
    (row,) = rows_of("follow_up", {}, columns, actor=own)
    assert dict(zip((column.key for column in columns), row, strict=True))["custom.mood"] == "积极"
    undo(job, ali)
    assert (snapshot(), index()) == (before, [])
